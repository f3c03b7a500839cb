"""The demo's consumer at a broker that others use as well."""

from __future__ import annotations

from paho.mqtt import publish

from edge.config import Mqtt
from edge.demo.consumer import Consumer
from edge.events.build import system_event
from edge.events.cloudevents import to_json
from edge.events.names import source_of
from edge.store.fake import FakeOutbox
from edge.types import Event
from tests.brokers import Broker

TOPIC = "edgewarden/demo/here/_node/events/system/started"


def consumer(broker: Broker) -> Consumer:
    return Consumer(Mqtt(host="127.0.0.1", port=broker.port), site="demo", node="here")


def event() -> Event:
    draft = system_event("started", source=source_of("demo", "here", "_node"), time=1.0)
    with FakeOutbox(lambda: "0198c6f0-0000-7000-8000-000000000001") as outbox:
        (event,) = outbox.append([draft])
    return event


def test_what_is_no_event_is_passed_over(broker: Broker) -> None:
    said = [b"on", b"\xff", b"[1]", b"{}", b'{"id": []}', to_json(event()), to_json(event())]
    with consumer(broker) as listening:
        publish.multiple(
            [{"topic": TOPIC, "payload": payload, "qos": 1} for payload in said],
            hostname="127.0.0.1",
            port=broker.port,
        )
        assert listening.wait_for(1, 20) == 1
        assert [one.event["id"] for one in listening.received] == [event().id]
