"""Golden files: arrays by name, and nothing else."""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import BundleIntegrityError
from edge.golden import MAX_GOLDEN_BYTES, pack_golden, unpack_golden
from edge.manifest import Manifest, build_manifest

if TYPE_CHECKING:
    from tests.bundle.conftest import Values

X = np.ones((2, 3, 8, 8), np.float32)
Y = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def manifest(values: Values) -> Manifest:
    return build_manifest(values)


def saved(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # objects, for once
    return buffer.getvalue()


def test_what_is_packed_is_unpacked(manifest: Manifest) -> None:
    golden = unpack_golden(pack_golden({"x": X}, {"y": Y}), manifest)
    np.testing.assert_array_equal(golden.inputs["x"], X)
    np.testing.assert_array_equal(golden.outputs["y"], Y)
    assert golden.outputs["y"].dtype == np.float32


def test_what_numpy_saves_is_unpacked(manifest: Manifest) -> None:
    np.testing.assert_array_equal(unpack_golden(saved(y=Y, x=X), manifest).inputs["x"], X)


def test_numpy_reads_what_is_packed() -> None:
    with np.load(io.BytesIO(pack_golden({"x": X}, {"a/b:0": Y}))) as loaded:
        np.testing.assert_array_equal(loaded["a/b:0"], Y)


def test_packing_gives_the_same_bytes_for_the_same_arrays() -> None:
    assert pack_golden({"x": X}, {"y": Y}) == pack_golden({"x": X.copy()}, {"y": Y.copy()})


def test_one_name_for_two_tensors_is_not_packed() -> None:
    with pytest.raises(ValueError, match="different names"):
        pack_golden({"x": X}, {"x": Y})


def test_objects_are_not_packed() -> None:
    with pytest.raises(ValueError, match="Object"):
        pack_golden({"x": np.asarray([{}])}, {})


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.parametrize(
    "data",
    [
        saved(x=X, y=np.asarray([Bomb()], object)),
        pickle.dumps(Bomb()),
        pickle.dumps({"x": X, "y": Y}),
    ],
)
def test_a_pickle_is_refused_unread(manifest: Manifest, data: bytes) -> None:
    with pytest.raises(BundleIntegrityError, match="golden file does not hold"):
        unpack_golden(data, manifest)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a zip"),
        (saved(x=X), "expected arrays x, y; found x"),
        (saved(x=X, y=Y, z=Y), "found x, y, z"),
        (saved(), "found none"),
        (saved(x=X, y=np.asarray(["text"])), "'y' is no array of numbers"),
        (saved(x=X.astype(np.float64), y=Y), r"expected x float32\[1\.\.4, 3, 8, 8\]"),
        (saved(x=X[:, :, :7], y=Y), r"found float32\[2, 3, 7, 8\]"),
        (saved(x=np.ones((5, 3, 8, 8), np.float32), y=Y), r"found float32\[5, 3, 8, 8\]"),
        (saved(x=X[0], y=Y), r"found float32\[3, 8, 8\]"),
    ],
)
def test_what_does_not_fit_the_manifest_is_refused(
    manifest: Manifest, data: bytes, message: str
) -> None:
    with pytest.raises(BundleIntegrityError, match=message):
        unpack_golden(data, manifest)


def test_a_plain_array_file_is_refused(manifest: Manifest) -> None:
    buffer = io.BytesIO()
    np.save(buffer, X)
    with pytest.raises(BundleIntegrityError):
        unpack_golden(buffer.getvalue(), manifest)


def archive(members: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)
    return buffer.getvalue()


def test_members_that_are_no_arrays_are_refused(manifest: Manifest) -> None:
    with pytest.raises(BundleIntegrityError, match="no array of numbers"):
        unpack_golden(archive([("x.npy", b"text"), ("y.npy", b"text")]), manifest)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_array_that_is_there_twice_is_refused(manifest: Manifest) -> None:
    with pytest.raises(BundleIntegrityError, match="there twice"):
        unpack_golden(archive([("x.npy", b"a"), ("x.npy", b"b")]), manifest)


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(manifest: Manifest) -> None:
    """The sizes are read from the archive's directory, before anything is unpacked."""
    data = bytearray(archive([("x.npy", bytes(1000))]))
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (MAX_GOLDEN_BYTES + 1).to_bytes(4, "little")
    with pytest.raises(BundleIntegrityError, match=f"{MAX_GOLDEN_BYTES + 1} bytes unpacked"):
        unpack_golden(bytes(data), manifest)


HEADERS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 999999999999999), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 99999999999999999999), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': ((((, }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': ({1, 2}, 'a'), }",
    "{'descr': '<f4', 'fortran_order': False, None: (1, 3), }",
    "{'descr': ',', 'fortran_order': False, 'shape': (1, 3), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (1, 3), }",
    "{'des",
    "",
]


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_that_lies_is_refused(manifest: Manifest, header: str) -> None:
    line = f"{header}\n".encode()
    member = b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + bytes(12)
    with pytest.raises(BundleIntegrityError):
        unpack_golden(archive([("x.npy", member), ("y.npy", member)]), manifest)


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_way_of_packing_that_numpy_does_not_write_is_refused(
    manifest: Manifest, packing: int
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as file:
        file.writestr("x.npy", bytes(100))
    with pytest.raises(BundleIntegrityError, match="a way of packing"):
        unpack_golden(buffer.getvalue(), manifest)


SMALL = {"x": X[:1, :1, :1, :1], "y": Y[:1]}  # fits no manifest here, however well it is packed
WHOLE = [pack_golden({"x": SMALL["x"]}, {"y": SMALL["y"]}), saved(**SMALL)]


@pytest.mark.parametrize("whole", WHOLE)
@pytest.mark.parametrize("share", range(0, 100, 3))
def test_a_truncated_file_is_refused(manifest: Manifest, whole: bytes, share: int) -> None:
    with pytest.raises(BundleIntegrityError):
        unpack_golden(whole[: len(whole) * share // 100], manifest)


@settings(max_examples=300, deadline=None)
@given(
    whole=st.sampled_from(WHOLE), at=st.integers(0, 10_000), new=st.binary(min_size=1, max_size=4)
)
def test_spoiled_bytes_raise_nothing_else(
    plain_values: Values, whole: bytes, at: int, new: bytes
) -> None:
    at %= len(whole)
    spoiled = whole[:at] + new + whole[at + len(new) :]
    with pytest.raises(BundleIntegrityError):
        unpack_golden(spoiled, build_manifest(plain_values))
