"""Golden outputs: what the reference variant gave for known inputs, kept in the bundle as ``.npz``.

A run on another machine, or of another variant, is checked against them.
"""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.errors import BundleIntegrityError
from edge.manifest import Input, Manifest

Array = NDArray[np.generic]
MAX_GOLDEN_BYTES = 1 << 30  # unpacked; one 1080p float input takes 25 MB

_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Whatever NumPy and zipfile raise on bytes that are no archive of plain arrays.
_UNREADABLE = (
    ValueError,
    OSError,
    EOFError,
    TypeError,
    SyntaxError,
    RuntimeError,
    MemoryError,
    OverflowError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


class Golden(NamedTuple):
    """Input and output tensors by name."""

    inputs: dict[str, Array]
    outputs: dict[str, Array]


def pack_golden(inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> bytes:
    """The bytes of a golden file; the same for the same arrays and the same zlib.

    Raises ValueError where an input and an output share a name, or an array holds objects.
    """
    shared = sorted(set(inputs) & set(outputs))
    if shared:
        raise ValueError(f"expected different names, found input and output {shared[0]!r}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in {**inputs, **outputs}.items():
            info = zipfile.ZipInfo(f"{name}.npy")
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as member:
                np.save(member, np.asarray(array), allow_pickle=False)
    return buffer.getvalue()


def unpack_golden(data: bytes, manifest: Manifest) -> Golden:
    """The inputs and outputs in the bytes of a golden file, as the manifest names them.

    Raises BundleIntegrityError where they are no archive of plain arrays, lack a tensor or hold
    another one, or an input does not fit the manifest.
    """
    try:
        arrays = read_arrays(data)
    except ValueError as exc:
        raise _unfit("an .npz archive of plain number arrays", str(exc)) from exc
    named = {*manifest.input_names, *manifest.output_names}
    if set(arrays) != named:
        raise _unfit(f"arrays {_listing(named)}", _listing(set(arrays)))
    if manifest.input is not None:
        _check_input(arrays[manifest.input.name], manifest.input)
    return Golden(
        {name: arrays[name] for name in manifest.input_names},
        {name: arrays[name] for name in manifest.output_names},
    )


def read_arrays(data: bytes) -> dict[str, Array]:
    """The arrays in the bytes of an ``.npz`` file, by name, read without pickle.

    Raises ValueError, saying why, where they are no archive of plain number arrays.
    """
    try:
        return _load(data)
    except _UNREADABLE as exc:
        raise ValueError(f"{exc!s:.200}" or type(exc).__name__) from exc


def _load(data: bytes) -> dict[str, Array]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    size = sum(member.file_size for member in members)
    if size > MAX_GOLDEN_BYTES:
        raise ValueError(f"{size} bytes unpacked, more than {MAX_GOLDEN_BYTES}")
    if any(member.compress_type not in _PACKINGS for member in members):
        raise ValueError("a way of packing that NumPy does not write")
    if len({member.filename for member in members}) < len(members):
        raise ValueError("an array that is there twice")
    arrays: dict[str, Array] = {}
    with np.load(io.BytesIO(data), allow_pickle=False) as loaded:
        for name in loaded.files:
            array = loaded[name]
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
                raise ValueError(f"{name!r} is no array of numbers")
            arrays[name] = array
    return arrays


def _check_input(array: Array, spec: Input) -> None:
    fits = array.ndim == len(spec.shape) and all(
        axis.min <= size <= axis.max for axis, size in zip(spec.shape, array.shape, strict=True)
    )
    if not fits or array.dtype != np.dtype(spec.dtype):
        axes = ", ".join(f"{a.min}" if a.fixed else f"{a.min}..{a.max}" for a in spec.shape)
        raise _unfit(f"{spec.name} {spec.dtype}[{axes}]", f"{array.dtype}{list(array.shape)}")


def _listing(names: set[str]) -> str:
    return ", ".join(sorted(names)[:20]) or "none"


def _unfit(expected: str, found: str) -> BundleIntegrityError:
    return BundleIntegrityError(
        "the golden file does not hold what the manifest says",
        expected=expected,
        found=found,
        remedy="Build the bundle again with: edgewarden bundle new",
    )
