from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from edge.publish.mqtt.pictures import MOST_BYTES, MOST_WAITING, Pictures
from edge.store.outbox import SqliteOutbox
from edge.types import EventDraft

if TYPE_CHECKING:
    from tests.brokers import Broker
    from tests.mqtt.conftest import Commit, MakeBroker, MakePublisher, MakeSubscriber, Until

TOPIC = "edgewarden/hq/gate-01/door/snapshots/019be1c7-6a3b-7123-8123-000000000001"


def test_one_is_on_its_way_at_a_time_and_is_sent_again_after_a_loss() -> None:
    pictures = Pictures()
    assert pictures.take() is None
    pictures.put("a", b"1")
    pictures.put("b", b"2")
    assert pictures.take() == ("a", b"1")
    assert pictures.take() is None
    pictures.on_its_way(7)
    pictures.lost()
    assert not pictures.answered(7, taken=True)
    assert pictures.take() == ("a", b"1")
    pictures.on_its_way(1)
    assert not pictures.answered(2, taken=True)
    assert pictures.answered(1, taken=True)
    assert pictures.take() == ("b", b"2")
    pictures.on_its_way(2)
    assert pictures.answered(2, taken=False)
    assert (pictures.sent, pictures.dropped) == (1, 1)


def test_those_that_do_not_fit_push_out_the_oldest() -> None:
    pictures = Pictures()
    for number in range(MOST_WAITING + 2):
        pictures.put(str(number), b"x")
    assert pictures.dropped == 2
    assert pictures.take() == ("2", b"x")
    pictures.put("large", bytes(MOST_BYTES))
    assert pictures.dropped == 2 + MOST_WAITING - 1
    pictures.done(taken=True)
    assert pictures.take() == ("large", bytes(MOST_BYTES))
    pictures.put("too large", bytes(MOST_BYTES + 1))
    pictures.done(taken=True)
    assert pictures.take() is None


def test_a_picture_arrives_byte_for_byte_among_the_events(
    broker: Broker,
    publish: MakePublisher,
    subscribe: MakeSubscriber,
    outbox: SqliteOutbox,
    commit: Commit,
    until: Until,
) -> None:
    subscriber = subscribe(broker)
    commit(outbox, 100)
    jpeg = bytes(range(256)) * 3000
    publisher = publish(broker)
    publisher.send_picture(TOPIC, jpeg)
    until(lambda: publisher.state.pictures_sent == 1)
    until(lambda: len(subscriber.ids) == 100)
    (message,) = [m for m in subscriber.messages if m.topic == TOPIC]
    assert (message.payload, message.retain) == (jpeg, False)


def test_a_picture_that_the_broker_does_not_take_is_dropped_and_an_event_is_kept(
    make_broker: MakeBroker,
    publish: MakePublisher,
    subscribe: MakeSubscriber,
    outbox: SqliteOutbox,
    commit: Commit,
    draft: Callable[..., EventDraft],
    until: Until,
) -> None:
    broker = make_broker("max_packet_size 1000")
    subscriber = subscribe(broker)
    events = commit(outbox, 3)
    large = outbox.append([draft(**{f"detail_{n}": n for n in range(100)})])
    events += commit(outbox, 3)
    publisher = publish(broker)
    publisher.send_picture(TOPIC, bytes(2000))
    until(lambda: publisher.state.pictures_dropped == 1)
    until(lambda: subscriber.ids == [event.id for event in events])
    until(lambda: outbox.pending(limit=9) == large)
    assert (publisher.state.refusing, publisher.state.reconnects) == (1, 0)
