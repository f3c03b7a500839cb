"""Preparing a graph: what is folded and converted computes the same, what cannot be is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.errors import ModelError
from export.graph import convert_opset, prepare
from export.graph.view import opset_of

if TYPE_CHECKING:
    from tests.export.graph.conftest import Make, Run

NORM: dict[str, Any] = {
    "s": (4,),
    "b": (4,),
    "m": (4,),
    "v": np.asarray([0.5, 1, 2, 3], np.float32),
}
CONV = "(float[n,3,8,8] x) => (float[n,c,h,w] y)"


def operators(model: onnx.ModelProto) -> dict[str, int]:
    return dict(Counter(node.op_type for node in model.graph.node))


def images(*shape: int) -> dict[str, Any]:
    return {"x": np.random.default_rng(1).random(shape).astype(np.float32)}


def test_conv_takes_in_norm_and_add(make: Make, run: Run) -> None:
    model = make(
        f"{CONV} {{ c = Conv<pads = [1, 1, 1, 1]>(x, w) d = BatchNormalization(c, s, b, m, v)"
        " r = Relu(d) e = Conv(r, w2) y = Add(e, a) }",
        w=(4, 3, 3, 3),
        w2=(2, 4, 1, 1),
        a=(1, 2, 1, 1),
        **NORM,
    )
    made = prepare(model)
    assert operators(made.model) == {"Conv": 2, "Relu": 1}
    assert "folded 5 nodes to 3: −1 BatchNormalization, −1 Add" in made.steps
    assert made.max_rel < 1e-5
    feeds = images(2, 3, 8, 8)
    np.testing.assert_allclose(run(model, feeds)["y"], run(made.model, feeds)["y"], atol=1e-5)


@pytest.mark.parametrize("slope", [0.25, 0.1, -2.0, 1.5, 0.0])
def test_prelu_with_one_slope_is_leaky_relu_to_the_bit(make: Make, run: Run, slope: float) -> None:
    model = make(
        f"{CONV} {{ c = Conv<pads = [1, 1, 1, 1]>(x, w) d = PRelu(c, a) y = Conv(d, w2) }}",
        w=(4, 3, 3, 3),
        w2=(2, 4, 1, 1),
        a=np.full((4, 1, 1), slope, np.float32),
    )
    made = prepare(model)
    assert operators(made.model) == {"Conv": 2, "LeakyRelu": 1}
    assert "1 PReLU with one slope made LeakyReLU" in made.steps
    assert made.max_abs == 0
    assert [tensor.name for tensor in made.model.graph.initializer] == ["w", "w2"]
    feeds = {"x": images(2, 3, 8, 8)["x"] - np.float32(0.5)}
    np.testing.assert_array_equal(run(model, feeds)["y"], run(made.model, feeds)["y"])


def test_prelu_with_a_slope_for_each_channel_stays(make: Make) -> None:
    model = make(
        f"{CONV} {{ c = Conv(x, w) y = PRelu(c, a) }}",
        w=(4, 3, 3, 3),
        a=np.asarray([0.1, 0.2, 0.1, 0.1], np.float32).reshape(4, 1, 1),
    )
    made = prepare(model)
    assert operators(made.model) == {"Conv": 1, "PRelu": 1}
    assert not any("LeakyReLU" in step for step in made.steps)


def test_a_generators_transposed_conv_takes_in_its_norm(make: Make) -> None:
    model = make(
        f"{CONV} {{ c = ConvTranspose<strides = [2, 2]>(x, w)"
        " d = BatchNormalization(c, s, b, m, v) y = Tanh(d) }",
        w=(3, 4, 2, 2),
        **NORM,
    )
    made = prepare(model)
    assert operators(made.model) == {"ConvTranspose": 1, "Tanh": 1}
    assert made.max_rel < 1e-5


@pytest.mark.parametrize(
    ("product", "weights"),
    [
        ("MatMul(x, w)", {"w": (6, 4)}),
        ("Gemm<transB = 1>(x, w, bias)", {"w": (4, 6), "bias": (4,)}),
        ("Gemm(x, w, bias)", {"w": (6, 4), "bias": (4,)}),
    ],
)
def test_a_dense_layer_takes_in_its_norm(
    make: Make, run: Run, product: str, weights: dict[str, Any]
) -> None:
    model = make(
        f"(float[n,6] x) => (float[n,4] y) {{ c = {product}"
        " y = BatchNormalization(c, s, b, m, v) }",
        **weights,
        **NORM,
    )
    made = prepare(model).model
    assert operators(made) == {"Gemm": 1}
    assert len(made.graph.initializer) == 2
    feeds = images(5, 6)
    np.testing.assert_allclose(run(model, feeds)["y"], run(made, feeds)["y"], atol=1e-5)


def test_a_norm_that_others_look_past_stays(make: Make) -> None:
    model = make(
        "(float[n,6] x) => (float[n,4] y, float[n,4] c)"
        " { c = MatMul(x, w) y = BatchNormalization(c, s, b, m, v) }",
        w=(6, 4),
        **NORM,
    )
    assert operators(prepare(model).model) == {"MatMul": 1, "BatchNormalization": 1}


def test_constants_are_computed_once(make: Make) -> None:
    model = make("(float[n,4] x) => (float[n,4] y) { t = Exp(a) u = Neg(t) y = Mul(x, u) }", a=(4,))
    assert operators(prepare(model).model) == {"Mul": 1}


def test_reshapes_that_look_their_axes_up_become_constant(make: Make, run: Run) -> None:
    model = make(
        "(float[n,2,h,w] x) => (float[n,p,2] y) { t = Transpose<perm = [0, 2, 3, 1]>(x)"
        " s = Shape(t) g = Gather(s, zero) u = Unsqueeze(g, axes) k = Concat<axis = 0>(u, r, two)"
        " y = Reshape(t, k) }",
        zero=np.int64(0),
        axes=[0],
        r=[-1],
        two=[2],
    )
    made = prepare(model).model
    assert operators(made) == {"Transpose": 1, "Reshape": 1}
    feeds = images(3, 2, 4, 6)
    np.testing.assert_array_equal(run(model, feeds)["y"], run(made, feeds)["y"])


def test_a_reshape_that_moves_axes_stays_as_it_is(make: Make) -> None:
    model = make(
        "(float[n,2,h,w] x) => (float[w,k] y) { s = Shape(x) g = Gather(s, one) h = Gather(s, zero)"
        " k = Concat<axis = 0>(g, h, r) y = Reshape(x, k) }",
        zero=[0],
        one=[3],
        r=[-1],
    )
    assert operators(prepare(model).model)["Shape"] == 1


@pytest.mark.parametrize(
    ("had", "asked", "has"),
    [(11, None, 13), (13, None, 13), (16, None, 16), (20, None, 17), (11, 19, 19), (20, 13, 13)],
)
def test_the_operator_set_is_converted(make: Make, had: int, asked: int | None, has: int) -> None:
    graph = f"{CONV} {{ y = Conv(x, w) }}"
    made = prepare(make(graph, opset=had, w=(2, 3, 3, 3)), opset=asked)
    assert opset_of(made.model) == has
    assert (f"opset {had} to {has}" in made.steps) == (had != has)
    assert made.max_abs == 0


def test_an_operator_that_an_older_set_lacks_is_written_out(make: Make) -> None:
    made = prepare(make("(float[n,4] x) => (float[n,4] y) { y = Gelu(x) }", opset=20))
    assert "opset 20 to 17" in made.steps
    assert operators(made.model)["Erf"] == 1
    assert made.max_rel < 1e-6


def test_what_an_older_set_cannot_say_keeps_the_newer_one(make: Make) -> None:
    model = make("(int32[n,4] x) => (int32[n,4] y) { [flip] y = BitwiseNot(x) }", opset=20)
    made = prepare(model)
    assert opset_of(made.model) == 20
    assert any("opset 20 kept" in step and "'flip'" in step for step in made.steps)
    with pytest.raises(ModelError, match=r"node 'flip' \(BitwiseNot\) cannot be converted"):
        prepare(model, opset=17)
    assert convert_opset(model, 20) is model


def test_weights_are_no_inputs_and_nodes_have_names_of_their_own(make: Make) -> None:
    model = make(f"{CONV} {{ [a] c = Conv(x, w) [a] d = Relu(c) y = Relu(d) }}", w=(2, 3, 3, 3))
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [2, 3, 3, 3]))
    model.ir_version = 3
    model.graph.node[0].doc_string = "File /home/somebody/train.py"
    made = prepare(model)
    assert [value.name for value in made.model.graph.input] == ["x"]
    assert made.model.ir_version >= 4
    assert len({node.name for node in made.model.graph.node}) == len(made.model.graph.node)
    assert b"somebody" not in made.model.SerializeToString()
    assert made.steps[0] == "1 weights no longer listed as inputs"


def test_nodes_are_put_in_order_and_the_given_model_is_left_alone(make: Make) -> None:
    model = make(f"{CONV} {{ c = Conv(x, w) d = Relu(c) y = Exp(d) }}", w=(2, 3, 3, 3))
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    before = model.SerializeToString()
    made = prepare(model)
    assert [node.op_type for node in made.model.graph.node] == ["Conv", "Relu", "Exp"]
    assert "nodes put into topological order" in made.steps
    assert model.SerializeToString() == before


def test_functions_are_inlined(make: Make) -> None:
    model = make("(float[n,4] x) => (float[n,4] y) { y = own.Twice(x) }", domains=', "own": 1')
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    opsets = [helper.make_opsetid("", 13)]
    model.functions.append(helper.make_function("own", "Twice", ["a"], ["b"], body, opsets))
    made = prepare(model)
    assert "1 functions inlined" in made.steps
    assert operators(made.model) == {"Add": 1}


def test_shapes_inside_are_known(make: Make) -> None:
    made = prepare(make(f"{CONV} {{ c = Conv(x, w) y = Relu(c) }}", w=(2, 3, 3, 3))).model
    (inner,) = [info for info in made.graph.value_info if info.name == "c"]
    assert [axis.dim_value for axis in inner.type.tensor_type.shape.dim][1:] == [2, 6, 6]


def test_a_quantised_model_keeps_its_pairs(make: Make) -> None:
    model = make(
        "(float[n,4] x) => (float[n,4] y)"
        " { q = QuantizeLinear(a, s, z) d = DequantizeLinear(q, s, z) y = Mul(x, d) }",
        a=(4,),
        s=np.float32(0.1),
        z=np.int8(0),
    )
    made = prepare(model)
    assert operators(made.model) == operators(model)
    assert "not folded: it is quantised" in made.steps


def test_external_data_is_refused_by_name(make: Make, tmp_path: Path) -> None:
    model = make(f"{CONV} {{ y = Conv(x, w) }}", w=(2, 3, 3, 3))
    path = tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, size_threshold=0)
    outside = onnx.load(path, load_external_data=False)
    with pytest.raises(ModelError, match="'w' of 1 in another file"):
        prepare(outside)


def test_external_data_in_a_branch_is_found_too(make: Make) -> None:
    value = numpy_helper.from_array(np.zeros(3, np.float32), "hidden")
    value.data_location = TensorProto.EXTERNAL
    inner = helper.make_node("Constant", [], ["c"], value=value)
    outputs = [helper.make_tensor_value_info("c", TensorProto.FLOAT, [3])]
    branch = helper.make_graph([inner], "b", [], outputs)
    model = make("(float[n,4] x) => (float[n,4] y) { y = Relu(x) }")
    model.graph.node.append(
        helper.make_node("If", ["x"], ["z"], then_branch=branch, else_branch=branch)
    )
    with pytest.raises(ModelError, match="'hidden'"):
        prepare(model)


@pytest.mark.parametrize(
    ("node", "domains", "opset", "said"),
    [
        ("[odd] y = Mystery(x)", "", 13, "node 'odd' uses Mystery"),
        ("[odd] y = custom.Mystery(x)", ', "custom": 1', 13, "node 'odd' uses custom.Mystery"),
        ("[late] y = Gelu(x)", "", 13, "Gelu of domain 'ai.onnx' at opset 13"),
    ],
)
def test_an_operator_that_nobody_knows_is_named(
    make: Make, node: str, domains: str, opset: int, said: str
) -> None:
    model = make(f"(float[n,4] x) => (float[n,4] y) {{ {node} }}", opset=opset, domains=domains)
    with pytest.raises(ModelError, match=said):
        prepare(model)


def test_an_operator_of_onnx_runtimes_own_is_taken(make: Make) -> None:
    graph = "(float[n,4] x) => (float[n,4] y) { y = com.microsoft.Gelu(x) }"
    assert prepare(make(graph, domains=', "com.microsoft": 1')).max_abs == 0


def test_noise_inside_is_refused_by_node(make: Make) -> None:
    graph = "(float[n,4] x) => (float[n,4] y) { [draw] e = RandomNormalLike(x) y = Add(x, e) }"
    with pytest.raises(ModelError, match=r"from run to run because of node 'draw'"):
        prepare(make(graph))


def test_a_model_that_gives_no_numbers_is_refused(make: Make) -> None:
    graph = "(float[n,4] x) => (float[n,4] y) { y = Mul(x, a) }"
    with pytest.raises(ModelError, match="no finite outputs"):
        prepare(make(graph, a=np.full(4, np.nan, np.float32)))


def test_a_model_that_runs_on_no_size_is_refused(make: Make) -> None:
    graph = "(float[n,c] x) => (float[n,4] y) { y = MatMul(x, a) }"
    with pytest.raises(ModelError, match="runs on no input"):
        prepare(make(graph, a=(7, 4)))


def test_what_is_no_valid_graph_is_refused(make: Make) -> None:
    cycle = make("(float[n,4] x) => (float[n,4] y) { a = Add(x, b) b = Relu(a) y = Relu(b) }")
    with pytest.raises(ModelError, match=r"form a cycle at 'a' \(Add\)"):
        prepare(cycle)
    nameless = make("(float[n,4] x) => (float[n,4] y) { y = Relu(x) }")
    del nameless.opset_import[:]
    with pytest.raises(ModelError, match="which operators"):
        prepare(nameless)
    empty = make("(float[n,4] x) => (float[n,4] y) { y = Relu(x) }")
    del empty.graph.node[:]
    with pytest.raises(ModelError, match="no node"):
        prepare(empty)
    wrong = make("(float[n,4] x) => (float[n,5] y) { y = Concat<axis = 7>(x, x) }")
    with pytest.raises(ModelError):
        prepare(wrong)


def test_real_models_compute_the_same(assets: Path) -> None:
    paths = [path for path in (assets / "models").glob("*.onnx") if path.stem[-2:] != "x3"]
    assert len(paths) >= 8
    for path in paths:
        model = onnx.load(path)
        made = prepare(model)
        assert made.max_rel < 1e-6, path
        assert len(made.model.graph.node) <= len(model.graph.node)
        assert opset_of(made.model) == 13


def test_the_real_model_without_an_operator_set_is_refused(assets: Path) -> None:
    with pytest.raises(ModelError, match="which operators"):
        prepare(onnx.load(assets / "models" / "super_resolution_subpixel_x3.onnx"))


def test_outputs_of_different_lengths_do_not_share_a_symbol(assets: Path) -> None:
    """The real file gives all twelve outputs one "dim", which lets runtimes mix their memory up."""
    made = prepare(onnx.load(assets / "models" / "yunet_n_dynamic.onnx")).model
    shapes = [value.type.tensor_type.shape.dim for value in made.graph.output]
    assert len({shape[1].dim_param for shape in shapes}) == len(shapes) == 12
    assert {shape[0].dim_param for shape in shapes} == {"batch"}


def test_a_norm_over_axes_goes_to_an_older_set(make: Make) -> None:
    """The converter leaves an attribute behind that the older set does not have."""
    graph = "(float[n,4] x) => (float[n,4] y) { r = ReduceL2(x, axes) y = Div(x, r) }"
    made = prepare(make(graph, opset=20, axes=[1]))
    assert opset_of(made.model) == 17
    assert made.max_rel < 1e-6
