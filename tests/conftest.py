"""Fixtures that every test may use."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

ASSETS_VARIABLE = "EDGEWARDEN_ASSETS"

FileLimit = Callable[[int], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real models and clips that EDGEWARDEN_ASSETS names; skips without one."""
    value = os.environ.get(ASSETS_VARIABLE, "")
    if not value:
        pytest.skip(f"{ASSETS_VARIABLE} is unset: set it to a folder with models/ and videos/")
    root = Path(value).resolve()
    missing = [name for name in ("models", "videos") if not (root / name).is_dir()]
    if missing:
        pytest.skip(f"{ASSETS_VARIABLE}={value} holds no {' and no '.join(missing)} folder")
    return root


@pytest.fixture(scope="session")
def file_limit() -> FileLimit:
    """What a full disk does to a writer, without filling one: no file grows beyond a size.

    For a block within the test: what pytest itself writes must not fall under it.
    """

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit
