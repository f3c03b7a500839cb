"""Models of Keras 3 on its PyTorch backend."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.config import preferred_keras_backend
from edge.errors import MissingExtraError, ModelError, UsageError
from edge.runner.base import Signature
from export.sources.base import Source, SourceRequest
from export.sources.loading import load_source

# Keras itself, on NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RequireParity = Callable[[Source], Signature]


@pytest.fixture(scope="session")
def keras(torch: Any) -> Any:
    with preferred_keras_backend("torch"):
        return pytest.importorskip("keras", reason="needs Keras: run scripts/test-frameworks")


def layers_of(keras: Any, latent: Any) -> Any:
    layers = keras.layers
    x = layers.Dense(4 * 4 * 8, use_bias=False)(latent)
    x = layers.LeakyReLU()(layers.BatchNormalization()(x))
    x = layers.Reshape((4, 4, 8))(x)
    x = layers.Conv2DTranspose(4, 5, strides=2, padding="same", use_bias=False)(x)
    x = layers.LeakyReLU()(layers.BatchNormalization()(x))
    x = layers.Dropout(0.3)(x)
    return layers.Conv2DTranspose(1, 5, strides=2, padding="same", activation="tanh")(x)


@pytest.fixture
def gan(keras: Any, tmp_path: Path) -> Path:
    keras.utils.set_random_seed(3)
    latent = keras.Input((16,), name="z")
    model = keras.Model(latent, layers_of(keras, latent))
    random = np.random.default_rng(0)
    for weight in model.weights:
        if "moving" in weight.path or "gamma" in weight.path:
            weight.assign(0.5 + random.random(weight.shape))
    return save(model, tmp_path / "gan.keras")


def save(model: Any, path: Path) -> Path:
    model.save(path)
    return path


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The file with another description of its layers."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_gan_computes_the_same_in_onnx(gan: Path, require_parity: RequireParity) -> None:
    source = load_source(SourceRequest(path=gan))
    signature = require_parity(source)
    assert source.framework.startswith("Keras 3.")
    assert str(signature.inputs[0]) == "z float32[?, 16]"
    assert str(signature.outputs[0]) == "output float32[?, 16, 16, 1]"


def test_what_keras_itself_computes_is_the_reference(keras: Any, gan: Path) -> None:
    z = np.random.default_rng(3).standard_normal((3, 16)).astype(np.float32)
    expected = keras.saving.load_model(gan).predict(z, verbose=0)
    output = load_source(SourceRequest(path=gan)).run({"z": z})["output"]
    np.testing.assert_allclose(np.asarray(output, np.float32), expected, atol=1e-6)


def test_a_conditional_gan_with_an_index(
    keras: Any, tmp_path: Path, require_parity: RequireParity
) -> None:
    keras.utils.set_random_seed(3)
    latent = keras.Input((16,), name="z")
    label = keras.Input((1,), dtype="int32", name="label")
    code = keras.layers.Flatten()(keras.layers.Embedding(10, 8)(label))
    joined = keras.layers.Concatenate()([latent, code])
    path = save(keras.Model([latent, label], layers_of(keras, joined)), tmp_path / "cgan.keras")
    request = SourceRequest(path=path, latent=("z",), condition="label", output_names=("picture",))
    signature = require_parity(load_source(request))
    assert ", ".join(map(str, signature.inputs)) == "z float32[?, 16], label int32[?, 1]"


def test_a_sequential_discriminator(
    keras: Any, tmp_path: Path, require_parity: RequireParity
) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3), name="picture"),
            layers.Conv2D(8, 5, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss="mse")
    path = save(model, tmp_path / "discriminator.keras")
    signature = require_parity(load_source(SourceRequest(path=path)))
    assert str(signature.inputs[0]) == "picture float32[?, 16, 16, 3]"


def test_a_lambda_layer_is_refused_by_name(keras: Any, tmp_path: Path) -> None:
    latent = keras.Input((4,), name="z")
    out = keras.layers.Lambda(lambda x: x * 2, name="doubling")(latent)
    path = save(keras.Model(latent, out), tmp_path / "lambda.keras")
    with pytest.raises(ModelError, match=r"'doubling' \(Lambda\)"):
        load_source(SourceRequest(path=path))


def test_a_layer_of_ones_own_is_refused_by_name(keras: Any, tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable(package="own")
    class Sampling(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x

    latent = keras.Input((4,), name="z")
    model = keras.Model(latent, Sampling(name="sampling")(latent))
    path = save(model, tmp_path / "own.keras")
    with pytest.raises(ModelError, match=r"needs code that is not in it: 'sampling' \(Sampling\)"):
        load_source(SourceRequest(path=path))


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ({"module": "os", "class_name": "system", "config": {}}, "os: system"),
        ({"module": "keras.utils", "class_name": "get_file", "config": {}}, "get_file"),
        ({"module": "keras.config", "class_name": "function", "config": "x"}, "keras.config"),
        ({"class_name": "__lambda__", "config": {"value": ""}}, "__lambda__"),
        ({"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}}, "TorchMod"),
        ({"module": "keras.layers", "class_name": "TFSMLayer", "config": {}}, "TFSMLayer"),
    ],
)
def test_what_is_no_layer_is_refused_wherever_it_stands(
    part: dict[str, Any], named: str, gan: Path
) -> None:
    def plant(config: dict[str, Any]) -> None:
        dense = next(x for x in config["config"]["layers"] if x["class_name"] == "Dense")
        dense["config"]["kernel_initializer"] = part

    with pytest.raises(ModelError, match=named):
        load_source(SourceRequest(path=rewritten(gan, plant)))


def test_weights_that_are_no_numbers(keras: Any, gan: Path, tmp_path: Path) -> None:
    model = keras.saving.load_model(gan)
    kernel = model.weights[0]
    kernel.assign(np.full(kernel.shape, np.nan))
    path = save(model, tmp_path / "nan.keras")
    with pytest.raises(ModelError, match="NaN"):
        load_source(SourceRequest(path=path))


def test_a_file_that_is_cut_off_or_holds_more(gan: Path) -> None:
    whole = gan.read_bytes()
    gan.write_bytes(whole[:-100])
    with pytest.raises(ModelError, match="no whole archive"):
        load_source(SourceRequest(path=gan))
    gan.write_bytes(whole)
    with zipfile.ZipFile(gan, "a") as archive:
        archive.writestr("assets/script.py", "")
    with pytest.raises(ModelError, match=r"something else.*script\.py"):
        load_source(SourceRequest(path=gan))


def test_another_backend_is_not_taken_for_ours(gan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(UsageError, match="expected torch; found jax"):
        load_source(SourceRequest(path=gan))


def test_the_old_format_is_refused(keras: Any, gan: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(ModelError, match="old format of Keras"):
        load_source(SourceRequest(path=path))


def test_keras_that_is_not_installed(gan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingExtraError, match=r"Keras needs keras.*edgewarden\[export,train\]"):
        load_source(SourceRequest(path=gan))
