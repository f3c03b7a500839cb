"""``edgewarden bench``: how fast the loop is, beside plain loops and up to the broker."""

from __future__ import annotations

import statistics
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from edge.cli.command import Command, act_on, positive, subcommand
from edge.cli.console import Progress, print_json, table

if TYPE_CHECKING:
    from edge.config import Site
    from edge.latency import Latency

_PLAIN = "plain loop, ONNX Runtime's defaults"
_TUNED = "plain loop, spinning off"
_OURS = "edgewarden"


def _configure(parser: ArgumentParser) -> None:
    kinds = parser.add_subparsers(metavar="WHAT", required=True)
    sub = subcommand(
        kinds,
        "pipeline",
        _pipeline,
        "frames a second of the whole loop, beside loops that decode, detect and recognise every "
        "face of every frame",
        example="edgewarden bench pipeline door.mkv hall.mkv --config site.toml",
    )
    sub.add_argument("files", nargs="+", type=Path, metavar="FILE", help="videos")
    sub.add_argument("--config", type=Path, required=True, metavar="SITE", help="the site file")
    sub.add_argument("--rounds", type=positive, default=3, help="(default: %(default)s)")
    sub.add_argument("--json", action="store_true", help="print one JSON document")
    sub = subcommand(
        kinds,
        "cameras",
        _cameras,
        "seconds from the frame that decides who somebody is to the broker's acknowledgement",
        example="edgewarden bench cameras door.mkv hall.mkv --config site.toml",
    )
    sub.add_argument("files", nargs="+", type=Path, metavar="FILE", help="videos, shown in turn")
    sub.add_argument("--config", type=Path, required=True, metavar="SITE", help="the site file")
    sub.add_argument(
        "--cameras", type=positive, default=4, help="from 1 to so many (default: %(default)s)"
    )
    sub.add_argument(
        "--fps", type=positive, default=15, help="of each camera (default: %(default)s)"
    )
    sub.add_argument(
        "--seconds", type=positive, default=30, help="for each number (default: %(default)s)"
    )
    sub.add_argument("--json", action="store_true", help="print one JSON document")


def _cameras(arguments: Namespace) -> int:
    from edge.cli.interrupts import interrupts_held_back
    from edge.cli.local_broker import local_broker
    from edge.config import load_site, read_environment
    from edge.device import gather
    from edge.latency import measure_latency

    site = load_site(arguments.config)
    numbers = range(1, arguments.cameras + 1)
    found = []
    with (
        interrupts_held_back() as let_through,
        local_broker() if site.mqtt is None else nullcontext(site.mqtt) as mqtt,
        Progress("bench", None) as line,
    ):

        def step() -> None:
            let_through()
            line.step()

        for number in numbers:
            found.append(
                measure_latency(
                    site,
                    arguments.files,
                    mqtt=mqtt,
                    cameras=number,
                    fps=arguments.fps,
                    seconds=arguments.seconds,
                    credentials=read_environment().credentials_directory,
                    step=step,
                )
            )
    cpu = gather().cpu_model or "unknown CPU"
    broker = f"{mqtt.host}:{mqtt.port}" if site.mqtt else "mosquitto on this machine"
    _report_cameras(found, cpu, broker, as_json=arguments.json)
    return 0


def _report_cameras(found: Sequence[Latency], cpu: str, broker: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"cpu": cpu, "broker": broker, "cameras": [asdict(one) for one in found]})
        return
    rows = [
        [one.cameras, one.decisions, _ms(one.p50_s), _ms(one.p99_s), f"{one.fps:.1f}", one.dropped]
        for one in found
    ]
    print(f"{cpu}, broker: {broker}\nms from the deciding frame to its acknowledgement\n")
    print(table(["cameras", "decisions", "p50", "p99", "fps of each", "frames dropped"], rows))


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f}"


def _pipeline(arguments: Namespace) -> int:
    from edge.config import load_site
    from edge.device import gather

    site = load_site(arguments.config)
    contenders: dict[str, Callable[[Site, Sequence[Path]], float]] = {
        _PLAIN: lambda site, files: _plain(site, files, spinning=True),
        _TUNED: lambda site, files: _plain(site, files, spinning=False),
        _OURS: _ours,
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    with Progress("bench", arguments.rounds * len(contenders)) as line:
        # In turn within each round, so that a machine whose speed drifts treats them alike.
        for _ in range(arguments.rounds):
            for name, run in contenders.items():
                rates[name].append(run(site, arguments.files))
                line.step()
    _report(rates, gather().cpu_model or "unknown CPU", as_json=arguments.json)
    return 0


def _report(rates: dict[str, list[float]], cpu: str, *, as_json: bool) -> None:
    ratios = {
        name: [ours / other for ours, other in zip(rates[_OURS], values, strict=True)]
        for name, values in rates.items()
    }
    if as_json:
        print_json({"cpu": cpu, "frames_per_second": rates, "edgewarden_over": ratios})
        return
    rows = [
        [
            name,
            statistics.median(values),
            statistics.median(ratios[name]),
            f"{min(ratios[name]):.2f} to {max(ratios[name]):.2f}",
        ]
        for name, values in rates.items()
    ]
    print(f"{cpu}, {len(rates[_OURS])} rounds, in turn\n")
    print(table(["", "frames/s", "edgewarden is × faster", "range"], rows))


def _plain(site: Site, files: Sequence[Path], *, spinning: bool) -> float:
    """Decode, detect and recognise every face of every frame, one after the other."""
    from edge.assembly import load_models
    from edge.media import open_video
    from edge.runner.onnxruntime import SessionSettings

    settings = SessionSettings(spinning=spinning)
    with load_models(site, settings=settings) as loaded:
        detector, recogniser = loaded.models.detector, loaded.models.recogniser
        score = detector.score
        frames, began = 0, time.perf_counter()
        for path in files:
            with open_video(path) as reader:
                for picture in reader:
                    frames += 1
                    faces = detector.detect([picture.image])[0]
                    faces = faces[faces.scores >= score]
                    if faces.landmarks is None and loaded.models.landmarks is not None:
                        faces = loaded.models.landmarks.add(picture.image, faces)
                    if recogniser is not None and faces.landmarks is not None:
                        for landmarks in faces.landmarks:
                            recogniser.embed([recogniser.align(picture.image, landmarks)])
        return frames / (time.perf_counter() - began)


def _ours(site: Site, files: Sequence[Path]) -> float:
    """The loop as ``replay`` runs it: decode, detect, track, recognise, rules, committed events."""
    from edge.assembly import load_gallery, load_models
    from edge.replay import Replay, name_cameras
    from edge.store.outbox import SqliteOutbox

    with load_models(site) as loaded, TemporaryDirectory(prefix="edgewarden-bench-") as folder:
        recogniser = loaded.models.recogniser
        with SqliteOutbox(Path(folder) / "outbox.db") as outbox:
            job = Replay(
                site=site,
                loaded=loaded,
                gallery=load_gallery(site, recogniser.space) if recogniser else None,
                outbox=outbox,
            )
            began = time.perf_counter()
            frames = sum(job.run(path, camera).frames for camera, path in name_cameras(files))
            return frames / (time.perf_counter() - began)


command = Command(
    summary="measure the loop against plain loops, and how soon its decisions reach the broker",
    example="  edgewarden bench pipeline *.mkv --config site.toml",
    configure=_configure,
    run=act_on,
)
