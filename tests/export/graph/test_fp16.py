"""Half precision inside, single outside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from edge.errors import ModelError
from export.graph import prepare
from export.graph.trial import opened
from export.graph.view import opset_of
from export.precision.fp16 import to_fp16

if TYPE_CHECKING:
    from tests.export.graph.conftest import Make, Run

GRAPH = "(float[n,8] x) => (float[n,8] y) { a = MatMul(x, w) b = Relu(a) y = MatMul(b, v) }"


def rows(top: float = 1.0) -> dict[str, Any]:
    return {"x": (np.random.default_rng(4).random((3, 8)) * top).astype(np.float32)}


def kinds(model: onnx.ModelProto) -> set[int]:
    return {tensor.data_type for tensor in model.graph.initializer}


def test_weights_are_half_and_what_goes_in_and_out_is_single(make: Make, run: Run) -> None:
    model = make(GRAPH, w=(8, 8), v=(8, 8))
    before = model.SerializeToString()
    half = to_fp16(model)
    assert model.SerializeToString() == before
    assert kinds(half) == {onnx.TensorProto.FLOAT16}
    ends = [*half.graph.input, *half.graph.output]
    assert [one.type.tensor_type.elem_type for one in ends] == [onnx.TensorProto.FLOAT] * 2
    expected, found = run(model, rows())["y"], run(half, rows())["y"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=4e-3)


def test_the_result_is_in_order_and_valid(make: Make) -> None:
    half = to_fp16(make(GRAPH, w=(8, 8), v=(8, 8)))
    onnx.checker.check_model(half, full_check=True)
    made = {value.name for value in half.graph.input} | {t.name for t in half.graph.initializer}
    for node in half.graph.node:
        assert set(node.input) <= made
        made |= set(node.output)


def test_a_weight_beyond_half_precision_keeps_its_layer_in_single(make: Make, run: Run) -> None:
    w = np.random.default_rng(1).random((8, 8)).astype(np.float32)
    w[0, 0] = 1e6
    v = np.full((8, 8), 1e-6, np.float32)
    model = make(GRAPH, w=w, v=v)
    half = to_fp16(model)
    expected, found = run(model, rows())["y"], run(half, rows())["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_values_beyond_half_precision_stay_single_on_their_way(make: Make, run: Run) -> None:
    """200 · 8 · 200 is 320,000 in between, and comes down again behind it."""
    model = make(
        "(float[n,8] x) => (float[n,8] y)"
        " { a = MatMul(x, w) b = Relu(a) c = Mul(b, s) y = MatMul(c, v) }",
        w=np.full((8, 8), 200, np.float32),
        s=np.float32(1e-4),
        v=(8, 8),
    )
    half = to_fp16(model, feeds=[rows(255.0)])
    expected, found = run(model, rows(255.0))["y"], run(half, rows(255.0))["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-2)
    inside = run(opened(half), rows(255.0))
    assert all(np.isfinite(value.astype(np.float64)).all() for value in inside.values())
    assert max(value.max() for value in inside.values()) > 65504


def test_a_large_output_is_handed_out_in_single(make: Make, run: Run) -> None:
    model = make(
        "(float[n,8] x) => (float[n,8] y) { y = MatMul(x, w) }",
        w=np.full((8, 8), 1000, np.float32),
    )
    half = to_fp16(model, feeds=[rows(255.0)])
    expected, found = run(model, rows(255.0))["y"], run(half, rows(255.0))["y"]
    assert [value.name for value in half.graph.output] == ["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_a_weight_that_is_no_number_is_refused_by_name(make: Make) -> None:
    broken = np.zeros((8, 8), np.float32)
    broken[2, 2] = np.inf
    model = make(
        "(float[n,8] x) => (float[n,8] y) { a = MatMul(x, w) y = Clip(a, low, high) }",
        w=broken,
        low=np.float32(0),
        high=np.float32(1),
    )
    with pytest.raises(ModelError, match="weight 'w' is not a number"):
        to_fp16(model, feeds=[rows()])


def test_a_layer_that_still_overflows_is_named(make: Make) -> None:
    """1.0004 is 1 in half precision: nothing is left of the difference that is divided by."""
    model = make(
        "(float[n,8] x) => (float[n,8] y) { a = Mul(x, near) b = Sub(a, x) [split] y = Div(x, b) }",
        near=np.float32(1.0004),
    )
    feeds = {"x": np.full((1, 8), 0.5, np.float32)}
    with pytest.raises(ModelError, match=r"node 'split' \(Div\) overflows in half precision"):
        to_fp16(model, feeds=[feeds])


def test_a_resize_keeps_its_scales_in_single(make: Make, run: Run) -> None:
    model = make(
        "(float[n,2,4,4] x) => (float[n,2,8,8] y)"
        ' { r = Relu(x) y = Resize<mode = "nearest">(r, , s) }',
        s=np.asarray([1, 1, 2, 2], np.float32),
    )
    half = to_fp16(model)
    feeds = {"x": np.random.default_rng(2).random((1, 2, 4, 4)).astype(np.float32)}
    np.testing.assert_allclose(run(half, feeds)["y"], run(model, feeds)["y"], atol=1e-3)


def test_a_quantised_model_gets_half_scales_at_opset_19(make: Make, run: Run) -> None:
    model = make(
        "(float[n,8] x) => (float[n,8] y)"
        " { q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z)"
        " e = DequantizeLinear<axis = 1>(w, t, zs) y = MatMul(d, e) }",
        opset=17,
        w=np.random.default_rng(0).integers(-127, 128, (8, 8)).astype(np.int8),
        s=np.float32(0.01),
        z=np.int8(0),
        t=np.full(8, 0.02, np.float32),
        zs=np.zeros(8, np.int8),
    )
    half = to_fp16(model)
    assert opset_of(half) == 19
    assert {tensor.name for tensor in half.graph.initializer if tensor.data_type == 10} >= {
        "s",
        "t",
    }
    np.testing.assert_allclose(run(half, rows())["y"], run(model, rows())["y"], atol=2e-2)


FP16 = {
    "2.7_80x80_MiniFASNetV2": 0.005,
    "4_0_0_80x80_MiniFASNetV1SE": 0.01,
    "face-reidentification-retail-0095": 0.005,
    "landmarks-regression-retail-0009": 0.005,
    "super_resolution_subpixel_x3_opset13": 0.005,
    "yunet_n_dynamic": 0.05,
}


@pytest.mark.parametrize(("name", "most"), FP16.items())
def test_real_models_stay_near(assets: Path, run: Run, name: str, most: float) -> None:
    path = assets / "models" / f"{name}.onnx"
    model = prepare(onnx.load(path)).model
    half = to_fp16(model)
    assert len(half.SerializeToString()) < 0.65 * path.stat().st_size
    value = model.graph.input[0]
    axes = [axis.dim_value or 64 for axis in value.type.tensor_type.shape.dim]
    top = 1 if axes[1] == 1 else 255
    shape = (1, *axes[1:])
    picture = (np.random.default_rng(6).random(shape) * top).astype(np.float32)
    expected, found = run(model, {value.name: picture}), run(half, {value.name: picture})
    for output, array in expected.items():
        scale = np.abs(array).max()
        np.testing.assert_allclose(found[output], array, rtol=0, atol=most * scale)
