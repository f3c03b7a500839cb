"""The seam through which every template goes on its way to the disk and back."""

from __future__ import annotations

from typing import Protocol


class Sealer(Protocol):
    """Turns the bytes of a vector into what is stored, and back.

    context names whose vector it is and of which embedding space; what was sealed for one context
    cannot be unsealed for another by a sealer that authenticates. ``unseal`` raises
    StoreCorruptError for what it did not seal.
    """

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """What to store."""

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """What was given to ``seal`` with the same context."""


class PlainSealer:
    """Stores vectors as they are, under the protection of the file's mode alone."""

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """The same bytes."""
        return plain

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """The same bytes."""
        return sealed
