"""Three files of one calibration: each as its runtime takes it, all with the same scales."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import pytest

from calibration.observe import Ranges, observe
from edge.errors import ModelError
from export.graph.view import GraphView
from export.precision.pairs import source_of
from export.precision.qdq import Int8Files, layers, observed, quantise
from export.precision.rewrites import rewrite
from export.trt_rules import lint

_PAIR = ("QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True)
class Calibrated:
    model: onnx.ModelProto
    ranges: Ranges
    files: Int8Files


@pytest.fixture
def calibrated(network: onnx.ModelProto, pictures: Any) -> Calibrated:
    model = rewrite(network).model
    ranges = observe(model, pictures.feeds(), tensors=observed(model))
    return Calibrated(model, ranges, quantise(model, ranges))


def _scales(model: onnx.ModelProto) -> dict[str, tuple[float, ...]]:
    """By the tensor that is quantised, or the weight that is stored."""
    view = GraphView(model.graph)
    found = {}
    for node in model.graph.node:
        if node.op_type in _PAIR:
            scale = view.value(node.input[1])
            assert scale is not None
            name = node.input[0]
            if node.op_type == "QuantizeLinear" or name in view.constants:
                found[name] = tuple(np.ravel(scale).tolist())
    return found


def _zero_points(model: onnx.ModelProto) -> Counter[tuple[str, int]]:
    view = GraphView(model.graph)
    found: Counter[tuple[str, int]] = Counter()
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            zero = view.value(node.input[2])
            assert zero is not None
            found[str(zero.dtype), int(np.ravel(zero)[0])] += 1
    return found


def _quantised_inputs(model: onnx.ModelProto, name: str) -> list[str | None]:
    view = GraphView(model.graph)
    (node,) = [node for node in model.graph.node if node.name == name]
    return [source_of(read, view) for read in node.input]


def _noise(found: dict[str, Any], true: dict[str, Any]) -> float:
    return float(
        np.mean([np.square(found[k] - true[k]).sum() / np.square(true[k]).sum() for k in true])
    )


def test_layers_leave_out_what_gains_nothing(calibrated: Calibrated) -> None:
    names = layers(calibrated.model)
    assert "stem" not in names  # it reads three channels
    assert "excite" not in names  # one pixel of a squeeze-excite block
    assert {"wide", "deep_in", "deep", "first", "second", "side", "head"} == set(names)


def test_every_file_passes_its_rules(calibrated: Calibrated) -> None:
    assert lint(calibrated.files.trt, generation=10) == []
    assert lint(calibrated.files.trt8, generation=8) == []
    for file in (calibrated.files.trt, calibrated.files.trt8, calibrated.files.cpu):
        onnx.checker.check_model(file, full_check=True)
    assert calibrated.files.trt8.opset_import[0].version <= 17


def test_all_files_have_the_same_scales(calibrated: Calibrated) -> None:
    trt, trt8, cpu = (
        _scales(file)
        for file in (calibrated.files.trt, calibrated.files.trt8, calibrated.files.cpu)
    )
    assert set(trt) == set(trt8)
    assert set(trt) <= set(cpu)
    for name, scale in trt.items():
        assert trt8[name] == scale
        assert cpu[name] == scale
    for name, scale in cpu.items():
        if name in calibrated.ranges.tensors:
            expected = calibrated.ranges.tensors[name].threshold / 127
            assert scale == pytest.approx((expected,), rel=1e-6)


def test_zero_points(calibrated: Calibrated) -> None:
    assert set(_zero_points(calibrated.files.trt)) == {("int8", 0)}
    assert set(_zero_points(calibrated.files.trt8)) == {("int8", 0)}
    cpu = _zero_points(calibrated.files.cpu)
    assert set(cpu) == {("uint8", 0), ("uint8", 128)}


def test_a_residual_add_is_quantised_on_its_skip_only_for_tensorrt(calibrated: Calibrated) -> None:
    assert _quantised_inputs(calibrated.files.trt, "sum") == [None, "first_relu"]
    assert _quantised_inputs(calibrated.files.cpu, "sum") == ["second", "first_relu"]


def test_nothing_stands_between_a_convolution_and_its_activation(calibrated: Calibrated) -> None:
    for file in (calibrated.files.trt, calibrated.files.cpu):
        assert _quantised_inputs(file, "first_relu") == [None]


def test_biases_and_gates_stay_float(calibrated: Calibrated) -> None:
    view = GraphView(calibrated.files.trt.graph)
    for node in calibrated.files.trt.graph.node:
        if node.op_type == "Conv":
            assert view.element_type(node.input[2]) == onnx.TensorProto.FLOAT
    for file in (calibrated.files.trt, calibrated.files.cpu):
        assert _quantised_inputs(file, "excite")[:1] == [None]
        assert _quantised_inputs(file, "gate") == [None]


def test_all_files_compute_nearly_what_the_model_does(
    calibrated: Calibrated, pictures: Any, run: Any
) -> None:
    for feed in pictures.feeds():
        true = run(calibrated.model, feed)
        for file in (calibrated.files.trt, calibrated.files.trt8, calibrated.files.cpu):
            assert 0 < _noise(run(file, feed), true) < 0.05
        found, again = run(calibrated.files.trt, feed), run(calibrated.files.trt8, feed)
        for name in true:
            np.testing.assert_allclose(again[name], found[name], rtol=1e-4, atol=1e-4)


def test_a_kept_layer_has_no_pair_anywhere_around_it(
    calibrated: Calibrated, pictures: Any, run: Any
) -> None:
    files = quantise(calibrated.model, calibrated.ranges, keep=frozenset({"second", "deep"}))

    assert files.kept == ("deep", "second")
    assert set(files.layers).isdisjoint(files.kept)
    for file in (files.trt, files.trt8, files.cpu):
        for name in files.kept:
            assert _quantised_inputs(file, name) == [None, None, None]
            (node,) = [node for node in file.graph.node if node.name == name]
            stored = GraphView(file.graph).element_type(node.input[1])
            assert stored == onnx.TensorProto.FLOAT
    assert lint(files.trt) == []
    feed = next(pictures.feeds())
    true = run(calibrated.model, feed)
    assert _noise(run(files.cpu, feed), true) < _noise(run(calibrated.files.cpu, feed), true)


def test_onnx_runtime_fuses_every_layer_of_the_cpu_file(
    calibrated: Calibrated, tmp_path: Any
) -> None:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    ort.InferenceSession(
        calibrated.files.cpu.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    ops = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert ops["QLinearConv"] == len(calibrated.files.layers)
    assert ops["Relu"] == 1  # the last: what the model gives is float
    assert ops["QLinearAdd"] == 1
    assert ops["QLinearConcat"] == 1


def test_keeping_everything_is_refused(calibrated: Calibrated) -> None:
    with pytest.raises(ModelError, match="nothing to quantise"):
        quantise(calibrated.model, calibrated.ranges, keep=frozenset(layers(calibrated.model)))


def test_a_model_without_layers_is_refused(build: Any, pictures: Any) -> None:
    net = build()
    net.node("Relu", ["x"], "y")
    model = rewrite(net.model({"y": ["n", 3, 32, 32]})).model
    ranges = observe(model, pictures.feeds())
    with pytest.raises(ModelError, match="nothing to quantise"):
        quantise(model, ranges)


def test_an_unknown_layer_to_keep_is_an_error(calibrated: Calibrated) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        quantise(calibrated.model, calibrated.ranges, keep=frozenset({"nowhere"}))


def test_small_scores_are_not_lost_in_the_output(build: Any, pictures: Any, run: Any) -> None:
    """A sigmoid's output stays float in every file; one step of INT8 would be 1/127."""
    net = build()
    net.conv("x", "stem", (8, 3, 3, 3))
    net.conv("stem", "head", (2, 8, 3, 3))
    net.node("Add", ["head", net.constant("low", -12)], "logits")
    net.node("Sigmoid", ["logits"], "y")
    model = rewrite(net.model({"y": ["n", 2, 32, 32]})).model
    files = quantise(model, observe(model, pictures.feeds(), tensors=observed(model)))
    feed = next(pictures.feeds())
    true = run(model, feed)
    assert true["y"].max() < 1 / 254
    for file in (files.trt, files.trt8, files.cpu):
        assert np.all(run(file, feed)["y"] > 0)
