"""Run by a Python that has TensorFlow: writes the SavedModels that the tests load."""

# mypy: disable-error-code="misc,untyped-decorator"
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

SPEC = tf.TensorSpec([None, 16], tf.float32, name="z")


class Generator(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        random = np.random.default_rng(5)
        self.dense = tf.Variable(random.standard_normal((16, 128)).astype(np.float32) / 4)
        self.kernel = tf.Variable(random.standard_normal((5, 5, 3, 8)).astype(np.float32) / 5)

    @tf.function
    def picture(self, z: tf.Tensor) -> dict[str, tf.Tensor]:
        x = tf.nn.leaky_relu(tf.reshape(z @ self.dense, [-1, 4, 4, 8]))
        size = tf.stack([tf.shape(z)[0], 8, 8, 3])
        return {"picture": tf.tanh(tf.nn.conv2d_transpose(x, self.kernel, size, 2))}

    @tf.function
    def score(self, z: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"score": tf.reduce_mean(z @ self.dense, axis=1, keepdims=True)}


class Calling(tf.Module):
    """It calls Python where it is run."""

    @tf.function
    def __call__(self, z: tf.Tensor) -> dict[str, tf.Tensor]:
        doubled = tf.numpy_function(lambda x: x * 2, [z], tf.float32)
        return {"doubled": tf.ensure_shape(doubled, [None, 16])}


class Reading(tf.Module):
    """It reads a file of the machine that it is run on."""

    @tf.function
    def __call__(self, z: tf.Tensor) -> dict[str, tf.Tensor]:
        size = tf.strings.length(tf.io.read_file("/etc/hostname"))
        return {"leaked": z + tf.cast(size, tf.float32)}


def main(folder: Path) -> None:
    model = Generator()
    picture = model.picture.get_concrete_function(SPEC)
    score = model.score.get_concrete_function(SPEC)
    for name, owner, signatures in (
        ("one", model, {"serving_default": picture}),
        ("two", model, {"generate": picture, "score": score}),
        ("none", tf.Module(), None),
    ):
        tf.saved_model.save(owner, str(folder / name), signatures=signatures)
    keras = tf.keras
    layers = [keras.Input((16,), name="z"), keras.layers.Dense(8, activation="tanh")]
    keras.Sequential(layers).export(str(folder / "keras"), verbose=False)
    for name, owner in (("python", Calling()), ("file", Reading())):
        function = owner.__call__.get_concrete_function(SPEC)
        tf.saved_model.save(owner, str(folder / name), signatures=function)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
