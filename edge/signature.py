"""Ed25519 signatures of manifests (RFC 8032): make keys, sign, verify.

A signature covers the exact bytes of ``manifest.json``, which hold the hash of every other file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from edge.durable import sync_folder, write_new_file
from edge.errors import OutputError, SignatureError, UsageError
from edge.strict_json import read_strict_json

MAX_SIGNATURE_BYTES = 4096
_MAX_KEY_BYTES = 1 << 16
_ALGORITHM = "ed25519"
_SIGNATURE_LENGTH = 64
_KEYS = ("alg", "keyid", "sig")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Where a new key pair lies. keyid: SHA-256 of the raw public key, hexadecimal."""

    private: Path
    public: Path
    keyid: str


@dataclass(frozen=True, slots=True)
class Signature:
    """What a ``manifest.sig`` holds, not yet verified. value: 64 bytes."""

    keyid: str
    value: bytes


def key_id(public: Ed25519PublicKey) -> str:
    """SHA-256 of the raw public key, lower-case hexadecimal."""
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()


def generate_keypair(prefix: Path) -> KeyPair:
    """Make ``<prefix>.key`` (private, PKCS 8 PEM, mode 0600) and ``<prefix>.pub`` (public, PEM).

    Nothing is overwritten. Raises OutputError where one of them is there or cannot be written,
    StoreFullError where there is no room; then neither is left behind.
    """
    private, public = Path(f"{prefix}.key"), Path(f"{prefix}.pub")
    for path in (private, public):
        if os.path.lexists(path):
            raise OutputError(
                f"{path} is there already",
                expected="no key of that name: a lost private key cannot be made again",
                remedy="Choose another name.",
            )
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    shown = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with ExitStack() as undo:
        write_new_file(public, shown)
        undo.callback(public.unlink)
        write_new_file(private, secret, mode=0o600)
        undo.pop_all()
    sync_folder(private.parent)
    return KeyPair(private, public, key_id(key.public_key()))


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a PEM file that only its owner may read.

    Raises UsageError where it is missing, open to others, encrypted or no Ed25519 private key.
    """
    data, mode = _read_key(path)
    if b"PUBLIC KEY" in data:
        raise _wrong_key(path, "private", _kind(data))
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(
            f"private key {path} is open to other users",
            expected="mode 0600",
            found=f"mode {stat.S_IMODE(mode):04o}",
            remedy=f"Run: chmod 600 {path} (and make a new key if others may have read it)",
        )
    try:
        key = load_pem_private_key(data, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as exc:
        raise _wrong_key(path, "private", _kind(data)) from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise _wrong_key(path, "private", type(key).__name__)
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """The public key in a PEM file. Raises UsageError where it is missing or no Ed25519 public key,
    a private one included: it has no business on a device.
    """
    data, _ = _read_key(path)
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise _wrong_key(path, "public", _kind(data)) from exc
    if not isinstance(key, Ed25519PublicKey):
        raise _wrong_key(path, "public", type(key).__name__)
    return key


def sign_manifest(raw: bytes, private_key: Ed25519PrivateKey) -> bytes:
    """The bytes of a ``manifest.sig`` for the exact bytes of a ``manifest.json``."""
    values = {
        "alg": _ALGORITHM,
        "keyid": key_id(private_key.public_key()),
        "sig": base64.b64encode(private_key.sign(raw)).decode("ascii"),
    }
    return json.dumps(values, indent=2).encode("ascii") + b"\n"


def parse_signature(raw: bytes) -> Signature:
    """What the bytes of a ``manifest.sig`` hold; nothing is verified yet.

    Raises SignatureError where that is no Ed25519 signature of the contract's form.
    """
    try:
        values = read_strict_json(raw, limit=MAX_SIGNATURE_BYTES)
    except ValueError as exc:
        raise _malformed(str(exc)) from exc
    if not isinstance(values, dict):
        raise _malformed(type(values).__name__)
    if "alg" in values and values["alg"] != _ALGORITHM:
        raise SignatureError(
            "the signature is of an unknown kind",
            expected=f"alg {_ALGORITHM}",
            found=f"alg {values['alg']!r:.80}",
            remedy="Sign the bundle again with: edgewarden bundle sign",
        )
    if set(values) != set(_KEYS):
        raise _malformed(f"keys {', '.join(sorted(values)) or 'none'}"[:200])
    keyid, text = values["keyid"], values["sig"]
    if not isinstance(keyid, str) or not re.fullmatch("[0-9a-f]{64}", keyid):
        raise _malformed(f"keyid {keyid!r:.80}")
    try:
        value = base64.b64decode(text.encode("ascii"), validate=True)
    except (AttributeError, UnicodeEncodeError, binascii.Error) as exc:
        raise _malformed("sig that is not base64") from exc
    if len(value) != _SIGNATURE_LENGTH:
        raise _malformed(f"sig of {len(value)} bytes")
    return Signature(keyid, value)


def verify_signature(
    raw_manifest: bytes, raw_signature: bytes, trusted: Sequence[Ed25519PublicKey]
) -> str:
    """The id of the trusted key that signed exactly these manifest bytes.

    Raises SignatureError where the signature is malformed, by a key that is not trusted, or over
    other bytes.
    """
    signature = parse_signature(raw_signature)
    keys = {key_id(key): key for key in trusted}
    key = keys.get(signature.keyid)
    if key is None:
        raise SignatureError(
            "the bundle is signed by a key that is not trusted",
            expected=f"one of {len(keys)} trusted: {', '.join(keys)}" if keys else "a trusted key",
            found=f"key {signature.keyid}" + ("" if keys else " and no trusted keys at all"),
            remedy="If you trust that key, add its .pub file to models.trusted_keys.",
        )
    try:
        key.verify(signature.value, raw_manifest)
    except InvalidSignature as exc:
        raise SignatureError(
            "the signature does not belong to this manifest",
            expected=f"manifest.json as key {signature.keyid} signed it",
            found="other bytes, or a signature that was changed",
            remedy="Fetch the bundle again from where it was published; do not use this one.",
        ) from exc
    return signature.keyid


def _read_key(path: Path) -> tuple[bytes, int]:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            return file.read(_MAX_KEY_BYTES), mode
    except OSError as exc:
        raise UsageError(
            f"cannot read key {path}",
            expected="a PEM file",
            found=exc.strerror or str(exc),
            remedy="Make a key pair with: edgewarden bundle keygen",
        ) from exc


def _kind(data: bytes) -> str:
    label = re.search(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----", data)
    return f"a PEM file with {label[1].decode('ascii')}" if label else "no PEM file"


def _wrong_key(path: Path, wanted: str, found: str) -> UsageError:
    return UsageError(
        f"{path} is no {wanted} key",
        expected=f"an unencrypted Ed25519 {wanted} key in PEM",
        found=found,
        remedy="Make a key pair with: edgewarden bundle keygen (.key is private, .pub public)",
    )


def _malformed(found: str) -> SignatureError:
    return SignatureError(
        "manifest.sig is no signature",
        expected='{"alg": "ed25519", "keyid": "<64 hex digits>", "sig": "<base64 of 64 bytes>"}',
        found=found,
        remedy="Sign the bundle again with: edgewarden bundle sign",
    )
