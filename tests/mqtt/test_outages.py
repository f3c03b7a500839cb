"""A broker that stops, dies, forgets or changes its rules; a publisher that is killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.errors import ClosedError, StoreBusyError
from edge.events.payloads import CameraStatus
from edge.publish.mqtt import publisher as module
from edge.publish.mqtt.state import Reason
from edge.store.outbox import SqliteOutbox
from edge.types import Event

if TYPE_CHECKING:
    from tests.brokers import Broker, Subscriber
    from tests.mqtt.conftest import Commit, MakeBroker, MakePublisher, MakeSubscriber, Until

ROOT = Path(__file__).resolve().parents[2]
WINDOW = 20
DURABLE = (
    "persistence true",
    "autosave_on_changes true",
    "autosave_interval 1",
)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.3)


def in_order_per_source(subscriber: Subscriber) -> bool:
    """Whether the events, each where it came first, came in the order of their source."""
    first = {event["id"]: event for event in reversed(subscriber.events)}
    last: dict[str, int] = {}
    for event_id in subscriber.first_ids:
        source, number = first[event_id]["source"], first[event_id]["data"]["sequence"]
        if number <= last.get(source, 0):
            return False
        last[source] = number
    return True


def test_a_broker_that_is_stopped_is_noticed_and_gets_everything_later(
    broker: Broker,
    subscribe: MakeSubscriber,
    publish: MakePublisher,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
) -> None:
    subscriber = subscribe(broker)
    events = commit(outbox, 50)
    publisher = publish(broker, keepalive_s=1)
    until(lambda: publisher.state.published == 50)
    broker.signal(signal.SIGSTOP)
    events += commit(outbox, 500)
    publisher.wake()
    # Two keepalives, and some slack for a machine that has other things to do.
    until(lambda: not publisher.state.connected, seconds=8)
    assert publisher.state.reason is Reason.SILENT
    broker.signal(signal.SIGCONT)
    until(lambda: set(subscriber.ids) == {event.id for event in events})
    assert in_order_per_source(subscriber)
    assert len(subscriber.ids) - 550 <= WINDOW
    assert publisher.state.reconnects == 1


def test_a_broker_that_dies_and_keeps_nothing_leaves_a_gap_and_no_more(
    broker: Broker,
    subscribe: MakeSubscriber,
    publish: MakePublisher,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
) -> None:
    subscriber = subscribe(broker, session="listener")
    acknowledged: list[str] = []
    events = commit(outbox, 3000)
    publisher = publish(broker, on_acknowledged=lambda event: acknowledged.append(event.id))
    for count in (500, 1500):
        until(lambda: publisher.state.published >= count)  # noqa: B023
        subscriber.ready.clear()
        broker.kill()
        broker.start()
    until(lambda: outbox.depth() == 0)
    assert publisher.state.reconnects == 2
    assert subscriber.ready.wait(20)
    events += commit(outbox, 3)
    publisher.wake()
    # The last one is there, so all that were kept have come.
    until(lambda: events[-1].id in subscriber.ids)
    until(lambda: set(acknowledged) == {event.id for event in events})
    assert set(subscriber.ids) <= set(acknowledged)
    assert in_order_per_source(subscriber)
    assert len(subscriber.ids) - len(subscriber.first_ids) <= 2 * WINDOW


def test_a_broker_that_saves_what_it_acknowledges_loses_nothing(
    make_broker: MakeBroker,
    subscribe: MakeSubscriber,
    publish: MakePublisher,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
    tmp_path: Path,
) -> None:
    broker = make_broker(*DURABLE, f"persistence_location {tmp_path}/")
    away = subscribe(broker, session="listener")
    away.client.disconnect()
    events = commit(outbox, 300)
    publisher = publish(broker)
    until(lambda: outbox.depth() == 0)
    broker.kill()
    broker.start()
    events += commit(outbox, 30)
    publisher.wake()
    until(lambda: outbox.depth() == 0)
    subscriber = subscribe(broker, session="listener")
    until(lambda: set(subscriber.ids) == {event.id for event in events})
    assert in_order_per_source(subscriber)


def test_what_the_rules_forbid_waits_until_they_allow_it(
    make_broker: MakeBroker,
    subscribe: MakeSubscriber,
    publish: MakePublisher,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
) -> None:
    allowed = "user gate-01\ntopic write edgewarden/hq/gate-01/#\n"
    forbidden = allowed + "topic deny edgewarden/hq/gate-01/door/events/system/camera_lost\n"
    broker = make_broker(acl=forbidden)
    subscriber = subscribe(broker)
    events = commit(outbox, 60)
    publisher = publish(broker)
    others = [event.id for event in events if not event.source.endswith("/door")]
    until(lambda: set(others) <= set(subscriber.ids))
    # The door's first one was allowed; the rest of the door waits behind the second.
    assert set(subscriber.ids) - set(others) <= {events[0].id, events[6].id}
    assert publisher.state.refusing == 1
    assert publisher.state.refused >= 1
    (broker.folder / "acl").write_text(allowed)
    broker.signal(signal.SIGHUP)
    until(lambda: len(subscriber.first_ids) == 60)
    assert in_order_per_source(subscriber)
    until(lambda: outbox.depth() == 0)
    assert publisher.state.refusing == 0


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_it_is_online_then_stopped_and_cameras_have_a_status(
    broker: Broker,
    subscribe: MakeSubscriber,
    publish: MakePublisher,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
    caplog: pytest.LogCaptureFixture,
    version: str,
) -> None:
    live = CameraStatus(state="live", fps=9.9, since="2026-11-21T10:00:00.000Z")
    lost = CameraStatus(state="lost", fps=0.0, since="2026-11-21T10:00:05.000Z")
    publisher = publish(broker, mqtt={"version": version})
    publisher.set_status("door", live)
    publisher.set_status("yard", live)
    until(lambda: publisher.state.connected)
    publisher.set_status("door", lost)
    publisher.set_status("yard", None)
    commit(outbox, 100)
    publisher.stop(drain_s=20)
    assert outbox.depth() == 0
    assert publisher.state.reason is Reason.STOPPED
    assert caplog.text == ""
    later = subscribe(broker)
    until(lambda: len(later.messages) == 2)
    assert later.said("/availability") == ["stopped"]
    assert later.said("/door/status") == [lost.model_dump_json()]
    assert all(message.retain for message in later.messages)


def test_the_status_is_sent_again_after_a_broker_forgot_it(
    broker: Broker, subscribe: MakeSubscriber, publish: MakePublisher, until: Until
) -> None:
    publisher = publish(broker)
    live = CameraStatus(state="live", fps=9.9, since="2026-11-21T10:00:00.000Z")
    publisher.set_status("door", live)
    until(lambda: publisher.state.connected)
    broker.kill()
    until(lambda: not publisher.state.connected)
    broker.start()
    subscriber = subscribe(broker)
    until(lambda: subscriber.said("/door/status") == [live.model_dump_json()])
    until(lambda: subscriber.said("/availability") == ["online"])


def test_stop_does_not_wait_for_a_broker_that_is_stopped(
    broker: Broker, publish: MakePublisher, outbox: SqliteOutbox, commit: Commit, until: Until
) -> None:
    publisher = publish(broker)
    until(lambda: publisher.state.connected)
    broker.signal(signal.SIGSTOP)
    commit(outbox, 5)
    publisher.stop(drain_s=0.2)
    assert publisher.state.reason is Reason.STOPPED
    assert outbox.depth() == 5


def test_without_the_acknowledgement_of_stopped_the_broker_says_offline(
    make_broker: MakeBroker, subscribe: MakeSubscriber, publish: MakePublisher, until: Until
) -> None:
    broker = make_broker()
    subscriber = subscribe(broker)
    publisher = publish(broker)
    until(lambda: subscriber.said("/availability") == ["online"])
    broker.signal(signal.SIGSTOP)
    publisher.stop(drain_s=0)
    broker.signal(signal.SIGCONT)
    until(lambda: subscriber.said("/availability")[-1:] == ["offline"])


def test_two_of_one_name_do_not_fill_the_log(
    broker: Broker, publish: MakePublisher, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = publish(broker), publish(broker)
    until(lambda: one.state.reconnects + two.state.reconnects >= 6)
    said = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(said) == 2
    assert "the same site.id and site.node" in said[0]


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("ready", flush=True)
sys.stdin.read()
"""


def test_an_outbox_that_is_busy_is_reported_and_tried_again(
    broker: Broker,
    subscribe: MakeSubscriber,
    publish: MakePublisher,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.store.sqlite.BUSY_TIMEOUT_S", 0.05)
    subscriber = subscribe(broker)
    busy = SqliteOutbox(tmp_path / "busy.db")
    with busy:
        events = commit(busy, 100)
        command = [sys.executable, "-c", HOLD, str(tmp_path / "busy.db")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            publisher = publish(broker, outbox=busy)
            until(lambda: "locked" in publisher.state.outbox)
            assert busy.depth() == 100
            assert len(subscriber.ids) <= WINDOW
            holder.communicate()
        until(lambda: subscriber.ids == [event.id for event in events])
        until(lambda: busy.depth() == 0)
        until(lambda: publisher.state.outbox == "")
        publisher.stop()


def test_an_outbox_that_cannot_be_read_is_reported_once_and_tried_again(
    broker: Broker,
    subscribe: MakeSubscriber,
    publish: MakePublisher,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("edge.publish.mqtt.courier._STORE_RETRY_S", 0.01)
    subscriber = subscribe(broker)
    events = commit(outbox, 3)
    tries = []

    def fails(*_: object) -> list[Event]:
        tries.append(1)
        raise StoreBusyError("the outbox is locked")

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "_pending", fails)
        publisher = publish(broker)
        until(lambda: len(tries) >= 3)
        assert publisher.state.outbox == "the outbox is locked"
    until(lambda: subscriber.ids == [event.id for event in events])
    assert publisher.state.outbox == ""
    assert caplog.text.count("the outbox is locked") == 1


def test_an_outbox_that_is_gone_ends_it_with_the_reason_kept(
    broker: Broker,
    subscribe: MakeSubscriber,
    publish: MakePublisher,
    until: Until,
    tmp_path: Path,
) -> None:
    subscriber = subscribe(broker)
    with SqliteOutbox(tmp_path / "gone.db") as gone:
        publisher = publish(broker, outbox=gone)
        until(lambda: publisher.state.connected)
    until(lambda: publisher.fault is not None)
    assert not publisher.state.connected
    until(lambda: subscriber.said("/availability")[-1:] == ["offline"])
    with pytest.raises(ClosedError):
        publisher.stop()
    publisher.stop()


DRAIN = """
import sys, time
from pathlib import Path
from edge.config import Mqtt
from edge.publish.mqtt.publisher import MqttPublisher
from edge.store.outbox import SqliteOutbox

with SqliteOutbox(Path(sys.argv[1])) as outbox:
    settings = Mqtt(
        host="127.0.0.1", port=int(sys.argv[2]), username="gate-01",
        password_file=Path(sys.argv[3]), ca_file=Path(sys.argv[4]),
    )
    with MqttPublisher(settings, site="hq", node="gate-01", outbox=outbox):
        print("started", flush=True)
        time.sleep(60)
"""


def test_a_publisher_that_is_killed_again_and_again_loses_nothing(
    broker: Broker,
    subscribe: MakeSubscriber,
    commit: Commit,
    until: Until,
    tmp_path: Path,
    pki: object,
) -> None:
    kills, path = 10, tmp_path / "killed.db"
    subscriber = subscribe(broker)
    with SqliteOutbox(path) as outbox:
        ids = [event.id for event in commit(outbox, 6000)]
    secret = tmp_path / "secret"
    secret.write_text("the right one")
    ca = str(getattr(pki, "ca", ""))
    command = [sys.executable, "-c", DRAIN, str(path), str(broker.tls_port), str(secret), ca]
    midway = 0

    def drained() -> bool:
        return len(set(subscriber.ids)) == len(ids)

    for kill in range(kills + 1):
        before = len(subscriber.ids)
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            if kill < kills:
                # At a different place each time, in the midst of it; on a busy machine all may be
                # there before this looks.
                until(lambda: drained() or len(subscriber.ids) > before + 37 * (kill + 1))  # noqa: B023
                midway += not drained()
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                until(lambda: subscriber.said("/availability")[-1:] == ["offline"])
            else:
                until(lambda: set(subscriber.ids) == set(ids))
                process.kill()
    assert midway >= 3
    assert subscriber.first_ids == ids
    assert 0 <= len(subscriber.ids) - len(ids) <= kills * WINDOW
    assert in_order_per_source(subscriber)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone()[0] <= WINDOW
    connection.close()
