"""Every family of generator, from a factory and a state_dict to ONNX with the same outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.runner.base import Signature, Tensor
from export.sources.base import Source, SourceRequest
from export.sources.loading import load_source

NOISE, PICTURE = {"z": (None, 16)}, {"picture": (None, 3, 16, 16)}
INFO = {"z": (None, 16, 1, 1), "category": (None, 10), "code": (None, 2)}
FAMILIES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "gan": ("Gan", NOISE, {}),
    "dcgan": ("Dcgan", {"z": (None, 16, 1, 1)}, {"latent": ("z",)}),
    "dcgan as it is": ("Dcgan", {"z": (None, 16, 1, 1)}, {}),
    "cgan by index": (
        "IndexedGan",
        {"z": (None, 16), "label": (None,)},
        {"dtypes": {"label": "int64"}, "latent": ("z",), "condition": "label"},
    ),
    "cgan by one-hot": ("OneHotGan", {"z": (None, 16), "label": (None, 10)}, {}),
    "infogan": (
        "InfoGan",
        INFO,
        {"latent": ("z", "code"), "condition": "category", "uniform": ("code",)},
    ),
    "vae decoder": ("Decoder", NOISE, {"output_names": ("picture",)}),
    "vae encoder": ("Encoder", PICTURE, {}),
    "vae encoder's mean": ("Encoder", PICTURE, {"keep_outputs": ("mean",)}),
    "vae": ("Vae", {"input": (None, 3, 16, 16)}, {"keep_outputs": ("picture",)}),
    "image to image": ("UNet", {"picture": (None, 3, None, None)}, {}),
    "discriminator": ("Discriminator", PICTURE, {"output_names": ("logit",)}),
}
TENSORS = {
    "dcgan": ("z float32[?, 16]", "output float32[?, 3, 16, 16]"),
    "dcgan as it is": ("z float32[?, 16, 1, 1]", "output float32[?, 3, 16, 16]"),
    "cgan by index": ("z float32[?, 16], label int64[?]", "output float32[?, 3, 16, 16]"),
    "infogan": ("latent float32[?, 18], category float32[?, 10]", "output float32[?, 3, 16, 16]"),
    "vae encoder": (
        "picture float32[?, 3, 16, 16]",
        "mean float32[?, 16], log_variance float32[?, 16]",
    ),
    "vae encoder's mean": ("picture float32[?, 3, 16, 16]", "mean float32[?, 16]"),
    "vae": ("input float32[?, 3, 16, 16]", "picture float32[?, 3, 16, 16]"),
    "image to image": ("picture float32[?, 3, ?, ?]", "output float32[?, 3, ?, ?]"),
    "discriminator": ("picture float32[?, 3, 16, 16]", "logit float32[?, 1]"),
}

Network = Callable[..., SourceRequest]
RequireParity = Callable[[Source], Signature]


def output_of(source: Source, **feeds: Tensor) -> NDArray[np.float32]:
    return np.asarray(source.run(feeds)["output"], np.float32)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_computes_the_same_in_onnx(
    family: str, network: Network, require_parity: RequireParity
) -> None:
    factory, inputs, more = FAMILIES[family]
    source = load_source(network(factory, inputs, **more))
    signature = require_parity(source)
    assert source.framework.startswith("PyTorch 2.")
    if family in TENSORS:
        inputs_text, outputs_text = TENSORS[family]
        assert ", ".join(map(str, signature.inputs)) == inputs_text
        assert ", ".join(map(str, signature.outputs)) == outputs_text


def test_a_network_left_in_training_mode_is_exported_for_inference(
    torch: Any, networks: Any, network: Network
) -> None:
    """Dropout drops nothing, and batch normalisation takes the statistics of training."""
    source = load_source(network("Gan", NOISE))
    reference = networks.trained(networks.Gan()).eval()
    z = np.random.default_rng(3).standard_normal((4, 16)).astype(np.float32)
    with torch.no_grad():
        expected = reference(torch.from_numpy(z)).numpy()
    together = output_of(source, z=z)
    np.testing.assert_allclose(together, expected, atol=1e-6)
    alone = np.concatenate([output_of(source, z=row[None]) for row in z])
    np.testing.assert_allclose(alone, expected, atol=1e-6)
    assert not any(node.op_type == "Dropout" for node in source.model.graph.node)


def test_uniform_codes_are_drawn_from_the_normal_latent(
    torch: Any, networks: Any, network: Network
) -> None:
    more = {"latent": ("z", "code"), "condition": "category"}
    plain = load_source(network("InfoGan", INFO, **more))
    even = load_source(network("InfoGan", INFO, uniform=("code",), **more))
    category = np.eye(10, dtype=np.float32)[[4]]
    z = np.random.default_rng(3).standard_normal((1, 16)).astype(np.float32)
    # Φ(0.6744898) = 0.75, which is 0.5 on the way from −1 to 1.
    normal = np.concatenate([z, [[0.6744898, -0.6744898]]], axis=1).astype(np.float32)
    uniform = np.concatenate([z, [[0.5, -0.5]]], axis=1).astype(np.float32)
    np.testing.assert_allclose(
        output_of(even, latent=normal, category=category),
        output_of(plain, latent=uniform, category=category),
        atol=1e-6,
    )


def both_networks(networks: Any, state: dict[str, Any]) -> dict[str, Any]:
    judge = networks.trained(networks.Discriminator()).state_dict()
    return {"generator": state, "discriminator": judge, "optimiser": {"state": {0: {}}}}


def one_module(networks: Any, state: dict[str, Any]) -> dict[str, Any]:
    judge = networks.trained(networks.Discriminator()).state_dict()
    named = {f"module.generator.{name}": value for name, value in state.items()}
    return {"state_dict": {**named, **{f"module.judge.{k}": v for k, v in judge.items()}}}


@pytest.mark.parametrize(
    ("wrap", "place"),
    [
        (both_networks, "'generator' of the file"),
        (one_module, "generator.* of module.* of 'state_dict' of the file"),
    ],
)
def test_the_generator_is_taken_from_a_checkpoint_of_the_whole_training(
    wrap: Callable[[Any, Any], Any],
    place: str,
    networks: Any,
    network: Network,
    save_weights: Callable[..., Any],
) -> None:
    weights = save_weights("Decoder", lambda state: wrap(networks, state))
    source = load_source(network("Decoder", NOISE, weights=weights))
    assert source.notes == (f"weights from {place}, which alone fit",)
    z = np.ones((1, 16), np.float32)
    alone = load_source(network("Decoder", NOISE))
    assert alone.notes == ()
    np.testing.assert_array_equal(output_of(source, z=z), output_of(alone, z=z))
