"""Writing and signing bundles: whole, or not at all."""

from __future__ import annotations

import os
from collections import UserDict
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle import open_bundle, sign_bundle, write_bundle
from edge.errors import (
    BundleIntegrityError,
    EdgewardenError,
    ManifestError,
    ModelError,
    OutputError,
    SignatureError,
    StoreFullError,
)
from edge.manifest import Manifest, build_manifest
from edge.signature import key_id

if TYPE_CHECKING:
    from tests.bundle.conftest import ListFile, MakeBundle, Values
    from tests.conftest import FileLimit


@pytest.fixture
def manifest(values: Values) -> Manifest:
    return build_manifest(values)


@pytest.fixture
def files(model_bytes: bytes, golden_bytes: bytes) -> dict[str, bytes | Path]:
    return {"fp32.onnx": model_bytes, "golden.npz": golden_bytes}


def test_a_written_bundle_opens(
    tmp_path: Path, manifest: Manifest, files: dict[str, bytes | Path]
) -> None:
    out = tmp_path / "tiny"
    written = write_bundle(out, manifest, files)
    opened = open_bundle(out, require_signed=False)
    assert written == opened
    assert opened.manifest == manifest
    assert list(tmp_path.iterdir()) == [out]
    assert (out / "manifest.json").read_bytes() == manifest.to_json()


def test_files_may_be_given_by_path_and_lie_in_folders(
    tmp_path: Path,
    values: Values,
    files: dict[str, bytes | Path],
    model_bytes: bytes,
    list_file: ListFile,
) -> None:
    source = tmp_path / "model.onnx"
    source.write_bytes(model_bytes)
    list_file(values, "docs/legal/LICENSE", b"free")
    files |= {"fp32.onnx": source, "docs/legal/LICENSE": b"free"}
    bundle = write_bundle(tmp_path / "tiny", build_manifest(values), files)
    assert bundle.read("docs/legal/LICENSE") == b"free"
    assert bundle.read("fp32.onnx") == model_bytes


def test_the_same_parts_make_the_same_bundle(
    tmp_path: Path, manifest: Manifest, files: dict[str, bytes | Path]
) -> None:
    first = write_bundle(tmp_path / "a", manifest, files)
    assert write_bundle(tmp_path / "b", manifest, files).sha256 == first.sha256


def test_others_may_read_what_the_umask_lets_them(
    tmp_path: Path, manifest: Manifest, files: dict[str, bytes | Path]
) -> None:
    before = os.umask(0o027)
    try:
        write_bundle(tmp_path / "tiny", manifest, files)
    finally:
        os.umask(before)
    assert (tmp_path / "tiny").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "tiny" / "fp32.onnx").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("kind", ["folder", "empty folder", "file", "dangling link"])
def test_nothing_that_is_there_is_touched(
    tmp_path: Path, manifest: Manifest, files: dict[str, bytes | Path], kind: str
) -> None:
    out = tmp_path / "tiny"
    if kind == "file":
        out.write_bytes(b"mine")
    elif kind == "dangling link":
        out.symlink_to(tmp_path / "nowhere")
    else:
        out.mkdir()
        if kind == "folder":
            (out / "mine").touch()
    with pytest.raises(OutputError, match="is there already"):
        write_bundle(out, manifest, files)
    assert list(tmp_path.iterdir()) == [out]


def refuse(
    out: Path, manifest: Manifest, files: dict[str, bytes | Path], kind: type[EdgewardenError]
) -> str:
    """The refusal's text; nothing is left behind."""
    with pytest.raises(kind) as caught:
        write_bundle(out, manifest, files)
    assert not out.exists()
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []
    return str(caught.value)


def test_files_that_are_not_those_listed_leave_nothing(
    tmp_path: Path, manifest: Manifest, files: dict[str, bytes | Path]
) -> None:
    out = tmp_path / "tiny"
    lacking = {"fp32.onnx": files["fp32.onnx"]}
    assert "found fp32.onnx" in refuse(out, manifest, lacking, BundleIntegrityError)
    more = {**files, "extra": b""}
    assert "extra" in refuse(out, manifest, more, BundleIntegrityError)
    other = {**files, "golden.npz": b"other"}
    text = refuse(out, manifest, other, BundleIntegrityError)
    assert f"bundle {out}: golden.npz is not the file" in text
    gone = {**files, "golden.npz": tmp_path / "gone.npz"}
    assert "No such file" in refuse(out, manifest, gone, BundleIntegrityError)


def test_a_model_that_is_none_leaves_nothing(
    tmp_path: Path, values: Values, files: dict[str, bytes | Path], list_file: ListFile
) -> None:
    list_file(values, "fp32.onnx", b"half a mod")
    files["fp32.onnx"] = b"half a mod"
    refuse(tmp_path / "tiny", build_manifest(values), files, ModelError)


def test_a_manifest_too_large_to_be_read_is_not_written(
    tmp_path: Path, values: Values, files: dict[str, bytes | Path]
) -> None:
    values["calibration"] = {"notes": "x" * (1 << 20)}
    refuse(tmp_path / "tiny", build_manifest(values), files, ManifestError)


def test_a_disk_that_fills_up_leaves_nothing(
    tmp_path: Path, manifest: Manifest, files: dict[str, bytes | Path], file_limit: FileLimit
) -> None:
    with file_limit(100):
        text = refuse(tmp_path / "tiny", manifest, files, StoreFullError)
    assert "no room" in text
    write_bundle(tmp_path / "tiny", manifest, files)


def test_a_place_that_is_not_there_is_refused(
    tmp_path: Path, manifest: Manifest, files: dict[str, bytes | Path]
) -> None:
    with pytest.raises(OutputError, match="a folder to write it in"):
        write_bundle(tmp_path / "missing" / "tiny", manifest, files)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_bundle(tmp_path / "file" / "tiny", manifest, files)


def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, manifest: Manifest, files: dict[str, bytes | Path]
) -> None:
    class Interrupted(UserDict[str, "bytes | Path"]):
        def __getitem__(self, key: str) -> bytes | Path:
            if key == "golden.npz":
                raise KeyboardInterrupt
            return super().__getitem__(key)

    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "tiny", manifest, Interrupted(files))
    assert list(tmp_path.iterdir()) == []


def test_a_signed_bundle_verifies(
    make_bundle: MakeBundle, tmp_path: Path, release_key: Ed25519PrivateKey
) -> None:
    path = make_bundle()
    before = (path / "manifest.json").read_bytes()
    assert sign_bundle(path, release_key) == key_id(release_key.public_key())
    bundle = open_bundle(path, trusted_keys=[release_key.public_key()])
    assert bundle.keyid == key_id(release_key.public_key())
    assert (path / "manifest.json").read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_signature_is_replaced_only_when_asked(
    make_bundle: MakeBundle, release_key: Ed25519PrivateKey, other_key: Ed25519PrivateKey
) -> None:
    path = make_bundle(signed_by=release_key)
    before = (path / "manifest.sig").read_bytes()
    with pytest.raises(OutputError, match="is signed already"):
        sign_bundle(path, other_key)
    assert (path / "manifest.sig").read_bytes() == before
    sign_bundle(path, other_key, replace=True)
    assert open_bundle(path, trusted_keys=[other_key.public_key()]).keyid is not None
    with pytest.raises(SignatureError):
        open_bundle(path, trusted_keys=[release_key.public_key()])


def test_even_a_broken_signature_can_be_replaced(
    make_bundle: MakeBundle, release_key: Ed25519PrivateKey
) -> None:
    path = make_bundle()
    (path / "manifest.sig").write_bytes(b"broken")
    sign_bundle(path, release_key, replace=True)
    open_bundle(path, trusted_keys=[release_key.public_key()])


def test_a_bad_bundle_is_never_signed(
    make_bundle: MakeBundle, release_key: Ed25519PrivateKey
) -> None:
    path = make_bundle(files={"extra": b""})
    with pytest.raises(BundleIntegrityError, match="'extra' does not belong"):
        sign_bundle(path, release_key)
    assert not (path / "manifest.sig").exists()


def test_a_disk_that_fills_up_leaves_the_bundle_unsigned(
    make_bundle: MakeBundle,
    tmp_path: Path,
    release_key: Ed25519PrivateKey,
    file_limit: FileLimit,
) -> None:
    path = make_bundle()
    with file_limit(10), pytest.raises(StoreFullError):
        sign_bundle(path, release_key)
    assert list(tmp_path.iterdir()) == [path]
    open_bundle(path, require_signed=False)


class MeddlingKey:
    """Signs, and on the way has something else put where the signature goes."""

    def __init__(self, key: Ed25519PrivateKey, place: Path) -> None:
        self._key = key
        self._place = place
        self.public_key = key.public_key

    def sign(self, data: bytes) -> bytes:
        self._place.mkdir()
        return self._key.sign(data)


def test_a_signature_that_cannot_be_put_in_place_leaves_nothing(
    make_bundle: MakeBundle, tmp_path: Path, release_key: Ed25519PrivateKey
) -> None:
    path = make_bundle()
    key = MeddlingKey(release_key, path / "manifest.sig")
    with pytest.raises(OutputError, match="cannot write"):
        sign_bundle(path, cast(Ed25519PrivateKey, key))
    assert list(tmp_path.iterdir()) == [path]
