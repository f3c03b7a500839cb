"""Errors of libraries that have none of their own."""

from __future__ import annotations

# What code raises that asserts, indexes and calls as it goes, by experience. An IndexError is a
# LookupError too, and a NotImplementedError a RuntimeError.
STUMBLES: tuple[type[Exception], ...] = (
    *(AssertionError, AttributeError, LookupError),
    *(RuntimeError, TypeError, ValueError),
)
