"""Each rule of TensorRT's importer, broken in turn in a file that keeps them all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.errors import UsageError
from export.trt_rules import RULES, Finding, lint

Make = Callable[..., onnx.ModelProto]


def node(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    found: onnx.NodeProto = next(node for node in model.graph.node if node.name == name)
    return found


def constant(model: onnx.ModelProto, name: str, value: Any) -> None:
    """Give a constant, there or not, another value."""
    held = [tensor for tensor in model.graph.initializer if tensor.name == name]
    tensor = held[0] if held else model.graph.initializer.add()
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(value), name))


def rewire(model: onnx.ModelProto, reader: str, place: int, name: str) -> None:
    node(model, reader).input[place] = name


def append(model: onnx.ModelProto, op: str, inputs: list[str], **attributes: Any) -> None:
    """A further node on the side, called and giving ``extra``."""
    model.graph.node.append(helper.make_node(op, inputs, ["extra"], name="extra", **attributes))


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL


def unsigned(model: onnx.ModelProto) -> None:
    constant(model, "g_zero", np.uint8(128))


def no_zero_points(model: onnx.ModelProto) -> None:
    del node(model, "g_q").input[2]


def shifted(model: onnx.ModelProto) -> None:
    constant(model, "extra_zero", np.int8(3))
    rewire(model, "g_dq", 2, "extra_zero")


def zero_scale(model: onnx.ModelProto) -> None:
    scales = np.full(8, 0.01, np.float32)
    scales[3] = 0
    constant(model, "w1_scale", scales)


def endless_scale(model: onnx.ModelProto) -> None:
    constant(model, "extra_scale", np.float32(np.inf))
    rewire(model, "g_dq", 1, "extra_scale")


def moving_scale(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("scale", TensorProto.FLOAT, []))
    rewire(model, "g_dq", 1, "scale")


def half_scale(model: onnx.ModelProto) -> None:
    constant(model, "w1_scale", np.full(8, 0.01, np.float16))


def double_scale(model: onnx.ModelProto) -> None:
    constant(model, "extra_scale", np.float64(0.01))
    rewire(model, "g_dq", 1, "extra_scale")


def per_channel_activation(model: onnx.ModelProto) -> None:
    constant(model, "extra_scale", np.full(8, 0.05, np.float32))
    constant(model, "extra_zero", np.zeros(8, np.int8))
    node(model, "r1_dq").input[1:] = ["extra_scale", "extra_zero"]


def wrong_axis(model: onnx.ModelProto) -> None:
    node(model, "w1_dq").attribute[0].i = 1


def wrong_transposed_axis(model: onnx.ModelProto) -> None:
    constant(model, "w3_scale", np.full(8, 0.01, np.float32))
    constant(model, "w3_zero", np.zeros(8, np.int8))
    node(model, "w3_dq").attribute[0].i = 0


def one_scale_too_few(model: onnx.ModelProto) -> None:
    constant(model, "w1_scale", np.full(7, 0.01, np.float32))


def quantised_bias(model: onnx.ModelProto) -> None:
    constant(model, "bias8", np.zeros(8, np.int8))
    constant(model, "bias_scale", np.float32(0.01))
    held = ["bias8", "bias_scale", "x_zero"]
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", held, ["b"], name="b_dq"))
    rewire(model, "c1", 2, "b")


def int32_bias(model: onnx.ModelProto) -> None:
    constant(model, "bias32", np.zeros(8, np.int32))
    constant(model, "bias_scale", np.float32(0.01))
    held = ["bias32", "bias_scale"]
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", held, ["b"], name="b_dq"))
    rewire(model, "c1", 2, "b")


def float_weight(model: onnx.ModelProto) -> None:
    constant(model, "float_weight", np.zeros((8, 8, 3, 3), np.float32))
    rewire(model, "c1", 1, "float_weight")


def float_input(model: onnx.ModelProto) -> None:
    rewire(model, "up", 0, "added")


def before_activation(model: onnx.ModelProto) -> None:
    """Moves the pair behind the Relu to before it."""
    rewire(model, "r1_q", 0, "c1")
    rewire(model, "r1", 0, "r1_dq")
    rewire(model, "c2", 0, "r1")
    rewire(model, "c2", 1, "float")
    constant(model, "float", np.zeros((8, 8, 1, 1), np.float32))


def branch_pair(model: onnx.ModelProto, *, skip: bool) -> None:
    held = ["x_scale", "x_zero"]
    at = list(model.graph.node).index(node(model, "added"))
    model.graph.node.insert(at, helper.make_node("DequantizeLinear", ["c2_q", *held], ["c2_dq"]))
    model.graph.node.insert(at, helper.make_node("QuantizeLinear", ["c2", *held], ["c2_q"]))
    rewire(model, "added", 0, "c2_dq")
    if not skip:
        rewire(model, "added", 1, "x")


def both_branches(model: onnx.ModelProto) -> None:
    branch_pair(model, skip=True)


def wrong_branch(model: onnx.ModelProto) -> None:
    branch_pair(model, skip=False)


def small_product(model: onnx.ModelProto) -> None:
    for tensor, shape in (("w6", (255, 257)), ("w5", (255, 32))):
        dtype = np.int8 if tensor == "w6" else np.float32
        constant(model, tensor, np.zeros(shape, dtype))
    constant(model, "w6_scale", np.full(257, 0.01, np.float32))
    constant(model, "w6_zero", np.zeros(257, np.int8))


def complex_operator(model: onnx.ModelProto) -> None:
    append(model, "Det", ["x"])


def foreign_operator(model: onnx.ModelProto) -> None:
    append(model, "Mystery", ["x"], domain="com.example")


def double_weight(model: onnx.ModelProto) -> None:
    constant(model, "double", np.zeros(3))
    append(model, "Identity", ["double"])


def cubic(model: onnx.ModelProto) -> None:
    constant(model, "sizes", np.asarray([1, 1, 2, 2], np.float32))
    append(model, "Resize", ["x", "", "sizes"], mode="cubic")


def value_shape(model: onnx.ModelProto) -> None:
    append(model, "NonZero", ["x"])


def value_reshape(model: onnx.ModelProto) -> None:
    inner = helper.make_node("Cast", ["small"], ["shape"], name="cast", to=TensorProto.INT64)
    model.graph.node.append(inner)
    append(model, "Reshape", ["x", "shape"])


BROKEN = [
    (external, "external-data", ""),
    (complex_operator, "operator", "extra"),
    (foreign_operator, "operator", "extra"),
    (cubic, "operator-form", "extra"),
    (double_weight, "element-type", ""),
    (value_shape, "data-dependent-shape", "extra"),
    (value_reshape, "data-dependent-shape", "extra"),
    (shifted, "zero-point", "g_dq"),
    (zero_scale, "scale", "w1_dq"),
    (endless_scale, "scale", "g_dq"),
    (moving_scale, "scale", "g_dq"),
    (half_scale, "scale-type", "w1_dq"),
    (double_scale, "scale-type", "g_dq"),
    (per_channel_activation, "per-axis", "r1_dq"),
    (wrong_axis, "axis", "w1_dq"),
    (wrong_transposed_axis, "axis", "w3_dq"),
    (one_scale_too_few, "scale-count", "w1_dq"),
    (quantised_bias, "float-bias", "b_dq"),
    (int32_bias, "float-bias", "b_dq"),
    (float_weight, "both-sides", "c1"),
    (float_input, "both-sides", "up"),
    (before_activation, "fused-activation", "r1_q"),
    (both_branches, "residual-skip", "added"),
    (wrong_branch, "residual-skip", "added"),
    (small_product, "small-product", "y"),
]


@pytest.mark.parametrize(("opset", "generation"), [(13, 8), (17, 8), (13, 10), (19, 10), (20, 10)])
def test_a_file_that_keeps_every_rule_passes(valid: Make, opset: int, generation: int) -> None:
    model = valid(opset, stored_int8=generation != 8)
    assert lint(model, generation=generation) == []


def test_float_weights_before_their_pairs_do_for_every_generation(valid: Make) -> None:
    assert lint(valid(17, stored_int8=False), generation=10) == []


def test_tensorrt_8_has_no_weights_stored_as_int8(valid: Make) -> None:
    found = [(one.rule.id, one.node) for one in lint(valid(17), generation=8)]
    weights = ["w1_dq", "w2_dq", "w3_dq", "w6_dq"]
    assert found == [("float-weight", name) for name in weights]


@pytest.mark.parametrize(("edit", "rule", "where"), BROKEN, ids=lambda value: str(value))
def test_each_broken_rule_is_the_one_thing_found(
    valid: Make,
    edit: Callable[[onnx.ModelProto], None],
    rule: str,
    where: str,
) -> None:
    model = valid(17)
    edit(model)
    found = [(finding.rule.id, finding.node) for finding in lint(model)]
    assert found == [(rule, where)]


@pytest.mark.parametrize("edit", [unsigned, no_zero_points])
def test_uint8_is_found_on_both_sides_of_a_pair(
    valid: Make, edit: Callable[[onnx.ModelProto], None]
) -> None:
    model = valid(17)
    edit(model)
    found = {(finding.rule.id, finding.node) for finding in lint(model)}
    assert ("zero-point-type", "g_q") in found
    assert {rule for rule, _ in found} == {"zero-point-type"}


def test_every_rule_is_broken_above() -> None:
    shown = {rule for _, rule, _ in BROKEN} | {"zero-point-type", "opset", "float-weight"}
    assert shown == {rule.id for rule in RULES}
    assert all(rule.text and rule.source for rule in RULES)


@pytest.mark.parametrize(
    ("opset", "generation", "fits"),
    [(17, 8, True), (19, 8, False), (19, 10, True), (21, 10, False)],
)
def test_the_opset_has_to_be_one_that_the_generation_knows(
    valid: Make, opset: int, generation: int, fits: bool
) -> None:
    model = valid(opset, stored_int8=generation != 8)
    found = [finding.rule.id for finding in lint(model, generation=generation)]
    assert found == ([] if fits else ["opset"])


def test_a_file_without_an_opset_is_found(valid: Make) -> None:
    model = valid(17)
    del model.opset_import[:]
    assert "opset" in {finding.rule.id for finding in lint(model)}


def test_fp16_scales_fit_from_opset_19_on(valid: Make) -> None:
    model = valid(19)
    half_scale(model)
    assert lint(model) == []


def test_normalisation_layers_came_with_8_6_and_gelu_with_10(valid: Make) -> None:
    model = valid(20, stored_int8=False)
    append(model, "Gelu", ["small"])
    assert lint(model) == []
    found = {(finding.rule.id, finding.op) for finding in lint(model, generation=8)}
    assert found == {("opset", ""), ("operator", "Gelu")}


def test_shapes_taken_from_the_inputs_shape_are_no_finding(valid: Make) -> None:
    model = valid(17)
    model.graph.node.append(helper.make_node("Shape", ["x"], ["shape"]))
    append(model, "Reshape", ["x", "shape"])
    assert lint(model) == []


def test_uint8_may_be_fed_but_not_be_inside(valid: Make) -> None:
    model = valid(17)
    model.graph.input.append(helper.make_tensor_value_info("u", TensorProto.UINT8, ["n", 4]))
    append(model, "Cast", ["u"], to=TensorProto.FLOAT)
    assert lint(model) == []
    constant(model, "inside", np.zeros(4, np.uint8))
    rewire(model, "extra", 0, "inside")
    assert [finding.rule.id for finding in lint(model)] == ["element-type"]


def test_operators_within_branches_are_looked_at(valid: Make) -> None:
    model = valid(17)
    constant(model, "yes", np.bool_(True))
    inner = helper.make_node("Det", ["x"], ["d"], name="inner")
    outputs = [helper.make_tensor_value_info("d", TensorProto.FLOAT, None)]
    branch = helper.make_graph([inner], "branch", [], outputs)
    append(model, "If", ["yes"], then_branch=branch, else_branch=branch)
    assert {(one.node, one.rule.id) for one in lint(model)} == {("inner", "operator")}


def test_a_finding_reads_as_a_sentence(valid: Make) -> None:
    model = valid(17)
    shifted(model)
    (finding,) = lint(model)
    assert isinstance(finding, Finding)
    assert str(finding) == "DequantizeLinear 'g_dq': its zero-point is 3 (zero-point)"


def test_an_unknown_generation_is_refused(valid: Make) -> None:
    with pytest.raises(UsageError, match="8 or 10"):
        lint(valid(17), generation=7)


def test_real_float_models_pass(assets: Path) -> None:
    models = [path for path in sorted((assets / "models").glob("*.onnx"))]
    found = {path.stem: lint(onnx.load(path), generation=8) for path in models}
    assert len(found) >= 8
    broken = {name for name, findings in found.items() if findings}
    assert broken == {"super_resolution_subpixel_x3"}  # it has no opset import
