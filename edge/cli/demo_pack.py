"""``edgewarden demo`` alone: the reference pack's clip through the daemon to a broker."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.console import Progress, print_json
from edge.cli.demo_report import Outcome, tell, to_json
from edge.demo.folder import begin_anew, require_ours
from edge.errors import TransientError, UsageError

if TYPE_CHECKING:
    from edge.config import Mqtt, Site
    from edge.demo.consumer import Received
    from edge.demo.show import Shown
    from edge.pack.demo_truth import DemoTruth

_CONSENT = "synthetic"
_PORT = 1883
_PROBE_S = 2.0
_ARRIVE_S = 10.0
_NO_BROKER = (
    "None answers on localhost:1883, and mosquitto is not installed to start one "
    "(sudo apt-get install mosquitto): events went to a file."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Broker:
    """Where events go: a broker, or None and then a file. stays: it is there after the demo, too.
    words: for people; note: what else is to be said, for a line of its own."""

    mqtt: Mqtt | None
    stays: bool = False
    words: str
    note: str = ""


def run_pack(out: Path, *, broker: str | None, as_json: bool) -> int:
    """Run it; the exit code. Raises the errors of the pack, of the broker and of the daemon."""
    from edge.demo.site import NODE, demo_bundles, write_site
    from edge.pack import demo_clip, demo_people, demo_truth

    began = time.monotonic()
    asked = None if broker is None else _address(broker)
    truth, clip, people, bundles = demo_truth(), demo_clip(), demo_people(), demo_bundles()
    require_ours(out)
    # Demos that share a broker are nodes of their own, or they would put each other off it.
    node = f"{NODE}-{os.getpid()}"
    write = partial(write_site, out / "site.toml", bundles=bundles, clip=clip, truth=truth)
    with _broker(asked, node) as where:
        begin_anew(out)
        write(node=node, mqtt=where.mqtt)
        outcome = _show(out, where, truth=truth, people=people)
        write(mqtt=where.mqtt if where.stays else None)
    _draw(out, clip, truth, outcome)
    seconds = time.monotonic() - began
    if as_json:
        print_json(to_json(out, outcome, seconds))
    else:
        tell(out, outcome, seconds)
    return 0 if outcome.right else 1


def _show(
    out: Path,
    where: _Broker,
    *,
    truth: DemoTruth,
    people: dict[str, tuple[Path, ...]],
) -> Outcome:
    """Enrol the people, run the daemon, and listen to what arrives."""
    from edge.config import load_site, read_environment
    from edge.demo.consumer import Consumer
    from edge.demo.show import show
    from edge.demo.verdict import judge
    from edge.store.outbox import SqliteOutbox

    config, events = out / "site.toml", out / "events.jsonl"
    site = load_site(config)
    _enrol(site, people)
    with ExitStack() as stack:
        consumer = None
        if where.mqtt is not None:
            consumer = stack.enter_context(
                Consumer(where.mqtt, site=site.site.id, node=site.site.node)
            )
            stack.callback(consumer.forget, _kept(site))
        line = stack.enter_context(Progress("show", truth.frames))
        shown = show(
            config,
            environment=read_environment(),
            events=events if consumer is None else None,
            length_s=truth.frames / truth.fps,
            step=line.step,
        )
        with SqliteOutbox(site.site.state_dir / "outbox.db") as outbox:
            committed = outbox.committed()
        if consumer is None:
            came = _from_file(events, shown)
        else:
            consumer.wait_for(committed, _ARRIVE_S)
            came = consumer.received
            _keep(events, came)
    return Outcome(
        broker=where.words,
        note=where.note,
        committed=committed,
        received=None if consumer is None else len(came),
        latencies=_latencies(came, shown),
        shown=shown,
        verdict=judge([one.event for one in came], truth),
    )


def _kept(site: Site) -> list[str]:
    """The topics under which a broker keeps a site's last word."""
    from edge.events.names import AVAILABILITY_TOPIC, STATUS_TOPIC

    ids = {"site": site.site.id, "node": site.site.node}
    states = [STATUS_TOPIC.format(**ids, camera=camera.id) for camera in site.cameras]
    return [AVAILABILITY_TOPIC.format(**ids), *states]


def _enrol(site: Site, people: dict[str, tuple[Path, ...]]) -> None:
    from edge.assembly import load_models, open_gallery
    from edge.enrol import Enroller, new_person

    with (
        load_models(site) as loaded,
        open_gallery(site) as store,
        Progress("enrol", len(people)) as line,
    ):
        enroller = Enroller(loaded)
        for name, pictures in people.items():
            line.step()
            faces = [(path.name, enroller.face_in(path)) for path in pictures]
            enroller.enrol(new_person(name, name.title(), _CONSENT, time.time()), faces, store)


@contextmanager
def _broker(asked: Mqtt | None, node: str) -> Iterator[_Broker]:
    """The broker that was asked for, else the one of this machine, else one of the demo's own.

    node: whom to ask it as.

    Raises TransientError where the one that was asked for does not answer.
    """
    from edge.cli.local_broker import local_broker
    from edge.config import Mqtt
    from edge.demo.consumer import Consumer
    from edge.demo.site import SITE

    usual = Mqtt(host="localhost", port=_PORT)
    for broker in (asked,) if asked is not None else (usual,):
        try:
            with Consumer(broker, site=SITE, node=node, welcome_s=_PROBE_S):
                pass
        except TransientError:
            if asked is not None:
                raise
        else:
            yield _Broker(mqtt=broker, stays=True, words=f"{broker.host}:{broker.port}")
            return
    with ExitStack() as stack:
        try:
            own = stack.enter_context(local_broker())
        except UsageError:
            found = _Broker(mqtt=None, words="none", note=_NO_BROKER)
        else:
            found = _Broker(mqtt=own, words=f"mosquitto, started for the demo on port {own.port}")
        yield found


def _address(text: str) -> Mqtt:
    from pydantic import ValidationError

    from edge.config import Mqtt

    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, str(_PORT)
    try:
        return Mqtt(host=host.strip("[]"), port=int(port))
    except (ValueError, ValidationError) as exc:
        raise UsageError(
            "--broker names no broker", expected="HOST or HOST:PORT", found=repr(text)
        ) from exc


def _from_file(events: Path, shown: Shown) -> list[Received]:
    """The events of the file, as if each had come when it was committed."""
    import json

    from edge.demo.consumer import Received
    from edge.store.disk import os_errors

    with os_errors(events):
        lines = events.read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [Received(event, shown.told.get(event["id"], float("nan"))) for event in found]


def _keep(events: Path, came: Sequence[Received]) -> None:
    import json

    from edge.store.disk import os_errors

    with os_errors(events):
        events.write_text(
            "".join(json.dumps(one.event, ensure_ascii=False) + "\n" for one in came),
            encoding="utf-8",
        )


def _latencies(came: Sequence[Received], shown: Shown) -> tuple[float, ...]:
    """From when the loop was given the deciding frame; what a track's end tells has none."""
    found = []
    for one in came:
        data, family = one.event["data"], one.event["type"].split(".")[1]
        begun = shown.begun.get(data.get("frame_index", -1))
        if family in ("face", "behaviour") and data["phase"] != "ended" and begun is not None:
            found.append(one.at - begun)
    return tuple(found)


def _draw(out: Path, clip: Path, truth: DemoTruth, outcome: Outcome) -> None:
    from edge.demo.pictures import draw

    with Progress("draw", truth.frames) as line:
        draw(
            clip, truth, outcome.shown.marks, outcome.verdict,
            video=out / "seen.mp4", picture=out / "seen.jpg", step=line.step,
        )  # fmt: skip
