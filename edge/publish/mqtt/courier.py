"""What is carried over one connection: retained topics, the window of events, then pictures."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from edge.errors import TransientError
from edge.publish.mqtt.link import Link
from edge.publish.mqtt.pictures import Pictures
from edge.publish.mqtt.retained import Retained
from edge.publish.mqtt.state import Reason
from edge.publish.mqtt.window import Window
from edge.types import Event

_log = logging.getLogger(__name__)

# How long the broker may take to acknowledge the goodbye.
GOODBYE_S = 1.0
# How long it may leave all events unanswered, although it answers pings.
ANSWER_S = 30.0
TICK_S = 0.5
_STORE_RETRY_S = 0.5


class Courier:
    """Serves one connection after the other. Its numbers may be read from any thread.

    published: events acknowledged with success. refused: answers that said no. outbox_fault: why
    the outbox cannot be used just now. beat: called whenever it comes round.
    """

    def __init__(
        self,
        *,
        window: Window,
        retained: Retained,
        pictures: Pictures,
        clock: Callable[[], float],
        on_acknowledged: Callable[[Event], None] | None,
        beat: Callable[[], None],
    ) -> None:
        self.published = self.refused = 0
        self.outbox_fault = ""
        self._window = window
        self._retained = retained
        self._pictures = pictures
        self._clock = clock
        self._on_acknowledged = on_acknowledged
        self._beat = beat
        self._store_retry_at = 0.0

    def serve(self, link: Link, *, wake: int, may_leave: Callable[[], bool]) -> None:
        """Send and take answers until the link is lost, or nothing more is to be sent over it.

        wake: a file descriptor (eventfd) that becomes readable when there is something to do.
        may_leave: asked after everything that could be sent was.
        """
        self._retained.connected()
        self._window.connected()
        self._pictures.lost()
        while link.lost is None:
            self._send_retained(link)
            self._settle()
            more = self._send_events(link)
            self._send_picture(link)
            if may_leave():
                return
            self.turn(link, 0 if more else TICK_S, wake)
            if self._window.unanswered_s(self._clock()) > ANSWER_S:
                link.drop(Reason.UNANSWERED)

    def say_last(self, link: Link, topic: str, payload: bytes, *, wake: int) -> None:
        """Leave a last retained message and part.

        Without its acknowledgement there is no parting: then the broker has to publish the will.
        """
        deadline = self._clock() + GOODBYE_S
        self._retained.set(topic, payload)
        while link.lost is None and not self._retained.stands(topic):
            left = deadline - self._clock()
            if left <= 0:
                return
            self._send_retained(link)
            self.turn(link, min(left, TICK_S), wake)
        self._settle()
        link.part()

    def turn(self, link: Link, timeout_s: float, wake: int) -> None:
        """Wait for packets, at most so long, and deal with the answers among them."""
        answers = link.turn(timeout_s, wake)
        now = self._clock()
        self._beat()
        _empty(wake)
        for answer in answers:
            taken = not answer.refusal
            if not taken:
                self.refused += 1
            topic = self._retained.answered(answer.token, now, taken=taken)
            if topic is not None:
                if not taken:
                    _log.warning("%s is refused: %s", topic, answer.refusal)
            elif self._pictures.answered(answer.token, taken=taken):
                _log.debug("a picture was answered: %s", answer.refusal or "taken")
            elif taken:
                self._count(self._window.acknowledged(answer.token, now))
            else:
                self._window.refused(answer.token, answer.refusal, now)

    def _send_retained(self, link: Link) -> None:
        for topic, payload in self._retained.take(self._clock(), self._room(link)):
            token = link.publish(topic, payload, retain=True)
            if token is None:
                return
            self._retained.sent(topic, token)

    def _send_events(self, link: Link) -> bool:
        """Send what fits; whether there may be more to send at once."""
        now = self._clock()
        if now < self._store_retry_at:
            return False
        try:
            going = self._window.take(now, self._room(link))
        except TransientError as exc:
            self._outbox_fails(exc)
            return False
        self.outbox_fault = ""
        for outgoing in going:
            if link.too_large(outgoing.topic, outgoing.payload):
                self.refused += 1
                self._window.set_aside(outgoing, "it is larger than the broker takes", now)
                continue
            token = link.publish(outgoing.topic, outgoing.payload, retain=False)
            if token is None:
                return False
            self._window.sent(outgoing, token)
        return self._window.more and self._room(link) > 0

    def _send_picture(self, link: Link) -> None:
        picture = self._pictures.take() if self._room(link) > 0 else None
        if picture is None:
            return
        if link.too_large(*picture):
            self._pictures.done(taken=False)
            return
        token = link.publish(*picture, retain=False)
        if token is not None:
            self._pictures.on_its_way(token)

    def _room(self, link: Link) -> int:
        """How many more messages the broker wants to have unanswered."""
        on_their_way = len(self._retained) + self._window.in_flight + self._pictures.in_flight
        return link.receive_maximum - on_their_way

    def _settle(self) -> None:
        """Delete what was acknowledged; what cannot be deleted now is kept in mind until it can."""
        if self._clock() < self._store_retry_at:
            return
        try:
            self._window.settle()
        except TransientError as exc:
            self._outbox_fails(exc)

    def _outbox_fails(self, exc: TransientError) -> None:
        self._store_retry_at = self._clock() + _STORE_RETRY_S
        if str(exc) != self.outbox_fault:
            _log.warning("the outbox cannot be used just now: %s", exc)
        self.outbox_fault = str(exc)

    def _count(self, event: Event | None) -> None:
        if event is not None:
            self.published += 1
            if self._on_acknowledged is not None:
                self._on_acknowledged(event)


def _empty(counter: int) -> None:
    try:
        os.eventfd_read(counter)
    except BlockingIOError:
        return
