"""The few events of the outbox that are on their way, and what may go next.

Everything that is not in flight, acknowledged or refused is still to be sent, in the order of
``node_sequence``; so whatever becomes of a connection, the next one begins at the outbox's start.
The broker keeps the order in which it is given messages, so it can only be lost where the broker
refuses one and takes the next. Access rules speak of topics: until a topic has been taken once on
this connection, nothing is sent after an event for it. An event that is refused none the less, for
what it says or by rules that just changed, is overtaken by those in flight and by no others, for as
long as ``edge.publish.mqtt.refusals`` has patience with it.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from edge.events.cloudevents import to_json
from edge.events.names import SOURCE_RULE, event_topic
from edge.publish.mqtt.refusals import Refusals
from edge.store.base import Outbox
from edge.types import Event

_log = logging.getLogger(__name__)

# How often a connection may end over the same event before that is held to be its fault.
BLOWS = 3

_SOURCE = re.compile(SOURCE_RULE)
_TYPE = re.compile(r"^edgewarden\.[a-z_]+\.[a-z_]+\.v[0-9]+$")
_PAGE = 100
_UNSENDABLE = "its source, type, time or data cannot be sent"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event with what has to be sent for it."""

    event: Event
    topic: str
    payload: bytes


class Window:
    """At most ``size`` events in flight, or acknowledged and not yet deleted. Of one thread.

    Times are seconds. Reading and deleting raises the outbox's errors; nothing of the window has
    changed then.
    """

    def __init__(self, outbox: Outbox, *, size: int) -> None:
        self._outbox = outbox
        self._size = size
        self._flights: dict[int, Outgoing] = {}
        self._tokens: dict[int, int] = {}
        self._acknowledged: set[int] = set()
        self._refusals = Refusals()
        self._taken_topics: set[str] = set()
        self._proving: int | None = None
        # Events up to the cursor have been looked at. _passed: of each source that had to wait, the
        # first that was not sent then; the cursor comes back to it.
        self._cursor = 0
        self._passed: dict[str, int] = {}
        self._at_end = False
        self._heard_at = 0.0
        self._suspect: int | None = None
        self._blows = 0

    @property
    def in_flight(self) -> int:
        """Events handed over and not answered."""
        return len(self._flights)

    @property
    def refusing(self) -> int:
        """Events that were refused and wait for another try."""
        return len(self._refusals)

    def unanswered_s(self, now: float) -> float:
        """Seconds for which events have been in flight and none was answered."""
        return now - self._heard_at if self._flights else 0.0

    @property
    def drained(self) -> bool:
        """Whether all has been sent, answered and deleted, but for what the broker refuses."""
        return not (self._flights or self._acknowledged or self._passed) and self._at_end

    @property
    def room(self) -> int:
        """How many more events may be taken; with a suspect about, they go one at a time."""
        size = 1 if self._suspect is not None else self._size
        return max(size - len(self._flights) - len(self._acknowledged), 0)

    def connected(self) -> None:
        """A new connection: nothing is on its way, nothing is known of what it takes."""
        self._taken_topics.clear()
        self._passed.clear()
        self._cursor = 0
        self._at_end = False

    def lost(self, now: float, *, hung_up: bool) -> None:
        """The connection is over, and whatever was in flight is to be sent again.

        hung_up: the broker ended it. Where it does so again and again over the same event, that
        event is set aside: it would keep all others from ever being sent.
        """
        flights, self._flights = self._flights, {}
        self._tokens.clear()
        self._proving = None
        if hung_up and flights:
            first = min(flights)
            self._blows = self._blows + 1 if first == self._suspect else 1
            self._suspect = first
            if self._blows == BLOWS:
                self._suspect = None
                self._refuse(flights[first], "the broker hangs up over it", now, hold=False)
        self._refusals.lost()

    def take(self, now: float, room: int) -> list[Outgoing]:
        """Up to ``room`` events that are to be sent now, in this order; reads one page.

        Each counts as in flight from here on; ``sent`` says under which token.
        """
        room = min(room, self.room)
        if room <= 0:
            return []
        # Everything that may raise comes first, so that no event is counted and never sent.
        retries = self._retries(now)
        self._release(now)
        page = self._page(room)
        going = self._retry(retries[:room], now)
        for event in page:
            if len(going) >= room or self._proving is not None:
                self._at_end = False
                break
            self._cursor = event.node_sequence
            outgoing = self._admit(event, now)
            if outgoing is not None:
                going.append(outgoing)
        return going

    @property
    def more(self) -> bool:
        """Whether the outbox may hold events that can be sent at once."""
        return not self._at_end and self._proving is None and self.room > 0

    def sent(self, outgoing: Outgoing, token: int) -> None:
        """The event is on its way under this token."""
        self._tokens[token] = outgoing.event.node_sequence

    def acknowledged(self, token: int, now: float) -> Event | None:
        """The broker took an event: it can be deleted. None for a token of no event."""
        outgoing = self._land(token, now)
        if outgoing is None:
            return None
        event = outgoing.event
        self._acknowledged.add(event.node_sequence)
        self._taken_topics.add(outgoing.topic)
        self._suspect = None
        if self._refusals.accepted(event.node_sequence, outgoing.topic, now):
            _log.info("the broker takes %s again", outgoing.topic)
        return event

    def refused(self, token: int, said: str, now: float) -> None:
        """The broker did not take an event: it is kept and tried again."""
        outgoing = self._land(token, now)
        if outgoing is not None:
            self._refuse(outgoing, said, now)

    def set_aside(self, outgoing: Outgoing, said: str, now: float) -> None:
        """An event that ``take`` gave cannot be sent over this connection."""
        self._leave(outgoing.event.node_sequence)
        self._refuse(outgoing, said, now, hold=False)

    def settle(self) -> None:
        """Delete what was acknowledged."""
        if self._acknowledged:
            self._outbox.delete(self._acknowledged)
            self._acknowledged.clear()

    def _page(self, room: int) -> list[Event]:
        if self._proving is not None:
            return []
        # Many may have to be passed over where something was refused.
        limit = max(room, _PAGE) if self._refusals else room
        page = self._outbox.pending(limit=limit, after=self._cursor)
        self._at_end = len(page) < limit
        return page

    def _admit(self, event: Event, now: float) -> Outgoing | None:
        number, source = event.node_sequence, event.source
        if number in self._flights or number in self._acknowledged or number in self._refusals:
            return None
        if source in self._passed or self._refusals.holds(source, now):
            self._passed.setdefault(source, number)
            return None
        outgoing = _outgoing(event)
        if outgoing is None:
            self._refuse(Outgoing(event, source, b""), _UNSENDABLE, now, hold=False)
            return None
        # One that is known to be refused, and was waited for, is not waited for again.
        if outgoing.topic not in self._taken_topics and not self._refusals.knows(outgoing.topic):
            self._proving = number
        return self._depart(outgoing, now)

    def _depart(self, outgoing: Outgoing, now: float) -> Outgoing:
        if not self._flights:
            self._heard_at = now
        self._flights[outgoing.event.node_sequence] = outgoing
        return outgoing

    def _land(self, token: int, now: float) -> Outgoing | None:
        number = self._tokens.pop(token, None)
        if number is None:
            return None
        self._heard_at = now
        return self._leave(number)

    def _leave(self, number: int) -> Outgoing:
        if self._proving == number:
            self._proving = None
        return self._flights.pop(number)

    def _retries(self, now: float) -> list[tuple[str, Event]]:
        """Refused events that are to be tried again, with the topic they wait at."""
        found = []
        for number, topic in list(self._refusals.due(now)):
            page = self._outbox.pending(limit=1, after=number - 1)
            if page and page[0].node_sequence == number:
                found.append((topic, page[0]))
            else:
                # Deleted by somebody else, to make room.
                self._refusals.trying(number, topic)
                self._refusals.forget(number, topic)
        return found

    def _retry(self, retries: list[tuple[str, Event]], now: float) -> list[Outgoing]:
        going = []
        for topic, event in retries:
            self._refusals.trying(event.node_sequence, topic)
            outgoing = _outgoing(event)
            if outgoing is None:
                self._refuse(Outgoing(event, topic, b""), _UNSENDABLE, now, hold=False)
            else:
                going.append(self._depart(outgoing, now))
        return going

    def _refuse(self, outgoing: Outgoing, said: str, now: float, *, hold: bool = True) -> None:
        event = outgoing.event
        first = self._refusals.refused(
            event.node_sequence, source=event.source, topic=outgoing.topic, now=now, hold=hold
        )
        if first:
            _log.warning(
                "event %s for %s is refused: %s; it is kept and tried again",
                event.id,
                outgoing.topic,
                said,
            )

    def _release(self, now: float) -> None:
        """Go back for the sources that have waited long enough."""
        for source in [s for s in self._passed if not self._refusals.holds(s, now)]:
            self._cursor = min(self._cursor, self._passed.pop(source) - 1)
            self._at_end = False


def _outgoing(event: Event) -> Outgoing | None:
    """What to send for an event; None for one that no consumer could read."""
    if not (_SOURCE.fullmatch(event.source) and _TYPE.fullmatch(event.type)):
        return None
    try:
        return Outgoing(event, event_topic(event.source, event.type), to_json(event))
    except (ValueError, OverflowError):
        return None
