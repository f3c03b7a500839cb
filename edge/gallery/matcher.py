"""Open-set search: the nearest person and how far the next one is behind."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edge.errors import GalleryError
from edge.types import Embedding, FloatArray, Match, Template


class Gallery:
    """Enrolled templates of one embedding space, ready to be searched.

    A person's similarity is the best cosine to any of that person's templates. Immutable: a changed
    gallery is a new object, so that a running search never sees half a change.

    Raises GalleryError where a template is of another space.
    """

    def __init__(self, templates: Iterable[Template], space: str) -> None:
        kept = sorted(templates, key=lambda template: template.person)
        for template in kept:
            self._check(template.embedding.space, space)
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
        self._check(embedding.space, self.space)
        if not self._people:
            return {}
        cosines = self._vectors @ embedding.vector
        best = np.maximum.reduceat(cosines, self._starts)
        return {
            person: float(value) for person, value in zip(self._people, best, strict=True)
        }

    def match(self, embedding: Embedding) -> Match:
        """The nearest person and the margin to the second.

        Raises GalleryError for an embedding of another space.
        """
        ranked = sorted(self.similarities(embedding).items(), key=lambda item: -item[1])
        if not ranked:
            return Match(None, None, None)
        person, similarity = ranked[0]
        second = ranked[1][1] if len(ranked) > 1 else 0.0
        return Match(person, similarity, similarity - second)

    @staticmethod
    def _check(found: str, expected: str) -> None:
        if found != expected:
            raise GalleryError(
                "embeddings of two different models cannot be compared",
                expected=f"embedding space {expected[:12]}",
                found=found[:12],
                remedy="Enrol these people again with the recogniser that is in use now.",
            )
