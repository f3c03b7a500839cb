from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from onnx import TensorProto, helper

from edge.errors import ModelError
from edge.manifest import Manifest
from edge.runner.base import Runner
from export.outputs import check_outputs, find_faults

Load = Callable[[bytes], Runner]
Make = Callable[..., bytes]
MakeManifest = Callable[..., Manifest]
LEARNT_BY_HEART = {
    "weight": np.zeros((8, 784), np.float32),
    "bias": np.linspace(-3, 3, 784, dtype=np.float32),
}


def names(runner: Runner, manifest: Manifest, **more: object) -> list[str]:
    return [fault.name for fault in find_faults(runner, manifest, **more)]  # type: ignore[arg-type]  # passed on


def test_a_sound_generator_has_no_fault(drawing: Make, generator: MakeManifest, load: Load) -> None:
    runner = load(drawing())

    check_outputs(runner, generator(), shapes={"image": (1, 28, 28)})

    assert names(runner, generator()) == []


def test_a_sound_conditional_generator_has_no_fault(
    drawing: Make, generator: MakeManifest, load: Load
) -> None:
    assert names(load(drawing(condition=True)), generator(condition=True)) == []


def test_a_sound_generator_of_fixed_batch_has_no_fault(
    drawing: Make, generator: MakeManifest, load: Load
) -> None:
    assert names(load(drawing(batch=1, shape=(1, 1, 28, 28))), generator()) == []


def test_a_refusal_names_fault_and_output(
    drawing: Make, generator: MakeManifest, load: Load
) -> None:
    with pytest.raises(ModelError, match=r"^latent ignored: output 'image'; expected") as caught:
        check_outputs(load(drawing(weights=LEARNT_BY_HEART)), generator())

    assert caught.value.exit_code == 2
    assert caught.value.remedy


def test_a_reshape_that_mixes_samples_is_a_wrong_batch(
    drawing: Make, generator: MakeManifest, load: Load
) -> None:
    """784 values of one sample read as four pictures of 14 × 14."""
    assert names(load(drawing(shape=(-1, 1, 14, 14))), generator()) == ["wrong batch"]


def test_a_reshape_to_another_size_is_a_wrong_shape(
    drawing: Make, generator: MakeManifest, load: Load
) -> None:
    runner = load(drawing(shape=(-1, 16, 7, 7)))

    assert names(runner, generator(), shapes={"image": (1, 28, 28)})[0] == "wrong shape"


def test_a_convolution_that_shrinks_28_to_24_is_a_wrong_shape(
    drawing: Make, generator: MakeManifest, load: Load
) -> None:
    kernel = np.full((1, 1, 5, 5), 0.2, np.float32)
    shrinking = [
        helper.make_node("Conv", ["raw", "kernel"], ["small"]),
        helper.make_node("Tanh", ["small"], ["image"]),
    ]
    data = drawing(after=shrinking, weights={"kernel": kernel})
    runner = load(data)

    with pytest.raises(ModelError, match=r"wrong shape.*\[1, 28, 28\].*\[1, 24, 24\]"):
        check_outputs(runner, generator(), shapes={"image": (1, 28, 28)})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_diverged_training_is_not_finite(
    drawing: Make, generator: MakeManifest, load: Load, value: float
) -> None:
    weights = {"bias": np.full(784, value, np.float32)}
    plain = [helper.make_node("Identity", ["raw"], ["image"])]

    assert names(load(drawing(weights=weights, after=plain)), generator()) == ["not finite"]


@pytest.mark.parametrize(
    ("operator", "low", "high"),
    [
        ("Sigmoid", -1.0, 1.0),  # one half is never used
        ("Sigmoid", 0.0, 255.0),  # all but a 255th is never used
        ("Tanh", 0.0, 1.0),  # beyond
        ("Identity", -1.0, 1.0),  # an activation is missing
    ],
)
def test_another_range_than_declared_is_named(
    drawing: Make, generator: MakeManifest, load: Load, operator: str, low: float, high: float
) -> None:
    after = [helper.make_node(operator, ["raw"], ["image"])]

    assert "wrong range" in names(load(drawing(after=after)), generator(low=low, high=high))


def test_the_right_range_is_no_fault(drawing: Make, generator: MakeManifest, load: Load) -> None:
    after = [helper.make_node("Sigmoid", ["raw"], ["image"])]

    assert names(load(drawing(after=after)), generator(low=0.0, high=1.0)) == []


def test_an_untrained_generator_stays_grey(
    drawing: Make, generator: MakeManifest, load: Load
) -> None:
    found = list(find_faults(load(drawing(gain=0.001)), generator()))

    assert found[0].name == "wrong range"
    assert "untrained" in found[0].remedy


def test_a_latent_that_is_ignored_is_named(
    drawing: Make, generator: MakeManifest, load: Load
) -> None:
    """A picture learnt by heart: nothing but the bias is left."""
    found = names(load(drawing(weights=LEARNT_BY_HEART)), generator())

    assert found == ["latent ignored"]


def test_a_latent_that_is_ignored_is_named_though_the_condition_is_not(
    drawing: Make, generator: MakeManifest, load: Load
) -> None:
    weights = {"weight": np.zeros((8, 784), np.float32)}

    found = names(load(drawing(condition=True, weights=weights)), generator(condition=True))

    assert found == ["latent ignored"]


def test_a_condition_that_is_ignored_is_named(
    drawing: Make, generator: MakeManifest, load: Load
) -> None:
    weights = {"table": np.zeros((3, 784), np.float32)}

    found = names(load(drawing(condition=True, weights=weights)), generator(condition=True))

    assert found == ["condition ignored"]


def test_few_pictures_for_many_latents_are_a_collapse(
    drawing: Make, generator: MakeManifest, load: Load
) -> None:
    """Only the sign of the first latent value counts: two pictures for all latents."""
    one = np.zeros((8, 784), np.float32)
    one[0] = 1000 * np.sign(np.random.default_rng(1).normal(size=784))

    found = names(load(drawing(weights={"weight": one})), generator())

    assert found == ["mode collapse"]


def test_dropout_left_on_is_not_deterministic(
    drawing: Make, generator: MakeManifest, load: Load
) -> None:
    after = [
        helper.make_node("Tanh", ["raw"], ["clear"]),
        helper.make_node("Dropout", ["clear", "ratio", "training"], ["image"]),
    ]
    weights = {"ratio": np.float32(0.5), "training": np.bool_(True)}

    assert "not deterministic" in names(load(drawing(after=after, weights=weights)), generator())


def test_statistics_of_the_batch_couple_its_samples(
    drawing: Make, generator: MakeManifest, load: Load
) -> None:
    """What batch normalisation does that was not put into evaluation mode."""
    after = [
        helper.make_node("ReduceMean", ["raw"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Mul", ["mean", "half"], ["part"]),
        helper.make_node("Sub", ["raw", "part"], ["centred"]),
        helper.make_node("Tanh", ["centred"], ["image"]),
    ]

    found = names(load(drawing(after=after, weights={"half": np.float32(0.5)})), generator())

    assert "coupled batch" in found


def test_a_recogniser_with_dead_units_is_constant(
    make_model: Make, manifest_of: MakeManifest, load: Load
) -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["before"]),
        helper.make_node("Relu", ["before"], ["alive"]),
        helper.make_node("Add", ["alive", "one"], ["embedding"]),
    ]
    weights = {
        "weight": np.full((3, 16), -1, np.float32),
        "bias": np.full(16, -1, np.float32),
        "one": np.ones(16, np.float32),
    }
    sizes: dict[str, list[int | str]] = {"input": [1, 3, 112, 112]}
    data = make_model(nodes, inputs=sizes, outputs={"embedding": [1, 16]}, weights=weights)
    changes = {"mean": [0, 0, 0], "scale": [1, 1, 1]}
    manifest = manifest_of("arcface-rgb", outputs=["embedding"])
    spec = manifest.input
    assert spec is not None
    manifest = manifest_of(
        "arcface-rgb",
        outputs=["embedding"],
        input={**spec.model_dump(mode="json"), **changes, "shape": [1, 3, 112, 112]},
    )

    assert names(load(data), manifest) == ["constant output"]


def test_real_inputs_are_looked_at_too(
    make_model: Make, manifest_of: MakeManifest, load: Load
) -> None:
    """A model that divides by its input's mean breaks on a black picture only."""
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Div", ["input", "mean"], ["bright"]),
        helper.make_node("Sigmoid", ["bright"], ["image"]),
    ]
    axes: dict[str, list[int | str]] = {"input": ["N", 3, "H", "W"]}
    data = make_model(nodes, inputs=axes, outputs={"image": ["N", 3, "H", "W"]}, weights={})
    manifest = manifest_of("autoencoder", outputs=[{"name": "image", "range": [0, 1]}])
    runner = load(data)
    black = {"input": np.zeros((1, 3, 64, 64), np.float32)}

    assert "not finite" not in names(runner, manifest)
    assert names(runner, manifest, feeds=[black]) == ["not finite"]


def test_an_integer_condition_is_told_too(
    make_model: Make, manifest_of: MakeManifest, load: Load
) -> None:
    random = np.random.default_rng(6)
    nodes = [
        helper.make_node("Gather", ["table", "label"], ["told"]),
        helper.make_node("Gemm", ["latent", "weight"], ["drawn"]),
        helper.make_node("Add", ["drawn", "told"], ["both"]),
        helper.make_node("Reshape", ["both", "shape"], ["raw"]),
        helper.make_node("Tanh", ["raw"], ["image"]),
    ]
    weights = {
        "table": random.normal(size=(3, 64)).astype(np.float32),
        "weight": random.normal(size=(8, 64)).astype(np.float32),
        "shape": np.asarray([-1, 1, 8, 8], np.int64),
    }
    inputs: dict[str, list[int | str]] = {"latent": ["N", 8], "label": ["N"]}
    kinds = {"label": int(TensorProto.INT64)}
    changes = {
        "latent": {"name": "latent", "dim": 8, "distribution": "uniform"},
        "condition": {"name": "label", "labels": ["a", "b", "c"], "encoding": "index"},
        "outputs": [{"name": "image", "range": [-1, 1]}],
    }
    manifest = manifest_of("generator", **changes)
    outputs: dict[str, list[int | str]] = {"image": ["N", 1, 8, 8]}

    def model(table: object) -> bytes:
        return make_model(
            nodes, inputs=inputs, outputs=outputs, weights={**weights, "table": table}, kinds=kinds
        )

    assert names(load(model(weights["table"])), manifest) == []
    dead = np.zeros((3, 64), np.float32)
    assert names(load(model(dead)), manifest) == ["condition ignored"]
