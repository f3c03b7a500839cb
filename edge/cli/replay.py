"""``edgewarden replay``: recorded video through the live pipeline."""

from __future__ import annotations

import logging
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from edge.cli.command import Command
from edge.cli.console import Progress, print_json, table

if TYPE_CHECKING:
    from edge.config import Camera, Site
    from edge.gallery.matcher import Gallery
    from edge.pipeline import Scene
    from edge.replay import Replay, Replayed, Watch
    from edge.store.base import Outbox
    from edge.types import Event, Frame

_log = logging.getLogger(__name__)

# What a track needs to be confirmed.
_SHORTEST = 3

_YEARS = (1900, 9000)


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="a video, or a folder of images in order",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="SITE", help="the site file")
    parser.add_argument(
        "--events", type=Path, metavar="JSONL", help="write one CloudEvent a line to this file"
    )
    parser.add_argument(
        "--annotate",
        type=Path,
        metavar="VIDEO",
        help="write a video with boxes and names; of several files, one each: VIDEO-CAMERA",
    )
    parser.add_argument(
        "--start",
        type=_time,
        default=0.0,
        metavar="TIME",
        help="when the first frame was taken, RFC 3339; without a zone it is taken as UTC "
        "(default: 1970-01-01T00:00:00Z)",
    )
    parser.add_argument(
        "--camera", metavar="ID", help="apply the zones, rules and fps of this camera of the site"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _run(arguments: Namespace) -> int:
    from edge.config import load_site
    from edge.publish.jsonl import JsonlPublisher
    from edge.replay import all_events, name_cameras
    from edge.store.outbox import SqliteOutbox

    site = load_site(arguments.config)
    camera = site.camera(arguments.camera) if arguments.camera else None
    files = name_cameras(arguments.files)
    _protect_inputs(arguments, site, files)
    with ExitStack() as stack:
        publisher = (
            stack.enter_context(JsonlPublisher(arguments.events)) if arguments.events else None
        )
        folder = stack.enter_context(TemporaryDirectory(prefix="edgewarden-replay-"))
        outbox = stack.enter_context(SqliteOutbox(Path(folder) / "outbox.db"))
        began = time.monotonic()
        results = _replay_all(
            site,
            files,
            outbox,
            camera=camera,
            start=arguments.start,
            annotate=arguments.annotate,
        )
        seconds = time.monotonic() - began
        events = list(all_events(outbox))
        if publisher is not None:
            for event in events:
                publisher.deliver(event)
    _warn_of_short(results)
    report(results, events, seconds, as_json=arguments.json)
    return 1 if any(result.broken for result in results.values()) else 0


def _protect_inputs(arguments: Namespace, site: Site, files: Sequence[tuple[str, Path]]) -> None:
    """Raise OutputError where an output would take the place of something that is needed."""
    from edge.errors import OutputError

    targets = [arguments.events] if arguments.events else []
    for camera_id, _ in files if arguments.annotate else ():
        target = _annotated(arguments.annotate, camera_id, alone=len(files) == 1)
        targets += [target] if target else []
    kept = [arguments.config, *(path for _, path in files), *site.models.trusted_keys]
    models = site.models
    bundles = [models.detector, models.recogniser, models.landmarks]
    folders = [site.site.state_dir, site.site.cache_dir, models.person, models.behaviour, *bundles]
    inputs = {path.resolve() for path in kept}
    taken: set[Path] = set()
    for target in targets:
        place = target.resolve()
        inside = next((f for f in folders if f and f.resolve() in place.parents), None)
        if place in inputs | taken or inside is not None:
            raise OutputError(
                f"{target} cannot be written: it would replace something that is needed",
                expected="a file of its own for each output, apart from inputs, keys and folders",
                found=f"a path in {inside}" if inside else "a path that is in use already",
                remedy="Choose another path.",
            )
        taken.add(place)


def _warn_of_short(results: dict[str, Replayed]) -> None:
    for camera_id, result in results.items():
        if result.analysed < _SHORTEST:
            _log.warning(
                "%s: %d frames are too few to follow a face, it takes %d",
                camera_id,
                result.analysed,
                _SHORTEST,
            )


def _warn_of_nobody(gallery: Gallery | None, site: Site) -> None:
    if gallery is not None and not gallery.people:
        _log.warning(
            "nobody is enrolled in %s for this recogniser: everybody will be unknown",
            site.site.state_dir,
        )


def _replay_all(
    site: Site,
    files: Sequence[tuple[str, Path]],
    outbox: Outbox,
    *,
    camera: Camera | None,
    start: float,
    annotate: Path | None,
) -> dict[str, Replayed]:
    from edge.assembly import load_gallery, load_models
    from edge.capture.file import FileSource
    from edge.replay import Replay

    total, rates = 0, {}
    for camera_id, path in files:  # a file that cannot be opened is known before any work is done
        with FileSource(path, camera=camera_id, start=start) as source:
            total += source.frames_total or 0
            rates[camera_id] = source.fps
    results = {}
    with load_models(site) as loaded, Progress("replay", total or None) as line:
        recogniser = loaded.models.recogniser
        gallery = load_gallery(site, recogniser.space) if recogniser else None
        _warn_of_nobody(gallery, site)
        job = Replay(
            site=site,
            loaded=loaded,
            gallery=gallery,
            outbox=outbox,
            camera=camera,
            start=start,
        )
        for camera_id, path in files:
            target = _annotated(annotate, camera_id, alone=len(files) == 1)
            with _annotation(target, rates[camera_id], job) as draw:

                def watch(frame: Frame, scene: Scene | None, draw: Watch = draw) -> None:
                    line.step()
                    draw(frame, scene)

                results[camera_id] = job.run(path, camera_id, watch)
    return results


@contextmanager
def _annotation(target: Path | None, fps: float, job: Replay) -> Iterator[Watch]:
    """What draws the frames of one file, or does nothing."""
    if target is None:
        yield lambda frame, scene: None
        return
    from edge.cli.annotated import AnnotatedVideo

    zones = job.camera.zones if job.camera else {}
    with AnnotatedVideo(target, fps=fps, zones=zones) as video:
        yield video.show


def _annotated(target: Path | None, camera_id: str, *, alone: bool) -> Path | None:
    if target is None or alone:
        return target
    return target.with_name(f"{target.stem}-{camera_id}{target.suffix}")


def final_identities(events: Sequence[Event]) -> list[list[object]]:
    """One row for each track that ended: camera, track, frames, face px, identity and figures."""
    rows: list[list[object]] = []
    for event in events:
        _, family, name, _ = event.type.split(".")
        data = event.data
        if family == "face" and data["phase"] == "ended":
            rows.append(
                [
                    event.source.rsplit("/", 1)[1],
                    data["track_id"],
                    data["track_frames"],
                    data["face_px"],
                    data["person"] or name.replace("_", " "),
                    data["similarity"],
                    data["margin"],
                    data["quality"],
                    data["reason"] or "",
                ]
            )
    return rows


def report(
    results: dict[str, Replayed], events: Sequence[Event], seconds: float, *, as_json: bool
) -> None:
    """Print what a replay found: final identities, files that were damaged, counts and speed."""
    frames = sum(result.frames for result in results.values())
    stated = [result.stated for result in results.values()]
    corrupt = sum(result.corrupt for result in results.values())
    headings = ["camera", "track", "frames", "face_px", "identity", "similarity", "margin"]
    headings += ["quality", "reason"]
    rows = final_identities(events)
    alerts = sum(event.type.split(".")[1] == "alert" for event in events)
    if as_json:
        print_json(
            {
                "files": {
                    camera: {
                        "frames": result.frames,
                        "stated": result.stated,
                        "corrupt": result.corrupt,
                        "analysed": result.analysed,
                        "events": result.events,
                        "broken": str(result.broken) if result.broken else None,
                    }
                    for camera, result in results.items()
                },
                "tracks": [dict(zip(headings, row, strict=True)) for row in rows],
                "events": len(events),
                "alerts": alerts,
                "seconds": round(seconds, 3),
            }
        )
        return
    print(table(headings, rows) if rows else "no faces were followed")
    damaged = _damaged(results)
    if damaged:
        print("\n" + table(["file", "used", "stated", "corrupt", "end"], damaged))
    rate = frames / seconds if seconds > 0 else 0.0
    known = "" if None in stated else f" ({sum(filter(None, stated))} stated)"
    print(
        f"\nframes {frames}{known}, corrupt {corrupt}, files {len(results)}, tracks {len(rows)}, "
        f"events {len(events)}, alerts {alerts}; {rate:.0f} frames/s with loading and writing"
    )


def _damaged(results: dict[str, Replayed]) -> list[list[object]]:
    """One row for each file of which something could not be used."""
    return [
        [
            camera,
            result.frames,
            "" if result.stated is None else result.stated,
            result.corrupt,
            "broken" if result.broken else "reached",
        ]
        for camera, result in results.items()
        if result.corrupt or result.broken
    ]


def _time(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ArgumentTypeError(
            f"expected a time such as 2026-11-21T10:00:00Z, found {text!r}"
        ) from None
    if not _YEARS[0] <= moment.year <= _YEARS[1]:  # what follows has to have a date as well
        raise ArgumentTypeError(f"expected a year from {_YEARS[0]} to {_YEARS[1]}, found {text!r}")
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


command = Command(
    summary="run recorded video through the live pipeline",
    example="  edgewarden replay door.mkv --config site.toml --events out.jsonl --annotate out.mp4",
    configure=_configure,
    run=_run,
)
