"""Real brokers, certificates and subscribers on the loopback."""

from __future__ import annotations

import ipaddress
import json
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PASSWORD = "the right one"
USER = "gate-01"


@dataclass(frozen=True)
class Pki:
    """An authority, a certificate for 127.0.0.1, one for a client, and a stranger's authority."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path
    stranger: Path


def make_pki(folder: Path) -> Pki:
    """Make all of them in a folder."""

    def write(name: str, data: bytes) -> Path:
        path = folder / name
        path.write_bytes(data)
        return path

    def authority(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key, issuer=name, issuer_key=key, authority=True)
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        return certificate, key, write(f"{name}.pem", pem)

    def issue(name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key, issuer="site", issuer_key=ca_key, authority=False)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        return write(f"{name}.pem", pem), write(f"{name}.key", private)

    _, ca_key, ca = authority("site")
    _, _, stranger = authority("stranger")
    server, server_key = issue("broker")
    client, client_key = issue(USER)
    return Pki(ca, server, server_key, client, client_key, stranger)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    authority: bool,
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(timezone.utc)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                **usage,
                digital_signature=not authority,
                key_cert_sign=authority,
                crl_sign=authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if not authority:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(
            x509.SubjectAlternativeName([address]), critical=False
        ).add_extension(x509.ExtendedKeyUsage(both), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


@dataclass
class Broker:
    """A mosquitto. tls_port: with password, and a certificate of pki.ca; port: plain, open."""

    folder: Path
    port: int
    tls_port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it, and return when it listens."""
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["mosquitto", "-c", str(self.folder / "mosquitto.conf")], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20
        while not (_listens(self.port) and _listens(self.tls_port)):
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, "mosquitto does not listen"
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def log(self) -> str:
        return (self.folder / "mosquitto.log").read_text(encoding="utf-8", errors="replace")


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def free_port() -> int:
    """A port of the loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def new_broker(folder: Path, pki: Pki, *lines: str, acl: str | None = None) -> Broker:
    """A mosquitto in a new folder, not yet started.

    lines: are added to its configuration, those with "tls:" to its TLS listener. acl: its rules.
    """
    folder.mkdir()
    broker = Broker(folder, free_port(), free_port())
    (folder / "passwd").touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(folder / "passwd"), USER, PASSWORD], check=True)
    rules = []
    if acl is not None:
        (folder / "acl").write_text(acl, encoding="utf-8")
        (folder / "acl").chmod(0o600)
        rules = [f"acl_file {folder / 'acl'}"]
    config = [
        "per_listener_settings true",
        "user root",
        "max_queued_messages 0",
        *[line for line in lines if not line.startswith("tls:")],
        f"listener {broker.port} 127.0.0.1",
        "allow_anonymous true",
        f"listener {broker.tls_port} 127.0.0.1",
        "allow_anonymous false",
        f"password_file {folder / 'passwd'}",
        f"cafile {pki.ca}",
        f"certfile {pki.server}",
        f"keyfile {pki.server_key}",
        *[line.removeprefix("tls:") for line in lines if line.startswith("tls:")],
        *rules,
    ]
    (folder / "mosquitto.conf").write_text("\n".join(config) + "\n", encoding="utf-8")
    return broker


@dataclass
class Subscriber:
    """Everything that came, as it came, on the broker's plain port."""

    client: Client
    messages: list[MQTTMessage] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that came, in the order in which they came, repeats included."""
        return [json.loads(m.payload) for m in list(self.messages) if "/events/" in m.topic]

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.events]

    @property
    def first_ids(self) -> list[str]:
        """The id of each event, where it came first."""
        return list(dict.fromkeys(self.ids))

    def said(self, ending: str) -> list[str]:
        """The payloads on the topics that end so."""
        return [m.payload.decode() for m in list(self.messages) if m.topic.endswith(ending)]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def subscribe_to(broker: Broker, topic: str = "edgewarden/#", *, session: str = "") -> Subscriber:
    """A subscriber on the plain port; session: its id, with one that outlives its connection."""
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=session,
        protocol=MQTTProtocolVersion.MQTTv5,
    )
    subscriber = Subscriber(client)

    def welcomed(*_: object) -> None:
        client.subscribe(topic, qos=1)

    client.on_message = lambda _, __, message: subscriber.messages.append(message)
    client.on_connect = welcomed
    client.on_subscribe = lambda *_: subscriber.ready.set()
    client.reconnect_delay_set(min_delay=1, max_delay=1)
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's
    properties.SessionExpiryInterval = 3600 if session else 0
    client.connect(
        "127.0.0.1",
        broker.port,
        keepalive=5,
        clean_start=not session,
        properties=properties,
    )
    client.loop_start()
    assert subscriber.ready.wait(20)
    return subscriber
