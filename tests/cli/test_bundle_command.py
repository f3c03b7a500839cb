"""``edgewarden bundle``: from a model to a signed bundle, and everything that is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


def new(run: Any, model: Path, template: str, out: Path, *more: object) -> int:
    code: int = run("bundle", "new", model, "--template", template, "--out", out, *more)
    return code


def constant_model(path: Path, outputs: dict[str, Any], side: int | None = 128) -> Path:
    """A model that gives the same outputs for every picture; free axes where side is None."""
    values = {name: np.asarray(value) for name, value in outputs.items()}
    kinds = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in values.items()}
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"{name}_value"], [name]) for name in values],
        "constant",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info(n, kinds[n], values[n].shape) for n in values],
        [numpy_helper.from_array(value, f"{name}_value") for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_bundle_states_what_the_model_is(
    run: Any, models: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "det"
    assert new(run, models / "detector.onnx", "yunet", out, "--license", "MIT") == 0
    capsys.readouterr()
    assert run("bundle", "show", out, "--json") == 0
    manifest = json.loads(capsys.readouterr().out)
    assert manifest["name"] == "det"
    assert manifest["role"] == "detector"
    assert manifest["license"] == "MIT"
    assert manifest["training"] == "unverified"
    assert manifest["input"]["shape"] == [1, 3, 320, 320]
    assert manifest["variants"][0]["id"] == "fp32"
    assert manifest["variants"][0]["opset"] == 13
    assert sorted(path.name for path in out.iterdir()) == [
        "fp32.onnx",
        "golden.npz",
        "manifest.json",
    ]


def test_signing_and_verifying(run: Any, models: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "det"
    assert new(run, models / "detector.onnx", "yunet", out) == 0
    assert run("bundle", "keygen", tmp_path / "release") == 0
    assert run("bundle", "keygen", tmp_path / "other") == 0
    key, other = tmp_path / "release.pub", tmp_path / "other.pub"
    assert run("bundle", "verify", out, "--key", key) == 2
    assert "sign" in capsys.readouterr().err
    assert run("bundle", "sign", out, "--key", tmp_path / "release.key") == 0
    assert run("bundle", "verify", out, "--key", key) == 0
    assert "golden within" in capsys.readouterr().out
    assert run("bundle", "verify", out, "--key", other) == 2
    assert run("bundle", "sign", out, "--key", tmp_path / "other.key") == 2
    assert run("bundle", "sign", out, "--key", tmp_path / "other.key", "--replace") == 0
    assert run("bundle", "verify", out, "--key", other) == 0


def test_a_site_that_requires_signatures_runs_only_signed_bundles(
    run: Any, world: Any, clip: Any, capsys: Any
) -> None:
    assert run("bundle", "keygen", world.folder / "release") == 0
    world.edit("require_signed = false", 'trusted_keys = ["release.pub"]')
    assert run("replay", clip(1), "--config", world.site) == 2
    assert "not signed" in capsys.readouterr().err
    bundles = [world.folder / f"{name}-bundle" for name in ("detector", "recogniser")]
    assert run("bundle", "sign", *bundles, "--key", world.folder / "release.key") == 0
    assert run("replay", clip(1), "--config", world.site) == 0


@pytest.mark.parametrize(
    ("model", "template", "word"),
    [
        ("recogniser.onnx", "yunet", "outputs do not fit decoder 'yunet'"),
        ("detector.onnx", "scrfd", "outputs do not fit decoder 'scrfd'"),
        ("detector.onnx", "reid-0095", "for pictures of 128 x 128"),
        ("recogniser.onnx", "reid-0095", "for pictures of 128 x 128"),
        ("none.onnx", "yunet", "cannot read"),
    ],
)
def test_a_model_of_another_family_is_refused(
    run: Any, models: Path, tmp_path: Path, capsys: Any, model: str, template: str, word: str
) -> None:
    out = tmp_path / "out"
    assert new(run, models / model, template, out) == 2
    assert word in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_many_outputs_is_no_recogniser(run: Any, tmp_path: Path, capsys: Any) -> None:
    side = 112
    picture = helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, side, side])
    names = [f"out{number}" for number in range(6)]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, side, side]) for name in names
    ]
    nodes = [helper.make_node("Relu", ["data"], [name]) for name in names]
    graph = helper.make_graph(nodes, "many", [picture], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = tmp_path / "many.onnx"
    path.write_bytes(model.SerializeToString())
    words = ["--template", "arcface-rgb", "--out", tmp_path / "out"]
    assert run("bundle", "new", path, *words) == 2
    assert "found 6: out0, out1, out2, out3, …. Choose the template" in capsys.readouterr().err


@pytest.mark.parametrize("template", ["yunet", "yolox", "reid-0095", "landmarks-0009"])
@pytest.mark.parametrize("shape", [(), (0,), (0, 0), (0, 6), (1, 0, 6), (3,)])
def test_outputs_of_no_known_form_are_refused(
    run: Any, tmp_path: Path, capsys: Any, template: str, shape: tuple[int, ...]
) -> None:
    """Such as those of a detector that suppresses by itself and finds nothing."""
    model = constant_model(tmp_path / "odd.onnx", {"out": np.zeros(shape, np.float32)})
    assert new(run, model, template, tmp_path / "out") == 2
    assert "does not fit decoder" in capsys.readouterr().err.replace("do not fit", "does not fit")
    assert list(tmp_path.iterdir()) == [model]


def test_outputs_that_are_no_numbers_are_refused(run: Any, tmp_path: Path, capsys: Any) -> None:
    vector = np.asarray([[1, np.nan]], np.float32)
    model = constant_model(tmp_path / "nan.onnx", {"vector": vector})
    assert new(run, model, "reid-0095", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "'vector' is not a number everywhere" in error
    assert "golden_tolerance" not in error


def test_a_model_that_gives_its_picture_back_is_refused(
    run: Any, tmp_path: Path, capsys: Any
) -> None:
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 128, 128])
    graph = helper.make_graph([], "through", [picture], [picture])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = tmp_path / "through.onnx"
    path.write_bytes(model.SerializeToString())
    assert new(run, path, "reid-0095", tmp_path / "out") == 2
    assert "gives back the picture" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "vector",
    [
        np.ones((1, 7, 5), np.float32),
        np.ones((1, 4, 2, 1), np.float32),
        np.ones((1, 1, 1, 8), np.float32),
        np.ones((1, 1), np.float32),
        np.ones((1, 8), np.int64),
        np.ones((1, 8), np.uint8),
    ],
)
def test_not_every_tensor_is_an_embedding(
    run: Any, tmp_path: Path, capsys: Any, vector: Any
) -> None:
    model = constant_model(tmp_path / "odd.onnx", {"out": vector})
    assert new(run, model, "reid-0095", tmp_path / "out") == 2
    assert "does not fit decoder 'embedding'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [model]


def test_a_real_detector_is_no_recogniser(
    run: Any, assets: Path, tmp_path: Path, capsys: Any
) -> None:
    model = assets / "models" / "yolox_nano.onnx"
    assert new(run, model, "reid-0095", tmp_path / "out") == 2
    assert "found images float32[1, 3, 416, 416]" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_real_recogniser_is_one(run: Any, assets: Path, tmp_path: Path) -> None:
    model = assets / "models" / "face-reidentification-retail-0095.onnx"
    assert new(run, model, "reid-0095", tmp_path / "out") == 0


@pytest.mark.parametrize("size", ["640x480", "320x288", "288x320"])
def test_a_fixed_size_is_not_set_anew(
    run: Any, models: Path, tmp_path: Path, capsys: Any, size: str
) -> None:
    model = models / "detector.onnx"
    assert new(run, model, "yunet", tmp_path / "out", "--size", size) == 2
    error = capsys.readouterr().err
    assert "fixed" in error
    assert f"found {size}" in error
    assert list(tmp_path.iterdir()) == []
    assert new(run, model, "yunet", tmp_path / "out", "--size", "320x320") == 0


@pytest.mark.parametrize(
    ("size", "word"), [("wide", "WIDTHxHEIGHT"), ("100x100", "divisible by 32")]
)
def test_a_working_size_has_to_suit_the_model(
    run: Any, assets: Path, tmp_path: Path, capsys: Any, size: str, word: str
) -> None:
    model = assets / "models" / "yunet_n_dynamic.onnx"
    assert new(run, model, "yunet", tmp_path / "out", "--size", size) == 2
    assert word in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert new(run, model, "yunet", tmp_path / "out", "--size", "960x544") == 0


def test_a_truncated_model_is_refused(run: Any, models: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes((models / "detector.onnx").read_bytes()[:-100])
    assert new(run, cut, "yunet", tmp_path / "out") == 2
    assert list(tmp_path.iterdir()) == [cut]


def test_a_model_with_weights_elsewhere_is_refused(
    run: Any, models: Path, tmp_path: Path, capsys: Any
) -> None:
    model = onnx.load(models / "detector.onnx")
    path = tmp_path / "external.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=64)
    assert new(run, path, "yunet", tmp_path / "out") == 2
    assert "outside" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_existing_bundle_is_never_overwritten(run: Any, models: Path, tmp_path: Path) -> None:
    out = tmp_path / "det"
    assert new(run, models / "detector.onnx", "yunet", out) == 0
    before = (out / "manifest.json").read_bytes()
    assert new(run, models / "detector.onnx", "yunet", out) == 2
    assert (out / "manifest.json").read_bytes() == before


def test_a_model_that_computes_something_else_here_is_refused(
    run: Any, world: Any, capsys: Any
) -> None:
    """A golden file that does not belong to the model, with every hash right."""
    from edge.bundle import open_bundle, write_bundle
    from edge.golden import pack_golden
    from edge.manifest import build_manifest

    path = world.folder / "recogniser-bundle"
    bundle = open_bundle(path, require_signed=False)
    inputs, outputs = bundle.golden()
    wrong = pack_golden(
        inputs, {name: np.asarray(value, np.float32) + 40 for name, value in outputs.items()}
    )
    values = bundle.manifest.model_dump(mode="json")

    for entry in values["files"]:
        if entry["path"] == "golden.npz":
            entry["sha256"] = hashlib.sha256(wrong).hexdigest()
            entry["bytes"] = len(wrong)
    files = {"fp32.onnx": bundle.read("fp32.onnx"), "golden.npz": wrong}
    write_bundle(world.folder / "wrong-bundle", build_manifest(values), files)
    assert run("bundle", "verify", world.folder / "wrong-bundle") == 2
    assert "does not compute here" in capsys.readouterr().err
    world.edit("recogniser-bundle", "wrong-bundle")
    assert run("gallery", "list", "--config", world.site) == 0
    assert run("replay", world.site, "--config", world.site) == 2
