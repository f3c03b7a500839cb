"""Pictures of chance on the disk, small bundles, and manifests of models that take pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.bundle import Bundle, open_bundle
from edge.bundler import About, BundleRequest, make_bundle
from edge.fitting import Wishes
from edge.manifest import Manifest
from edge.media import write_image
from edge.templates import template
from tests.manifests import manifest_with
from tests.small_world import write_models

Image = NDArray[np.uint8]


def scene(number: int, *, size: tuple[int, int] = (64, 48)) -> Image:
    """A picture that looks like no other: cells of one of two colours."""
    width, height = size
    cells = np.random.default_rng(number).integers(0, 2, (height // 4, width // 4, 3)) * 180 + 40
    return cells.astype(np.uint8).repeat(4, axis=0).repeat(4, axis=1)


def manifest_of(role_template: str, height: int, width: int, **changes: Any) -> Manifest:
    """A manifest from a template, for a model of a fixed size that nobody has to have."""
    values = template(role_template)
    values["input"]["shape"] = [1, values["input"]["shape"][1], height, width]
    values["input"] |= changes
    values.setdefault("outputs", ["out"])
    return manifest_with(values)


@pytest.fixture(scope="session", name="scene")
def make_scene() -> Callable[..., Image]:
    """Makes a picture that looks like no other."""
    return scene


@pytest.fixture(scope="session")
def whole() -> Manifest:
    """A detector for pictures of 64 × 48, padded to 64 × 64 with grey level 114."""
    return manifest_of("yolox", 64, 64, resize={"mode": "letterbox", "pad": 114, "multiple_of": 32})


@pytest.fixture(scope="session")
def recogniser() -> Manifest:
    """A recogniser of aligned faces of 112 × 112."""
    return manifest_of("arcface-rgb", 112, 112)


@pytest.fixture(scope="session")
def liveness() -> Manifest:
    """A model of face boxes times 2.7, of 80 × 80."""
    return manifest_of("minifasnet-2.7", 80, 80)


@pytest.fixture(scope="session")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Sees one face, always in the same place, in every picture that is not dark."""
    folder = write_models(tmp_path_factory.mktemp("detector"))
    return make_bundle(
        BundleRequest(
            model=folder / "detector.onnx",
            template="yunet",
            about=About(name="detector", source="test"),
        ),
        folder / "bundle",
    )


@pytest.fixture
def images(tmp_path: Path) -> Callable[..., Path]:
    """Writes scenes as images: ``images(numbers, folder=, suffix=)`` gives their folder."""

    def make(numbers: range, folder: str = "images", suffix: str = ".png") -> Path:
        place = tmp_path / folder
        place.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            write_image(place / f"{number:04}{suffix}", scene(number))
        return place

    return make


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[..., Bundle]:
    """Makes a bundle of a model: ``bundle(model, template, **wishes)``."""

    def make(model: Path, name: str, **wishes: Any) -> Bundle:
        request = BundleRequest(
            model=model,
            template=name,
            about=About(name=model.stem, source="test"),
            wishes=Wishes(**wishes),
        )
        make_bundle(request, model.with_suffix(""))
        return open_bundle(model.with_suffix(""), require_signed=False)

    return make
