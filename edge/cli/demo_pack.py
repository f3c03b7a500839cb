"""``edgewarden demo`` alone: the reference pack's clip through the daemon to a broker."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.cli.console import Progress, print_json, table
from edge.demo.folder import begin_anew, require_ours
from edge.errors import TransientError, UsageError

if TYPE_CHECKING:
    from edge.config import Mqtt, Site
    from edge.demo.consumer import Received
    from edge.demo.show import Shown
    from edge.demo.verdict import Verdict
    from edge.pack.demo_truth import DemoTruth

_CONSENT = "synthetic"
_PORT = 1883
_PROBE_S = 2.0
_ARRIVE_S = 10.0
_NO_BROKER = (
    "no broker: none answers on localhost:1883, and mosquitto is not installed to start one "
    "(sudo apt-get install mosquitto); events went to a file"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Broker:
    """Where events go: a broker, or None and then a file. words: for people."""

    mqtt: Mqtt | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that a demo found. received: None without a broker. latencies: seconds from a frame's
    handing over to the arrival of what it decided."""

    broker: str
    committed: int
    received: int | None
    latencies: tuple[float, ...]
    shown: Shown
    verdict: Verdict

    @property
    def right(self) -> bool:
        """Whether the demo showed what it should."""
        return self.verdict.right and self.received in (None, self.committed)


def run_pack(out: Path, *, broker: str | None, as_json: bool) -> int:
    """Run it; the exit code. Raises the errors of the pack, of the broker and of the daemon."""
    from edge.demo.site import demo_bundles
    from edge.pack import demo_clip, demo_people, demo_truth

    began = time.monotonic()
    asked = None if broker is None else _address(broker)
    truth, clip, people, bundles = demo_truth(), demo_clip(), demo_people(), demo_bundles()
    require_ours(out)
    with _broker(asked) as where:
        begin_anew(out)
        outcome = _show(out, where, clip=clip, truth=truth, people=people, bundles=bundles)
    _draw(out, clip, truth, outcome)
    seconds = time.monotonic() - began
    if as_json:
        print_json(_to_json(out, outcome, seconds))
    else:
        _tell(out, outcome, seconds)
    return 0 if outcome.right else 1


def _show(
    out: Path,
    where: _Broker,
    *,
    clip: Path,
    truth: DemoTruth,
    people: dict[str, tuple[Path, ...]],
    bundles: dict[str, Path],
) -> Outcome:
    """Enrol the people, run the daemon, and listen to what arrives."""
    from edge.config import load_site, read_environment
    from edge.demo.consumer import Consumer
    from edge.demo.show import show
    from edge.demo.site import NODE, SITE, write_site
    from edge.demo.verdict import judge
    from edge.store.outbox import SqliteOutbox

    config, events = out / "site.toml", out / "events.jsonl"
    write_site(config, bundles=bundles, clip=clip, truth=truth, mqtt=where.mqtt)
    site = load_site(config)
    _enrol(site, people)
    with ExitStack() as stack:
        consumer = None
        if where.mqtt is not None:
            consumer = stack.enter_context(Consumer(where.mqtt, site=SITE, node=NODE))
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
        committed=committed,
        received=None if consumer is None else len(came),
        latencies=_latencies(came, shown),
        shown=shown,
        verdict=judge([one.event for one in came], truth),
    )


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
def _broker(asked: Mqtt | None) -> Iterator[_Broker]:
    """The broker that was asked for, else the one of this machine, else one of the demo's own.

    Raises TransientError where the one that was asked for does not answer.
    """
    from edge.cli.local_broker import local_broker
    from edge.config import Mqtt
    from edge.demo.consumer import Consumer
    from edge.demo.site import NODE, SITE

    usual = Mqtt(host="localhost", port=_PORT)
    for broker in (asked,) if asked is not None else (usual,):
        try:
            with Consumer(broker, site=SITE, node=NODE, welcome_s=_PROBE_S):
                pass
        except TransientError:
            if asked is not None:
                raise
        else:
            yield _Broker(mqtt=broker, words=f"{broker.host}:{broker.port}")
            return
    with ExitStack() as stack:
        try:
            own = stack.enter_context(local_broker())
        except UsageError:
            found = _Broker(mqtt=None, words=_NO_BROKER)
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


def _quantiles(latencies: Sequence[float]) -> tuple[float | None, float | None]:
    import numpy as np

    if not latencies:
        return None, None
    p50, p99 = np.percentile(latencies, [50, 99])
    return float(p50), float(p99)


def _to_json(out: Path, outcome: Outcome, seconds: float) -> dict[str, Any]:
    p50, p99 = _quantiles(outcome.latencies)
    return {
        "right": outcome.right,
        "synthetic": True,
        "out": str(out),
        "broker": outcome.broker,
        "committed": outcome.committed,
        "received": outcome.received,
        "frames": outcome.shown.frames,
        "frames_per_second": round(outcome.shown.frames / outcome.shown.seconds, 1),
        "latency_s": {"decisions": len(outcome.latencies), "p50": p50, "p99": p99},
        "seconds": round(seconds, 2),
        **{key: value for key, value in outcome.verdict.to_json().items() if key != "right"},
    }


def _tell(out: Path, outcome: Outcome, seconds: float) -> None:
    verdict = outcome.verdict
    rows = [
        [
            person.person,
            "enrolled" if person.enrolled else "stranger",
            ", ".join(person.said) or "nothing",
            person.similarity,
            "" if person.right else "WRONG",
        ]
        for person in verdict.people
    ]
    print("The people are synthetic, and these models know no real ones.\n")
    print(table(["at the door", "is", "was said to be", "similarity", ""], rows))
    deeds = [
        [deed.what.replace("_", " "), deed.person, f"{deed.at:.1f} s", _moment(deed.told)]
        for deed in verdict.deeds
    ]
    print("\n" + table(["what happens", "who", "begins", "told"], deeds))
    print("\n" + table(["figure", "value"], _figures(outcome, seconds)))
    for name in verdict.named_wrongly:
        print(f"WRONG name, {name}")
    if verdict.more:
        print(f"told besides: {', '.join(verdict.more)}")
    print(
        f"\nEverything is in {out}: seen.mp4 and seen.jpg show what was seen, events.jsonl is\n"
        "what arrived, and site.toml is a site file to begin with."
    )


def _moment(told: float | None) -> str:
    return "not told" if told is None else f"{told:.1f} s"


def _figures(outcome: Outcome, seconds: float) -> list[list[object]]:
    verdict, shown = outcome.verdict, outcome.shown
    recognised = sum(person.enrolled and person.right for person in verdict.people)
    enrolled = sum(person.enrolled for person in verdict.people)
    told = sum(deed.told is not None for deed in verdict.deeds)
    strangers = [person for person in verdict.people if not person.enrolled]
    unknown = sum(person.right for person in strangers)
    arrived = "to a file" if outcome.received is None else f"{outcome.received} received"
    p50, p99 = _quantiles(outcome.latencies)
    rate = shown.frames / shown.seconds
    speed = f"{rate:.0f} ({shown.frames} frames, as fast as they are analysed)"
    delay = "-" if p50 is None or p99 is None else f"p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms"
    return [
        ["recognised", f"{recognised} of {enrolled} enrolled"],
        ["left unknown", f"{unknown} of {len(strangers)} strangers"],
        ["behaviours", f"{told} of {len(verdict.deeds)}, and {len(verdict.more)} more"],
        ["events", f"{outcome.committed} committed, {arrived}"],
        ["broker", outcome.broker],
        ["frames/s", speed],
        ["frame to arrival", delay],
        ["all in all", f"{seconds:.1f} s"],
    ]
