"""A small world in which six faces are seen at once, and folders of labelled pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from edge.cli import main
from edge.media import write_image
from tests.small_world import (
    FACE,
    SIDE,
    Image,
    World,
    detector_model,
    film,
    make_world,
    portrait,
    recogniser_model,
)

# Where the detector of this world sees a face, three in a row, none touching another.
PLACES = tuple((x, y, x + 96, y + 96) for y in (16, 176) for x in (0, 112, 224))

Run = Callable[..., int]


def group_picture(people: Sequence[int | None]) -> Image:
    """The faces of these people, in the order of PLACES; a grey patch for None."""
    picture: Image = np.full((SIDE, SIDE, 3), 90, np.uint8)
    for person, (x1, y1, x2, y2) in zip(people, PLACES, strict=False):
        if person is not None:
            picture[y1:y2, x1:x2] = portrait(person)[FACE[1] : FACE[3], FACE[0] : FACE[2]]
    return picture


@pytest.fixture(scope="session")
def crowd_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector that sees a face at each of PLACES, and the small world's recogniser."""
    folder = tmp_path_factory.mktemp("crowd-models")
    (folder / "detector.onnx").write_bytes(detector_model(PLACES))
    (folder / "recogniser.onnx").write_bytes(recogniser_model())
    return folder


@pytest.fixture(scope="session")
def lone_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world's models: one face, always in the same place."""
    folder = tmp_path_factory.mktemp("lone-models")
    (folder / "detector.onnx").write_bytes(detector_model())
    (folder / "recogniser.onnx").write_bytes(recogniser_model())
    return folder


def without_threshold(made: World) -> World:
    made.edit("threshold = 0.6\n", "")
    return made


@pytest.fixture
def crowd(tmp_path: Path, crowd_models: Path) -> World:
    """A site whose detector sees six faces, and which states no threshold."""
    return without_threshold(make_world(tmp_path, crowd_models))


@pytest.fixture
def lone(tmp_path: Path, lone_models: Path) -> World:
    """A site whose detector sees one face, and which states no threshold."""
    return without_threshold(make_world(tmp_path, lone_models))


@pytest.fixture
def group_film(tmp_path: Path) -> Callable[..., Path]:
    """``group_film([1, 2, …], name="a.mp4", frames=40)``: a video of people side by side."""

    def make(people: Sequence[int | None], *, name: str = "hall.mp4", frames: int = 40) -> Path:
        return film(tmp_path / name, [group_picture(people)] * frames)

    return make


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures each of eighty people, the second one darker and noisy."""
    folder = tmp_path_factory.mktemp("labelled")
    random = np.random.default_rng(1)
    for person in range(80):
        home = folder / f"person-{person:02}"
        home.mkdir()
        picture = portrait(person)
        write_image(home / "a.png", picture)
        noisy = np.clip(picture * 0.8 + random.normal(0, 12, picture.shape), 0, 255)
        write_image(home / "b.png", noisy.astype(np.uint8))
    return folder


@pytest.fixture
def run() -> Run:
    """Runs one command and gives its exit code."""

    def run_command(*words: object) -> int:
        try:
            return main([str(word) for word in words])
        except SystemExit as stop:  # argparse
            return int(stop.code or 0)

    return run_command
