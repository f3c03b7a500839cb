"""Brokers that refuse, and settings that are wrong: reported once by reason, retried for ever."""

from __future__ import annotations

import gc
import logging
import os
import random
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from edge.config import Mqtt
from edge.errors import UsageError
from edge.publish.mqtt import publisher as module
from edge.publish.mqtt.publisher import MqttPublisher
from edge.publish.mqtt.state import Reason
from edge.store.outbox import SqliteOutbox

if TYPE_CHECKING:
    from tests.brokers import Broker, Pki
    from tests.mqtt.conftest import (
        Commit,
        MakeBroker,
        MakePublisher,
        MakeSubscriber,
        Play,
        Until,
    )


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.005)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.01)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_wrong_password_is_reported_once_and_the_right_one_is_noticed(
    broker: Broker,
    subscribe: MakeSubscriber,
    publish: MakePublisher,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    version: str,
) -> None:
    subscriber = subscribe(broker)
    events = commit(outbox, 3)
    secret = tmp_path / "wrong.password"
    secret.write_text("not it at all")
    with caplog.at_level(logging.DEBUG):
        publisher = publish(broker, mqtt={"password_file": str(secret), "version": version})
        until(lambda: broker.log.count("not authorised") >= 3)
        until(lambda: publisher.state.reason is Reason.NOT_AUTHORISED)
        assert not publisher.state.connected
        assert outbox.depth() == 3
        (record,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
        assert "password_file" in record.getMessage()
        assert record.exc_info is None
        secret.write_text("the right one")
        until(lambda: subscriber.ids == [event.id for event in events])
    assert "the right one" not in caplog.text
    assert "not it at all" not in caplog.text


Changes = Callable[["Pki", Path], dict[str, object]]


def _file(folder: Path, data: bytes) -> str:
    path = folder / "given"
    path.write_bytes(data)
    return str(path)


def _encrypted(pki: Pki, folder: Path) -> str:
    key = serialization.load_pem_private_key(pki.client_key.read_bytes(), None)
    cipher = serialization.BestAvailableEncryption(b"unknown to us")
    form = serialization.PrivateFormat.PKCS8
    return _file(folder, key.private_bytes(serialization.Encoding.PEM, form, cipher))


WRONG: dict[str, tuple[Changes, Reason]] = {
    "another authority": (lambda p, _: {"ca_file": str(p.stranger)}, Reason.CERTIFICATE),
    "another name": (lambda *_: {"host": "localhost"}, Reason.CERTIFICATE),
    "no such host": (lambda *_: {"host": "nobody.invalid"}, Reason.UNKNOWN_HOST),
    "no host name": (lambda *_: {"host": "a" * 64}, Reason.UNKNOWN_HOST),
    "nobody there": (lambda *_: {"port": 1}, Reason.UNREACHABLE),
    "no TLS to the TLS port": (lambda *_: {"ca_file": None}, Reason.CLOSED),
    "TLS to the plain port": (lambda *_: {"port": -1}, Reason.CLOSED),
    "no such password file": (lambda *_: {"password_file": "nowhere"}, Reason.FILES),
    "an empty password": (lambda _, f: {"password_file": _file(f, b"\n")}, Reason.FILES),
    "a binary password": (lambda _, f: {"password_file": _file(f, b"\xff\xfe")}, Reason.FILES),
    "no such authority": (lambda *_: {"ca_file": "nowhere"}, Reason.FILES),
    "an authority that is none": (lambda _, f: {"ca_file": _file(f, b"hello")}, Reason.FILES),
    "a key of another certificate": (
        lambda p, _: {"client_cert": str(p.client), "client_key": str(p.server_key)},
        Reason.FILES,
    ),
    "an encrypted key": (
        lambda p, f: {"client_cert": str(p.client), "client_key": _encrypted(p, f)},
        Reason.FILES,
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_once_and_every_event_kept(
    broker: Broker,
    publish: MakePublisher,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
    pki: Pki,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    what: str,
) -> None:
    changes, reason = WRONG[what]
    wrong = {
        field: broker.port if value == -1 else value
        for field, value in changes(pki, tmp_path).items()
    }
    commit(outbox, 3)
    with caplog.at_level(logging.DEBUG):
        publisher = publish(broker, mqtt=wrong)
        until(lambda: publisher.state.reason is not Reason.CONNECTING)
        threading.Event().wait(0.3)  # for a few more tries
        assert publisher.state.reason is reason
        publisher.stop()
    said = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len([line for line in said if "plain text" not in line]) == 1
    assert not any(r.exc_info for r in caplog.records)
    assert publisher.state.published == 0
    assert outbox.depth() == 3


def test_a_client_certificate_that_is_missing_is_what_is_said(
    make_broker: MakeBroker, publish: MakePublisher, until: Until
) -> None:
    broker = make_broker("tls:require_certificate true")
    publisher = publish(broker)
    until(lambda: publisher.state.reason is Reason.TLS)
    assert "certificate required" in publisher.state.detail.lower()


CONNACKS = [
    ("3.1.1", 1, Reason.PROTOCOL),
    ("3.1.1", 2, Reason.CLIENT_ID),
    ("3.1.1", 3, Reason.UNAVAILABLE),
    ("3.1.1", 4, Reason.CREDENTIALS),
    ("3.1.1", 5, Reason.NOT_AUTHORISED),
    ("3.1.1", 77, Reason.REFUSED),
    ("5", 1, Reason.VERSION),
    ("5", 0x84, Reason.VERSION),
    ("5", 0x85, Reason.CLIENT_ID),
    ("5", 0x86, Reason.CREDENTIALS),
    ("5", 0x87, Reason.NOT_AUTHORISED),
    ("5", 0x89, Reason.UNAVAILABLE),
    ("5", 0x97, Reason.REFUSED),
]


@pytest.mark.parametrize(("version", "code", "reason"), CONNACKS)
def test_every_refusal_has_its_reason(
    play: Play, publish: MakePublisher, until: Until, version: str, code: int, reason: Reason
) -> None:
    tail = bytes([code, 0]) if version == "5" else bytes([code])

    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(bytes([0x20, len(tail) + 1, 0]) + tail)
        connection.recv(1000)

    publisher = publish(play(refuse), mqtt={"plain": True, "version": version})
    until(lambda: publisher.state.reason is reason)


@pytest.mark.parametrize(
    ("code", "reason"),
    [(0x8B, Reason.UNAVAILABLE), (0x8E, Reason.TAKEN_OVER), (0x93, Reason.REFUSED)],
)
def test_a_broker_that_says_why_it_ends_the_connection_is_heard(
    play: Play, publish: MakePublisher, until: Until, code: int, reason: Reason
) -> None:
    def end(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(bytes([0x20, 3, 0, 0, 0]) + bytes([0xE0, 2, code, 0]))
        connection.recv(1000)

    publisher = publish(play(end), mqtt={"plain": True})
    until(lambda: publisher.state.reason is reason)


def test_what_tls_holds_back_is_heard_too(
    play: Play, publish: MakePublisher, until: Until, pki: Pki
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki.server, pki.server_key)

    def end(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1000)
            # Both in one record: the kernel has nothing more to give after the first.
            secure.sendall(bytes([0x20, 3, 0, 0, 0]) + bytes([0xE0, 2, 0x8E, 0]))
            while secure.recv(1000):
                pass

    publisher = publish(play(end), mqtt={"username": None, "password_file": None})
    until(lambda: publisher.state.reason is Reason.TAKEN_OVER, seconds=5)


def test_a_broker_that_never_answers_is_given_up(
    play: Play, publish: MakePublisher, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WELCOME_S", 0.2)

    def say_nothing(connection: socket.socket) -> None:
        while connection.recv(1000):
            pass

    publisher = publish(play(say_nothing), mqtt={"plain": True})
    until(lambda: publisher.state.reason is Reason.SILENT)


def test_a_broker_that_answers_pings_alone_is_left(
    play: Play,
    publish: MakePublisher,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.publish.mqtt.courier.ANSWER_S", 0.2)

    def welcome(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(bytes([0x20, 3, 0, 0, 0]))
        while connection.recv(1000):
            pass

    commit(outbox, 3)
    publisher = publish(play(welcome), mqtt={"plain": True})
    until(lambda: publisher.state.reason is Reason.UNANSWERED)
    assert outbox.depth() == 3


def test_no_nonsense_that_a_broker_sends_ends_the_thread(
    play: Play, publish: MakePublisher, outbox: SqliteOutbox, commit: Commit, until: Until
) -> None:
    chance = random.Random(7)
    played = []

    def babble(connection: socket.socket) -> None:
        connection.recv(1000)
        if chance.random() < 0.7:
            connection.sendall(bytes([0x20, 3, 0, 0, 0]))
        for _ in range(chance.randrange(5)):
            kind = chance.choice([0x20, 0x30, 0x40, 0x50, 0x62, 0x90, 0xB0, 0xD0, 0xE0, 0xF0, 7])
            body = chance.randbytes(chance.randrange(12))
            connection.sendall(bytes([kind, len(body)]) + body)
        played.append(1)

    commit(outbox, 40)
    publisher = publish(play(babble), mqtt={"plain": True}, keepalive_s=1)
    until(lambda: len(played) >= 200)
    assert publisher.fault is None
    publisher.stop(0)


def test_nothing_is_left_open_by_a_hundred_connections(
    play: Play, publish: MakePublisher, until: Until, pki: Pki
) -> None:
    lost = []

    def hang_up(connection: socket.socket) -> None:
        connection.recv(1000)
        lost.append(1)

    def open_files() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    broker = play(hang_up)
    for changes in ({"plain": True}, {}):
        lost.clear()
        publisher = publish(broker, mqtt=dict(changes))
        until(lambda: len(lost) >= 5)
        before = open_files(), threading.active_count()
        until(lambda: len(lost) >= 105)
        # One connection may be open at either moment.
        assert abs(open_files() - before[0]) <= 2
        assert threading.active_count() == before[1]
        publisher.stop()


@pytest.mark.parametrize("ids", [{"site": "h/q"}, {"node": "+"}, {"site": ""}, {"node": "Gate"}])
def test_a_topic_level_that_is_no_id_is_refused(outbox: SqliteOutbox, ids: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="id rule"):
        MqttPublisher(
            Mqtt(host="127.0.0.1"),
            site=ids.get("site", "hq"),
            node=ids.get("node", "gate-01"),
            outbox=outbox,
        )


def test_a_systemd_credential_stands_for_the_file_of_its_name(
    broker: Broker, publish: MakePublisher, until: Until, tmp_path: Path
) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "mqtt.password").write_text("the right one\n")
    publisher = publish(
        broker, mqtt={"password_file": "/nowhere/mqtt.password"}, credentials=folder
    )
    until(lambda: publisher.state.connected)
