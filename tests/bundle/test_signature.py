"""Keys and signatures: real keys, real files."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from edge.errors import OutputError, SignatureError, StoreFullError, UsageError
from edge.signature import (
    generate_keypair,
    key_id,
    load_private_key,
    load_public_key,
    parse_signature,
    sign_manifest,
    verify_signature,
)

if TYPE_CHECKING:
    from tests.conftest import FileLimit

RAW = b'{"format": "1.0"}'


def test_a_pair_is_made_signs_and_verifies(tmp_path: Path) -> None:
    pair = generate_keypair(tmp_path / "release.v1")
    assert (pair.private.name, pair.public.name) == ("release.v1.key", "release.v1.pub")
    assert pair.private.stat().st_mode & 0o777 == 0o600
    assert pair.private.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert pair.public.read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----")
    public = load_public_key(pair.public)
    signature = sign_manifest(RAW, load_private_key(pair.private))
    assert verify_signature(RAW, signature, [public]) == pair.keyid
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert pair.keyid == hashlib.sha256(raw).hexdigest()


def test_the_signature_file_is_the_contracts(release_key: Ed25519PrivateKey) -> None:
    values = json.loads(sign_manifest(RAW, release_key))
    assert list(values) == ["alg", "keyid", "sig"]
    assert values["alg"] == "ed25519"
    assert values["keyid"] == key_id(release_key.public_key())
    release_key.public_key().verify(base64.b64decode(values["sig"]), RAW)


@pytest.mark.parametrize("taken", [".key", ".pub"])
def test_keys_are_never_overwritten(tmp_path: Path, taken: str) -> None:
    there = tmp_path / f"release{taken}"
    there.write_bytes(b"mine")
    with pytest.raises(OutputError, match="is there already"):
        generate_keypair(tmp_path / "release")
    assert there.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [there]


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "release.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError):
        generate_keypair(tmp_path / "release")
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        generate_keypair(tmp_path / "missing" / "release")
    assert list(tmp_path.iterdir()) == []


def test_half_a_pair_is_not_left_behind(tmp_path: Path, file_limit: FileLimit) -> None:
    """The private file is the longer one: here only the public one finds room."""
    pair = generate_keypair(tmp_path / "whole")
    sizes = [pair.public.stat().st_size, pair.private.stat().st_size]
    assert sizes[0] < sizes[1]
    with file_limit(sizes[0]), pytest.raises(StoreFullError):
        generate_keypair(tmp_path / "half")
    assert {path.name for path in tmp_path.iterdir()} == {"whole.key", "whole.pub"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_private_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    pair = generate_keypair(tmp_path / "k")
    pair.private.chmod(mode)
    with pytest.raises(UsageError, match=rf"found mode {mode:04o}.*chmod 600"):
        load_private_key(pair.private)
    pair.private.chmod(0o400)
    load_private_key(pair.private)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def test_keys_of_the_wrong_kind_are_refused(tmp_path: Path) -> None:
    pair = generate_keypair(tmp_path / "k")
    elliptic = generate_private_key(SECP256R1())
    pkcs8 = elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    spki = elliptic.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    locked = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    private = {
        "PUBLIC KEY": pair.public.read_bytes(),
        "EllipticCurve|ECPrivateKey": pkcs8,
        "ENCRYPTED PRIVATE KEY": locked,
        "no PEM file": b"hello",
    }
    for message, data in private.items():
        with pytest.raises(UsageError, match=f"is no private key.*found .*({message})"):
            load_private_key(write(tmp_path / "bad", data))
    public = {
        "PRIVATE KEY": pair.private.read_bytes(),
        "EllipticCurve|ECPublicKey": spki,
        "no PEM file": b"",
    }
    for message, data in public.items():
        with pytest.raises(UsageError, match=f"is no public key.*found .*({message})"):
            load_public_key(write(tmp_path / "bad", data))


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    for load in (load_private_key, load_public_key):
        with pytest.raises(UsageError, match=r"cannot read key .*gone\.pub.*No such file"):
            load(tmp_path / "gone.pub")
        with pytest.raises(UsageError, match="Is a directory"):
            load(tmp_path)


def test_an_untrusted_key_is_refused(
    release_key: Ed25519PrivateKey, other_key: Ed25519PrivateKey
) -> None:
    signature = sign_manifest(RAW, other_key)
    with pytest.raises(
        SignatureError, match=f"not trusted.*found key {key_id(other_key.public_key())}"
    ):
        verify_signature(RAW, signature, [release_key.public_key()])
    with pytest.raises(SignatureError, match="no trusted keys at all"):
        verify_signature(RAW, signature, [])
    both = [release_key.public_key(), other_key.public_key()]
    assert verify_signature(RAW, signature, both) == key_id(other_key.public_key())


def test_a_signature_over_other_bytes_is_refused(release_key: Ed25519PrivateKey) -> None:
    signature = sign_manifest(RAW, release_key)
    for raw in (RAW + b" ", RAW[:-1], b""):
        with pytest.raises(SignatureError, match="does not belong to this manifest"):
            verify_signature(raw, signature, [release_key.public_key()])


def test_every_flipped_bit_of_a_signature_is_noticed(release_key: Ed25519PrivateKey) -> None:
    values = json.loads(sign_manifest(RAW, release_key))
    sig = base64.b64decode(values["sig"])
    for bit in range(0, 512, 7):
        flipped = bytearray(sig)
        flipped[bit // 8] ^= 1 << bit % 8
        raw = json.dumps({**values, "sig": base64.b64encode(flipped).decode()}).encode()
        with pytest.raises(SignatureError):
            verify_signature(RAW, raw, [release_key.public_key()])


def test_one_key_under_the_id_of_another_is_refused(
    release_key: Ed25519PrivateKey, other_key: Ed25519PrivateKey
) -> None:
    values = json.loads(sign_manifest(RAW, other_key))
    values["keyid"] = key_id(release_key.public_key())
    with pytest.raises(SignatureError, match="does not belong"):
        verify_signature(RAW, json.dumps(values).encode(), [release_key.public_key()])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"alg": "rsa"}, "unknown kind.*expected alg ed25519; found alg 'rsa'"),
        ({"alg": None}, "unknown kind"),
        ({"alg": ...}, "keys keyid, sig"),
        ({"extra": 1}, "keys alg, extra, keyid, sig"),
        ({"keyid": 7}, "keyid 7"),
        ({"keyid": "AB" * 32}, "keyid"),
        ({"keyid": "ab" * 31}, "keyid"),
        ({"sig": "not base64!"}, "not base64"),
        ({"sig": "YWJj\n"}, "not base64"),
        ({"sig": "é"}, "not base64"),
        ({"sig": None}, "not base64"),
        ({"sig": "YWJj"}, "sig of 3 bytes"),
    ],
)
def test_malformed_signatures_are_refused(
    release_key: Ed25519PrivateKey, edit: dict[str, Any], message: str
) -> None:
    values = json.loads(sign_manifest(RAW, release_key)) | edit
    raw = json.dumps({key: value for key, value in values.items() if value is not ...}).encode()
    with pytest.raises(SignatureError, match=message):
        verify_signature(RAW, raw, [release_key.public_key()])


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"\xff", b'{"alg": "ed25519", "alg": "ed25519"}', b" " * 5000, b"[" * 3000],
)
def test_what_is_no_signature_file_is_refused(raw: bytes) -> None:
    with pytest.raises(SignatureError, match="no signature"):
        parse_signature(raw)
