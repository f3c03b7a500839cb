"""The demo's video with names and boxes drawn in, and a picture of its best moments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from edge.capture.file import FileSource
from edge.cli.annotated import AnnotatedVideo
from edge.demo.verdict import Verdict
from edge.media import write_image
from edge.pack.demo_truth import DemoTruth
from edge.types import ByteImage, Outcome
from edge.vision.annotate import Mark, tile

_COLUMNS, _MOST = 2, 6
_LATER_S = 0.5  # what somebody does shows best a moment after it was told


def draw(
    clip: Path,
    truth: DemoTruth,
    marks: Mapping[int, Sequence[Mark]],
    verdict: Verdict,
    *,
    video: Path,
    picture: Path,
    step: Callable[[], None] = lambda: None,
) -> None:
    """Write both. marks: of the frames that were analysed. step: called for each frame.

    Raises OutputError where one cannot be written.
    """
    wanted = moments(truth, marks, verdict)
    kept: dict[int, ByteImage] = {}
    lines = {**truth.zones, truth.line_name: truth.line}
    with ExitStack() as stack:
        drawn = stack.enter_context(AnnotatedVideo(video, fps=truth.fps, zones=lines))
        for frame in stack.enter_context(FileSource(clip, camera="lobby", start=0.0)):
            shown = drawn.draw(frame, marks.get(frame.index))
            step()
            if frame.index in wanted:
                kept[frame.index] = shown
    if kept:
        write_image(picture, tile([kept[index] for index in sorted(kept)], columns=_COLUMNS))


def moments(truth: DemoTruth, marks: Mapping[int, Sequence[Mark]], verdict: Verdict) -> set[int]:
    """Frames worth a look: everybody as they were known best, and what people did."""
    best: dict[str, tuple[float, int]] = {}
    for index, those in marks.items():
        for mark in those:
            name, worth = _worth(mark)
            if worth > best.get(name, (0.0, 0))[0]:
                best[name] = (worth, index)
    stranger = best.pop(Outcome.UNKNOWN.value, None)
    first = {deed.what: deed.told for deed in reversed(verdict.deeds) if deed.told is not None}
    # What only the pictures of somebody tell comes first; where they were shows in any frame.
    acts = [_shortly_after(told, truth) for what, told in first.items() if " " not in what]
    places = [_shortly_after(told, truth) for what, told in first.items() if " " in what]
    known = [index for _, index in best.values()]
    chosen = [*known, *acts, *([stranger[1]] if stranger is not None else []), *places]
    apart: list[int] = []
    for index in chosen:
        if all(abs(index - other) > truth.fps for other in apart):
            apart.append(index)
    return set(apart[:_MOST])


def _shortly_after(second: float, truth: DemoTruth) -> int:
    return min(round((second + _LATER_S) * truth.fps), truth.frames - 1)


def _worth(mark: Mark) -> tuple[str, float]:
    """Who a mark shows, and how well: by similarity, or as a stranger by height in pixels.

    Rounded, so that of frames that are about as good the first counts, in which somebody looks on.
    """
    identity = mark.identity
    if identity is None or identity.outcome not in (Outcome.RECOGNISED, Outcome.UNKNOWN):
        return "", 0.0
    if identity.person is not None:
        return identity.person, round((identity.similarity or 0.0) * 20) / 20
    return identity.outcome.value, float(round((mark.box[3] - mark.box[1]) / 10))
