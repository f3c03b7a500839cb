"""The small world, and commands run in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.cli import main
from tests.small_world import Image, World, film, make_world, portrait, write_models

Run = Callable[..., int]


def _run(*words: object) -> int:
    try:
        return main([str(word) for word in words])
    except SystemExit as stop:  # argparse
        return int(stop.code or 0)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with detector.onnx and recogniser.onnx."""
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def run() -> Run:
    """Runs one command and gives its exit code."""
    return _run


@pytest.fixture(scope="session", name="portrait")
def make_portrait() -> Callable[..., Image]:
    """Makes a grey picture with the coloured blocks of one person where the face is."""
    return portrait


@pytest.fixture(scope="session", name="film")
def make_film() -> Callable[..., Path]:
    """Writes pictures as a video to a path."""
    return film


@pytest.fixture
def world(tmp_path: Path, models: Path) -> World:
    """Unsigned bundles of the small models and a site file that uses them."""
    return make_world(tmp_path, models)


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """Makes a clip of one person: ``clip(person, frames=, name=)``."""

    def make(person: int, *, frames: int = 40, name: str = "") -> Path:
        picture = portrait(person)
        return film(tmp_path / f"{name or f'person-{person}'}.mp4", [picture] * frames)

    return make
