"""Weights kept in half precision: half the room, and the numbers of the rounded model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edge.errors import ModelError
from export.graph.halves import round_weights, store_halves

if TYPE_CHECKING:
    from tests.export.graph.conftest import Make, Run

GRAPH = """(float[N,3,8,8] x) => (float[N,32,8,8] y) {
    a = Conv<pads=[1,1,1,1]>(x, w, b)
    r = Relu(a)
    y = Conv<pads=[1,1,1,1]>(r, v)
}"""


@pytest.fixture
def model(make: Make) -> onnx.ModelProto:
    return make(GRAPH, w=(32, 3, 3, 3), b=(32,), v=(32, 32, 3, 3))


FEEDS = {"x": np.random.default_rng(0).normal(0, 1, (2, 3, 8, 8)).astype(np.float32)}


def test_what_is_stored_computes_the_very_same(model: onnx.ModelProto, run: Run) -> None:
    rounded, told = round_weights(model)
    stored = store_halves(rounded)
    onnx.checker.check_model(stored, full_check=True)
    assert told == "2 weights rounded to half precision"
    assert np.array_equal(run(rounded, FEEDS)["y"], run(stored, FEEDS)["y"])
    assert stored.ByteSize() < 0.56 * model.ByteSize()


def test_rounding_moves_outputs_by_little_and_leaves_small_tensors(
    model: onnx.ModelProto, run: Run
) -> None:
    rounded, _ = round_weights(model)
    before, after = run(model, FEEDS)["y"], run(rounded, FEEDS)["y"]
    assert 0 < np.abs(before - after).max() < 1e-2 * np.abs(before).max()
    kept = {tensor.name: numpy_helper.to_array(tensor) for tensor in rounded.graph.initializer}
    given = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert np.array_equal(kept["b"], given["b"])
    assert not np.array_equal(kept["v"], given["v"])


def test_weights_that_halves_do_not_hold_stay_as_they_are(model: onnx.ModelProto) -> None:
    assert store_halves(model).SerializeToString() == model.SerializeToString()


def test_a_weight_beyond_half_precision_is_refused_by_name(make: Make) -> None:
    wide = make(GRAPH, w=(32, 3, 3, 3), b=(32,), v=np.full((32, 32, 3, 3), 7e4, np.float32))
    with pytest.raises(ModelError, match="'v' does not fit") as caught:
        round_weights(wide)
    assert "70000" in str(caught.value.found)
