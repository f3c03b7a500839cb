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
    """Frames worth a look: everybody as large as they were seen, and what they did."""
    best: dict[str, tuple[float, int]] = {}
    for index, those in marks.items():
        for mark in those:
            identity = mark.identity
            if identity is None or mark.predicted or identity.outcome is Outcome.LOW_QUALITY:
                continue
            name = identity.person or identity.outcome.value
            best[name] = max(best.get(name, (0.0, 0)), (float(mark.box[3] - mark.box[1]), index))
    chosen = [index for _, index in sorted(best.values(), reverse=True)]
    for deed in verdict.deeds:
        if deed.told is not None:
            chosen.append(min(round((deed.told + _LATER_S) * truth.fps), truth.frames - 1))
    apart: list[int] = []
    for index in chosen:
        if all(abs(index - other) > truth.fps for other in apart):
            apart.append(index)
    return set(apart[:_MOST])
