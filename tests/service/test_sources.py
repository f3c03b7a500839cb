"""Three sources at once, of which one goes and comes back; everything arrives as it was written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.service.daemon import (
    Place,
    busy_film,
    keep_what_is_committed,
    last_numbers,
    read_outbox,
    wait_until,
)

if TYPE_CHECKING:
    from tests.brokers import Pki, Subscriber
    from tests.rtsp.process import RtspServer
    from tests.service.conftest import MakeBroker, Start, Subscribe


def named(subscriber: Subscriber, name: str) -> list[str]:
    """The cameras of which this was said."""
    events = [event for event in subscriber.events if event["type"] == f"edgewarden.{name}.v1"]
    return [event["source"].rpartition("/")[2] for event in events]


def test_three_sources_and_one_of_them_goes_and_comes_back(
    place: Place,
    pki: Pki,
    make_broker: MakeBroker,
    subscribe: Subscribe,
    start: Start,
    rtsp: Callable[..., RtspServer],
) -> None:
    keep_what_is_committed(place.outbox)
    broker = make_broker()
    everything = subscribe(broker)
    server = rtsp()
    place.add_camera("door", busy_film(place.folder / "door.mp4"))
    place.add_camera("hall", busy_film(place.folder / "hall.mp4", person=2))
    place.add_camera("yard", server.url, loop=False)
    place.add_rules(2)
    place.add_broker(broker, pki)
    daemon = start(place)
    daemon.wait_live("door", "hall", "yard")

    server.close()
    wait_until(lambda: named(everything, "system.camera_lost") == ["yard"])
    so_far = Counter(event["source"] for event in everything.events)
    wait_until(
        lambda: all(
            count > so_far[source] + 4
            for source, count in Counter(e["source"] for e in everything.events).items()
            if source.endswith(("door", "hall"))
        )
    )
    back = rtsp(port=server.port)
    wait_until(lambda: named(everything, "system.camera_recovered") == ["yard"], seconds=10)
    daemon.wait(lambda status: status["cameras"]["yard"]["state"] == "live")
    others = {name: daemon.status()["cameras"][name] for name in ("door", "hall")}
    assert {camera["reconnects"] for camera in others.values()} == {0}
    assert named(everything, "system.camera_lost") == ["yard"]
    daemon.stop()
    back.close()

    last = last_numbers(place.outbox)
    wait_until(lambda: len(everything.events) >= last[""])
    numbers = [event["data"]["node_sequence"] for event in everything.events]
    assert numbers == list(range(1, last.pop("") + 1))
    for source, count in last.items():
        of_source = [e["data"]["sequence"] for e in everything.events if e["source"] == source]
        assert of_source == list(range(1, count + 1))
    came = {
        json.loads(message.payload)["data"]["node_sequence"]: message.payload
        for message in everything.messages
        if "/events/" in message.topic
    }
    assert came == read_outbox(place.outbox, table="kept")
    assert read_outbox(place.outbox) == {}
