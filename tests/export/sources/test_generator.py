"""Several inputs of a generator joined into one latent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from edge.errors import ModelError, UsageError
from edge.runner.base import Tensor
from export.sources.generator import wrap_generator, wrap_run
from export.sources.tensors import input_names, input_shapes

Run = Callable[[Any, Mapping[str, Tensor]], dict[str, Tensor]]

LATENT = ("z", "code")


def test_parts_take_their_places_in_the_latent(infogan: Any, run: Run, latent: Tensor) -> None:
    wrapped = wrap_generator(infogan, latent=LATENT, condition="label")
    assert input_shapes(wrapped) == {"latent": (None, 5), "label": (None,)}
    label = np.zeros(len(latent), np.int64)
    outputs = run(wrapped, {"latent": latent, "label": label})
    np.testing.assert_array_equal(outputs["z_seen"], latent[:, :3, None, None])
    np.testing.assert_array_equal(outputs["code_seen"], latent[:, 3:])
    assert input_names(infogan) == ("z", "code", "label")  # as it was


def test_the_order_is_the_one_that_was_asked_for(infogan: Any, run: Run, latent: Tensor) -> None:
    wrapped = wrap_generator(infogan, latent=("code", "z"), condition="label")
    outputs = run(wrapped, {"latent": latent[:2], "label": np.zeros(2, np.int64)})
    np.testing.assert_array_equal(outputs["code_seen"], latent[:2, :2])


def test_uniform_parts_are_spread_evenly_from_the_normal_latent(
    infogan: Any, run: Run, latent: Tensor
) -> None:
    wrapped = wrap_generator(infogan, latent=LATENT, condition="label", uniform=("code",))
    outputs = run(wrapped, {"latent": latent, "label": np.zeros(len(latent), np.int64)})
    np.testing.assert_array_equal(outputs["z_seen"], latent[:, :3, None, None])
    code = np.sort(np.asarray(outputs["code_seen"], np.float64).ravel())
    even = np.linspace(-1, 1, code.size)
    assert np.abs(code - even).max() < 0.05  # Kolmogorov-Smirnov: 1.63/√8000 · 2 = 0.036 at 1 %
    assert code.min() >= -1
    assert code.max() <= 1


@pytest.mark.parametrize("uniform", [(), ("code",), ("z", "code")])
def test_the_framework_is_called_alike(
    uniform: tuple[str, ...], infogan: Any, run: Run, latent: Tensor
) -> None:
    wrapped = wrap_generator(infogan, latent=LATENT, condition="label", uniform=uniform)
    original = wrap_run(lambda feeds: run(infogan, feeds), infogan, latent=LATENT, uniform=uniform)
    for count in (1, 5):
        feeds = {"latent": latent[:count], "label": np.arange(count)}
        expected, actual = original(feeds), run(wrapped, feeds)
        assert list(expected) == list(actual)
        for name, value in expected.items():
            np.testing.assert_allclose(
                np.asarray(actual[name], np.float64), np.asarray(value, np.float64), atol=1e-6
            )


def test_a_single_latent_keeps_its_name_and_becomes_flat(infogan: Any, run: Run) -> None:
    del infogan.graph.input[1:], infogan.graph.output[1:], infogan.graph.node[1:]
    wrapped = wrap_generator(infogan, latent=("z",))
    assert input_shapes(wrapped) == {"z": (None, 3)}
    outputs = run(wrapped, {"z": np.ones((2, 3), np.float32)})
    assert outputs["z_seen"].shape == (2, 3, 1, 1)
    flat = wrap_generator(wrapped, latent=("z",))
    assert flat == wrapped


def test_a_fixed_batch_stays_fixed(infogan: Any) -> None:
    for value in infogan.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    wrapped = wrap_generator(infogan, latent=LATENT, condition="label")
    assert input_shapes(wrapped) == {"latent": (1, 5), "label": (1,)}


def test_a_tensor_that_is_called_latent_already(infogan: Any, run: Run, latent: Tensor) -> None:
    infogan.graph.node[0].output[0] = infogan.graph.output[0].name = "latent"
    wrapped = wrap_generator(infogan, latent=LATENT, condition="label")
    assert input_names(wrapped) == ("latent1", "label")
    outputs = run(wrapped, {"latent1": latent[:2], "label": np.zeros(2, np.int64)})
    np.testing.assert_array_equal(outputs["latent"], latent[:2, :3, None, None])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"latent": ("z", "noise"), "condition": "label"}, "no input 'noise'"),
        ({"latent": (), "condition": "label"}, "no latent"),
        ({"latent": ("z", "z"), "condition": "label"}, "each once"),
        ({"latent": ("z",), "condition": "label"}, "what the generator's input 'code' is"),
        ({"latent": LATENT}, "what the generator's input 'label' is"),
        ({"latent": LATENT, "condition": "code"}, "'code' cannot be the condition"),
        ({"latent": LATENT, "condition": "class"}, "'class' cannot be the condition"),
        ({"latent": ("z",), "condition": "label", "uniform": ("code",)}, "no part of the latent"),
    ],
)
def test_names_that_do_not_fit(words: dict[str, Any], message: str, infogan: Any) -> None:
    with pytest.raises(UsageError, match=message):
        wrap_generator(infogan, **words)


def test_a_label_is_no_part_of_the_latent(infogan: Any) -> None:
    with pytest.raises(ModelError, match=r"'label' cannot be a part.*are a condition"):
        wrap_generator(infogan, latent=(*LATENT, "label"))


def test_the_wrapped_run_wants_its_own_inputs(infogan: Any, run: Run, latent: Tensor) -> None:
    original = wrap_run(lambda feeds: run(infogan, feeds), infogan, latent=LATENT)
    with pytest.raises(ModelError, match="expected latent, label; found z"):
        original({"z": latent})
