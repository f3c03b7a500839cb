"""What docs/consuming-events.md shows: the consumer, the broker's settings and its access rules."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.events.cloudevents import to_json
from edge.events.names import event_topic
from edge.publish.mqtt.state import Reason
from edge.store.outbox import SqliteOutbox
from edge.types import Event

if TYPE_CHECKING:
    from tests.brokers import Broker, Pki
    from tests.mqtt.conftest import Commit, MakeBroker, MakePublisher, MakeSubscriber, Until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"


def example(name: str, *, but: tuple[str, ...] = ()) -> list[str]:
    """The settings of an example, without comments and without those that tests set."""
    lines = (EXAMPLES / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith(("#", *but))]


@pytest.fixture
def durable(make_broker: MakeBroker, tmp_path: Path) -> Broker:
    """A broker with the settings and access rules of the examples, in the paths of the test."""
    local = ("per_listener", "listener", "cafile", "certfile", "keyfile", "allow_anonymous")
    files = ("password_file", "acl_file", "persistence_location")
    settings = example("mosquitto/edgewarden.conf", but=(*local, *files))
    assert "persistence true" in settings
    acl = (EXAMPLES / "mosquitto" / "acl").read_text(encoding="utf-8")
    return make_broker(*settings, f"persistence_location {tmp_path}/", acl=acl)


def test_the_consumer_takes_each_event_once_and_sees_every_gap(
    broker: Broker,
    publish: MakePublisher,
    subscribe: MakeSubscriber,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
    pki: Pki,
    tmp_path: Path,
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the right one\n")
    command = [sys.executable, str(EXAMPLES / "consumer.py"), "--host", "127.0.0.1"]
    command += ["--port", str(broker.tls_port), "--ca", str(pki.ca)]
    command += ["--user", "gate-01", "--password-file", str(secret)]
    said, got = tmp_path / "stderr", tmp_path / "stdout"
    with (
        said.open("wb") as stderr,
        got.open("wb") as stdout,
        subprocess.Popen(command, stdout=stdout, stderr=stderr) as consumer,
    ):
        until(lambda: "subscribed" in said.read_text())
        events = commit(outbox, 40)
        # What is deleted before it was sent is what a broker without a memory loses.
        outbox.delete([11, 12, 13, 20])
        publisher = publish(broker)
        until(lambda: publisher.state.published == 36)
        sender = subscribe(broker).client
        for number in (5, 30, 12):
            event = events[number - 1]
            topic = event_topic(event.source, event.type)
            sender.publish(topic, to_json(event), qos=1).wait_for_publish(20)
        sender.publish("edgewarden/hq/gate-01/door/events/x/y", b"{}", qos=1).wait_for_publish(20)
        until(lambda: "this is no event" in said.read_text())
        consumer.send_signal(signal.SIGINT)
        assert consumer.wait(20) == 0
    numbers = [int(line.split()[0]) for line in got.read_text().splitlines()]
    assert numbers == [*range(1, 11), *range(14, 20), *range(21, 41), 12]
    odd = [line for line in said.read_text().splitlines() if line.startswith("edgewarden/hq/gate")]
    assert odd[:3] == [
        "edgewarden/hq/gate-01: 11 to 13 are missing",
        "edgewarden/hq/gate-01: 20 to 20 are missing",
        "edgewarden/hq/gate-01: 12 came late",
    ]
    assert said.read_text().splitlines()[-1] == "37 events, 2 repeats, 3 missing"


def test_the_settings_keep_what_was_acknowledged(
    durable: Broker,
    subscribe: MakeSubscriber,
    publish: MakePublisher,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
) -> None:
    subscribe(durable, session="away").client.disconnect()
    events = commit(outbox, 2000)
    publisher = publish(durable)
    until(lambda: outbox.depth() == 0)
    publisher.stop()
    durable.kill()
    durable.start()
    back = subscribe(durable, session="away")
    until(lambda: set(back.ids) == {event.id for event in events})
    assert back.first_ids == [event.id for event in events]


def test_the_rules_keep_a_device_to_its_own_name(
    durable: Broker,
    publish: MakePublisher,
    commit: Commit,
    draft: Callable[..., Event],
    until: Until,
    tmp_path: Path,
) -> None:
    with SqliteOutbox(tmp_path / "mine.db") as mine, SqliteOutbox(tmp_path / "other.db") as other:
        commit(mine, 5)
        honest = publish(durable, outbox=mine)
        until(lambda: mine.depth() == 0)
        assert honest.state.refused == 0
        honest.stop()
        # Its events are its own; what is not its own is the name under which it says "online".
        commit(other, 5)
        liar = publish(durable, outbox=other, node="gate-02")
        until(lambda: liar.state.reason is Reason.CONNECTED and liar.state.refused == 1)
        liar.stop()


def test_the_lines_of_the_page_name_topics_that_exist() -> None:
    page = (ROOT / "docs" / "consuming-events.md").read_text(encoding="utf-8")
    topics = re.findall(r"-t '([^']+)'", page)
    assert len(topics) >= 4
    for topic in topics:
        assert re.fullmatch(r"edgewarden/[a-z0-9+/#_-]+", topic), topic
    for name in ("consumer.py", "mosquitto/edgewarden.conf", "mosquitto/acl"):
        assert f"examples/{name}" in page
        assert (EXAMPLES / name).is_file()
    for line in example("mosquitto/edgewarden.conf", but=("cafile", "certfile", "keyfile")):
        if line.split()[0] in page:
            assert line in page or f"`{line.split()[0]}`" in page
