"""Manifests of models that are no files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edge.manifest import Manifest
from edge.templates import template
from tests.manifests import manifest_with

MakeManifest = Callable[..., Manifest]


@pytest.fixture
def manifest_of() -> MakeManifest:
    """``manifest_of("generator", outputs=[…], latent={…})``: a template's, changed by key."""

    def make(family: str, **changes: Any) -> Manifest:
        return manifest_with({**template(family), **changes})

    return make
