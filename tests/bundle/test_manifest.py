"""Manifests: reading and writing them, formats, and what is not JSON at all."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ManifestError, UnsupportedFormatError
from edge.manifest import (
    MAX_MANIFEST_BYTES,
    AlignResize,
    EmbeddingDecoder,
    Role,
    YunetDecoder,
    build_manifest,
    parse_manifest,
)
from edge.templates import ROLES, TEMPLATES

if TYPE_CHECKING:
    from tests.bundle.conftest import Change, Values

# The example of the bundle contract, word for word but for what it leaves out.
CONTRACT_EXAMPLE = """
{ "format": "1.0", "name": "yunet-n", "version": "2023.3", "role": "detector",
  "decoder": {"name": "yunet", "score": 0.6, "nms_iou": 0.3, "strides": [8, 16, 32]},
  "input": {"name": "input", "layout": "NCHW", "dtype": "float32", "color": "BGR",
            "mean": [0, 0, 0], "scale": [1, 1, 1],
            "resize": {"mode": "letterbox", "pad": 0, "multiple_of": 32},
            "shape": [{"min": 1, "opt": 1, "max": 8}, 3, {"min": 32, "opt": 480, "max": 1088},
                      {"min": 32, "opt": 640, "max": 1920}]},
  "outputs": ["cls_8", "obj_8"], "labels": ["face"],
  "files": [{"path": "model.onnx", "bytes": 322906, "sha256": "ZEROS"},
            {"path": "golden.npz", "bytes": 7, "sha256": "ONES"}],
  "variants": [{"id": "fp32", "file": "model.onnx", "opset": 11, "runner": "onnxruntime",
                "state": "accepted", "accuracy": {}, "parity": {"max_abs": 0.0},
                "golden_tolerance": {"max_abs": 0.001}}],
  "engines": [], "golden": {"file": "golden.npz"}, "calibration": null, "thresholds": [],
  "training": "verified", "license": "Apache-2.0",
  "provenance": {"source": "a", "created": "b", "tool": "edgewarden 0.1.0"} }
""".replace("ZEROS", "0" * 64).replace("ONES", "1" * 64)


def test_the_contract_example_is_read() -> None:
    manifest = parse_manifest(CONTRACT_EXAMPLE.encode())
    assert isinstance(manifest.decoder, YunetDecoder)
    assert manifest.decoder.strides == (8, 16, 32)
    assert manifest.input is not None
    assert (manifest.input.batch.min, manifest.input.batch.max) == (1, 8)
    assert (manifest.input.height.opt, manifest.input.width.opt) == (480, 640)
    assert manifest.output_names == ("cls_8", "obj_8")
    assert manifest.input_names == ("input",)
    assert manifest.variant("fp32").golden_tolerance is not None
    assert manifest.file("model.onnx").bytes == 322906


def test_to_json_writes_the_contract_example_back() -> None:
    manifest = parse_manifest(CONTRACT_EXAMPLE.encode())
    assert json.loads(manifest.to_json()) == json.loads(CONTRACT_EXAMPLE)
    assert list(json.loads(manifest.to_json())) == list(json.loads(CONTRACT_EXAMPLE))


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_every_template_makes_a_manifest_that_survives_its_json(name: str, values: Values) -> None:
    del values["golden"], values["thresholds"]
    if "input" not in TEMPLATES[name]:
        del values["input"]
    manifest = build_manifest({**values, "labels": ["a"], **TEMPLATES[name]})
    again = parse_manifest(manifest.to_json())
    assert again == manifest
    assert again.to_json() == manifest.to_json()


def test_there_is_a_template_for_every_role_but_one() -> None:
    assert get_args(Role) == ROLES
    roles = {template["role"] for template in TEMPLATES.values()}
    assert set(ROLES) - roles == {"anonymiser"}  # an enhancer's template does


def test_axes_of_nhwc_are_found_by_layout(values: Values) -> None:
    values["input"] |= {"layout": "NHWC", "shape": [1, 8, 8, 3]}
    spec = build_manifest(values).input
    assert spec is not None
    assert (spec.batch.max, spec.height.opt, spec.width.opt, spec.channels) == (1, 8, 8, 3)


def test_a_manifest_is_frozen(values: Values) -> None:
    manifest = build_manifest(values)
    with pytest.raises(ValueError, match="frozen"):
        manifest.name = "other"  # type: ignore[misc]  # that is the test


@pytest.mark.parametrize("found", ["2.0", "0.9", "10.0"])
def test_an_unknown_major_format_is_refused_whatever_else_it_holds(found: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=rf"expected 1\.x; found {found}"):
        parse_manifest(json.dumps({"format": found, "new": True}).encode())


@pytest.mark.parametrize("found", [1.0, "1", "1.0.0", "01.0", "1.x", "", None, "1.0\n", "\uff11.0"])
def test_a_manifest_has_to_say_its_format(values: Values, found: object) -> None:
    values["format"] = found
    with pytest.raises(ManifestError, match="does not say its format") as caught:
        build_manifest(values)
    assert type(caught.value) is ManifestError


def test_a_newer_minor_format_may_hold_keys_that_are_not_known(
    values: Values, change: Change
) -> None:
    expected = build_manifest(values)
    values["format"] = "1.7"
    for path in ("future", "input.future", "decoder.future", "variants.0.future", "files.0.x"):
        change(values, path, {"a": 1})
    manifest = build_manifest(values)
    assert manifest.model_copy(update={"format": "1.0"}) == expected
    values["input"]["mean"] = [0, 0]
    with pytest.raises(ManifestError, match="3 values each"):
        build_manifest(values)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff\xfe{}", "not UTF-8 at byte 0"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"[]", "no JSON object"),
        (b"3", "no JSON object"),
        (b'{"format": "1.0", "format": "2.0"}', "key 'format' is given twice"),
        (b'{"format": "1.0", "input": {"a": 1, "a": 1}}', "key 'a' is given twice"),
        (b'{"format": "1.0", "x": NaN}', "NaN is no JSON number"),
        (b'{"format": "1.0", "x": -Infinity}', "-Infinity is no JSON number"),
        (b'{"format": "1.0", "x": 1e999}', "number 1e999 is too large"),
        (b'{"format": "1.0", "x": ' + b"9" * 5000 + b"}", "not plain JSON"),
        (b'{"format": "1.0", "x": ' + b"[" * 200_000, "nested too deeply"),
        (b" " * (MAX_MANIFEST_BYTES + 1), "more than the 1048576 that are read"),
        (b'{"format": "1.0"} {}', "Extra data"),
    ],
)
def test_what_is_not_plain_json_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        parse_manifest(raw)


def test_a_lone_surrogate_is_refused(values: Values) -> None:
    raw = json.dumps(values).replace("by hand", "\\ud800").encode()
    with pytest.raises(ManifestError, match="thresholds"):
        parse_manifest(raw)


def test_many_problems_are_counted_not_listed(values: Values) -> None:
    for number in range(20):
        values[f"extra{number}"] = number
    with pytest.raises(ManifestError, match="and 15 more"):
        build_manifest(values)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
places = [
    *("format", "name", "decoder", "decoder.name", "input", "input.shape", "input.shape.0"),
    *("input.resize", "input.resize.mode", "outputs", "outputs.0", "files.0", "files.0.path"),
    *("variants.0", "variants.0.accuracy", "golden", "calibration", "thresholds.0", "engines"),
]


@settings(deadline=None)
@given(place=st.sampled_from(places), value=json_values)
def test_no_value_anywhere_raises_anything_else(
    plain_values: Values, change: Change, place: str, value: object
) -> None:
    values = copy.deepcopy(plain_values)
    change(values, place, value)
    try:
        manifest = build_manifest(values)
    except ManifestError:
        return
    assert parse_manifest(manifest.to_json()) == manifest


def test_parts_are_told_apart_by_type(values: Values) -> None:
    manifest = build_manifest(values)
    assert isinstance(manifest.decoder, EmbeddingDecoder)
    assert manifest.input is not None
    assert isinstance(manifest.input.resize, AlignResize)
    assert manifest.input.resize.template[2] == (4.0, 4.0)
