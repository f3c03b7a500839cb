from __future__ import annotations

from edge.publish.mqtt.retained import RETRY_S, Retained


def test_the_latest_value_alone_is_sent() -> None:
    retained = Retained()
    retained.set("door/status", b"live")
    retained.set("door/status", b"lost")
    assert retained.take(0.0, 9) == [("door/status", b"lost")]


def test_a_newer_value_waits_until_the_one_on_its_way_is_answered() -> None:
    retained = Retained()
    retained.set("door/status", b"live")
    retained.take(0.0, 9)
    retained.sent("door/status", 1)
    retained.set("door/status", b"lost")
    assert retained.take(0.0, 9) == []
    assert retained.answered(1, 0.0, taken=True) == "door/status"
    assert not retained.stands("door/status")
    assert retained.take(0.0, 9) == [("door/status", b"lost")]
    retained.sent("door/status", 2)
    retained.answered(2, 0.0, taken=True)
    assert retained.stands("door/status")
    assert retained.take(0.0, 9) == []


def test_a_new_connection_sends_everything_again() -> None:
    retained = Retained()
    for topic in ("availability", "door/status", "yard/status"):
        retained.set(topic, b"x")
    retained.take(0.0, 9)
    for token, topic in enumerate(("availability", "door/status"), start=1):
        retained.sent(topic, token)
    retained.answered(1, 0.0, taken=True)
    assert len(retained) == 1
    retained.connected()
    assert [topic for topic, _ in retained.take(0.0, 2)] == ["availability", "door/status"]
    assert [topic for topic, _ in retained.take(0.0, 2)] == ["yard/status"]
    assert retained.answered(2, 0.0, taken=True) is None


def test_a_refused_value_is_tried_again_later_or_when_it_changes() -> None:
    retained = Retained()
    retained.set("door/status", b"live")
    retained.take(0.0, 9)
    retained.sent("door/status", 1)
    retained.answered(1, 0.0, taken=False)
    assert retained.take(RETRY_S - 1, 9) == []
    assert retained.take(RETRY_S, 9) == [("door/status", b"live")]
    retained.sent("door/status", 2)
    retained.answered(2, RETRY_S, taken=False)
    retained.set("door/status", b"lost")
    assert retained.take(RETRY_S, 9) == [("door/status", b"lost")]


def test_the_token_of_an_event_is_none_of_its() -> None:
    retained = Retained()
    assert retained.answered(5, 0.0, taken=True) is None
    assert not retained.stands("door/status")
