"""Clips of people who are followed: what each of them did in the last while, as small pictures.

A clip is cut when its last frame is there, for only then its scale and its middle are known. Until
then a track keeps its surroundings of each frame: at most 112 kB a frame, of which there are no
more than a clip has. So 16 tracks of one camera with clips of 16 frames take 29 MB at most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from edge.geometry import clip_boxes
from edge.types import ByteImage, FloatArray, Frame, Track
from edge.vision.crop import crop_box

# What is kept of a frame: a square so many times as large as the clip's would be for this box
# alone, and no more pixels a side. Who grows by more within a clip has the edge repeated.
_KEPT, _KEPT_PX = 1.6, 192
_MOST_TRACKS = 16
_MOST_MISSED_S = 0.5


def clip_squares(boxes: FloatArray, factor: float) -> list[tuple[float, float, float, float]]:
    """The square of every frame, x1, y1, x2, y2, along a track of boxes ``[T, 4]``.

    One size for all, ``factor`` times the longest side of any box; the middle follows the track,
    smoothed over five frames, so that a step stays a step.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    padded = np.pad(centres, ((2, 2), (0, 0)), mode="edge")
    smooth = np.stack([padded[i : i + len(centres)] for i in range(5)]).mean(axis=0)
    half = factor * float((boxes[:, 2:] - boxes[:, :2]).max()) / 2
    return [(x - half, y - half, x + half, y + half) for x, y in smooth]


def crop_track(
    frames: Sequence[ByteImage], boxes: FloatArray, *, size: int, factor: float
) -> ByteImage:
    """Square pictures along a track: uint8 ``[T, size, size, 3]``.

    boxes: float32 ``[T, 4]``, one for each frame. factor: as for ``clip_squares``.
    """
    squares = clip_squares(boxes, factor)
    crops = [crop_box(f, s, (size, size)) for f, s in zip(frames, squares, strict=True)]
    return np.stack(crops)


@dataclass(frozen=True, slots=True, eq=False)
class Glimpse:
    """Somebody and their surroundings in one frame.

    box: float32 ``[4]``, and origin: x, y of the part that picture shows, in pixels of the frame.
    stretch: pixels of picture for one of the frame, x and y.
    """

    picture: ByteImage
    box: FloatArray
    origin: tuple[int, int]
    stretch: tuple[float, float]

    def crop(self, square: Sequence[float], size: tuple[int, int]) -> ByteImage:
        """The square, in pixels of the frame, as uint8 ``[H, W, 3]`` of size (width, height)."""
        (left, top), (across, down) = self.origin, self.stretch
        x1, y1, x2, y2 = square
        part = [(x1 - left) * across, (y1 - top) * down, (x2 - left) * across, (y2 - top) * down]
        return crop_box(self.picture, part, size)


def glimpse(image: ByteImage, box: FloatArray, factor: float) -> Glimpse | None:
    """What is kept of a person in a frame for a clip of this factor; None where the box has no area
    in it."""
    width, height = (float(side) for side in box[2:] - box[:2])
    (inside,) = clip_boxes(box[None], (image.shape[1], image.shape[0]))
    if not (inside[2] > inside[0] and inside[3] > inside[1]):
        return None
    side = _KEPT * factor * max(width, height)
    square = _square(box, side)
    (x1, y1, x2, y2) = clip_boxes(square[None], (image.shape[1], image.shape[0]))[0]
    left, top, right, below = int(x1), int(y1), int(np.ceil(x2)), int(np.ceil(y2))
    part = image[top:below, left:right]
    shrunk = min(1.0, _KEPT_PX / side)
    small = (max(1, round(part.shape[1] * shrunk)), max(1, round(part.shape[0] * shrunk)))
    stretch = (small[0] / part.shape[1], small[1] / part.shape[0])
    if shrunk < 1:
        picture = np.asarray(cv2.resize(part, small, interpolation=cv2.INTER_AREA), np.uint8)
    else:
        picture = part.copy()  # so that the rest of the frame can go
    return Glimpse(picture, box.copy(), (left, top), stretch)


def _square(box: FloatArray, side: float) -> FloatArray:
    x, y = (box[:2] + box[2:]) / 2
    half = side / 2
    return np.asarray([x - half, y - half, x + half, y + half], np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipForm:
    """frames: of a clip. fps: how many a second. size: width and height of its pictures, pixels.
    factor: the side of the square that they show to the longest side of the track's boxes."""

    frames: int
    fps: float
    size: tuple[int, int]
    factor: float


@dataclass(frozen=True, slots=True, eq=False)
class DueClip:
    """A clip of a track: uint8 ``[T, H, W, 3]`` BGR."""

    track_id: int
    pixels: ByteImage


@dataclass(slots=True)
class _Reel:
    """What is kept of one track. since: time of its first glimpse. glimpses: with their ticks, of
    ``1 / fps`` seconds since then. cut: the tick of its last clip."""

    since: float
    glimpses: deque[tuple[int, Glimpse]] = field(default_factory=deque)
    cut: int | None = None


class TrackClips:
    """The clips of the people of one camera.

    A clip has ``form.fps`` frames a second, whatever the camera has: of more some are passed over,
    of fewer the last one stands for those after it, up to half a second. There is a clip of a track
    once it was followed for long enough, and from then on every half a second. Time is that of the
    frames.
    """

    def __init__(self, form: ClipForm) -> None:
        self._form = form
        self._every = max(1, round(form.fps / 2))
        self._most_missed = max(1, round(form.fps * _MOST_MISSED_S))
        self._reels: dict[int, _Reel] = {}

    def look(self, frame: Frame, seen: Iterable[Track]) -> list[DueClip]:
        """Take in a frame; the clips that are due after it.

        seen: who is seen in this frame. Of more than 16 tracks the latest are left out.
        """
        due = []
        for track in seen:
            reel = self._reel(track.id, frame.time)
            if reel is not None and self._take(reel, frame, track):
                due.append(DueClip(track.id, self._cut(reel)))
        return due

    def retain(self, followed: Iterable[int]) -> None:
        """Let go of all tracks but these."""
        kept = set(followed)
        self._reels = {id: reel for id, reel in self._reels.items() if id in kept}

    def _reel(self, track_id: int, time: float) -> _Reel | None:
        known = self._reels.get(track_id)
        if known is not None and self._goes_on(known, time):
            return known
        if known is None and len(self._reels) >= _MOST_TRACKS:
            return None
        fresh = self._reels[track_id] = _Reel(time)
        return fresh

    def _goes_on(self, reel: _Reel, time: float) -> bool:
        """Whether time did not step back, nor was the track out of sight for too long."""
        last = reel.glimpses[-1][0] if reel.glimpses else 0
        return 0 <= self._tick(reel, time) - last <= self._most_missed

    def _tick(self, reel: _Reel, time: float) -> int:
        # Half a tick early, so that a camera of just these frames a second may be uneven.
        return int(np.floor((time - reel.since) * self._form.fps + 0.5))

    def _take(self, reel: _Reel, frame: Frame, track: Track) -> bool:
        """Keep the frame if it begins a tick; whether a clip is due then."""
        tick = self._tick(reel, frame.time)
        if reel.glimpses and reel.glimpses[-1][0] == tick:
            return False
        kept = glimpse(frame.image, track.box, self._form.factor)
        if kept is None:
            return False
        reel.glimpses.append((tick, kept))
        first = tick - self._form.frames + 1
        while len(reel.glimpses) > 1 and reel.glimpses[1][0] <= first:
            reel.glimpses.popleft()
        if first < 0 or (reel.cut is not None and tick - reel.cut < self._every):
            return False
        reel.cut = tick
        return True

    def _cut(self, reel: _Reel) -> ByteImage:
        assert reel.cut is not None  # a clip is due
        shown: list[Glimpse] = []
        left = deque(reel.glimpses)
        for tick in range(reel.cut - self._form.frames + 1, reel.cut + 1):
            while len(left) > 1 and left[1][0] <= tick:
                left.popleft()
            shown.append(left[0][1])
        squares = clip_squares(np.stack([one.box for one in shown]), self._form.factor)
        crops = [one.crop(s, self._form.size) for one, s in zip(shown, squares, strict=True)]
        return np.stack(crops)
