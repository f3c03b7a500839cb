"""Rewrites compute what the model computed before."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from calibration.observe import observe
from export.graph.prepare import prepare
from export.precision.equalise import equalise, links
from export.precision.qdq import observed
from export.precision.rewrites import rewrite


def _ops(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize(
    ("slopes", "op"),
    [
        ([0.3] * 4, "LeakyRelu"),
        ([-2.0] * 4, "LeakyRelu"),
        ([0.1, -0.5, 0.9, 1.0], "Max"),
        ([1.0, 2.0, 1.5, 7.0], "Min"),
        ([0.1, 2.0, -1.0, 1.0], "Relu"),
    ],
)
def test_prelu_is_taken_apart_exactly(
    build: Any, run: Any, pictures: Any, slopes: list[float], op: str
) -> None:
    net = build()
    net.prelu(net.conv("x", "conv", (4, 3, 3, 3)), "y", slopes)
    model = net.model({"y": ["n", 4, 32, 32]})
    rewritten = rewrite(model).model

    assert op in _ops(rewritten)
    assert "PRelu" not in _ops(rewritten)
    for feed in pictures.feeds():
        np.testing.assert_allclose(
            run(rewritten, feed)["y"], run(model, feed)["y"], rtol=1e-6, atol=1e-6
        )


def test_what_an_export_made_leaky_already_is_not_done_again(build: Any) -> None:
    net = build()
    net.prelu(net.conv("x", "conv", (4, 3, 3, 3)), "y", [0.3] * 4)
    model = net.model({"y": ["n", 4, 32, 32]})
    at_export = prepare(model)
    first, again = rewrite(model), rewrite(at_export.model)
    assert any("LeakyReLU" in step for step in first.steps)
    assert any("LeakyReLU" in step for step in at_export.steps)
    assert not any("PReLU" in step or "LeakyReLU" in step for step in again.steps)
    assert _ops(first.model) == _ops(again.model)


def test_biases_and_norms_are_folded(build: Any, run: Any, pictures: Any) -> None:
    net = build()
    net.conv("x", "conv", (4, 3, 3, 3))
    net.node("Add", ["conv", net.constant("b", np.arange(4).reshape(4, 1, 1))], "added")
    statistics = [net.constant(name, net.random.uniform(0.5, 2, 4)) for name in "gsmv"]
    net.node("BatchNormalization", ["added", *statistics], "y")
    model = net.model({"y": ["n", 4, 32, 32]})
    rewritten = rewrite(model)

    assert _ops(rewritten.model) == ["Conv", "Identity"]
    assert rewritten.steps
    feed = next(pictures.feeds())
    np.testing.assert_allclose(
        run(rewritten.model, feed)["y"], run(model, feed)["y"], rtol=1e-5, atol=1e-5
    )


def test_a_whole_network_stays_what_it_was(
    network: onnx.ModelProto, run: Any, pictures: Any
) -> None:
    rewritten = rewrite(network).model

    names = [node.name for node in rewritten.graph.node]
    assert len(set(names)) == len(names)
    given = {value.name for value in rewritten.graph.output}
    assert not any(given.intersection(node.input) for node in rewritten.graph.node)
    for feed in pictures.feeds():
        true, found = run(network, feed), run(rewritten, feed)
        for name in true:
            np.testing.assert_allclose(found[name], true[name], rtol=1e-5, atol=1e-5)


def test_an_old_opset_is_raised(build: Any) -> None:
    net = build()
    net.conv("x", "y", (4, 3, 3, 3))
    rewritten = rewrite(net.model({"y": ["n", 4, 32, 32]}, opset=11))
    assert rewritten.model.opset_import[0].version >= 13
    assert any("opset 11" in step for step in rewritten.steps)


def test_equalising_keeps_the_function_and_evens_the_channels(
    network: onnx.ModelProto, run: Any, pictures: Any
) -> None:
    model = rewrite(network).model
    before = observe(model, pictures.feeds(), tensors=observed(model))
    equal, count = equalise(model, before)
    after = observe(equal, pictures.feeds(), tensors=observed(model))

    pairs = {(link.first.name, link.second.name) for link in links(model.graph)}
    assert ("deep_in", "deep") in pairs
    # Read twice, or through what is no multiple of its input: nothing can be moved.
    assert not any("first" in pair for pair in pairs)
    assert count == len(pairs)
    for feed in pictures.feeds():
        true, found = run(model, feed), run(equal, feed)
        for name in true:
            np.testing.assert_allclose(found[name], true[name], rtol=1e-4, atol=1e-4)

    def unevenness(ranges: Any) -> float:
        peaks = ranges.tensors["deep_relu"].peaks
        return float(peaks.max() / np.median(peaks))

    # A depthwise layer follows: three quarters of the way on a logarithmic scale.
    assert unevenness(before) > 3
    assert unevenness(after) == pytest.approx(unevenness(before) ** 0.25, rel=0.05)


def test_a_weight_that_two_layers_share_is_left_alone(build: Any, pictures: Any) -> None:
    net = build()
    net.conv("x", "stem", (4, 3, 3, 3))
    net.conv("stem", "a", (4, 4, 3, 3))
    net.node("Conv", ["a", "a_w", "a_b"], "y", pads=[1] * 4)
    model = net.model({"y": ["n", 4, 32, 32]})
    assert not list(links(model.graph))
    ranges = observe(model, pictures.feeds())
    assert equalise(model, ranges)[1] == 0
