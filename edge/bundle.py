"""Model bundles: open one and prove that it is what its manifest says, write one, sign one.

Nothing of a bundle is used before its signature, its folder and the hash of every file have been
checked, and what is read later is checked again: the bytes handed out are the bytes verified.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from edge.bundle_folder import (
    MANIFEST_NAME,
    SIGNATURE_NAME,
    check_folder,
    read_listed,
    read_plain,
    resolve_folder,
    unreadable,
)
from edge.choice import Choice, choose_variant
from edge.device import DeviceFacts, gather
from edge.durable import output_error, sync_folder, write_new_file
from edge.errors import (
    BundleError,
    BundleIntegrityError,
    ManifestError,
    OutputError,
    SignatureError,
)
from edge.golden import Golden, unpack_golden
from edge.manifest import MAX_MANIFEST_BYTES, FileEntry, Manifest, parse_manifest
from edge.onnx_file import OnnxFacts, read_onnx_facts
from edge.signature import (
    MAX_SIGNATURE_BYTES,
    key_id,
    parse_signature,
    sign_manifest,
    verify_signature,
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was found whole when it was opened.

    path: the folder itself, links resolved. sha256: of the manifest's bytes, which names the
    bundle. keyid: the trusted key that signed it, None where no signature was verified. onnx: what
    each variant's file says of itself, by variant id.
    """

    path: Path
    manifest: Manifest
    sha256: str
    keyid: str | None
    onnx: Mapping[str, OnnxFacts] = field(repr=False)

    def read(self, name: str) -> bytes:
        """The bytes of one listed file, checked again as they are read.

        Raises BundleIntegrityError where it is not listed, or is no longer what it was.
        """
        with _naming(f"bundle {self.path}"):
            return read_listed(self.path, _entry(self.manifest, name))

    def golden(self) -> Golden:
        """The golden inputs and outputs.

        Raises BundleIntegrityError where there are none or they do not fit the manifest.
        """
        if self.manifest.golden is None:
            raise BundleIntegrityError(
                f"bundle {self.path} has no golden file",
                expected="a bundle with golden inputs and outputs",
                remedy="Build the bundle again with: edgewarden bundle new",
            )
        data = self.read(self.manifest.golden.file)
        with _naming(f"bundle {self.path}"):
            return unpack_golden(data, self.manifest)

    def choose(
        self,
        *,
        runners: Collection[str],
        device: DeviceFacts | None = None,
        variant: str | None = None,
    ) -> Choice:
        """The variant to run on ``device``, this machine where None; see ``edge.choice``.

        Raises BundleError where there is none.
        """
        return choose_variant(
            self.manifest, runners=runners, device=device or gather(), variant=variant
        )


def open_bundle(
    path: Path,
    *,
    require_signed: bool = True,
    trusted_keys: Sequence[Ed25519PublicKey] = (),
) -> Bundle:
    """Open the bundle in a folder and check all of it: signature, manifest, folder, every file.

    Without ``require_signed`` a signature by a trusted key still has to be right, and one by a key
    that is not trusted counts as none.

    Raises SignatureError, ManifestError (UnsupportedFormatError), BundleIntegrityError or, where a
    variant's file is no ONNX model of its own, ModelError; the message names the bundle.
    """
    with _naming(f"bundle {path}"):
        folder = resolve_folder(path)
        raw = _read_manifest(folder)
        raw_signature = _read_signature(folder)
        keyid: str | None
        if require_signed:
            keyid = _require_signature(raw, raw_signature, trusted_keys)
        else:
            keyid = _note_signature(raw, raw_signature, trusted_keys)
        return _check(folder, raw, keyid)


def require_new_folder(out_dir: Path) -> Path:
    """The folder that a bundle's folder would be made in, resolved.

    Raises OutputError where ``out_dir`` is taken or there is nothing to make it in: better said
    before the work than after it.
    """
    if os.path.lexists(out_dir):
        raise OutputError(
            f"{out_dir} is there already",
            expected="a folder that is not there yet: bundles are never changed",
            remedy="Choose another folder, or remove this one first.",
        )
    try:
        return out_dir.parent.resolve(strict=True)
    except (OSError, RuntimeError) as exc:
        raise OutputError(
            f"cannot write {out_dir}", expected="a folder to write it in", found="none there"
        ) from exc


def write_bundle(out_dir: Path, manifest: Manifest, files: Mapping[str, bytes | Path]) -> Bundle:
    """Write an unsigned bundle of ``files``, by the path that the manifest lists them under.

    It is built and checked in a folder beside ``out_dir`` and renamed: ``out_dir`` is never there
    half-written. Raises OutputError where it is there already or cannot be written, StoreFullError
    where there is no room, and like ``open_bundle`` where files and manifest do not fit.
    """
    parent = require_new_folder(out_dir)
    building = parent / f".{out_dir.name}.{secrets.token_hex(4)}.building"
    with ExitStack() as undo:
        try:
            building.mkdir()
        except OSError as exc:
            raise output_error(exc, out_dir) from exc
        undo.callback(shutil.rmtree, building, ignore_errors=True)
        with _naming(f"bundle {out_dir}"):
            raw = manifest.to_json()
            _fill(building, manifest, files, raw)
            bundle = _check(building, raw, None)
        target = parent / out_dir.name
        try:
            building.rename(target)
        except OSError as exc:
            raise output_error(exc, out_dir) from exc
        undo.pop_all()
    sync_folder(parent)
    return dataclasses.replace(bundle, path=target)


def require_signable(path: Path, *, replace: bool = False) -> None:
    """Check that ``sign_bundle`` would take a bundle; raises what that raises where it would not.

    Changes nothing.
    """
    _read_signable(path, replace=replace)


def sign_bundle(path: Path, private_key: Ed25519PrivateKey, *, replace: bool = False) -> str:
    """Check a bundle, then sign its manifest; returns the id of the key.

    The signature appears whole or not at all. Raises OutputError where there is one already and
    ``replace`` is false or where it cannot be written, and like ``open_bundle`` for a bad bundle.
    """
    folder, raw = _read_signable(path, replace=replace)
    target = folder / SIGNATURE_NAME
    # Beside the bundle, so that a power cut leaves nothing in it that is not listed.
    temporary = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.sig"
    write_new_file(temporary, sign_manifest(raw, private_key))
    try:
        temporary.replace(target)
    except OSError as exc:
        temporary.unlink()
        raise output_error(exc, target) from exc
    sync_folder(folder)
    return key_id(private_key.public_key())


def _read_signable(path: Path, *, replace: bool) -> tuple[Path, bytes]:
    """The folder and the manifest's bytes of a bundle that may be signed."""
    with _naming(f"bundle {path}"):
        folder = resolve_folder(path)
        raw = _read_manifest(folder)
        _check(folder, raw, None)
    if os.path.lexists(folder / SIGNATURE_NAME) and not replace:
        raise OutputError(
            f"bundle {path} is signed already",
            expected="an unsigned bundle",
            remedy="Say so if that signature is to be replaced: edgewarden bundle sign --replace",
        )
    return folder, raw


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Errors about a bundle say which one, and in which file."""
    try:
        yield
    except BundleError as exc:
        raise type(exc)(
            f"{what}: {exc.message}",
            expected=exc.expected,
            found=exc.found,
            remedy=exc.remedy,
        ) from exc


def _read_manifest(folder: Path) -> bytes:
    if not os.path.lexists(folder / MANIFEST_NAME):
        raise ManifestError(
            "there is no manifest",
            expected=f"a folder with {MANIFEST_NAME}",
            found="a folder without one",
            remedy="Give the folder of a bundle, or make one with: edgewarden bundle new",
        )
    return read_plain(folder / MANIFEST_NAME, limit=MAX_MANIFEST_BYTES + 1)


def _read_signature(folder: Path) -> bytes | None:
    if not os.path.lexists(folder / SIGNATURE_NAME):
        return None
    return read_plain(folder / SIGNATURE_NAME, limit=MAX_SIGNATURE_BYTES + 1)


def _require_signature(
    raw: bytes, raw_signature: bytes | None, trusted: Sequence[Ed25519PublicKey]
) -> str:
    if raw_signature is None:
        raise SignatureError(
            "it is not signed",
            expected=f"a {SIGNATURE_NAME} by a trusted key",
            found="none",
            remedy="Sign it with: edgewarden bundle sign; "
            "or set models.require_signed = false, on a laptop or for a demo.",
        )
    return verify_signature(raw, raw_signature, trusted)


def _note_signature(
    raw: bytes, raw_signature: bytes | None, trusted: Sequence[Ed25519PublicKey]
) -> str | None:
    if raw_signature is None:
        return None
    if parse_signature(raw_signature).keyid not in {key_id(key) for key in trusted}:
        return None
    return verify_signature(raw, raw_signature, trusted)


def _check(folder: Path, raw: bytes, keyid: str | None) -> Bundle:
    """Parse the manifest bytes that were verified, and hold the folder against them."""
    manifest = parse_manifest(raw)
    check_folder(folder, manifest)
    facts: dict[str, OnnxFacts] = {}
    for entry in manifest.files:
        data = read_listed(folder, entry)
        for variant in manifest.variants:
            if variant.file == entry.path:
                facts[variant.id] = _onnx_facts(data, entry.path, variant.opset)
    return Bundle(folder, manifest, hashlib.sha256(raw).hexdigest(), keyid, facts)


def _onnx_facts(data: bytes, name: str, opset: int) -> OnnxFacts:
    with _naming(name):
        facts = read_onnx_facts(data)
    if facts.external_data:
        raise BundleIntegrityError(
            f"{name} keeps weights outside itself",
            expected="an ONNX file that holds all its weights",
            found="external data",
            remedy="Save the model with its weights inside and build the bundle again.",
        )
    if facts.opset != opset:
        raise BundleIntegrityError(
            f"{name} is not of the opset that its variant states",
            expected=f"opset {opset}",
            found=f"opset {facts.opset}",
            remedy="Build the bundle again with: edgewarden bundle new",
        )
    return facts


def _entry(manifest: Manifest, name: str) -> FileEntry:
    try:
        return manifest.file(name)
    except KeyError as exc:
        raise BundleIntegrityError(
            "this file is not listed",
            expected=f"one of {', '.join(entry.path for entry in manifest.files)}",
            found=f"{name!r:.200}",
        ) from exc


def _fill(
    building: Path, manifest: Manifest, files: Mapping[str, bytes | Path], raw: bytes
) -> None:
    listed = {entry.path for entry in manifest.files}
    if set(files) != listed:
        raise BundleIntegrityError(
            "the files given are not those that the manifest lists",
            expected=", ".join(sorted(listed)),
            found=", ".join(sorted(files)) or "none",
        )
    folders = {building}
    for path, content in files.items():
        target = building / path
        data = content if isinstance(content, bytes) else _read_source(content)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise output_error(exc, target) from exc
        write_new_file(target, data)
        folders.update(parent for parent in target.parents if building in parent.parents)
    write_new_file(building / MANIFEST_NAME, raw)
    for folder in folders:
        sync_folder(folder)


def _read_source(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise unreadable(str(path), exc) from exc
