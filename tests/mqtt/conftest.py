"""Real brokers, certificates and subscribers on the loopback, and an outbox with events in it."""

from __future__ import annotations

import itertools
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.config import Mqtt
from edge.events.build import SystemName, system_event
from edge.events.names import source_of
from edge.publish.mqtt.publisher import MqttPublisher
from edge.store.base import Outbox
from edge.store.outbox import SqliteOutbox
from edge.types import Event, EventDraft
from tests.brokers import (
    PASSWORD,
    USER,
    Broker,
    Pki,
    Subscriber,
    make_pki,
    new_broker,
    subscribe_to,
)

Until = Callable[..., None]
MakeBroker = Callable[..., "Broker"]
MakeSubscriber = Callable[..., "Subscriber"]
MakePublisher = Callable[..., MqttPublisher]
Commit = Callable[..., list[Event]]
Play = Callable[[Callable[[socket.socket], None]], "Broker"]


@pytest.fixture
def until() -> Until:
    """Waits for something to become true; fails when it does not in time."""

    def wait(condition: Callable[[], object], *, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not become true in time"
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def make_broker(tmp_path: Path, pki: Pki) -> Iterator[MakeBroker]:
    """A running mosquitto; lines are added to its configuration, acl is the text of its rules."""
    if shutil.which("mosquitto") is None:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    names = itertools.count()
    with ExitStack() as stack:

        def make(*lines: str, acl: str | None = None) -> Broker:
            broker = new_broker(tmp_path / f"broker-{next(names)}", pki, *lines, acl=acl)
            stack.callback(broker.kill)
            broker.start()
            return broker

        yield make


@pytest.fixture
def broker(make_broker: MakeBroker) -> Broker:
    return make_broker()


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Something that listens where a broker should, and does as told with each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    done = threading.Event()
    threads: list[threading.Thread] = []

    def start(behave: Callable[[socket.socket], None]) -> Broker:
        def serve() -> None:
            while not done.is_set():
                with suppress(OSError):
                    connection, _ = listener.accept()
                    with connection:
                        connection.settimeout(5)
                        behave(connection)

        threads.append(threading.Thread(target=serve))
        threads[0].start()
        port = listener.getsockname()[1]
        made: Any = SimpleNamespace(port=port, tls_port=port)
        played: Broker = made
        return played

    yield start
    done.set()
    for thread in threads:
        thread.join()
    listener.close()


@pytest.fixture
def subscribe() -> Iterator[MakeSubscriber]:
    """A subscriber to everything; session: its id, with a session that outlives its connection."""
    with ExitStack() as stack:

        def make(broker: Broker, topic: str = "edgewarden/#", *, session: str = "") -> Subscriber:
            subscriber = subscribe_to(broker, topic, session=session)
            stack.callback(subscriber.close)
            return subscriber

        yield make


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[SqliteOutbox]:
    with SqliteOutbox(tmp_path / "outbox.db") as outbox:
        yield outbox


@pytest.fixture
def draft() -> Callable[..., EventDraft]:
    def make(camera: str = "door", name: SystemName = "degraded", **detail: int) -> EventDraft:
        source = source_of("hq", "gate-01", camera)
        return system_event(name, source=source, time=1.5, reason="é", detail=detail)

    return make


@pytest.fixture
def commit(draft: Callable[..., EventDraft]) -> Commit:
    """Commits so many events, in turn from each camera and of each name."""

    def many(
        outbox: Outbox,
        count: int,
        *,
        cameras: tuple[str, ...] = ("door", "yard", "_node"),
        names: tuple[SystemName, ...] = ("degraded", "camera_lost"),
    ) -> list[Event]:
        return outbox.append(
            [
                draft(cameras[i % len(cameras)], names[i // len(cameras) % len(names)], i=i)
                for i in range(count)
            ]
        )

    return many


@pytest.fixture
def settings(tmp_path: Path, pki: Pki) -> Callable[..., Mqtt]:
    """``[mqtt]`` for the TLS port of a broker, with the right password; changes replace fields."""

    def make(broker: Broker, **changes: object) -> Mqtt:
        secret = tmp_path / "mqtt.password"
        if not secret.exists():  # another publisher may be reading it
            secret.write_text(PASSWORD + "\n", encoding="utf-8")
        fields: dict[str, object] = {
            "host": "127.0.0.1",
            "port": broker.tls_port,
            "username": USER,
            "password_file": str(secret),
            "ca_file": str(pki.ca),
        }
        if changes.pop("plain", False):
            fields = {"host": "127.0.0.1", "port": broker.port}
        return Mqtt.model_validate({**fields, **changes}, context={"folder": tmp_path})

    return make


@pytest.fixture
def publish(outbox: SqliteOutbox, settings: Callable[..., Mqtt]) -> Iterator[MakePublisher]:
    """A publisher that is started; stopped at the latest with the test, which fails by its fault.

    Fields of ``[mqtt]`` go in ``mqtt``.
    """
    with ExitStack() as stack:

        def make(
            broker: Broker, *, mqtt: dict[str, object] | None = None, **options: Any
        ) -> MqttPublisher:
            publisher = MqttPublisher(
                settings(broker, **(mqtt or {})),
                **{"site": "hq", "node": "gate-01", "outbox": outbox, **options},
            )
            stack.callback(publisher.stop, 0)
            publisher.start()
            return publisher

        yield make
