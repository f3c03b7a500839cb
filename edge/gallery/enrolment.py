"""Which of the faces in someone's pictures is that someone, and whether to believe it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edge.errors import EnrolmentError
from edge.gallery.matcher import Gallery, cosine
from edge.types import Embedding, FloatArray, OperatingPoint

RIVAL_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """One face followed through one source.

    boxes: float32 ``[N, 4]`` in fractions of the frame, one for each frame in which it was seen.
    frames: those frames' indices, one or more. quality: mean of the fused views, above 0. mixed: it
    was one face first and then another, so that nobody knows which frames are whose.
    """

    embedding: Embedding
    quality: float
    boxes: FloatArray
    frames: tuple[int, ...]
    mixed: bool = False

    def __post_init__(self) -> None:
        if not self.frames or self.boxes.shape != (len(self.frames), 4):
            raise ValueError(
                f"Candidate: expected one box a frame, found {self.boxes.shape} boxes "
                f"in {len(self.frames)} frames"
            )
        if not 0 < self.quality <= 1:
            raise ValueError(f"Candidate: expected a quality above 0, found {self.quality}")

    @property
    def weight(self) -> float:
        """Duration × quality: how much of the source is about this face."""
        return len(self.frames) * self.quality


def join_same_person(candidates: Iterable[Candidate], threshold: float) -> list[Candidate]:
    """Put the pieces of a broken track together: faces that match and are never seen at once.

    A hand before a face can end its track and begin another; without this the second piece would
    count as a rival. The heavier piece's embedding weighs more. The heaviest face comes first.
    """
    joined: list[Candidate] = []
    for piece in sorted(candidates, key=lambda c: -c.weight):
        likeness = [_likeness(whole, piece) for whole in joined]
        nearest = int(np.argmax(likeness)) if likeness else -1
        if joined and likeness[nearest] >= threshold:
            joined[nearest] = _join(joined[nearest], piece)
        else:
            joined.append(piece)
    return sorted(joined, key=lambda c: -c.weight)


def choose(
    candidates: Sequence[Candidate], *, source: str, at: tuple[float, float] | None = None
) -> Candidate:
    """The one face that dominates a source by duration × quality.

    candidates: as ``join_same_person`` gives them. at: a point, in fractions of the frame, that
    lies on the wanted face; it settles which of several is meant.

    Raises EnrolmentError where there is no usable face, where a second reaches half of the first or
    the first is mixed, or, with ``at``, where no face lies there or a second does in half as many
    frames.
    """
    if not candidates:
        raise EnrolmentError(
            f"no face good enough to enrol in {source}",
            expected="a sharp, large face seen from the front",
            found="no face of that kind",
            remedy="Take a closer, sharper or better lit picture.",
        )
    chosen = _dominant(candidates, source) if at is None else _pointed_at(candidates, source, at)
    if chosen.mixed:
        raise EnrolmentError(
            f"the face at {_where(chosen)} in {source} turns into another",
            expected="one face from its first frame to its last",
            found="two people, one after the other in one place",
            remedy="Cut the video so that only the wanted person is in it.",
        )
    return chosen


def require_agreement(embeddings: Sequence[tuple[str, Embedding]], threshold: float) -> None:
    """Raise EnrolmentError unless every pair of (source, embedding) matches."""
    for index, (source, embedding) in enumerate(embeddings):
        for other_source, other in embeddings[index + 1 :]:
            similarity = cosine(embedding, other)
            if similarity < threshold:
                raise EnrolmentError(
                    f"{source} and {other_source} do not show one person",
                    expected=f"a similarity of {threshold:g} or more",
                    found=f"{similarity:.3f}",
                    remedy="Leave out the picture of somebody else, or point with --at.",
                )


def require_new(
    person: str, embeddings: Iterable[Embedding], gallery: Gallery, point: OperatingPoint
) -> None:
    """Raise EnrolmentError where one of the faces already belongs to somebody, or where the person
    is enrolled and these faces are somebody else's.

    Somebody else's similarity may reach the threshold where the person's own is ahead of it by the
    margin: that is two people who look alike, told apart.
    """
    for embedding in embeddings:
        known = gallery.similarities(embedding)
        is_enrolled = person in known
        own = known.pop(person, -1.0)
        other = max(known, key=lambda name: known[name], default=None)
        if other is not None and known[other] >= point.threshold:
            if own >= point.threshold and own - known[other] >= point.margin:
                continue
            raise EnrolmentError(
                f"this face is already enrolled as {other!r}",
                expected=f"a new face, below a similarity of {point.threshold:g}",
                found=f"{known[other]:.3f}",
                remedy=f"Use {other!r}, or first: edgewarden gallery erase {other} --config SITE",
            )
        if is_enrolled and own < point.threshold:
            raise EnrolmentError(
                f"{person!r} is enrolled with another face",
                expected=f"a similarity of {point.threshold:g} or more to what is enrolled",
                found=f"{own:.3f}",
                remedy=f"Choose another, or first: edgewarden gallery erase {person} --config SITE",
            )


def _likeness(whole: Candidate, piece: Candidate) -> float:
    """Cosine of two faces; below every threshold where one frame shows both of them."""
    apart = set(whole.frames).isdisjoint(piece.frames)
    return cosine(whole.embedding, piece.embedding) if apart else -np.inf


def _join(a: Candidate, b: Candidate) -> Candidate:
    vector = a.embedding.vector * a.weight + b.embedding.vector * b.weight
    vector = vector / np.linalg.norm(vector)
    return Candidate(
        Embedding(vector.astype(np.float32), a.embedding.space),
        (a.weight + b.weight) / (len(a.frames) + len(b.frames)),
        np.concatenate([a.boxes, b.boxes]),
        a.frames + b.frames,
        a.mixed or b.mixed,
    )


def _dominant(candidates: Sequence[Candidate], source: str) -> Candidate:
    first, *others = candidates
    if others and others[0].weight >= RIVAL_SHARE * first.weight:
        raise EnrolmentError(
            f"{source} shows more than one person",
            expected="one face that dominates by duration × quality",
            found=f"one at {_where(first)} and another at {_where(others[0])} "
            f"with {others[0].weight / first.weight:.0%} of its weight",
            remedy=f"Say which one with --at, for example --at {_where(first)}.",
        )
    return first


def _pointed_at(candidates: Sequence[Candidate], source: str, at: tuple[float, float]) -> Candidate:
    frames = [_frames_over(candidate, at) for candidate in candidates]
    first, *others = sorted(range(len(candidates)), key=lambda index: -frames[index])
    if not frames[first]:
        raise EnrolmentError(
            f"no face at {at[0]:g},{at[1]:g} in {source}",
            expected="a point on the face to enrol, as fractions of the frame",
            found="faces at " + " and ".join(_where(c) for c in candidates),
        )
    if others and frames[others[0]] >= RIVAL_SHARE * frames[first]:
        raise EnrolmentError(
            f"more than one face at {at[0]:g},{at[1]:g} in {source}",
            expected="a point on one face only",
            found=f"one in {frames[first]} frames and another in {frames[others[0]]}",
            remedy="Choose a point that only the wanted face covers.",
        )
    return candidates[first]


def _frames_over(candidate: Candidate, point: tuple[float, float]) -> int:
    x, y = point
    b = candidate.boxes
    return int(((b[:, 0] <= x) & (x < b[:, 2]) & (b[:, 1] <= y) & (y < b[:, 3])).sum())


def _where(candidate: Candidate) -> str:
    """A point on the face, as --at takes it: the centre of its most typical box."""
    boxes = candidate.boxes
    typical = np.abs(boxes - np.median(boxes, axis=0)).sum(axis=1).argmin()
    x1, y1, x2, y2 = boxes[typical]
    return f"{(x1 + x2) / 2:.3f},{(y1 + y2) / 2:.3f}"
