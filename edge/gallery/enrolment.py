"""Which of the faces in someone's pictures is that someone, and whether to believe it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edge.errors import EnrolmentError
from edge.gallery.identity import OperatingPoint
from edge.gallery.matcher import Gallery
from edge.types import Embedding, FloatArray

RIVAL_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """One face followed through one source.

    boxes: float32 ``[N, 4]`` in fractions of the frame, one for each frame in which it was seen.
    frames: those frames' indices. quality: mean of the fused views.
    """

    embedding: Embedding
    quality: float
    boxes: FloatArray
    frames: tuple[int, ...]

    @property
    def weight(self) -> float:
        """Duration × quality: how much of the source is about this face."""
        return len(self.frames) * self.quality


def join_same_person(
    candidates: Iterable[Candidate], threshold: float
) -> list[Candidate]:
    """Put the pieces of a broken track together: faces that match and are never seen at once.

    A hand before a face can end its track and begin another; without this the second piece would
    count as a rival. The heavier piece's embedding weighs more.
    """
    joined: list[Candidate] = []
    for piece in sorted(candidates, key=lambda c: -c.weight):
        for index, whole in enumerate(joined):
            apart = set(whole.frames).isdisjoint(piece.frames)
            if apart and cosine(whole.embedding, piece.embedding) >= threshold:
                joined[index] = _join(whole, piece)
                break
        else:
            joined.append(piece)
    return sorted(joined, key=lambda c: -c.weight)


def _join(a: Candidate, b: Candidate) -> Candidate:
    vector = a.embedding.vector * a.weight + b.embedding.vector * b.weight
    vector = vector / np.linalg.norm(vector)
    return Candidate(
        Embedding(vector.astype(np.float32), a.embedding.space),
        (a.quality * len(a.frames) + b.quality * len(b.frames)) / (len(a.frames) + len(b.frames)),
        np.concatenate([a.boxes, b.boxes]),
        a.frames + b.frames,
    )


def choose(
    candidates: Sequence[Candidate], *, source: str, at: tuple[float, float] | None = None
) -> Candidate:
    """The one face that dominates a source by duration × quality.

    candidates: as ``join_same_person`` gives them. at: a point, in fractions of the frame, that
    lies on the wanted face; it settles which of several is meant.

    Raises EnrolmentError where there is no usable face, none at ``at``, or a second reaches half
    of the first.
    """
    if not candidates:
        raise EnrolmentError(
            f"no face good enough to enrol in {source}",
            expected="a sharp face seen from the front, at least 40 pixels wide",
            remedy="Take a closer, sharper or better lit picture.",
        )
    if at is not None:
        covering = [(_frames_over(c, at), c) for c in candidates]
        frames, chosen = max(covering, key=lambda pair: pair[0])
        if not frames:
            raise EnrolmentError(
                f"no face at {at[0]:g},{at[1]:g} in {source}",
                expected="a point on the face to enrol, as fractions of the frame",
                found="faces at " + ", ".join(_where(c) for c in candidates),
            )
        return chosen
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
    is enrolled and these faces are somebody else's."""
    for embedding in embeddings:
        known = gallery.similarities(embedding)
        for other, similarity in known.items():
            if other != person and similarity >= point.threshold:
                raise EnrolmentError(
                    f"this face is already enrolled as {other!r}",
                    expected=f"a new face, below a similarity of {point.threshold:g}",
                    found=f"{similarity:.3f}",
                    remedy=f"Use {other!r}, or remove it first: edgewarden gallery erase {other}",
                )
        if person in known and known[person] < point.threshold:
            raise EnrolmentError(
                f"{person!r} is enrolled with another face",
                expected=f"a similarity of {point.threshold:g} or more to what is enrolled",
                found=f"{known[person]:.3f}",
                remedy=f"Choose another id, or first: edgewarden gallery erase {person}",
            )


def cosine(a: Embedding, b: Embedding) -> float:
    """Cosine of two embeddings, -1..1."""
    return float(a.vector @ b.vector)


def _frames_over(candidate: Candidate, point: tuple[float, float]) -> int:
    x, y = point
    b = candidate.boxes
    return int(((b[:, 0] <= x) & (x < b[:, 2]) & (b[:, 1] <= y) & (y < b[:, 3])).sum())


def _where(candidate: Candidate) -> str:
    x1, y1, x2, y2 = np.median(candidate.boxes, axis=0)
    return f"{(x1 + x2) / 2:.2f},{(y1 + y2) / 2:.2f}"
