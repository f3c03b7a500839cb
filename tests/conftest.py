"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ASSETS_VARIABLE = "EDGEWARDEN_ASSETS"


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
