"""Which bundles make a site: roles that cannot do their part are refused before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import edge.assembly
import edge.bundle
from edge.assembly import load_models
from edge.bundle import write_bundle
from edge.bundler import About, BundleRequest, make_bundle
from edge.config import Site
from edge.device import DeviceFacts, gather
from edge.errors import BundleError, EdgewardenError, ModelError, SiteFileError
from edge.fitting import Wishes
from edge.golden import pack_golden
from edge.manifest import build_manifest
from edge.templates import template

Bundler = Callable[..., Path]
SiteOf = Callable[..., Site]


def refusal(site: Site) -> EdgewardenError:
    with pytest.raises(EdgewardenError) as caught, load_models(site):
        pass
    assert caught.value.exit_code == 2
    return caught.value


def test_a_detector_of_other_things_is_no_face_detector(
    bundle_of: Bundler, site_of: SiteOf
) -> None:
    error = refusal(site_of(detector=bundle_of("scrfd", labels=("person", "dog"))))
    assert isinstance(error, BundleError)
    assert str(error).startswith("models.detector does not look for a face")
    assert "found scrfd with labels person, dog" in str(error)


def test_a_face_detector_is_no_person_detector(bundle_of: Bundler, site_of: SiteOf) -> None:
    faces = bundle_of("scrfd")
    error = refusal(site_of(detector=faces, person=faces))
    assert str(error).startswith("models.person does not look for a person")


def test_a_real_person_detector_is_no_face_detector(
    assets: Path, tmp_path: Path, site_of: SiteOf
) -> None:
    request = BundleRequest(
        model=assets / "models" / "yolox_nano.onnx",
        template="yolox",
        about=About(name="yolox-nano", source="tests"),
    )
    folder = make_bundle(request, tmp_path / "yolox").path
    assert "models.detector does not look for a face" in str(refusal(site_of(detector=folder)))


def test_of_a_detector_of_many_things_only_faces_are_faces(tmp_path: Path, site_of: SiteOf) -> None:
    """A detector that sees a dog, a face and a person, each in a place of its own."""
    folder = make_bundle(
        BundleRequest(
            model=three_things(tmp_path / "three.onnx"),
            template="yolox",
            about=About(name="three", source="tests"),
            wishes=Wishes(labels=("dog", "face", "person")),
        ),
        tmp_path / "three",
    ).path
    picture = np.zeros((64, 64, 3), np.uint8)
    with load_models(site_of(detector=folder, person=folder)) as loaded:
        person = loaded.models.person
        assert person is not None
        assert loaded.models.detector.detect([picture])[0].labels.tolist() == [1]
        assert person.detect([picture])[0].labels.tolist() == [2]


def three_things(path: Path) -> Path:
    rows = np.zeros((1, 64 + 16 + 4, 5 + 3), np.float32)
    for label, cell in enumerate((0, 28, 63)):
        rows[0, cell, :5] = (0.5, 0.5, 0.5, 0.5, 0.9)
        rows[0, cell, 5 + label] = 0.9
    graph = helper.make_graph(
        [helper.make_node("Identity", ["rows"], ["output"])],
        "three",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, rows.shape)],
        [numpy_helper.from_array(rows, "rows")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("detector", ["ultraface", "scrfd-bare"])
def test_a_recogniser_needs_landmarks(bundle_of: Bundler, site_of: SiteOf, detector: str) -> None:
    folders = {"detector": bundle_of(detector), "recogniser": bundle_of("recogniser")}
    error = refusal(site_of(**folders))
    assert isinstance(error, SiteFileError)
    assert "models.landmarks" in str(error)
    assert f"found {detector}" in str(error)
    with load_models(site_of(**folders, landmarks=bundle_of("landmarks"))) as loaded:
        assert loaded.models.landmarks is not None


@pytest.mark.parametrize("detector", ["ultraface", "scrfd-bare"])
def test_faces_are_followed_without_landmarks(
    bundle_of: Bundler, site_of: SiteOf, detector: str
) -> None:
    with load_models(site_of(detector=bundle_of(detector))) as loaded:
        assert loaded.point is None


def test_a_detector_with_landmarks_needs_no_others(bundle_of: Bundler, site_of: SiteOf) -> None:
    site = site_of(detector=bundle_of("scrfd"), recogniser=bundle_of("recogniser"))
    with load_models(site) as loaded:
        assert loaded.models.landmarks is None
        assert loaded.point is not None


def test_a_model_that_fails_at_its_working_size_is_refused_at_once(
    tmp_path: Path, site_of: SiteOf
) -> None:
    """Its golden picture is smaller: only a run at the working size shows it before a frame."""
    side = 64
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["input", "shape"], ["out"])],
        "only-64",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3 * side * side])],
        [numpy_helper.from_array(np.asarray([1, 3 * side * side], np.int64), "shape")],
    )
    opset = helper.make_opsetid("", 13)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
    picture = np.zeros((1, 3, side, side), np.float32)
    golden = pack_golden({"input": picture}, {"out": picture.reshape(1, -1)})
    files = {"fp32.onnx": model, "golden.npz": golden}
    values = template("yunet")
    free = {"min": side, "opt": 96, "max": 96}
    values["input"]["shape"] = [1, 3, free, free]
    values |= {
        "format": "1.0",
        "name": "only-64",
        "version": "1",
        "outputs": ["out"],
        "files": [
            {"path": path, "bytes": len(data), "sha256": sha256(data).hexdigest()}
            for path, data in files.items()
        ],
        "variants": [
            {
                "id": "fp32",
                "file": "fp32.onnx",
                "opset": 13,
                "runner": "onnxruntime",
                "state": "accepted",
                "golden_tolerance": {"max_abs": 0.001},
            }
        ],
        "golden": {"file": "golden.npz"},
        "training": "unverified",
        "license": "Apache-2.0",
        "provenance": {"source": "a test", "created": "2026-11-21", "tool": "pytest"},
    }
    write_bundle(tmp_path / "only-64", build_manifest(values), files)
    error = refusal(site_of(detector=tmp_path / "only-64"))
    assert isinstance(error, ModelError)
    assert "failed while running" in str(error)


def test_the_machine_is_looked_at_once(
    bundle_of: Bundler, site_of: SiteOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[DeviceFacts] = []

    def look() -> DeviceFacts:
        looks.append(gather())
        return looks[-1]

    monkeypatch.setattr(edge.assembly, "gather", look)
    monkeypatch.setattr(edge.bundle, "gather", look)
    site = site_of(detector=bundle_of("scrfd"), recogniser=bundle_of("recogniser"))
    with load_models(site) as loaded:
        assert len(loaded.bundles) == 2
    assert len(looks) == 1
