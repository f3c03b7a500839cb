"""What may be on its way, against a broker that is played by the test."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from edge.errors import StoreBusyError
from edge.publish.mqtt.refusals import FIRST_RETRY_S, LAST_RETRY_S, PATIENCE_S
from edge.publish.mqtt.window import BLOWS, Outgoing, Window
from edge.store.fake import FakeOutbox
from edge.types import Event, EventDraft

if TYPE_CHECKING:
    from tests.mqtt.conftest import Commit

PLENTY = 65535


@dataclass
class Bench:
    """A window, its outbox, and what a broker got of it. now: the time, in seconds."""

    outbox: FakeOutbox
    window: Window
    now: float = 0.0
    waiting: dict[int, Outgoing] = field(default_factory=dict)
    taken: list[int] = field(default_factory=list)
    tokens: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def hand_over(self, room: int = PLENTY) -> list[int]:
        """Numbers of what goes out now."""
        going = self.window.take(self.now, room)
        for outgoing in going:
            token = next(self.tokens)
            self.waiting[token] = outgoing
            self.window.sent(outgoing, token)
        return [outgoing.event.node_sequence for outgoing in going]

    def answer(self, refuse: Callable[[Outgoing], bool] = lambda _: False) -> list[int]:
        """Answer everything that is on its way, in order; the numbers that were refused."""
        refused = []
        for token, outgoing in self.waiting.items():
            if refuse(outgoing):
                self.window.refused(token, "Quota exceeded", self.now)
                refused.append(outgoing.event.node_sequence)
            else:
                event = self.window.acknowledged(token, self.now)
                assert event == outgoing.event
                self.taken.append(outgoing.event.node_sequence)
        self.waiting.clear()
        self.window.settle()
        return refused

    def run(self, refuse: Callable[[Outgoing], bool] = lambda _: False) -> list[int]:
        """Until nothing more goes out just now; the numbers that were taken."""
        before = len(self.taken)
        while self.hand_over():
            self.answer(refuse)
        return self.taken[before:]

    def lose(self, *, hung_up: bool = False) -> None:
        self.waiting.clear()
        self.window.lost(self.now, hung_up=hung_up)
        self.window.connected()


@pytest.fixture
def bench() -> Bench:
    ids = itertools.count(1)
    outbox = FakeOutbox(lambda: f"019be1c7-6a3b-7123-8123-{next(ids):012d}")
    outbox.open()
    window = Window(outbox, size=5)
    window.connected()
    return Bench(outbox, window)


def for_topic(*words: str) -> Callable[[Outgoing], bool]:
    return lambda outgoing: any(word in outgoing.topic for word in words)


def test_nothing_goes_out_of_an_empty_outbox(bench: Bench) -> None:
    assert bench.hand_over() == []
    assert bench.window.drained


def test_events_go_out_in_order_and_never_more_than_fit(bench: Bench, commit: Commit) -> None:
    commit(bench.outbox, 12, cameras=("door",), names=("degraded",))
    assert bench.hand_over() == [1]
    assert bench.hand_over() == []
    bench.answer()
    assert bench.hand_over() == [2, 3, 4, 5, 6]
    assert bench.hand_over() == []
    bench.answer()
    assert bench.hand_over(room=2) == [7, 8]
    assert bench.hand_over() == [9, 10, 11]
    bench.answer()
    assert bench.run() == [12]
    assert bench.outbox.depth() == 0
    assert bench.window.drained


def test_nothing_follows_an_event_for_a_topic_that_was_not_yet_taken(
    bench: Bench, commit: Commit
) -> None:
    commit(bench.outbox, 8, cameras=("door", "yard"), names=("degraded",))
    assert bench.hand_over() == [1]
    bench.answer()
    assert bench.hand_over() == [2]
    assert not bench.window.more
    bench.answer()
    assert bench.hand_over() == [3, 4, 5, 6, 7]


def test_an_event_is_kept_until_it_is_acknowledged_and_counts_until_it_is_deleted(
    bench: Bench, commit: Commit
) -> None:
    commit(bench.outbox, 20, cameras=("door",), names=("degraded",))
    bench.hand_over()
    bench.answer()
    bench.hand_over()
    for token in bench.waiting:
        bench.window.acknowledged(token, 0.0)
    assert bench.outbox.depth() == 19
    assert bench.hand_over() == []
    bench.window.settle()
    assert bench.outbox.depth() == 14
    assert bench.hand_over() == [7, 8, 9, 10, 11]


def test_a_new_connection_sends_what_was_on_its_way_again_and_first(
    bench: Bench, commit: Commit
) -> None:
    commit(bench.outbox, 9, cameras=("door",), names=("degraded",))
    bench.hand_over()
    bench.answer()
    assert bench.hand_over() == [2, 3, 4, 5, 6]
    stale = list(bench.waiting)
    bench.lose()
    assert bench.hand_over() == [2]
    assert bench.window.acknowledged(stale[0], 0.0) is None
    bench.answer()
    assert bench.hand_over() == [3, 4, 5, 6, 7]


def test_what_is_acknowledged_and_cannot_be_deleted_is_not_sent_again(
    bench: Bench, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(bench.outbox, 3, cameras=("door",), names=("degraded",))
    bench.hand_over()
    (token,) = bench.waiting
    bench.window.acknowledged(token, 0.0)

    def busy(*_: object) -> None:
        raise StoreBusyError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(bench.outbox, "_delete", busy)
        with pytest.raises(StoreBusyError):
            bench.window.settle()
    bench.lose()
    assert bench.hand_over() == [2]
    bench.window.settle()
    assert [event.node_sequence for event in bench.outbox.pending(limit=9)] == [2, 3]


def test_an_outbox_that_cannot_be_read_changes_nothing(
    bench: Bench, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(bench.outbox, 4, cameras=("door",), names=("degraded",))
    bench.hand_over()
    bench.answer(lambda _: True)
    bench.now = FIRST_RETRY_S
    reads = itertools.count()
    pending = bench.outbox._pending

    def second_read_fails(limit: int, after: int) -> list[Event]:
        if next(reads) == 1:
            raise StoreBusyError("locked")
        return pending(limit, after)

    with monkeypatch.context() as patch:
        patch.setattr(bench.outbox, "_pending", second_read_fails)
        with pytest.raises(StoreBusyError):
            bench.hand_over()
    assert bench.window.in_flight == 0
    assert bench.run() == [1, 2, 3, 4]


def test_a_refused_event_holds_its_source_and_nobody_else(
    bench: Bench, commit: Commit, caplog: pytest.LogCaptureFixture
) -> None:
    commit(bench.outbox, 8, cameras=("door", "yard"), names=("degraded",))
    assert bench.run(for_topic("door")) == [2, 4, 6, 8]
    assert bench.window.refusing == 1
    assert not bench.window.drained
    bench.now += FIRST_RETRY_S / 2
    assert bench.run() == []
    bench.now += FIRST_RETRY_S / 2
    with caplog.at_level(logging.INFO):
        assert bench.run() == [1, 3, 5, 7]
    assert "again" in caplog.text
    assert (bench.window.refusing, bench.outbox.depth()) == (0, 0)


def test_a_refused_event_is_tried_again_ever_more_rarely_and_said_once(
    bench: Bench, commit: Commit, caplog: pytest.LogCaptureFixture
) -> None:
    commit(bench.outbox, 1)
    tries = []
    for second in range(400):
        bench.now = float(second)
        if bench.hand_over():
            tries.append(second)
            bench.answer(lambda _: True)
    gaps = [b - a for a, b in itertools.pairwise(tries)]
    assert gaps[:6] == [1, 2, 4, 8, 16, 32]
    assert set(gaps[6:]) == {LAST_RETRY_S}
    assert caplog.text.count("is refused: Quota exceeded") == 1


def test_an_event_that_stays_refused_is_overtaken_and_kept(bench: Bench, commit: Commit) -> None:
    commit(bench.outbox, 6, cameras=("door",))
    camera_lost = for_topic("camera_lost")
    assert bench.run(camera_lost) == [1]
    bench.now = PATIENCE_S
    # Later ones that are refused as well hold nobody up: nothing waits for their answers.
    assert bench.hand_over() == [2, 3, 4, 5, 6]
    assert bench.answer(camera_lost) == [2, 4, 6]
    assert bench.run(camera_lost) == []
    assert [event.node_sequence for event in bench.outbox.pending(limit=9)] == [2, 4, 6]
    commit(bench.outbox, 1, cameras=("door",), names=("degraded",))
    assert bench.run(camera_lost) == [7]
    # And when the broker has changed its mind, they all arrive.
    bench.now += LAST_RETRY_S
    assert bench.run() == [2, 4, 6]
    assert bench.window.drained


def test_one_bad_event_does_not_stand_for_its_topic(bench: Bench, commit: Commit) -> None:
    commit(bench.outbox, 5, cameras=("door",), names=("degraded",))

    def bad(outgoing: Outgoing) -> bool:
        return outgoing.event.node_sequence == 2

    # Those that were on their way with it could not be held back.
    assert bench.run(bad) == [1, 3, 4, 5]
    commit(bench.outbox, 40, cameras=("door",), names=("degraded",))
    assert bench.run(bad) == []
    bench.now = PATIENCE_S
    assert bench.run(bad) == list(range(6, 46))
    assert [event.node_sequence for event in bench.outbox.pending(limit=9)] == [2]


def test_events_refused_together_are_tried_again_in_order(bench: Bench, commit: Commit) -> None:
    commit(bench.outbox, 9, cameras=("door",))
    bench.hand_over()
    bench.answer()
    bench.hand_over()
    bench.answer()
    assert bench.hand_over() == [3, 4, 5, 6, 7]
    bench.answer(lambda _: True)
    assert bench.hand_over() == []
    bench.now = FIRST_RETRY_S
    assert bench.run() == [3, 4, 5, 6, 7, 8, 9]


def test_a_retry_that_is_cut_off_is_made_again(bench: Bench, commit: Commit) -> None:
    commit(bench.outbox, 3, cameras=("door",), names=("degraded",))
    bench.run(lambda _: True)
    bench.now = FIRST_RETRY_S
    assert bench.hand_over() == [1]
    bench.lose()
    assert bench.run() == [1, 2, 3]


def test_a_refused_event_that_somebody_deleted_is_forgotten(bench: Bench, commit: Commit) -> None:
    commit(bench.outbox, 3, cameras=("door",), names=("degraded",))
    bench.run(lambda _: True)
    bench.outbox.delete([1])
    bench.now = FIRST_RETRY_S
    assert bench.run() == [2, 3]
    assert bench.window.refusing == 0


def test_an_event_that_ends_the_connection_is_set_aside(
    bench: Bench, commit: Commit, caplog: pytest.LogCaptureFixture
) -> None:
    commit(bench.outbox, 9, cameras=("door",), names=("degraded",))
    assert bench.hand_over() == [1]
    bench.answer()
    assert bench.hand_over() == [2, 3, 4, 5, 6]
    for blow in range(1, BLOWS):
        bench.lose(hung_up=True)
        assert bench.hand_over() == [2], blow
        assert bench.hand_over() == []
    # Being away in between clears nobody.
    bench.lose()
    bench.hand_over()
    bench.lose(hung_up=True)
    assert "hangs up" in caplog.text
    assert bench.run() == [3, 4, 5, 6, 7, 8, 9]
    bench.now = FIRST_RETRY_S
    assert bench.hand_over() == [2]


def test_a_connection_that_breaks_now_and_then_blames_nobody(bench: Bench, commit: Commit) -> None:
    commit(bench.outbox, 30, cameras=("door",), names=("degraded",))
    for number in range(1, 10):
        assert bench.hand_over()[:1] == [number]
        bench.lose(hung_up=True)
        assert bench.hand_over() == [number]
        bench.answer()
    assert bench.window.refusing == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "edgewarden/hq/gate-01/door/more"},
        {"source": "edgewarden/hq/+/door"},
        {"source": ""},
        {"type": "edgewarden.face"},
        {"type": "edgewarden.#.x.v1"},
        {"time": 1e20},
        {"data": {"similarity": float("nan")}},
    ],
    ids=str,
)
def test_an_event_that_cannot_be_sent_is_kept_and_in_nobodys_way(
    bench: Bench,
    draft: Callable[..., EventDraft],
    commit: Commit,
    caplog: pytest.LogCaptureFixture,
    wrong: dict[str, object],
) -> None:
    bench.outbox.append([replace(draft(), **wrong)])  # type: ignore[arg-type]  # any of its fields
    commit(bench.outbox, 3)
    assert bench.run() == [2, 3, 4]
    bench.now = 1000.0
    assert bench.run() == []
    assert bench.outbox.depth() == bench.window.refusing == 1
    assert caplog.text.count("cannot be sent") == 1


def test_what_is_larger_than_the_broker_takes_is_set_aside(bench: Bench, commit: Commit) -> None:
    commit(bench.outbox, 3, cameras=("door",), names=("degraded",))
    (large,) = bench.window.take(bench.now, PLENTY)
    bench.window.set_aside(large, "too large", bench.now)
    assert bench.run() == [2, 3]
    assert bench.window.refusing == 1


def test_it_notices_that_nothing_is_answered(bench: Bench, commit: Commit) -> None:
    assert bench.window.unanswered_s(50.0) == 0
    commit(bench.outbox, 4, cameras=("door",), names=("degraded",))
    bench.now = 50.0
    bench.hand_over()
    assert bench.window.unanswered_s(57.0) == 7.0
    bench.now = 58.0
    bench.answer()
    bench.hand_over()
    assert bench.window.unanswered_s(60.0) == 2.0


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_nothing_is_lost_and_no_source_out_of_order(
    bench: Bench, commit: Commit, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses and refusals at random, with all the patience in the world."""
    monkeypatch.setattr("edge.publish.mqtt.refusals.PATIENCE_S", 1e9)
    chance = random.Random(seed)
    commit(bench.outbox, 300)
    sources = {e.node_sequence: e.source for e in bench.outbox.pending(limit=300)}
    repeats = 0
    closed_until = {topic: 0.0 for topic in ("door", "yard", "_node")}
    while bench.outbox.depth():
        bench.now += chance.random()
        bench.hand_over(chance.choice((1, 3, PLENTY)))
        assert bench.window.in_flight <= 5
        if chance.random() < 0.1:
            closed_until[chance.choice(list(closed_until))] = bench.now + chance.random() * 8
        if chance.random() < 0.2:
            # Some were taken, but the acknowledgements never came.
            unheard = list(bench.waiting.values())[: chance.randrange(6)]
            unheard = list(itertools.takewhile(lambda o: _open(o, closed_until, bench), unheard))
            bench.taken += [o.event.node_sequence for o in unheard]
            repeats += len(unheard)
            bench.lose(hung_up=False)
        else:
            bench.answer(lambda o: not _open(o, closed_until, bench))
    first = list(dict.fromkeys(bench.taken))
    assert sorted(first) == list(range(1, 301))
    assert len(bench.taken) - 300 <= repeats
    for source in set(sources.values()):
        mine = [number for number in first if sources[number] == source]
        assert mine == sorted(mine)


def _open(outgoing: Outgoing, closed_until: dict[str, float], bench: Bench) -> bool:
    camera = outgoing.topic.split("/")[3]
    return bench.now >= closed_until[camera]
