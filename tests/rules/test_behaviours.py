"""Behaviours from where tracks are and when: tables of tracks, with the answers worked by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timezone
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from edge.config import Behaviour
from edge.polygon import Polygon
from edge.rules.behaviours import BehaviourWatch, Conduct, Look, Mover
from edge.rules.zones import Kind
from edge.types import Phase, Track

SIZE = (400, 200)
YARD: Polygon = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
FLOOR: Polygon = ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0))
ZONES = {"yard": YARD, "floor": FLOOR}
INTRUSION = {"kind": "intrusion", "id": "no-entry", "zone": "yard"}
LOITERING = {"kind": "loitering", "id": "bench", "zone": "yard", "seconds": 10}
GATE = {"kind": "line_crossing", "id": "gate", "line": [[0.5, 0.0], [0.5, 1.0]]}
ANY: TypeAdapter[Behaviour] = TypeAdapter(Behaviour)

Told = tuple[str, str, int]


def mover(
    track_id: int,
    x: float,
    index: int,
    *,
    y: float = 0.4,
    last: int | None = None,
    kind: Kind = "person",
    person: str | None = None,
    size: tuple[int, int] = SIZE,
) -> Mover:
    """Somebody 60 px high whose point is at x, y in fractions of the frame."""
    px, py = x * size[0], y * size[1]
    top, bottom = (py - 60, py) if kind == "person" else (py - 30, py + 30)
    box = np.asarray([px - 10, top, px + 10, bottom], np.float32)
    return Mover(
        track=Track(track_id, box, 0.9, 0, 3, 0, index if last is None else last),
        kind=kind,
        person=person,
    )


def watch_of(*behaviours: dict[str, Any]) -> BehaviourWatch:
    parsed = [ANY.validate_python(behaviour, strict=False) for behaviour in behaviours]
    return BehaviourWatch(parsed, ZONES, timezone=timezone.utc)


def look(index: int, movers: Sequence[Mover], *, time: float | None = None) -> Look:
    """A frame a second, unless the time is given."""
    return Look(index=index, time=index if time is None else time, size=SIZE, movers=movers)


def brief(conducts: Iterable[Conduct]) -> list[Told]:
    return [(c.behaviour.id, c.phase.value, c.mover.track.id) for c in conducts]


def walk(watch: BehaviourWatch, xs: Sequence[float | None], **keys: Any) -> dict[int, list[Told]]:
    """What is told in which frame while track 1 walks; None: it is followed, but not seen."""
    found = {}
    last = 0
    for index, x in enumerate(xs):
        last = last if x is None else index
        shown = mover(1, 0.0 if x is None else x, index, last=last, **keys)
        found[index] = brief(watch.observe(look(index, [shown])))
        watch.keep()
    return {index: told for index, told in found.items() if told}


# intrusion


def test_entering_a_zone_and_leaving_it() -> None:
    watch = watch_of(INTRUSION)
    assert walk(watch, [0.2, 0.4, 0.6, 0.8, 0.4, 0.3, 0.2, 0.1]) == {
        2: [("no-entry", "started", 1)],
        6: [("no-entry", "ended", 1)],  # 3 s after it was last seen inside
    }


def test_somebody_who_is_first_seen_in_the_zone_has_entered_it() -> None:
    assert walk(watch_of(INTRUSION), [0.7, 0.7]) == {0: [("no-entry", "started", 1)]}


def test_wavering_at_the_edge_is_one_intrusion() -> None:
    watch = watch_of(INTRUSION)
    assert walk(watch, [0.49, 0.51, 0.49, 0.51, 0.49, 0.49, 0.51, 0.9]) == {
        1: [("no-entry", "started", 1)]
    }


def test_who_comes_back_after_leaving_intrudes_anew() -> None:
    xs = [0.6, 0.2, 0.2, 0.2, 0.2, 0.6]
    told = walk(watch_of(INTRUSION), xs)
    assert [phase for one in told.values() for _, phase, _ in one] == [
        *("started", "ended", "started"),
    ]


def test_a_track_that_ends_inside_ends_its_intrusion_where_it_was_last_seen() -> None:
    watch = watch_of(INTRUSION)
    watch.observe(look(0, [mover(1, 0.6, 0)]))
    watch.observe(look(4, [mover(1, 0.7, 4)]))
    watch.observe(look(5, [mover(1, 0.1, 5, last=4)]))  # only predicted
    (ended,) = watch.observe(look(6, []))
    assert (ended.phase, ended.seconds, ended.mover.track.last_index) == (Phase.ENDED, 4.0, 4)
    assert ended.reason == "is followed no more"
    assert ended.point == pytest.approx((0.7, 0.4))
    assert watch.observe(look(7, [])) == []


def test_who_is_not_seen_neither_enters_nor_leaves() -> None:
    watch = watch_of(INTRUSION, GATE)
    # Unseen, the track is shown at the left, where its box was predicted to be.
    assert walk(watch, [0.2, 0.7, None, None, None, None, 0.7]) == {
        1: [("no-entry", "started", 1), ("gate", "once", 1)]
    }


def test_two_zones_at_once_and_two_people() -> None:
    watch = watch_of(INTRUSION, {**INTRUSION, "id": "wet-floor", "zone": "floor"})
    told = watch.observe(look(0, [mover(1, 0.7, 0, y=0.8), mover(2, 0.2, 0, y=0.8)]))
    assert brief(told) == [
        ("no-entry", "started", 1),
        ("wet-floor", "started", 1),
        ("wet-floor", "started", 2),
    ]


def test_people_stand_on_their_feet_and_faces_count_at_their_centre() -> None:
    watch = watch_of({**INTRUSION, "zone": "floor"})
    assert brief(watch.observe(look(0, [mover(1, 0.5, 0, y=0.6)]))) != []
    # The lower edge of this face is on the floor, its centre is not.
    assert watch.observe(look(1, [mover(2, 0.5, 1, y=0.45, kind="face")])) != []  # track 1 is gone
    assert brief(watch.observe(look(2, [mover(2, 0.5, 2, y=0.45, kind="face")]))) == []
    assert brief(watch.observe(look(3, [mover(2, 0.5, 3, y=0.55, kind="face")]))) != []


def test_a_schedule_that_opens_and_closes_while_somebody_is_there() -> None:
    watch = watch_of({**INTRUSION, "schedule": "Thu 00:01-00:02"})  # the epoch was a Thursday
    phases = {}
    for second in (0, 30, 60, 90, 119, 120, 150):
        for conduct in watch.observe(look(second, [mover(1, 0.7, second)])):
            phases[second] = (conduct.phase, conduct.seconds, conduct.reason)
    assert phases == {
        60: (Phase.STARTED, 60.0, "is in a zone where nobody may be"),
        120: (Phase.ENDED, 120.0, "may be in the zone now"),
    }


def test_who_has_just_stepped_out_when_the_schedule_opens_does_not_intrude() -> None:
    watch = watch_of({**INTRUSION, "schedule": "Thu 00:01-00:02"})
    told = [
        brief(watch.observe(look(second, [mover(1, x, second)])))
        for second, x in ((58, 0.7), (59, 0.2), (60, 0.2), (61, 0.2), (62, 0.7))
    ]
    assert told == [[], [], [], [], [("no-entry", "started", 1)]]


def test_a_face_that_gets_a_name_is_told_again() -> None:
    watch = watch_of(INTRUSION)
    people = [None, None, "anna", "anna"]
    told = [
        [(c.phase, c.mover.person) for c in watch.observe(look(i, [mover(1, 0.7, i, person=p)]))]
        for i, p in enumerate(people)
    ]
    assert told == [[(Phase.STARTED, None)], [], [(Phase.UPDATED, "anna")], []]


# loitering


def test_loitering_is_told_once_it_has_lasted_long_enough() -> None:
    watch = watch_of(LOITERING)
    assert walk(watch, [0.2] + [0.7] * 30 + [0.2] * 4) == {
        11: [("bench", "started", 1)],
        33: [("bench", "ended", 1)],
    }


def test_loitering_says_for_how_long() -> None:
    watch = watch_of(LOITERING)
    watch.observe(look(0, [mover(1, 0.7, 0)]))
    (started,) = watch.observe(look(1, [mover(1, 0.7, 1)], time=12.25))
    assert (started.phase, started.seconds) == (Phase.STARTED, 12.25)
    assert started.reason == "has been in the zone for 12.2 s, 10 s being too long"
    (ended,) = watch.observe(look(2, [], time=99.0))
    assert (ended.phase, ended.seconds) == (Phase.ENDED, 12.25)  # nobody saw them stay longer


def test_it_is_seconds_that_count_and_not_frames() -> None:
    for fps in (1, 5, 30):
        watch = watch_of(LOITERING)
        begun = [
            index / fps
            for index in range(20 * fps)
            for _ in watch.observe(look(index, [mover(1, 0.7, index)], time=1e9 + index / fps))
        ]
        assert begun == [10.0]


def test_a_step_out_of_the_zone_does_not_count_and_a_walk_does() -> None:
    step = [0.7] * 6 + [0.2] * 2 + [0.7] * 6
    assert walk(watch_of(LOITERING), step) == {10: [("bench", "started", 1)]}
    walked = [0.7] * 6 + [0.2] * 4 + [0.7] * 9
    assert walk(watch_of(LOITERING), walked) == {}


def test_who_steps_out_does_not_become_a_loiterer_outside() -> None:
    assert walk(watch_of(LOITERING), [0.7] * 10 + [0.2] + [0.7]) == {11: [("bench", "started", 1)]}


@pytest.mark.parametrize(
    ("x", "after", "begins"),
    [
        (0.7, 1.0, 10.0),  # in the same place, soon after: it goes on
        (0.9, 1.0, 16.0),  # elsewhere in the zone: it is somebody else
        (0.7, 4.0, None),  # too late
    ],
)
def test_a_new_track_goes_on_where_one_has_just_ended(
    x: float, after: float, begins: float | None
) -> None:
    watch = watch_of(LOITERING)
    for second in range(5):
        watch.observe(look(second, [mover(1, 0.7, second)]))
    assert watch.observe(look(5, [])) == []
    found = None
    for second in range(round(5 + after), 17):
        here = mover(2, x, second)
        if watch.observe(look(second, [here])):
            found = found or float(second)
    assert found == begins


def test_what_was_told_is_over_when_the_track_ends() -> None:
    watch = watch_of({**LOITERING, "seconds": 2})
    told = walk(watch, [0.7] * 4)
    assert told == {2: [("bench", "started", 1)]}
    assert brief(watch.observe(look(4, [mover(2, 0.7, 4)]))) == [("bench", "ended", 1)]
    assert brief(watch.observe(look(5, [mover(2, 0.7, 5)]))) == []
    assert brief(watch.observe(look(6, [mover(2, 0.7, 6)]))) == [("bench", "started", 2)]


def test_a_clock_that_steps_back_neither_ends_a_stay_nor_makes_it_longer() -> None:
    watch = watch_of(LOITERING)
    times = [1000.0, 1004.0, 500.0, 505.0, 506.5]
    told = [
        brief(watch.observe(look(i, [mover(1, 0.7, i)], time=time))) for i, time in enumerate(times)
    ]
    assert told == [[], [], [], [], [("bench", "started", 1)]]


# lines


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("both", ["left_to_right", "right_to_left"]),
        ("left_to_right", ["left_to_right"]),
        ("right_to_left", ["right_to_left"]),
    ],
)
def test_a_line_is_crossed_in_the_directions_asked_for(direction: str, expected: list[str]) -> None:
    # The line points down, so that to the right of the picture is its left.
    watch = watch_of({**GATE, "direction": direction})
    told = [
        conduct
        for index, x in enumerate([0.7, 0.6, 0.4, 0.3, 0.7])
        for conduct in watch.observe(look(index, [mover(1, x, index)]))
    ]
    assert [conduct.direction for conduct in told] == expected
    assert all(conduct.phase is Phase.ONCE and conduct.seconds is None for conduct in told)
    assert told[-1].reason == f"crossed the line from {expected[-1].replace('_', ' ')}"


def test_jitter_on_the_line_is_one_crossing() -> None:
    noise = np.random.default_rng(7).normal(0, 0.004, 200)
    stands = [0.5 + float(shift) for shift in noise]
    assert len(walk(watch_of(GATE), [0.3, *stands, 0.7])) == 1
    assert walk(watch_of(GATE), [0.3, *stands, 0.3]) == {}


def test_the_band_grows_with_who_is_near() -> None:
    """7 px past the line are clear of somebody 60 px high, and not of a face of that height."""
    past = 0.5 + 7 / SIZE[0]
    assert walk(watch_of(GATE), [0.3, past]) != {}
    assert walk(watch_of(GATE), [0.3, past], kind="face") == {}
    assert walk(watch_of(GATE), [0.3, 0.5 + 31 / SIZE[0]], kind="face") != {}


def test_who_walks_along_the_edge_of_the_frame_crosses_a_line_that_ends_there() -> None:
    """The smoothed box of somebody cut off by the frame reaches over its edge."""
    assert walk(watch_of(GATE), [0.3, 0.7], y=1.1) == {1: [("gate", "once", 1)]}


def test_a_crossing_while_the_line_is_asleep_is_over_when_it_wakes() -> None:
    watch = watch_of({**GATE, "schedule": "Thu 00:01-24:00"})
    for second, x in enumerate((0.3, 0.7)):
        assert watch.observe(look(second, [mover(1, x, second)])) == []
    assert watch.observe(look(60, [mover(1, 0.7, 60)])) == []
    assert brief(watch.observe(look(61, [mover(1, 0.3, 61)]))) == [("gate", "once", 1)]


def test_people_who_swap_their_tracks_count_in_both_directions_or_in_neither() -> None:
    one, other = [0.3, 0.4, 0.46, 0.54, 0.6, 0.7], [0.7, 0.6, 0.54, 0.46, 0.4, 0.3]

    def directions(paths: Sequence[Sequence[float]]) -> list[str]:
        watch = watch_of(GATE)
        return sorted(
            str(conduct.direction)
            for index, places in enumerate(zip(*paths, strict=True))
            for conduct in watch.observe(
                look(index, [mover(i, x, index) for i, x in enumerate(places)])
            )
        )

    both = ["left_to_right", "right_to_left"]
    assert directions([one, other]) == both
    # Where they meet, each track goes on with the other: no track comes through.
    assert directions([one[:3] + other[3:], other[:3] + one[3:]]) == []
    # Far from it, each jumps to the other side and then comes back through.
    assert directions([one[:1] + other[1:], other[:1] + one[1:]]) == [*both[:1] * 2, *both[1:] * 2]


# what all have in common


def test_a_box_in_a_frame_of_another_size_is_not_the_same_place() -> None:
    watch = watch_of(LOITERING)
    for second in range(8):
        watch.observe(look(second, [mover(1, 0.7, second)]))
    assert watch.observe(look(8, [])) == []
    larger = 500, 200
    here = [mover(2, 0.7 * 400 / 500, second, size=larger) for second in range(9, 18)]
    looks = [
        Look(index=m.track.last_index, time=m.track.last_index, size=larger, movers=[m])
        for m in here
    ]
    assert mover(1, 0.7, 7).track.box.tolist() == here[0].track.box.tolist()
    assert [brief(watch.observe(one)) for one in looks] == [[]] * 9


def test_what_could_not_be_committed_is_observed_again() -> None:
    watch = watch_of(INTRUSION, LOITERING, GATE)
    seconds = [look(i, [mover(1, 0.3 if i < 1 else 0.7, i)]) for i in range(13)] + [look(13, [])]
    for here in seconds:
        first = watch.observe(here)
        watch.undo()
        assert watch.observe(here) == first
        watch.keep()
    assert brief(first) == [("bench", "ended", 1), ("no-entry", "ended", 1)]


def test_the_same_looks_tell_the_same() -> None:
    rng = np.random.default_rng(3)
    looks = [
        look(i, [mover(t, float(x), i) for t, x in enumerate(rng.uniform(0, 1, 4))])
        for i in range(60)
    ]

    def play() -> list[list[Conduct]]:
        watch = watch_of(INTRUSION, LOITERING, GATE)
        return [watch.observe(here) for here in looks]

    first = play()
    assert [brief(told) for told in first] == [brief(told) for told in play()]
    assert {c.behaviour.kind for told in first for c in told} >= {"intrusion", "line_crossing"}


def test_nothing_is_remembered_of_those_who_are_gone() -> None:
    watch = watch_of(INTRUSION, LOITERING, GATE)
    for index in range(500):
        watch.observe(look(index, [mover(index, 0.7, index)]))
        watch.keep()
    assert len(watch._known) == 3
    assert len(watch._lost) <= 3
