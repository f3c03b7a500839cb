"""Manifests of models that are no files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edge.manifest import Manifest, build_manifest
from edge.templates import template

MakeManifest = Callable[..., Manifest]


@pytest.fixture
def manifest_of() -> MakeManifest:
    """``manifest_of("generator", outputs=[…], latent={…})``: a template's, changed by key."""

    def make(family: str, **changes: Any) -> Manifest:
        values = {
            **template(family),
            "format": "1.0",
            "name": "model",
            "version": "1",
            "files": [{"path": "fp32.onnx", "bytes": 1, "sha256": "0" * 64}],
            "variants": [
                {
                    "id": "fp32",
                    "file": "fp32.onnx",
                    "opset": 17,
                    "runner": "onnxruntime",
                    "state": "accepted",
                }
            ],
            "training": "unverified",
            "license": "Apache-2.0",
            "provenance": {"source": "a test", "created": "2026-11-21", "tool": "pytest"},
        }
        return build_manifest({**values, **changes})

    return make
