"""Opening bundles: what is whole opens, and every way of being not whole is refused."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle import open_bundle
from edge.errors import (
    BundleIntegrityError,
    ManifestError,
    ModelError,
    SignatureError,
    UnsupportedFormatError,
)
from edge.manifest import MAX_MANIFEST_BYTES
from edge.signature import key_id

if TYPE_CHECKING:
    from tests.bundle.conftest import ListFile, MakeBundle, Values


def test_a_signed_bundle_opens(
    make_bundle: MakeBundle, release_key: Ed25519PrivateKey, model_bytes: bytes
) -> None:
    path = make_bundle(signed_by=release_key)
    bundle = open_bundle(path, trusted_keys=[release_key.public_key()])
    assert bundle.keyid == key_id(release_key.public_key())
    assert bundle.path == path
    assert bundle.sha256 == hashlib.sha256((path / "manifest.json").read_bytes()).hexdigest()
    assert bundle.manifest.name == "tiny"
    assert bundle.onnx["fp32"].opset == 13
    assert bundle.read("fp32.onnx") == model_bytes


def test_an_unsigned_bundle_opens_only_by_choice(make_bundle: MakeBundle) -> None:
    path = make_bundle()
    assert open_bundle(path, require_signed=False).keyid is None
    with pytest.raises(SignatureError, match=r"is not signed.*require_signed = false"):
        open_bundle(path)


def test_a_signature_by_an_untrusted_key_is_refused(
    make_bundle: MakeBundle, release_key: Ed25519PrivateKey, other_key: Ed25519PrivateKey
) -> None:
    path = make_bundle(signed_by=other_key)
    for trusted in ([release_key.public_key()], []):
        with pytest.raises(SignatureError, match="not trusted"):
            open_bundle(path, trusted_keys=trusted)
        bundle = open_bundle(path, require_signed=False, trusted_keys=trusted)
        assert bundle.keyid is None


@pytest.mark.parametrize("require_signed", [True, False])
def test_a_bad_signature_by_a_trusted_key_is_always_refused(
    make_bundle: MakeBundle, release_key: Ed25519PrivateKey, require_signed: bool
) -> None:
    path = make_bundle(signed_by=release_key)
    manifest = path / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    with pytest.raises(SignatureError, match="does not belong to this manifest"):
        open_bundle(path, require_signed=require_signed, trusted_keys=[release_key.public_key()])


@pytest.mark.parametrize("require_signed", [True, False])
def test_a_malformed_signature_is_always_refused(
    make_bundle: MakeBundle, require_signed: bool
) -> None:
    path = make_bundle()
    (path / "manifest.sig").write_bytes(b"signed, me")
    with pytest.raises(SignatureError, match="no signature"):
        open_bundle(path, require_signed=require_signed)


def test_the_signature_is_checked_before_the_manifest_is_parsed(
    make_bundle: MakeBundle, release_key: Ed25519PrivateKey, other_key: Ed25519PrivateKey
) -> None:
    path = make_bundle(raw=b"{ not json", signed_by=other_key)
    with pytest.raises(SignatureError):
        open_bundle(path, trusted_keys=[release_key.public_key()])
    with pytest.raises(ManifestError, match="not plain JSON"):
        open_bundle(path, trusted_keys=[other_key.public_key()])


def refused(path: Path, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        open_bundle(path, require_signed=False)
    assert str(path) in str(caught.value)


def test_no_folder_no_manifest_no_bundle(tmp_path: Path, make_bundle: MakeBundle) -> None:
    refused(tmp_path / "gone", BundleIntegrityError, "no such folder")
    refused(tmp_path, ManifestError, "there is no manifest")
    path = make_bundle()
    refused(path / "manifest.json", BundleIntegrityError, "this is no folder")
    (tmp_path / "loop").symlink_to("loop")
    refused(tmp_path / "loop", BundleIntegrityError, "no such folder")


def test_the_folder_itself_may_be_reached_by_a_link(
    tmp_path: Path, make_bundle: MakeBundle
) -> None:
    path = make_bundle()
    (tmp_path / "current").symlink_to(path)
    assert open_bundle(tmp_path / "current", require_signed=False).path == path


def test_files_in_folders_are_found(make_bundle: MakeBundle, list_file: ListFile) -> None:
    path = make_bundle(
        edit=lambda v: list_file(v, "docs/legal/LICENSE", b"free"),
        files={"docs/legal/LICENSE": b"free"},
    )
    assert open_bundle(path, require_signed=False).read("docs/legal/LICENSE") == b"free"


def test_a_wrong_hash_is_refused(make_bundle: MakeBundle) -> None:
    path = make_bundle(edit=lambda v: v["files"][0].update(sha256="0" * 64))
    refused(path, BundleIntegrityError, r"fp32\.onnx is not the file.*expected sha256 0000")


def test_one_changed_byte_is_noticed(make_bundle: MakeBundle, model_bytes: bytes) -> None:
    changed = bytearray(model_bytes)
    changed[len(changed) // 2] ^= 1
    refused(make_bundle(files={"fp32.onnx": bytes(changed)}), BundleIntegrityError, "sha256")


def test_a_wrong_size_is_refused(make_bundle: MakeBundle, model_bytes: bytes) -> None:
    path = make_bundle(files={"fp32.onnx": model_bytes[:-1]})
    found = rf"expected {len(model_bytes)} bytes; found {len(model_bytes) - 1} bytes"
    refused(path, BundleIntegrityError, found)


def test_a_path_that_leads_out_is_refused(make_bundle: MakeBundle, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    path = make_bundle(edit=lambda v: v["files"][1].update(path="../secret"))
    refused(path, ManifestError, r"files\[1\]\.path")


def test_an_unlisted_file_is_refused(make_bundle: MakeBundle) -> None:
    path = make_bundle(files={"weights.bin": b""})
    refused(path, BundleIntegrityError, r"'weights\.bin' does not belong.*not listed")


def test_an_unlisted_hidden_file_or_folder_is_refused(make_bundle: MakeBundle) -> None:
    path = make_bundle()
    (path / ".cache").mkdir()
    refused(path, BundleIntegrityError, r"'\.cache' does not belong.*a folder that no listed")
    (path / ".cache").rmdir()
    (path / ".hidden").touch()
    refused(path, BundleIntegrityError, r"'\.hidden' does not belong")


def test_an_own_name_in_a_subfolder_is_not_the_bundles_own(
    make_bundle: MakeBundle, list_file: ListFile
) -> None:
    path = make_bundle(
        edit=lambda v: list_file(v, "docs/a", b"a"),
        files={"docs/a": b"a", "docs/manifest.sig": b""},
    )
    refused(path, BundleIntegrityError, r"'docs/manifest\.sig' does not belong")


def test_a_missing_file_is_refused(make_bundle: MakeBundle) -> None:
    path = make_bundle()
    (path / "golden.npz").unlink()
    refused(path, BundleIntegrityError, r"golden\.npz is missing.*found 1 of them missing")


def test_a_listed_file_that_is_a_folder_is_refused(make_bundle: MakeBundle) -> None:
    path = make_bundle()
    (path / "golden.npz").unlink()
    (path / "golden.npz").mkdir()
    refused(path, BundleIntegrityError, "does not belong")


@pytest.mark.parametrize("name", ["fp32.onnx", "manifest.json", "manifest.sig"])
def test_a_symbolic_link_is_refused_whatever_it_leads_to(
    make_bundle: MakeBundle, tmp_path: Path, name: str, release_key: Ed25519PrivateKey
) -> None:
    path = make_bundle(signed_by=release_key)
    (path / name).rename(tmp_path / name)
    (path / name).symlink_to(tmp_path / name)
    refused(path, BundleIntegrityError, f"{name}.*found a symbolic link")


def test_a_linked_folder_is_refused(
    make_bundle: MakeBundle, list_file: ListFile, tmp_path: Path
) -> None:
    path = make_bundle(edit=lambda v: list_file(v, "docs/a", b"a"), files={"docs/a": b"a"})
    (path / "docs").rename(tmp_path / "docs")
    (path / "docs").symlink_to(tmp_path / "docs")
    refused(path, BundleIntegrityError, "'docs' does not belong.*a symbolic link")


@pytest.mark.parametrize("name", ["fp32.onnx", "manifest.json", "manifest.sig"])
def test_a_hard_link_is_refused(
    make_bundle: MakeBundle, tmp_path: Path, name: str, release_key: Ed25519PrivateKey
) -> None:
    path = make_bundle(signed_by=release_key)
    (tmp_path / "twin").hardlink_to(path / name)
    refused(path, BundleIntegrityError, rf"{name}.*found a file with 2 names \(hard links\)")


@pytest.mark.parametrize("name", ["golden.npz", "manifest.json", "pipe"])
def test_a_pipe_is_refused_without_waiting_for_it(make_bundle: MakeBundle, name: str) -> None:
    path = make_bundle()
    (path / name).unlink(missing_ok=True)
    os.mkfifo(path / name)
    refused(path, BundleIntegrityError, f"{name}.*found a special file")


def test_a_socket_is_refused(make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_bundle()
    monkeypatch.chdir(path)  # a socket's path has to be short
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("s")
        refused(path, BundleIntegrityError, "found a special file")


def test_an_unknown_major_format_is_refused(make_bundle: MakeBundle) -> None:
    refused(make_bundle(edit=lambda v: v.update(format="2.0")), UnsupportedFormatError, "major")


def test_a_huge_manifest_is_not_read_to_its_end(make_bundle: MakeBundle) -> None:
    path = make_bundle()
    os.truncate(path / "manifest.json", 1 << 40)  # a sparse file: a terabyte that takes no room
    refused(path, ManifestError, f"more than the {MAX_MANIFEST_BYTES} that are read")


def test_a_manifest_with_a_key_given_twice_is_refused(make_bundle: MakeBundle) -> None:
    path = make_bundle(raw=b'{"format": "1.0", "format": "1.0"}')
    refused(path, ManifestError, "'format' is given twice")


def test_the_opset_has_to_be_the_one_stated(make_bundle: MakeBundle) -> None:
    path = make_bundle(edit=lambda v: v["variants"][0].update(opset=17))
    refused(path, BundleIntegrityError, "expected opset 17; found opset 13")


def test_a_variant_that_is_no_onnx_file_is_refused(make_bundle: MakeBundle) -> None:
    path = make_bundle(edit=lambda v: v["variants"][0].update(file="golden.npz"))
    refused(path, ModelError, r"golden\.npz: the file is no whole ONNX model")


def test_a_variant_with_weights_elsewhere_is_refused(
    make_bundle: MakeBundle, model_bytes: bytes, list_file: ListFile
) -> None:
    model = onnx.load_from_string(model_bytes)
    weight = model.graph.initializer[0]
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="weights.bin")
    data = model.SerializeToString()
    path = make_bundle(
        edit=lambda v: list_file(v, "fp32.onnx", data),
        files={"fp32.onnx": data},
    )
    refused(path, BundleIntegrityError, "keeps weights outside itself")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(make_bundle: MakeBundle) -> None:
    path = make_bundle()
    (path / "fp32.onnx").chmod(0)
    refused(path, BundleIntegrityError, r"fp32\.onnx cannot be read.*Permission denied")


def test_reading_checks_again(make_bundle: MakeBundle, model_bytes: bytes, tmp_path: Path) -> None:
    path = make_bundle()
    bundle = open_bundle(path, require_signed=False)
    file = path / "fp32.onnx"
    changed = bytearray(model_bytes)
    changed[-1] ^= 1
    file.write_bytes(bytes(changed))
    with pytest.raises(BundleIntegrityError, match=r"fp32\.onnx is not the file.*sha256"):
        bundle.read("fp32.onnx")
    file.write_bytes(model_bytes + b"more")
    with pytest.raises(BundleIntegrityError, match="found more"):
        bundle.read("fp32.onnx")
    file.write_bytes(model_bytes[:5])
    with pytest.raises(BundleIntegrityError, match="found 5 bytes"):
        bundle.read("fp32.onnx")
    file.rename(tmp_path / "elsewhere")
    with pytest.raises(BundleIntegrityError, match=r"cannot be read.*No such file"):
        bundle.read("fp32.onnx")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleIntegrityError, match="a symbolic link"):
        bundle.read("fp32.onnx")
    file.unlink()
    file.write_bytes(model_bytes)
    assert bundle.read("fp32.onnx") == model_bytes


def test_the_manifest_in_use_is_the_one_that_was_verified(
    make_bundle: MakeBundle, release_key: Ed25519PrivateKey, values: Values
) -> None:
    path = make_bundle(signed_by=release_key)
    bundle = open_bundle(path, trusted_keys=[release_key.public_key()])
    values["files"][0]["sha256"] = hashlib.sha256(b"evil").hexdigest()
    (path / "manifest.json").write_text(json.dumps(values))
    (path / "fp32.onnx").write_bytes(b"evil")
    with pytest.raises(BundleIntegrityError):
        bundle.read("fp32.onnx")


@pytest.mark.parametrize("name", ["manifest.json", "../bundle/fp32.onnx", "/etc/passwd", ""])
def test_only_listed_files_are_read(make_bundle: MakeBundle, name: str) -> None:
    bundle = open_bundle(make_bundle(), require_signed=False)
    with pytest.raises(BundleIntegrityError, match=r"not listed; expected one of fp32\.onnx"):
        bundle.read(name)


def test_golden_arrays_come_by_name(make_bundle: MakeBundle) -> None:
    inputs, outputs = open_bundle(make_bundle(), require_signed=False).golden()
    assert list(inputs) == ["x"]
    assert list(outputs) == ["y"]
    np.testing.assert_array_equal(inputs["x"], outputs["y"])


def test_a_bundle_without_golden_outputs_says_so(make_bundle: MakeBundle) -> None:
    path = make_bundle(edit=lambda v: v.update(golden=None))
    bundle = open_bundle(path, require_signed=False)
    with pytest.raises(BundleIntegrityError, match="has no golden file"):
        bundle.golden()


def test_a_truncated_golden_file_is_refused_by_name(
    make_bundle: MakeBundle, golden_bytes: bytes, list_file: ListFile
) -> None:
    cut = golden_bytes[: len(golden_bytes) // 2]
    path = make_bundle(
        edit=lambda v: list_file(v, "golden.npz", cut),
        files={"golden.npz": cut},
    )
    bundle = open_bundle(path, require_signed=False)
    with pytest.raises(BundleIntegrityError, match="golden file does not hold") as caught:
        bundle.golden()
    assert str(path) in str(caught.value)
