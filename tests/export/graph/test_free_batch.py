"""Freeing a batch axis that is fixed at 1."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from edge.errors import ModelError
from export.graph import prepare

if TYPE_CHECKING:
    from tests.export.graph.conftest import Make, Run


def images(*shape: int) -> dict[str, Any]:
    return {"x": np.random.default_rng(1).random(shape).astype(np.float32)}


def test_shapes_that_say_1_follow_the_batch(make: Make, run: Run) -> None:
    model = make(
        "(float[1,3,4,4] x) => (float[1,6] y, float[1,48] z) { c = Conv(x, w)"
        " f = Reshape(c, flat) g = Gemm(f, k) y = Reshape(g, six)"
        " e = Relu(x) z = Reshape(e, flat) }",
        w=(2, 3, 3, 3),
        k=(8, 6),
        flat=[1, -1],
        six=[1, 6],
    )
    made = prepare(model, free_batch=True)
    assert "3 shapes rewritten" in made.steps[-2]
    feeds = images(5, 3, 4, 4)
    one_by_one, together = run(model, feeds), run(made.model, feeds)
    for name, value in one_by_one.items():
        np.testing.assert_allclose(value, together[name], atol=1e-6)


def test_a_resize_to_fixed_sizes_becomes_one_by_scales(make: Make, run: Run) -> None:
    model = make(
        '(float[1,2,4,6] x) => (float[1,2,8,18] y) { y = Resize<mode = "nearest">(x, , , to) }',
        to=[1, 2, 8, 18],
    )
    made = prepare(model, free_batch=True).model
    feeds = images(3, 2, 4, 6)
    np.testing.assert_array_equal(run(model, feeds)["y"], run(made, feeds)["y"])


def test_a_resize_inside_a_model_is_freed_too(make: Make) -> None:
    model = make(
        "(float[1,2,4,6] x) => (float[1,3,8,12] y)"
        ' { c = Conv(x, w) y = Resize<mode = "nearest">(c, , , to) }',
        w=(3, 2, 1, 1),
        to=[1, 3, 8, 12],
    )
    assert prepare(model, free_batch=True).max_rel < 1e-6


def test_what_follows_the_shape_of_the_input_is_not_folded_to_1(make: Make, run: Run) -> None:
    """A learned first token is repeated for each input; folded first, it would be one for all."""
    model = make(
        "(float[1,2,4] x) => (float[1,3,4] y) { s = Shape(x) g = Gather(s, first)"
        " k = Concat<axis = 0>(g, one, four) e = Expand(t, k) y = Concat<axis = 1>(e, x) }",
        first=[0],
        one=[1],
        four=[4],
        t=(1, 1, 4),
    )
    made = prepare(model, free_batch=True).model
    assert run(made, images(3, 2, 4))["y"].shape == (3, 3, 4)


def test_every_input_gets_the_same_free_axis(make: Make, run: Run) -> None:
    model = make(
        "(float[1,4] z, float[1,2] c) => (float[1,6] y) { y = Concat<axis = 1>(z, c) }",
    )
    made = prepare(model, free_batch=True).model
    axes = {value.type.tensor_type.shape.dim[0].dim_param for value in made.graph.input}
    assert len(axes) == 1
    assert axes != {""}
    feeds = {"z": np.ones((3, 4), np.float32), "c": np.zeros((3, 2), np.float32)}
    assert run(made, feeds)["y"].shape == (3, 6)


def test_a_free_axis_stays_free(make: Make) -> None:
    made = prepare(make("(float[n,4] x) => (float[n,4] y) { y = Relu(x) }"), free_batch=True)
    assert "the batch axis was free" in made.steps


def test_another_fixed_batch_is_refused(make: Make) -> None:
    with pytest.raises(ModelError, match=r"first axes are all 1; found 4"):
        prepare(make("(float[4,4] x) => (float[4,4] y) { y = Relu(x) }"), free_batch=True)


HOLDING = [
    ("[mix] m = ReduceMean<axes = [0], keepdims = 1>(x) y = Add(x, m)", "'mix'"),
    ("[drop] s = Squeeze(x, zero) [back] y = Unsqueeze(s, zero)", "'drop'"),
    ("[join] c = Concat<axis = 0>(x, x) y = ReduceMean<axes = [0], keepdims = 1>(c)", ""),
    ("[token] c = Concat<axis = 1>(x, one) y = Slice(c, zero, four, ones)", "'token'"),
]


@pytest.mark.parametrize(("nodes", "named"), HOLDING)
def test_a_node_that_holds_the_batch_is_named(make: Make, nodes: str, named: str) -> None:
    model = make(
        f"(float[1,4] x) => (float[1,4] y) {{ {nodes} }}",
        zero=[0],
        four=[4],
        ones=[1],
        one=np.ones((1, 1), np.float32),
    )
    assert prepare(model).max_abs == 0
    with pytest.raises(ModelError, match=f"cannot be freed: node {named}"):
        prepare(model, free_batch=True)


FIXED = [
    "2.7_80x80_MiniFASNetV2",
    "4_0_0_80x80_MiniFASNetV1SE",
    "face-reidentification-retail-0095",
    "landmarks-regression-retail-0009",
    "yolox_nano",
    "yunet_n_320_320",
]


@pytest.mark.parametrize("name", FIXED)
def test_real_models_that_were_fixed_take_several(assets: Path, run: Run, name: str) -> None:
    model = onnx.load(assets / "models" / f"{name}.onnx")
    made = prepare(model, free_batch=True).model
    value = model.graph.input[0]
    size = [axis.dim_value for axis in value.type.tensor_type.shape.dim][1:]
    pictures = np.random.default_rng(2).integers(0, 256, (2, *size)).astype(np.float32)
    one_by_one = run(model, {value.name: pictures})
    together = run(made, {value.name: pictures})
    for output, expected in one_by_one.items():
        scale = np.abs(expected).max()
        np.testing.assert_allclose(together[output], expected, rtol=0, atol=1e-5 * scale)
