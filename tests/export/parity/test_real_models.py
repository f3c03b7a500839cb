"""Trained models have none of the faults, and their golden outputs tell them from others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import Bundle
from edge.bundler import About, BundleRequest, make_bundle
from edge.proving import fresh_feeds
from edge.runner.base import Runner
from export.outputs import find_faults
from export.parity import compare_source, fresh_batches, golden_tolerance

Load = Callable[[bytes], Runner]
MODELS = {
    "yunet_n_dynamic.onnx": "yunet",
    "yunet_n_320_320.onnx": "yunet",
    "face-reidentification-retail-0095.onnx": "reid-0095",
    "landmarks-regression-retail-0009.onnx": "landmarks-0009",
    "yolox_nano.onnx": "yolox",
    "2.7_80x80_MiniFASNetV2.onnx": "minifasnet-2.7",
    "4_0_0_80x80_MiniFASNetV1SE.onnx": "minifasnet-4.0",
    "super_resolution_subpixel_x3_opset13.onnx": "subpixel-x3",
}


@pytest.fixture(params=list(MODELS.items()), ids=list(MODELS))
def bundle(request: pytest.FixtureRequest, assets: Path, tmp_path: Path) -> Bundle:
    file, family = request.param
    model = assets / "models" / file
    wish = BundleRequest(model=model, template=family, about=About(name="model", source=file))
    return make_bundle(wish, tmp_path / "bundle")


def test_a_trained_model_has_no_fault_and_is_itself(bundle: Bundle, load: Load) -> None:
    data = bundle.read(bundle.manifest.reference.file)
    runner, again = load(data), load(data)
    manifest = bundle.manifest

    assert list(find_faults(runner, manifest)) == []
    parity = compare_source(again.infer, runner, fresh_batches(manifest, runner.signature))
    assert parity.max_abs == 0

    golden = runner.infer(fresh_feeds(manifest, runner.signature, seed=1))
    others = runner.infer(fresh_feeds(manifest, runner.signature, seed=2))
    largest = max(float(np.abs(value).max()) for value in golden.values())
    assert golden_tolerance(golden, golden, others) <= 1e-3 * max(largest, 1.0) * 1.01
