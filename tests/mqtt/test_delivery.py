"""Through a real mosquitto with TLS and a password: everything arrives, once, in order."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from edge.events.cloudevents import from_json
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


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_every_event_arrives_exactly_as_in_the_outbox(
    broker: Broker,
    subscribe: MakeSubscriber,
    publish: MakePublisher,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
    version: str,
) -> None:
    subscriber = subscribe(broker)
    events = commit(outbox, 3000)
    publisher = publish(broker, mqtt={"version": version})
    until(lambda: publisher.state.published == 3000)
    until(lambda: len(subscriber.ids) == 3000)
    received = [m for m in subscriber.messages if "/events/" in m.topic]
    assert [from_json(bytes(m.payload)) for m in received] == events
    assert received[1].topic == "edgewarden/hq/gate-01/yard/events/system/degraded"
    assert {m.qos for m in received} == {1}
    until(lambda: outbox.depth() == 0)
    assert publisher.state.refused == publisher.state.reconnects == 0


def test_what_is_committed_while_it_runs_arrives_when_it_is_woken(
    broker: Broker,
    subscribe: MakeSubscriber,
    publish: MakePublisher,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
) -> None:
    subscriber = subscribe(broker)
    acknowledged: list[str] = []
    publisher = publish(broker, on_acknowledged=lambda event: acknowledged.append(event.id))
    committed = []
    for _ in range(5):
        committed += [event.id for event in commit(outbox, 3)]
        publisher.wake()
        until(lambda: subscriber.ids == committed)  # noqa: B023
    until(lambda: acknowledged == committed)


def test_a_broker_that_takes_little_at_a_time_is_given_little(
    play: Play, publish: MakePublisher, outbox: SqliteOutbox, commit: Commit, until: Until
) -> None:
    commit(outbox, 40)
    unanswered: list[int] = []

    def take_two(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(bytes([0x20, 6, 0, 0, 3, 0x21, 0, 2]))
        while ids := list(_publishes(connection)):
            unanswered.append(len(ids))
            for packet_id in ids:
                connection.sendall(bytes([0x40, 2]) + packet_id)

    publisher = publish(play(take_two), mqtt={"plain": True})
    until(lambda: publisher.state.published >= 20)
    assert publisher.state.reconnects == 0
    assert unanswered[-3:] == [2, 2, 2]


def _publishes(connection: socket.socket) -> Iterator[bytes]:
    """The packet ids of what comes until nothing comes for a while."""
    raw = b""
    connection.settimeout(0.1)
    with suppress(TimeoutError):
        while more := connection.recv(1 << 16):
            raw += more
    while raw:
        length, at, shift = 0, 1, 0
        while True:
            length += (raw[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not raw[at - 1] & 0x80:
                break
        body, raw = raw[at : at + length], raw[at + length :]
        topic = int.from_bytes(body[:2], "big")
        yield body[2 + topic : 4 + topic]


def test_a_client_certificate_stands_for_a_password(
    make_broker: MakeBroker,
    subscribe: MakeSubscriber,
    publish: MakePublisher,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
    pki: Pki,
) -> None:
    broker = make_broker("tls:require_certificate true", "tls:use_identity_as_username true")
    subscriber = subscribe(broker)
    commit(outbox, 3)
    certificate = {"client_cert": str(pki.client), "client_key": str(pki.client_key)}
    publish(broker, mqtt={"username": None, "password_file": None, **certificate})
    until(lambda: len(subscriber.ids) == 3)


def test_nothing_is_left_of_it_after_stop(
    broker: Broker, publish: MakePublisher, until: Until
) -> None:
    before = set(threading.enumerate())
    publisher = publish(broker)
    assert {t.name for t in set(threading.enumerate()) - before} == {"mqtt"}
    publisher.start()
    until(lambda: publisher.state.connected)
    publisher.stop()
    assert set(threading.enumerate()) == before
    assert not publisher.state.connected
    publisher.stop()
    publisher.wake()
    publisher.start()
    until(lambda: publisher.state.connected)
