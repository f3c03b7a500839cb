"""What is told of clips: tables of verdicts, with the answers worked by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edge.rules.acts import Act, ActSettings, ActWatch
from edge.rules.behaviours import Look, Mover
from edge.types import Phase, Track, Verdict

SETTINGS = ActSettings(labels=("run", "fall"), confidence=0.8)


def mover(track_id: int, index: int) -> Mover:
    box = np.asarray([10 + index, 20, 50 + index, 120], np.float32)
    return Mover(track=Track(track_id, box, 0.9, 0, 3, 0, index), kind="person")


def look(index: int, tracks: Sequence[int] = (1,)) -> Look:
    """A clip every half a second."""
    movers = [mover(track_id, index) for track_id in tracks]
    return Look(index=index, time=index / 2, size=(400, 200), movers=movers)


def shown(words: str, *, watch: ActWatch | None = None) -> dict[int, list[tuple[str, str]]]:
    """What is told after which clip: ``f`` falls, ``r`` runs, ``w`` walks, ``?`` perhaps falls."""
    verdicts = {"f": ("fall", 0.9), "r": ("run", 0.8), "w": ("walk", 1.0), "?": ("fall", 0.79)}
    watch = watch or ActWatch(SETTINGS)
    found = {}
    for index, word in enumerate(words):
        acts = watch.observe(look(index), [Verdict(1, *verdicts[word])])
        watch.keep()
        if acts:
            found[index] = [(act.label, act.phase.value) for act in acts]
    return found


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", {}),
        ("wwwwwwww", {}),
        ("fwwwwfwwww", {}),  # one clip is no proof
        ("????????", {}),  # nor are many that are not sure
        ("ff", {1: [("fall", "started")]}),
        ("fwwf", {3: [("fall", "started")]}),
        ("fwwwf", {}),
        ("ffffffff", {1: [("fall", "started")]}),
        ("ffwwww", {1: [("fall", "started")], 5: [("fall", "ended")]}),
        ("ffwwfwwww", {1: [("fall", "started")], 8: [("fall", "ended")]}),
        ("ffrrff", {1: [("fall", "started")], 3: [("run", "started")]}),
        (
            "rrffff",
            {1: [("run", "started")], 3: [("fall", "started")], 5: [("run", "ended")]},
        ),
    ],
)
def test_two_of_four_clips_begin_it_and_none_of_four_ends_it(
    words: str, told: dict[int, list[tuple[str, str]]]
) -> None:
    assert shown(words) == told


def only(acts: list[Act]) -> Act:
    (act,) = acts
    return act


def test_an_act_says_how_sure_how_often_and_how_long() -> None:
    watch = ActWatch(SETTINGS)
    assert watch.observe(look(0), [Verdict(1, "fall", 0.8)]) == []
    begun = only(watch.observe(look(1), [Verdict(1, "fall", 1.0)]))
    assert (begun.label, begun.phase, begun.clips) == ("fall", Phase.STARTED, 2)
    assert begun.confidence == pytest.approx(0.9)
    assert begun.seconds == 0.5
    assert begun.reason == "was seen in 2 of the last 2 clips"
    assert watch.observe(look(2), [Verdict(1, "fall", 0.9)]) == []
    for index in (3, 4, 5):
        assert watch.observe(look(index), [Verdict(1, "walk", 0.9)]) == []
    over = only(watch.observe(look(6), [Verdict(1, "walk", 0.9)]))
    assert (over.phase, over.clips, over.seconds) == (Phase.ENDED, 3, 1.0)
    assert over.reason == "was not seen in the last 4 clips"


def test_what_goes_on_ends_with_its_track_where_that_was_last() -> None:
    watch = ActWatch(SETTINGS)
    for index in (0, 1):
        watch.observe(look(index), [Verdict(1, "fall", 0.9)])
    watch.observe(look(2), [])
    over = only(watch.observe(look(3, ()), []))
    assert (over.phase, over.reason) == (Phase.ENDED, "is followed no more")
    assert over.mover.track.last_index == 2
    assert watch.observe(look(4, ()), []) == []


def test_tracks_are_judged_apart_and_one_that_is_gone_is_nobody() -> None:
    watch = ActWatch(SETTINGS)
    watch.observe(look(0, (1, 2)), [Verdict(1, "fall", 0.9), Verdict(2, "fall", 0.9)])
    acts = watch.observe(look(1, (1, 2)), [Verdict(2, "fall", 0.9), Verdict(3, "fall", 0.9)])
    assert [act.mover.track.id for act in acts] == [2]
    acts = watch.observe(look(2, (1,)), [Verdict(1, "fall", 0.9)])
    assert [(act.mover.track.id, act.phase) for act in acts] == [
        (2, Phase.ENDED),
        (1, Phase.STARTED),
    ]


def test_what_could_not_be_committed_is_told_again() -> None:
    watch = ActWatch(SETTINGS)
    watch.observe(look(0), [Verdict(1, "fall", 0.9)])
    watch.keep()
    for _ in range(2):
        watch.undo()
        begun = only(watch.observe(look(1), [Verdict(1, "fall", 0.9)]))
        assert (begun.phase, begun.clips) == (Phase.STARTED, 2)
    watch.keep()
    for _ in range(2):
        watch.undo()
        assert only(watch.observe(look(2, ()), [])).phase is Phase.ENDED
