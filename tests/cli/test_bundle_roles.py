"""``edgewarden bundle new`` for models of every role: what is recorded, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.bundle import open_bundle
from edge.manifest import CropResize, ImageDecoder, LogitsDecoder, Manifest
from edge.runner.onnxruntime import OnnxRuntimeRunner
from edge.vision.generator import draw_feeds, to_pictures

Axes = Sequence["int | str | None"]
Bundle = Callable[..., Manifest]


def write(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Axes],
    outputs: Mapping[str, Axes],
    constants: Mapping[str, Any] | None = None,
    kinds: Mapping[str, int] | None = None,
) -> Path:
    def value(name: str, axes: Axes) -> onnx.ValueInfoProto:
        kind = (kinds or {}).get(name, TensorProto.FLOAT)
        return helper.make_tensor_value_info(name, kind, list(axes))

    graph = helper.make_graph(
        list(nodes),
        "small",
        [value(*item) for item in inputs.items()],
        [value(*item) for item in outputs.items()],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def generator(path: Path, latent: Axes, *, dim: int = 8, gain: float = 1.0) -> Path:
    """tanh(z · W) as pictures of 4 × 4 in three colours."""
    weight = np.random.default_rng(0).normal(0, 1, (dim, 48)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["z"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["mixed"]),
        helper.make_node("Tanh", ["mixed"], ["squashed"]),
        helper.make_node("Mul", ["squashed", "gain"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "form"], ["picture"]),
    ]
    constants = {
        "w": weight,
        "gain": np.float32(gain),
        "form": np.asarray([-1, 3, 4, 4], np.int64),
    }
    return write(path, nodes, {"z": latent}, {"picture": ["N", 3, 4, 4]}, constants)


def conditional(path: Path, *, index: bool) -> Path:
    """A constant picture for each of three labels, moved a little by the latent."""
    table = np.linspace(-0.9, 0.9, 3 * 12).reshape(3, 12).astype(np.float32)
    look_up = (
        helper.make_node("Gather", ["table", "c"], ["base"])
        if index
        else helper.make_node("MatMul", ["c", "table"], ["base"])
    )
    nodes = [
        look_up,
        helper.make_node("ReduceMean", ["z"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Add", ["base", "mean"], ["moved"]),
        helper.make_node("Tanh", ["moved"], ["squashed"]),
        helper.make_node("Reshape", ["squashed", "form"], ["picture"]),
    ]
    return write(
        path,
        nodes,
        {"z": ["N", 8], "c": ["N"] if index else ["N", 3]},
        {"picture": ["N", 3, 2, 2]},
        {"table": table, "form": np.asarray([-1, 3, 2, 2], np.int64)},
        {"c": TensorProto.INT64} if index else {},
    )


def picture_to_picture(path: Path, axes: Axes, *, factor: float = 0.5) -> Path:
    node = helper.make_node("Mul", ["x", "factor"], ["y"])
    return write(path, [node], {"x": axes}, {"y": axes}, {"factor": np.float32(factor)})


def classifier(path: Path, classes: int) -> Path:
    """The mean of the picture, times one weight for each class."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "column"], ["means"]),
        helper.make_node("MatMul", ["means", "w"], ["logits"]),
    ]
    constants = {
        "w": np.arange(1, classes + 1, dtype=np.float32)[None],
        "column": np.asarray([-1, 1], np.int64),
    }
    return write(path, nodes, {"x": ["N", 3, 16, 16]}, {"logits": ["N", classes]}, constants)


@pytest.fixture
def bundle(run: Any, tmp_path: Path, capsys: Any) -> Bundle:
    """Makes a bundle, verifies it and gives its manifest; ``fails`` gives the error instead."""

    def make(model: Path, template: str, *words: str, out: str = "out") -> Manifest:
        where = ["--template", template, "--out", tmp_path / out]
        assert run("bundle", "new", model, *where, *words) == 0, capsys.readouterr().err
        assert run("bundle", "verify", tmp_path / out) == 0
        assert "golden within" in capsys.readouterr().out
        return open_bundle(tmp_path / out, require_signed=False).manifest

    return make


@pytest.fixture
def fails(run: Any, tmp_path: Path, capsys: Any) -> Callable[..., str]:
    def refuse(model: Path, template: str, *words: str) -> str:
        where = ["--template", template, "--out", tmp_path / "refused"]
        assert run("bundle", "new", model, *where, *words) == 2
        assert not (tmp_path / "refused").exists()
        error: str = capsys.readouterr().err
        return error

    return refuse


@pytest.mark.parametrize(
    ("model", "factor"),
    [("2.7_80x80_MiniFASNetV2", 2.7), ("4_0_0_80x80_MiniFASNetV1SE", 4.0)],
)
def test_real_liveness_models(bundle: Bundle, assets: Path, model: str, factor: float) -> None:
    manifest = bundle(assets / "models" / f"{model}.onnx", f"minifasnet-{factor}")
    assert manifest.role == "liveness"
    assert isinstance(manifest.decoder, LogitsDecoder)
    assert manifest.labels.index(manifest.decoder.positive or "") == 1
    assert manifest.input is not None
    assert manifest.input.resize == CropResize(mode="crop", factor=factor)
    assert [axis.opt for axis in manifest.input.shape] == [1, 3, 80, 80]


def test_the_real_super_resolution_model(bundle: Bundle, assets: Path, tmp_path: Path) -> None:
    model = assets / "models" / "super_resolution_subpixel_x3_opset13.onnx"
    manifest = bundle(model, "subpixel-x3")
    assert manifest.role == "enhancer"
    assert isinstance(manifest.decoder, ImageDecoder)
    assert manifest.outputs[0].range == (0.0, 1.0)
    assert manifest.input is not None
    assert (manifest.input.color, manifest.input.channels) == ("GRAY", 1)
    inputs, outputs = open_bundle(tmp_path / "out", require_signed=False).golden()
    assert outputs["output"].shape[2:] == tuple(3 * side for side in inputs["input"].shape[2:])


def test_a_model_without_an_opset_is_refused(fails: Callable[..., str], assets: Path) -> None:
    error = fails(assets / "models" / "super_resolution_subpixel_x3.onnx", "subpixel-x3")
    assert "which operators it was made for" in error


@pytest.mark.parametrize("latent", [["N", 8], ["N", 8, 1, 1], [2, 8]])
def test_a_generator_has_a_latent_instead_of_an_input(
    bundle: Bundle, tmp_path: Path, latent: Axes
) -> None:
    manifest = bundle(generator(tmp_path / "g.onnx", latent), "generator")
    assert manifest.role == "synthesiser"
    assert manifest.input is None
    assert manifest.condition is None
    assert manifest.latent is not None
    assert (manifest.latent.name, manifest.latent.dim) == ("z", 8)
    assert manifest.latent.distribution == "normal"
    assert manifest.outputs[0].range == (-1.0, 1.0)
    inputs, outputs = open_bundle(tmp_path / "out", require_signed=False).golden()
    assert len(inputs["z"]) == (2 if latent[0] == 2 else 4)
    assert np.ptp(outputs["picture"], axis=0).max() > 0.1


def test_a_uniform_latent_is_drawn_from_minus_one_to_one(bundle: Bundle, tmp_path: Path) -> None:
    model = generator(tmp_path / "g.onnx", ["N", 8])
    manifest = bundle(model, "generator", "--latent", "z:uniform", "--range=-1.5,1.5")
    assert manifest.latent is not None
    assert manifest.latent.distribution == "uniform"
    assert manifest.outputs[0].range == (-1.5, 1.5)
    inputs, _ = open_bundle(tmp_path / "out", require_signed=False).golden()
    assert 0.5 < np.abs(inputs["z"].astype(np.float64)).max() <= 1


@pytest.mark.parametrize("index", [True, False])
def test_a_condition_is_recorded_with_its_labels(
    bundle: Bundle, tmp_path: Path, index: bool
) -> None:
    model = conditional(tmp_path / "c.onnx", index=index)
    words = ["--condition", "c=run,climb,fall", "--latent", "z"]
    manifest = bundle(model, "generator", *words)
    assert manifest.condition is not None
    assert manifest.condition.labels == ("run", "climb", "fall")
    assert manifest.condition.encoding == ("index" if index else "one_hot")
    with OnnxRuntimeRunner(model.read_bytes()) as runner:
        assert manifest.latent is not None
        assert manifest.outputs[0].range is not None
        random = np.random.default_rng(1)
        feeds = draw_feeds(manifest.latent, manifest.condition, runner.signature, 6, random)
        outputs = runner.infer(feeds)
    pictures = to_pictures(outputs[manifest.outputs[0].name], manifest.outputs[0].range)
    assert [picture.shape for picture in pictures] == [(2, 2, 3)] * 6
    means = [float(picture.mean()) for picture in pictures]
    assert means[0] < means[1] < means[2]
    assert means[3] < means[4] < means[5]


def test_conditions_and_latents_that_cannot_be_told_are_asked_for(
    fails: Callable[..., str], tmp_path: Path
) -> None:
    hot = conditional(tmp_path / "hot.onnx", index=False)
    assert "which input is the latent" in fails(hot, "generator")
    assert "labels of condition 'c'" in fails(hot, "generator", "--latent", "z")
    assert "3 of them" in fails(hot, "generator", "--condition", "c=a,b")
    assert "no such input" in fails(hot, "generator", "--latent", "noise")
    plain = generator(tmp_path / "g.onnx", ["N", 8])
    assert "no such input" in fails(plain, "generator", "--condition", "c=a,b", "--latent", "z")
    assert "does not start from a latent" in fails(
        picture_to_picture(tmp_path / "p.onnx", [1, 3, 8, 8]), "generator"
    )


def test_a_picture_beyond_its_range_is_refused(fails: Callable[..., str], tmp_path: Path) -> None:
    model = generator(tmp_path / "g.onnx", ["N", 8], gain=127.5)
    error = fails(model, "generator")
    assert "not in its range" in error
    assert "--range" in error


def test_image_to_image_takes_and_gives_one_range(bundle: Bundle, tmp_path: Path) -> None:
    model = picture_to_picture(tmp_path / "p.onnx", ["N", 3, "H", "W"])
    manifest = bundle(model, "image-to-image", "--role", "anonymiser", "--range=0,1")
    assert manifest.role == "anonymiser"
    spec = manifest.input
    assert spec is not None
    assert spec.mean == (0.0, 0.0, 0.0)
    assert spec.scale == pytest.approx([1 / 255] * 3)
    inputs, _ = open_bundle(tmp_path / "out", require_signed=False).golden()
    assert inputs["x"].astype(np.float64).max() <= 1
    told = bundle(model, "image-to-image", "--range=0,1", "--mean=127.5", out="told")
    assert told.input is not None
    assert set(told.input.mean) == {127.5}


def test_a_channels_last_model_is_recorded_as_one(bundle: Bundle, tmp_path: Path) -> None:
    model = picture_to_picture(tmp_path / "p.onnx", [1, 24, 32, 3])
    manifest = bundle(model, "autoencoder")
    spec = manifest.input
    assert spec is not None
    assert spec.layout == "NHWC"
    assert (spec.height.opt, spec.width.opt, spec.channels) == (24, 32, 3)


def test_a_grey_model_is_asked_for_its_colour(
    bundle: Bundle, fails: Callable[..., str], tmp_path: Path
) -> None:
    model = picture_to_picture(tmp_path / "p.onnx", [1, 1, 24, 32])
    assert "--color" in fails(model, "autoencoder")
    manifest = bundle(model, "autoencoder", "--color", "GRAY")
    assert manifest.input is not None
    assert manifest.input.channels == len(manifest.input.mean) == 1


def test_a_discriminator_is_kept_as_a_score(
    bundle: Bundle, fails: Callable[..., str], tmp_path: Path
) -> None:
    manifest = bundle(classifier(tmp_path / "d.onnx", 1), "discriminator")
    assert manifest.role == "anomaly"
    assert manifest.labels == ("real",)
    assert "[N, 1]" in fails(classifier(tmp_path / "c.onnx", 4), "discriminator")


def test_an_encoder_gives_a_mean_and_a_variance(bundle: Bundle, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Exp", ["mean"], ["variance"]),
    ]
    outputs: dict[str, Axes] = {"mean": ["N", 3], "variance": ["N", 3]}
    model = write(tmp_path / "e.onnx", nodes, {"x": ["N", 3, 16, 16]}, outputs)
    manifest = bundle(model, "encoder")
    assert manifest.role == "anomaly"
    assert manifest.output_names == ("mean", "variance")


def test_a_classifier_names_its_classes(
    bundle: Bundle, fails: Callable[..., str], tmp_path: Path
) -> None:
    model = classifier(tmp_path / "c.onnx", 3)
    assert "--labels" in fails(model, "frame-classifier")
    assert "[N, 2]" in fails(model, "frame-classifier", "--labels", "walk,run")
    manifest = bundle(model, "frame-classifier", "--labels", "walk,run,fall")
    assert manifest.labels == ("walk", "run", "fall")
    assert manifest.input is not None
    assert manifest.input.mean == pytest.approx([123.675, 116.28, 103.53])


def test_a_classifier_of_clips_keeps_their_number_of_frames(
    bundle: Bundle, fails: Callable[..., str], tmp_path: Path
) -> None:
    nodes = [helper.make_node("ReduceMean", ["x"], ["y"], axes=[1, 3, 4], keepdims=0)]
    outputs: dict[str, Axes] = {"y": ["N", 3]}
    model = write(tmp_path / "c.onnx", nodes, {"x": ["N", 12, 3, 32, 24]}, outputs)
    manifest = bundle(model, "clip-classifier", "--labels", "walk,run,fall")
    assert manifest.input is not None
    assert (manifest.input.layout, manifest.input.frames) == ("NTCHW", 12)
    assert (manifest.input.width.opt, manifest.input.height.opt) == (24, 32)
    assert "[N, T, 3, H, W]" in fails(
        classifier(tmp_path / "p.onnx", 3), "clip-classifier", "--labels", "walk,run,fall"
    )
    free = write(tmp_path / "f.onnx", nodes, {"x": ["N", 12, "C", 32, 24]}, {"y": ["N", "C"]})
    assert bundle(free, "clip-classifier", "--labels", "walk,run,fall", out="free").input


def test_a_generator_may_give_clips(
    bundle: Bundle, fails: Callable[..., str], tmp_path: Path
) -> None:
    nodes = [
        helper.make_node("Tanh", ["z"], ["t"]),
        helper.make_node("Reshape", ["t", "shape"], ["y"]),
    ]
    constants = {"shape": np.asarray([-1, 2, 3, 4, 4], np.int64)}
    model = write(tmp_path / "g.onnx", nodes, {"z": ["N", 96]}, {"y": ["N", 2, 3, 4, 4]}, constants)
    assert bundle(model, "generator").outputs[0].range == (-1.0, 1.0)
    assert "range" in fails(model, "generator", "--range", "0,1")


def test_what_does_not_belong_to_the_template_is_refused(
    fails: Callable[..., str], models: Path, tmp_path: Path
) -> None:
    detector = models / "detector.onnx"
    assert "a generator's" in fails(detector, "yunet", "--latent", "z")
    assert "only a picture has a range" in fails(detector, "yunet", "--range=0,1")
    assert "role recogniser" in fails(detector, "yunet", "--role", "recogniser")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--range", "1,-1"),
        ("--range", "one"),
        ("--mean", "1,2"),
        ("--scale", "inf"),
        ("--latent", "z:cauchy"),
        ("--condition", "c"),
        ("--created", "yesterday"),
        ("--color", "HSV"),
        ("--role", "oracle"),
    ],
)
def test_words_of_another_form_are_refused(
    fails: Callable[..., str], models: Path, option: str, value: str
) -> None:
    assert option in fails(models / "detector.onnx", "yunet", f"{option}={value}")


def test_the_same_model_gives_the_same_bundle(
    run: Any, models: Path, tmp_path: Path, capsys: Any
) -> None:
    words = ["--template", "yunet", "--name", "d", "--created", "2026-11-21T12:00:00+02:00"]
    for out in ("a", "b"):
        assert run("bundle", "new", models / "detector.onnx", *words, "--out", tmp_path / out) == 0
    texts = [(tmp_path / out / "manifest.json").read_bytes() for out in ("a", "b")]
    assert texts[0] == texts[1]
    assert json.loads(texts[0])["provenance"]["created"] == "2026-11-21T10:00:00+00:00"
    assert (tmp_path / "a/golden.npz").read_bytes() == (tmp_path / "b/golden.npz").read_bytes()
