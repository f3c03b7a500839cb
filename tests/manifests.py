"""Manifests of models that are no files."""

from __future__ import annotations

from typing import Any

from edge.manifest import Manifest, build_manifest


def manifest_with(values: dict[str, Any]) -> Manifest:
    """A manifest with these values, and whatever every manifest has to have besides."""
    variant = {
        "id": "fp32",
        "file": "fp32.onnx",
        "opset": 17,
        "runner": "onnxruntime",
        "state": "accepted",
    }
    return build_manifest(
        {
            "format": "1.0",
            "name": "model",
            "version": "1",
            "files": [{"path": "fp32.onnx", "bytes": 1, "sha256": "0" * 64}],
            "variants": [variant],
            "training": "unverified",
            "license": "Apache-2.0",
            "provenance": {"source": "a test", "created": "2026-11-21", "tool": "pytest"},
            **values,
        }
    )
