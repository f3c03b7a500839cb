"""ByteTrack: detections of successive frames joined into tracks.

After Y. Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV
2022. Boxes are enlarged before they are compared, after F. Yang et al., "Hard to Track Objects with
Irregular Motions and Similar Appearances? Make It Easier by Buffering the Matching Space", WACV
2023: the face of someone who walks past moves by about its own width in a tenth of a second, so
that the boxes of two analysed frames need not overlap at all.

Otherwise than there, a track is confirmed by ``min_hits`` sightings in the first frame too, and an
unseen box stops after a while: a hand that slides over a face shifts its box, and the velocity
learned from that would carry the box away from a face that never moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from edge.geometry import area, iou_matrix
from edge.track.assignment import assign
from edge.track.kalman import Motion
from edge.types import Detections, FloatArray, Track

# Of its width, what a settled track may move by while nobody looks.
_SLOW = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackSettings:
    """How detections are joined into tracks. Frames are counted in frame indices.

    high_score: a detection from here on is matched first, and may confirm a track. low_score: one
    from here to high_score only keeps a track that was seen in the update before; none does where
    this is no lower than high_score. new_score: what it takes to start a track; where None, a
    quarter of the way from high_score to 1.

    first_iou, second_iou, unconfirmed_iou: a match needs more than this, for a high score and a
    confirmed track, for a low score, and for a high score and a track not yet confirmed. In the
    first and last the boxes are enlarged by ``buffer`` of their size on each side, and with
    ``fuse_score`` the IoU is multiplied by the detection's score.

    min_hits: sightings, in as many updates, that confirm a track; until then one miss discards it.
    max_lost: a track unseen for more frames has ended. coast: frames for which an unseen box moves
    on as before; then it is taken to stand still.

    Raises ValueError where a value is out of its range.
    """

    high_score: float = 0.6
    low_score: float = 0.1
    new_score: float | None = None
    first_iou: float = 0.2
    second_iou: float = 0.5
    unconfirmed_iou: float = 0.2
    buffer: float = 0.5
    fuse_score: bool = True
    min_hits: int = 3
    max_lost: int = 45
    coast: int = 15

    def __post_init__(self) -> None:
        shares = ("high_score", "low_score", "first_iou", "second_iou", "unconfirmed_iou")
        for name in shares:
            _require(0 <= getattr(self, name) <= 1, name, "0 to 1", getattr(self, name))
        for name, least in (("buffer", 0), ("min_hits", 1), ("max_lost", 0), ("coast", 0)):
            _require(getattr(self, name) >= least, name, f"{least} or more", getattr(self, name))
        new = self.start_score
        _require(self.high_score <= new <= 1, "new_score", f"{self.high_score} to 1", new)

    @property
    def start_score(self) -> float:
        """The score that it takes to start a track."""
        if self.new_score is not None:
            return self.new_score
        return self.high_score + (1 - self.high_score) / 4


@dataclass(slots=True)
class _Tracklet:
    """What is known of one track besides its motion.

    id is None until it is confirmed. row: the detection it was matched to in the last update.
    box: where it was when last seen, float32 ``[4]``.
    """

    first_index: int
    last_index: int
    score: float
    row: int | None
    box: FloatArray
    hits: int = 0
    id: int | None = None

    def track(self, box: FloatArray, row: int | None) -> Track:
        assert self.id is not None  # only confirmed tracks are shown to anyone
        return Track(
            id=self.id,
            box=box,
            score=self.score,
            detection=row,
            hits=self.hits,
            first_index=self.first_index,
            last_index=self.last_index,
        )


class ByteTracker:
    """Follows the objects of one stream; labels are not looked at.

    ids: where the number of each newly confirmed track comes from, so that trackers may share one
    sequence; 1, 2, 3 … where None.
    """

    def __init__(
        self, *, settings: TrackSettings | None = None, ids: Iterator[int] | None = None
    ) -> None:
        self._settings = settings or TrackSettings()
        self._ids = count(1) if ids is None else ids
        self._tracklets: list[_Tracklet] = []
        self._motion = Motion.start(np.zeros((0, 4)))  # row i belongs to tracklet i
        self._index: int | None = None

    def update(self, detections: Detections, frame_index: int) -> tuple[list[Track], list[Track]]:
        """Take in one frame: the confirmed tracks alive after it, and those that have ended.

        Both in the order of their ids. A living track has the score of its last sighting, and
        detection None where this frame does not show it. An ended one stands as it was last seen.
        Boxes without area are passed over.

        A track that was seen in the update before is looked for once more, however many frames
        were left out since: what ends it is to be missed.

        Raises ValueError where frame_index is not after that of the update before.
        """
        self._predict(self._advance(frame_index))
        ended = self._drop([t.row is None and self._is_overdue(t) for t in self._tracklets])
        matches, free = self._associate(detections)
        self._see(matches, detections, frame_index)
        ended += self._drop(
            [t.row is None and (t.id is None or self._is_overdue(t)) for t in self._tracklets]
        )
        self._start(detections, free, frame_index)
        self._confirm()
        alive = [
            tracklet.track(box, tracklet.row)
            for tracklet, box in zip(self._tracklets, self._motion.boxes(), strict=True)
            if tracklet.id is not None
        ]
        return alive, sorted(ended, key=lambda track: track.id)

    def is_settled(self, frames: int) -> bool:
        """Whether little would be missed by not looking at the next ``frames`` frames.

        Every track is confirmed, was seen in the last update, and is not about to move by more than
        some of its width; also where there is none.
        """
        if any(t.id is None or t.row is None for t in self._tracklets):
            return False
        boxes = self._motion.boxes()
        shift = np.abs(self._motion.velocity[:, :2]).max(axis=1, initial=0.0) * frames
        return bool((shift <= _SLOW * (boxes[:, 2] - boxes[:, 0])).all())

    def flush(self) -> list[Track]:
        """End all tracks, as at the end of a stream: the confirmed ones, as they were last seen.

        Another stream may follow, with any frame index; ids go on.
        """
        self._index = None
        return self._drop([True] * len(self._tracklets))

    def _advance(self, frame_index: int) -> int:
        """Frames since the update before; 1 at the first, when there is nothing to move."""
        before = frame_index - 1 if self._index is None else self._index
        if frame_index <= before:
            raise ValueError(f"expected a frame index after {before}, found {frame_index}")
        self._index = frame_index
        return frame_index - before

    def _is_overdue(self, tracklet: _Tracklet) -> bool:
        assert self._index is not None
        return self._index - tracklet.last_index > self._settings.max_lost

    def _predict(self, frames: int) -> None:
        assert self._index is not None
        seen = np.asarray([t.last_index for t in self._tracklets], np.intp)
        coasted = self._index - frames - seen
        self._motion = self._motion.predict(
            frames, np.clip(self._settings.coast - coasted, 0, frames)
        )

    def _associate(self, detections: Detections) -> tuple[dict[int, int], list[int]]:
        """The detection of each tracklet that has one, and the high-score detections left over."""
        s, scores, sizes = self._settings, detections.scores, area(detections.boxes)
        usable = np.isfinite(sizes) & (sizes > 0)
        high = _rows(usable & (scores >= s.high_score))
        low = _rows(usable & (scores >= s.low_score) & (scores < s.high_score))
        confirmed = [i for i, t in enumerate(self._tracklets) if t.id is not None]
        unconfirmed = [i for i, t in enumerate(self._tracklets) if t.id is None]

        near = self._similarity(detections, buffer=s.buffer, fuse=s.fuse_score)
        matches = _match(near, confirmed, high, s.first_iou)
        just_seen = [
            i for i in confirmed if i not in matches and self._tracklets[i].row is not None
        ]
        if just_seen and low:
            exact = self._similarity(detections, buffer=0.0, fuse=False)
            matches |= _match(exact, just_seen, low, s.second_iou)
        taken = set(matches.values())
        free = [row for row in high if row not in taken]
        matches |= _match(near, unconfirmed, free, s.unconfirmed_iou)
        taken = set(matches.values())
        return matches, [row for row in free if row not in taken]

    def _similarity(self, detections: Detections, *, buffer: float, fuse: bool) -> FloatArray:
        """How well each tracklet fits each detection: float32 ``[tracklets, detections]``, 0..1."""
        boxes = self._motion.boxes()
        iou = iou_matrix(_enlarge(boxes, buffer), _enlarge(detections.boxes, buffer))
        return iou * detections.scores if fuse else iou

    def _see(self, matches: dict[int, int], detections: Detections, frame_index: int) -> None:
        """Note who was seen where and who was not."""
        seen = np.asarray(sorted(matches), np.intp)
        rows = np.asarray([matches[i] for i in seen], np.intp)
        unseen = np.setdiff1d(np.arange(len(self._tracklets)), seen)
        self._motion = self._motion.correct(seen, detections.boxes[rows]).hold_size(unseen)
        boxes = self._motion.boxes()
        for i, tracklet in enumerate(self._tracklets):
            tracklet.row = matches.get(i)
            if tracklet.row is not None:
                tracklet.hits += 1
                tracklet.last_index = frame_index
                tracklet.score = float(detections.scores[tracklet.row])
                tracklet.box = boxes[i]

    def _drop(self, gone: Sequence[bool]) -> list[Track]:
        """Forget the tracklets that ``gone`` marks; the confirmed among them come back."""
        ended = [
            tracklet.track(tracklet.box, None)
            for tracklet, over in zip(self._tracklets, gone, strict=True)
            if over and tracklet.id is not None
        ]
        stay = np.flatnonzero(~np.asarray(gone, bool))
        self._tracklets = [self._tracklets[i] for i in stay]
        self._motion = self._motion[stay]
        return ended

    def _start(self, detections: Detections, free: Sequence[int], frame_index: int) -> None:
        """Begin an unconfirmed tracklet at each detection in ``free`` that is sure enough."""
        rows = [row for row in free if detections.scores[row] >= self._settings.start_score]
        for row in rows:
            score, box = float(detections.scores[row]), detections.boxes[row]
            self._tracklets.append(_Tracklet(frame_index, frame_index, score, row, box, hits=1))
        self._motion = self._motion.join(Motion.start(detections.boxes[rows]))

    def _confirm(self) -> None:
        for tracklet in self._tracklets:
            if tracklet.id is None and tracklet.hits >= self._settings.min_hits:
                tracklet.id = next(self._ids)


def _match(
    similarity: FloatArray, tracklets: Sequence[int], rows: Sequence[int], above: float
) -> dict[int, int]:
    """The best one-to-one matches of these tracklets with these detections, each ``above`` this."""
    if not tracklets or not rows:
        return {}
    cost = 1.0 - similarity[np.ix_(tracklets, rows)].astype(np.float64)
    return {tracklets[i]: rows[j] for i, j in assign(cost, 1.0 - above)}


def _rows(mask: NDArray[np.bool_]) -> list[int]:
    return [int(row) for row in np.flatnonzero(mask)]


def _enlarge(boxes: FloatArray, share: float) -> FloatArray:
    margin = (boxes[:, 2:] - boxes[:, :2]) * np.float32(share)
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


def _require(holds: bool, name: str, expected: str, found: object) -> None:
    if not holds:
        raise ValueError(f"TrackSettings.{name}: expected {expected}, found {found}")
