"""Open-set search: the nearest person and how far the next one is behind."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edge.errors import GalleryError
from edge.types import Embedding, FloatArray, Match, Template


class Gallery:
    """Enrolled templates of one embedding space, ready to be searched.

    A person's similarity is the best cosine to any of that person's templates. Immutable: a changed
    gallery is a new object, so that a running search never sees half a change. The order in which
    templates are given makes no difference, not even in the last digit.

    Raises GalleryError where a template is of another space.
    """

    def __init__(self, templates: Iterable[Template], space: str) -> None:
        kept = sorted(templates, key=lambda t: (t.person, t.embedding.vector.tobytes()))
        for template in kept:
            _require_space(template.embedding.space, space)
        self.space = space
        self._people = sorted({template.person for template in kept})
        self._vectors: FloatArray = np.asarray(
            [template.embedding.vector for template in kept], np.float32
        )
        # Rows are sorted by person, so each person's best is a maximum over one run of rows.
        self._starts = np.searchsorted([t.person for t in kept], self._people)

    @property
    def people(self) -> list[str]:
        """Ids of everyone with a template, sorted."""
        return list(self._people)

    def similarities(self, embedding: Embedding) -> dict[str, float]:
        """Cosine to each person, by id. Raises GalleryError for an embedding of another space."""
        best = self._best(embedding)
        return dict(zip(self._people, best.tolist(), strict=True))

    def match(self, embedding: Embedding) -> Match:
        """The nearest person and the margin to the second; of equally near ones the first by id.

        Raises GalleryError for an embedding of another space.
        """
        best = self._best(embedding)
        if not len(best):
            return Match(None, None, None)
        nearest = int(best.argmax())
        similarity = float(best[nearest])
        others = np.delete(best, nearest)
        second = float(others.max()) if len(others) else 0.0
        return Match(self._people[nearest], similarity, similarity - second)

    def _best(self, embedding: Embedding) -> FloatArray:
        """Cosine to each person: float32 ``[P]``, in the order of ``people``."""
        _require_space(embedding.space, self.space)
        if not self._people:
            return np.zeros(0, np.float32)
        cosines = np.clip(self._vectors @ embedding.vector, -1, 1)
        best: FloatArray = np.maximum.reduceat(cosines, self._starts)
        return best


def cosine(a: Embedding, b: Embedding) -> float:
    """Cosine of two embeddings, -1..1. Raises GalleryError where they are of two spaces."""
    _require_space(b.space, a.space)
    return float(np.clip(a.vector @ b.vector, -1, 1))


def _require_space(found: str, expected: str) -> None:
    if found != expected:
        raise GalleryError(
            "embeddings of two different models cannot be compared",
            expected=f"embedding space {expected[:12]}",
            found=found[:12],
            remedy="Enrol these people again with the recogniser that is in use now.",
        )
