"""``edgewarden calibrate threshold``: how alike two faces must be to be held for one person."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.cli.checks import rate_below, require_packages, require_recogniser
from edge.cli.command import SubParsers, subcommand
from edge.cli.console import Progress, print_json, table
from edge.errors import UsageError

if TYPE_CHECKING:
    from calibration.rates import Rate
    from calibration.threshold import Threshold
    from edge.assembly import LoadedModels

_EXAMPLE = "edgewarden calibrate threshold --config site.toml --fmr 1e-3 hall-*.mp4"
_SHOWN_PAIRS = 5
# So many of the most alike pairs are kept for programs.
_KEPT_PAIRS = 20

_MEANING = """\
FMR: how often two different people, each seen once, are held for one; FNMR: how often one person
is not recognised. The bounds hold with 95 % each, and count people or pairs of people, never
frames. Of G enrolled people a stranger is taken for somebody about G times as often as the FMR."""
_OPTIMISTIC = """\
The FNMR compares the earlier and the later half of each track: seconds lie between them, not weeks
and another coat. At the door it will be higher."""
_LOOK_AT_TRACKS = """\
Look at the most alike pairs: a mirror, a screen or a poster that shows somebody twice, or a hand
taken for a face, spoils the figures. Leave such footage out."""
_LOOK_AT_FOLDERS = """\
Look at the most alike pairs: one person in two folders, or a picture in the wrong one, spoils the
figures."""


def add_threshold(kinds: SubParsers) -> None:
    """Add the action to those of ``edgewarden calibrate``."""
    sub = subcommand(
        kinds,
        "threshold",
        _threshold,
        "the similarity that keeps a wanted false match rate, from labelled faces or own footage",
        example=f"{_EXAMPLE}\n  edgewarden calibrate threshold --config site.toml --labelled faces",
    )
    sub.description = (
        "Measures the recogniser's threshold and writes it to thresholds.json in the site's\n"
        "state_dir. From a site's own videos nobody has to say who is who: faces of one track\n"
        "are one person, two tracks that are seen side by side are two people."
    )
    sub.add_argument(
        "videos", nargs="*", type=Path, metavar="VIDEO", help="footage of the site's own cameras"
    )
    sub.add_argument("--config", type=Path, required=True, metavar="SITE", help="the site file")
    sub.add_argument(
        "--labelled",
        type=Path,
        metavar="DIR",
        help="instead of videos: a folder with one folder of images or videos for each person",
    )
    sub.add_argument(
        "--fmr",
        type=rate_below(0.5),
        default=1e-3,
        metavar="RATE",
        help="the false match rate that must be kept (default: %(default)g); needs 3/RATE pairs of "
        "people",
    )
    sub.add_argument("--dry-run", action="store_true", help="measure and print, write nothing")
    sub.add_argument("--json", action="store_true", help="print one JSON document")


def _threshold(arguments: Namespace) -> int:
    from calibration.thresholds_file import read_thresholds, record_threshold, thresholds_path
    from edge.assembly import load_models
    from edge.config import load_site

    require_packages("scipy", "sklearn")
    _require_one_kind(arguments)
    site = load_site(arguments.config)
    path = thresholds_path(site.site.state_dir)
    read_thresholds(path)  # better refused now than after the work
    require_recogniser(site)
    with load_models(site, needs_point=False) as loaded:
        bundle = loaded.bundles["recogniser"]
        if arguments.labelled is not None:
            result = _from_folders(loaded, arguments)
        else:
            result = _from_videos(loaded, arguments)
    entry = _entry(result)
    if not arguments.json:  # before anything can go wrong with the file: it took long
        print(_render(result, bundle.manifest.name))
    if not arguments.dry_run:
        record_threshold(path, bundle.sha256, entry)
    written = None if arguments.dry_run else path
    overridden = site.recognition.threshold
    if arguments.json:
        print_json(
            {
                "bundle": bundle.manifest.name,
                "sha256": bundle.sha256,
                **entry,
                "pairs": list(result.pairs),
                "written": None if written is None else str(written),
                "site_threshold": overridden,
            }
        )
    else:
        print(_outcome(written, overridden))
    return 0


def _require_one_kind(arguments: Namespace) -> None:
    given = [str(path.resolve()) for path in arguments.videos]
    if bool(given) == (arguments.labelled is not None):
        raise UsageError(
            "there is no saying what to measure on",
            expected="either videos of the site, or --labelled DIR",
            found="both" if given else "neither",
            remedy=f"For example: {_EXAMPLE}",
        )
    twice = next((path for path in given if given.count(path) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is given twice", expected="every video once")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """What was measured, and on what.

    counts: for the file. pairs: who is alike, a row each, the most alike first; look: what to look
    for in them. optimistic: the FNMR is from within tracks.
    """

    threshold: Threshold
    data: str
    counts: dict[str, int]
    pairs: Sequence[Mapping[str, object]]
    look: str
    optimistic: bool


def _from_folders(loaded: LoadedModels, arguments: Namespace) -> _Result:
    from calibration.labelled import embed_labelled, list_labelled, warn_of_skipped
    from calibration.pairs import genuine_of, impostors_of, most_alike
    from calibration.threshold import choose_threshold

    files = list_labelled(arguments.labelled)
    with Progress("embed", len(files)) as line:
        faces = embed_labelled(loaded.models, files, watch=line.step)
    warn_of_skipped(faces)
    people = len(faces.names)
    keep = arguments.fmr * people * (people - 1) / 2 + 1
    genuine = genuine_of(faces.vectors, faces.person)
    impostors = impostors_of(faces.vectors, faces.person, keep=keep)
    threshold = choose_threshold(
        impostors,
        genuine,
        wanted=arguments.fmr,
        source=f"the folders of {arguments.labelled}",
    )
    counts = {
        "people": people,
        "faces": len(faces.files),
        "skipped": len(faces.skipped),
        "genuine_people": len(genuine),
    }
    pairs = [
        {"person": faces.names[one], "other": faces.names[other], "similarity": similarity}
        for one, other, similarity in most_alike(impostors, _KEPT_PAIRS)
    ]
    return _Result(
        threshold=threshold,
        data=f"folders of {people} people, {len(faces.files)} pictures or videos",
        counts=counts,
        pairs=pairs,
        look=_LOOK_AT_FOLDERS,
        optimistic=False,
    )


def _from_videos(loaded: LoadedModels, arguments: Namespace) -> _Result:
    from calibration.tracks import TrackEvidence, calibrate_tracks, film

    with Progress("watch", None) as line:
        footage = [
            film(loaded.models, path, watch=lambda _: line.step()) for path in arguments.videos
        ]
    evidence = TrackEvidence(footage)
    videos = f"{len(footage)} video{'' if len(footage) == 1 else 's'}"
    if not evidence.tracks:
        raise UsageError(
            f"there is no face to recognise in {videos}",
            expected="people who turn to the camera, near enough, for half a second or more",
            found=f"no such track in {sum(one.frames for one in footage)} frames",
        )
    source = f"{videos} with {evidence.tracks} tracks"
    threshold = calibrate_tracks(evidence, wanted=arguments.fmr, source=source)
    counts = {
        "videos": len(footage),
        "frames": sum(one.frames for one in footage),
        "tracks": evidence.tracks,
        "people_at_least": evidence.identities,
        "genuine_people": 0 if threshold.fnmr is None else threshold.fnmr.units,
    }
    data = (
        f"own footage: {videos}, {evidence.tracks} tracks of {evidence.identities} people or more"
    )
    pairs = [asdict(pair) for pair in evidence.seen_pairs(threshold.value)[:_KEPT_PAIRS]]
    return _Result(
        threshold=threshold,
        data=data,
        counts=counts,
        pairs=pairs,
        look=_LOOK_AT_TRACKS,
        optimistic=threshold.fnmr is not None,
    )


def _entry(result: _Result) -> dict[str, object]:
    """One entry of thresholds.json; the fields of a bundle's threshold, and how it came about."""
    chosen = result.threshold
    return {
        "metric": "cosine",
        "value": chosen.value,
        "fmr": chosen.fmr.value,
        "fnmr": None if chosen.fnmr is None else chosen.fnmr.value,
        "ci": [chosen.fmr.low, chosen.fmr.high],
        "fnmr_ci": None if chosen.fnmr is None else [chosen.fnmr.low, chosen.fnmr.high],
        "wanted_fmr": chosen.wanted,
        "confidence": "95 % for each end of an interval",
        "data": result.data,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "counts": {
            **result.counts,
            "impostor_pairs": chosen.fmr.units,
            "effective_pairs": round(chosen.fmr.effective),
        },
    }


def _render(result: _Result, bundle: str) -> str:
    chosen = result.threshold
    figures: list[list[object]] = [
        ["threshold", f"{chosen.value:.4f}"],
        ["wanted FMR", f"{chosen.wanted:g}"],
        ["FMR", _interval(chosen.fmr, "pairs of people")],
        [
            "FNMR",
            _interval(chosen.fnmr, "people") if chosen.fnmr else "nobody was seen often enough",
        ],
        ["measured on", result.data],
    ]
    figures += [[name.replace("_", " "), value] for name, value in result.counts.items()]
    parts = [table([bundle, ""], figures)]
    shown = result.pairs[:_SHOWN_PAIRS]
    if shown:
        parts += [table(list(shown[0]), [list(pair.values()) for pair in shown]), result.look]
    parts += [_MEANING, *([_OPTIMISTIC] if result.optimistic else [])]
    return "\n\n".join(parts)


def _interval(rate: Rate, unit: str) -> str:
    return f"{rate.value:.3g} ({rate.low:.3g} to {rate.high:.3g}), {rate.units} {unit}"


def _outcome(written: Path | None, overridden: float | None) -> str:
    if written is None:
        text = "\nNothing was written."
    else:
        text = (
            f"\nWritten to {written}. A running daemon takes it when it reloads (SIGHUP, or: "
            "systemctl reload edgewarden)."
        )
    if overridden is not None:
        text += (
            f"\nThe site file says threshold = {overridden:g}, and comes first: remove that line "
            "for the measured one to be used."
        )
    return text
