"""Engines that this device built: where they lie, and the proof that one is what it was built as.

An engine is a program of its own: whoever can replace it runs code on the GPU and decides what the
camera sees. And one for another TensorRT or GPU loads badly or not at all. So beside each lies a
sidecar that says what it was built from and for, authenticated by a key that only this device has;
both are checked before TensorRT gets to see a byte, and what was checked is what is handed out.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from edge.durable import make_folder, output_error, replace_file, sync_folder, write_new_file
from edge.errors import EngineError, OutputError, UsageError
from edge.manifest_parts import Part, Record, Sha256, Text, VariantId, Version, Whole
from edge.strict_json import read_strict_json

_FORMAT: Literal["1.0"] = "1.0"
_KEY_FILE = "engine.key"
_KEY_BYTES = 32
_MAX_SIDECAR_BYTES = 1 << 20
_REBUILD = "Build it here with: edgewarden engine"


class Sidecar(Part):
    """What an engine was built from and for.

    bundle: sha256 of the manifest. onnx: of the file that was built. engine: of the engine itself.
    sm: compute capability, 87 for 8.7. cuda: version that the driver serves. flags: how it was
    built. profile: by input name, the shapes [min, opt, max]. speed: what was measured, None where
    nothing was.
    """

    format: Literal["1.0"] = _FORMAT
    bundle: Sha256
    variant: VariantId
    onnx: Sha256
    engine: Sha256
    bytes: Annotated[int, Field(ge=1)]
    tensorrt: Version
    sm: Whole
    cuda: Version
    l4t: Text | None
    gpu: Text
    flags: tuple[Text, ...]
    profile: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]
    build: Record
    speed: Record | None = None
    created: Text


@dataclass(frozen=True, slots=True)
class StoredEngine:
    """An engine whose sidecar and hash were found right. data: the very bytes that were checked."""

    path: Path
    sidecar: Sidecar
    data: bytes


def engine_path(cache_dir: Path, *, bundle: str, variant: str, tensorrt: str, sm: int) -> Path:
    """Where the engine of one variant of a bundle (its sha256) lies, for one TensorRT and GPU."""
    return cache_dir / "engines" / bundle / f"{variant}-trt{tensorrt}-sm{sm}.engine"


def timing_cache_path(cache_dir: Path, *, tensorrt: str, sm: int) -> Path:
    """Where TensorRT's measurements of kernels lie, which make the next build quicker."""
    return cache_dir / "timing" / f"trt{tensorrt}-sm{sm}.cache"


def sidecar_path(engine: Path) -> Path:
    """Where the sidecar of an engine lies."""
    return engine.with_suffix(".json")


def device_key(state_dir: Path) -> bytes:
    """This device's own key for engines, made where there is none: 32 random bytes, mode 0600.

    Raises UsageError where others may read it or it is no such key, OutputError or StoreFullError
    where it cannot be made.
    """
    path = state_dir / _KEY_FILE
    if not os.path.lexists(path):
        _make_key(path)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            mode = os.fstat(handle).st_mode & 0o777
            key = file.read(_KEY_BYTES + 1)
    except OSError as exc:
        raise OutputError(
            f"cannot read {path}", expected="this device's key", found=exc.strerror or str(exc)
        ) from exc
    if mode & 0o077 or len(key) != _KEY_BYTES:
        raise UsageError(
            f"{path} is no key that only this device has",
            expected=f"{_KEY_BYTES} bytes, mode 0600",
            found=f"{'more' if len(key) > _KEY_BYTES else len(key)} bytes, mode {mode:04o}",
            remedy="Remove it and build the engines again with: edgewarden engine",
        )
    return key


def _make_key(path: Path) -> None:
    # Linked into place: of two processes that make one, both go on with the same.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    make_folder(path.parent)
    write_new_file(temporary, secrets.token_bytes(_KEY_BYTES), mode=0o600)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    except OSError as exc:
        raise output_error(exc, path) from exc
    finally:
        temporary.unlink()
    sync_folder(path.parent)


def write_engine(path: Path, data: bytes, sidecar: Sidecar, *, key: bytes) -> None:
    """Put an engine and its sidecar in place of what is there.

    Each appears whole or not at all; between the two an older sidecar refuses the newer engine.
    Raises OutputError or StoreFullError where they cannot be written.
    """
    body = json.loads(sidecar.model_dump_json())
    document = {"sidecar": body, "hmac": _mac(body, key)}
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    replace_file(path, data)
    replace_file(sidecar_path(path), text.encode("utf-8"))


def read_engine(path: Path, *, key: bytes, bundle: str, onnx: str) -> StoredEngine | None:
    """The engine at ``path``, checked; None where there is none.

    bundle and onnx: the sha256 of the manifest and of the ONNX file that it has to be built from.
    The path itself names TensorRT and GPU, and the sidecar must agree with it.
    Raises EngineError where engine or sidecar is not what this device wrote.
    """
    if not path.exists():
        return None
    sidecar = _read_sidecar(sidecar_path(path), key)
    name = f"{sidecar.variant}-trt{sidecar.tensorrt}-sm{sidecar.sm}.engine"
    for what, expected, found in (
        ("name", name, path.name),
        ("bundle", bundle, sidecar.bundle),
        ("ONNX file", onnx, sidecar.onnx),
    ):
        if expected != found:
            raise EngineError(
                f"engine {path} was built for another {what}",
                expected=expected,
                found=found,
                remedy=_REBUILD,
            )
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    found = hashlib.sha256(data).hexdigest()
    if found != sidecar.engine:
        raise EngineError(
            f"engine {path} is not the one that was built",
            expected=f"sha256 {sidecar.engine}",
            found=found,
            remedy=_REBUILD,
        )
    return StoredEngine(path, sidecar, data)


def _read_sidecar(path: Path, key: bytes) -> Sidecar:
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    try:
        document = read_strict_json(raw, limit=_MAX_SIDECAR_BYTES)
    except ValueError as exc:
        raise _no_sidecar(path, str(exc)) from exc
    if not isinstance(document, dict) or set(document) != {"sidecar", "hmac"}:
        raise _no_sidecar(path, "no object of sidecar and hmac")
    if not hmac.compare_digest(_mac(document["sidecar"], key), str(document["hmac"])):
        raise EngineError(
            f"{path} was not written by this device",
            expected="an HMAC under this device's key",
            found="another",
            remedy=_REBUILD,
        )
    try:
        return Sidecar.model_validate(document["sidecar"])
    except ValidationError as exc:
        raise _no_sidecar(path, str(exc.errors()[0]["msg"])) from exc


def _mac(body: object, key: bytes) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hmac.new(key, canonical.encode("ascii"), hashlib.sha256).hexdigest()


def _no_sidecar(path: Path, found: str) -> EngineError:
    return EngineError(
        f"{path} is no sidecar of an engine",
        expected=f"format {_FORMAT}",
        found=found,
        remedy=_REBUILD,
    )


def _unreadable(path: Path, exc: OSError) -> EngineError:
    return EngineError(
        f"cannot read {path}",
        expected="an engine and its sidecar",
        found=exc.strerror or str(exc),
        remedy=_REBUILD,
    )
