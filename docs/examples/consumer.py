"""Receive every event once, and know of each that is missing.

    python consumer.py --host broker --ca ca.pem --user dashboard --password-file secret

Needs Python 3.10 and paho-mqtt 2. Each event is one line on standard output; gaps, and gaps that
close, go to standard error.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

TOPIC = "edgewarden/+/+/+/events/#"
# The broker keeps events for us while we are away, for at most a day.
SESSION_S = 24 * 3600
IDS_KEPT = 10_000


class Seen:
    """The ids of the last events: a repeat has the id of the first."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def repeats(self, event_id: str) -> bool:
        """Whether it came before; from now on it did."""
        if event_id in self._ids:
            return True
        self._ids[event_id] = None
        if len(self._ids) > IDS_KEPT:
            self._ids.popitem(last=False)
        return False


class Gaps:
    """The numbers of one device that have not come: ranges, first and last included."""

    def __init__(self, first: int) -> None:
        self.highest = first - 1
        self.missing: list[tuple[int, int]] = []

    def take(self, number: int) -> str:
        """Note a number; says what is odd about it, if anything."""
        if number > self.highest:
            expected, self.highest = self.highest + 1, number
            if number == expected:
                return ""
            self.missing.append((expected, number - 1))
            return f"{expected} to {number - 1} are missing"
        for low, high in self.missing:
            if low <= number <= high:
                self.missing.remove((low, high))
                rest = [(low, number - 1), (number + 1, high)]
                self.missing += [(a, b) for a, b in rest if a <= b]
                return f"{number} came late"
        # A new event under an old number: the device lost its outbox and counts anew.
        self.highest, self.missing = number, []
        return f"counts anew from {number}"


class Consumer:
    """What has come, by device."""

    def __init__(self) -> None:
        self._seen = Seen()
        self._devices: dict[str, Gaps] = {}
        self.events = self.repeats = 0

    def on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        """Take one message. The broker is told that it arrived when this returns."""
        try:
            event = json.loads(message.payload)
            number = int(event["data"]["node_sequence"])
            device, _, _ = event["source"].rpartition("/")
            repeated = self._seen.repeats(event["id"])
        except (ValueError, KeyError, TypeError, AttributeError):
            print(f"{message.topic}: this is no event", file=sys.stderr, flush=True)
            return
        if repeated:
            self.repeats += 1
            return
        self.events += 1
        odd = self._devices.setdefault(device, Gaps(number)).take(number)
        if odd:
            print(f"{device}: {odd}", file=sys.stderr, flush=True)
        print(f"{number} {event['type']} {event.get('subject', '-')} {event['id']}", flush=True)

    def report(self) -> None:
        """The sum of it."""
        missing = sum(
            high - low + 1 for gaps in self._devices.values() for low, high in gaps.missing
        )
        summary = f"{self.events} events, {self.repeats} repeats, {missing} missing"
        print(summary, file=sys.stderr, flush=True)


def main() -> None:
    """Consume until interrupted."""
    parser = argparse.ArgumentParser(description="Receive Edgewarden's events from a broker.")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, default=8883)
    parser.add_argument(
        "--ca", help="authority that the broker's certificate is from; none: no TLS"
    )
    parser.add_argument("--user")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--session", default="edgewarden-consumer", help="one name per consumer")
    given = parser.parse_args()

    consumer = Consumer()
    client = Client(
        CallbackAPIVersion.VERSION2, client_id=given.session, protocol=MQTTProtocolVersion.MQTTv5
    )
    if given.user:
        password = given.password_file.read_text().rstrip("\r\n") if given.password_file else None
        client.username_pw_set(given.user, password)
    if given.ca:
        client.tls_set(ca_certs=given.ca)

    def on_connect(client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        print(f"connection: {reason}", file=sys.stderr, flush=True)
        client.subscribe(TOPIC, qos=1)

    client.on_connect = on_connect
    client.on_message = consumer.on_message
    client.on_subscribe = lambda *_: print("subscribed", file=sys.stderr, flush=True)
    # Not a clean start, and a session that outlives the connection: what is published while this
    # program is away waits at the broker.
    session: Any = Properties(PacketTypes.CONNECT)
    session.SessionExpiryInterval = SESSION_S
    client.connect(given.host, given.port, keepalive=30, clean_start=False, properties=session)

    def stop(*_: object) -> None:
        client.disconnect()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    client.loop_forever()
    consumer.report()


if __name__ == "__main__":
    main()
