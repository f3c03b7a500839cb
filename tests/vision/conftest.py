"""Manifests from templates, frames of real clips, and loaded real models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from edge.manifest import Manifest
from edge.runner.base import Runner
from edge.runner.onnxruntime import OnnxRuntimeRunner
from edge.templates import template
from edge.types import ByteImage
from tests.manifests import manifest_with

MakeManifest = Callable[..., Manifest]
Frames = Callable[[str, int], ByteImage]
LoadModel = Callable[..., tuple[Runner, Manifest]]


@pytest.fixture(scope="session")
def make_manifest() -> MakeManifest:
    """``make_manifest("yunet", outputs, decoder={…}, labels=[…], **input)``: changes by key."""

    def make(
        family: str,
        outputs: list[str],
        *,
        decoder: dict[str, Any] | None = None,
        labels: list[str] | None = None,
        **changes: Any,
    ) -> Manifest:
        values = template(family)
        values["input"].update(changes)
        values["decoder"].update(decoder or {})
        if labels is not None:
            values["labels"] = labels
        return manifest_with({**values, "name": family, "outputs": outputs})

    return make


@pytest.fixture(scope="session")
def frame_of(assets: Path) -> Frames:
    """``frame_of("asl_again.mkv", 20)``: one decoded frame of a real clip, BGR."""

    def read(clip: str, index: int) -> ByteImage:
        with av.open(str(assets / "videos" / clip)) as container:
            for place, frame in enumerate(container.decode(video=0)):
                if place == index:
                    return np.ascontiguousarray(frame.to_ndarray(format="bgr24"), np.uint8)
        raise AssertionError(f"{clip} has no frame {index}")

    return read


@pytest.fixture(scope="session")
def load_model(assets: Path, make_manifest: MakeManifest) -> Iterator[LoadModel]:
    """``load_model("yunet_n_dynamic.onnx", "yunet", **changes)``: a real model and its manifest."""
    with ExitStack() as stack:

        def load(file: str, family: str, **changes: Any) -> tuple[Runner, Manifest]:
            data = (assets / "models" / file).read_bytes()
            runner = stack.enter_context(OnnxRuntimeRunner(data, name=file))
            outputs = [spec.name for spec in runner.signature.outputs]
            manifest = make_manifest(
                family, outputs, name=runner.signature.inputs[0].name, **changes
            )
            return runner, manifest

        yield load
