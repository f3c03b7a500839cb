"""What events say, held against the truth of a clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from edge.demo.verdict import judge
from edge.pack.demo_truth import Act, Conduct, DemoPerson, DemoTruth, Shot, Span

FPS = 10.0
ANNA_AT, BORIS_AT = (10.0, 10.0, 60.0, 70.0), (200.0, 10.0, 250.0, 70.0)
WHILE = Span(begins=0.0, ends=5.0)


def somebody(name: str, place: Sequence[float], *, enrolled: bool, px: float = 50.0) -> DemoPerson:
    x1, y1, x2, y2 = place
    faces = tuple((index, x1, y1, x2, y2) for index in range(0, 51))
    return DemoPerson(id=name, enrolled=enrolled, face_px=px, seen=(WHILE,), faces=faces)


TRUTH = DemoTruth(
    format="1.0",
    seed=1,
    size=(320, 192),
    fps=FPS,
    frames=51,
    zones={},
    line=((0.0, 0.5), (1.0, 0.5)),
    line_name="gate",
    loitering_s=6.0,
    shots=(Shot(begins=0.0, ends=5.0, first=0, frames=51, night=False),),
    people=(
        somebody("anna", ANNA_AT, enrolled=True),
        somebody("boris", BORIS_AT, enrolled=False),
        somebody("far", (100.0, 90.0, 112.0, 104.0), enrolled=False, px=12.0),
    ),
    conducts=(Conduct(kind="line_crossing", place="gate", person="anna", begins=2.0, ends=2.0),),
    acts=(Act(behaviour="run", person="boris", begins=1.0, ends=3.0),),
)


def event(family: str, name: str, phase: str, frame: int, **data: Any) -> Mapping[str, Any]:
    return {
        "type": f"edgewarden.{family}.{name}.v1",
        "data": {"phase": phase, "frame_index": frame, **data},
    }


def face(person: str | None, place: Sequence[float], *, frame: int = 40) -> Mapping[str, Any]:
    name = "recognised" if person else "unknown"
    return event(
        "face", name, "ended", frame, person=person, box=list(place), similarity=0.7
    )  # fmt: skip


RIGHT = (face("anna", ANNA_AT), face(None, BORIS_AT))


def test_all_is_right_where_the_enrolled_are_named_and_nobody_else() -> None:
    verdict = judge(RIGHT, TRUTH)
    assert verdict.right
    assert [(person.person, person.said) for person in verdict.people] == [
        ("anna", ("anna",)),
        ("boris", ("unknown",)),
    ]
    assert verdict.far == ("far",)


@pytest.mark.parametrize(
    "events",
    [
        (),
        (face(None, ANNA_AT), face(None, BORIS_AT)),
        (*RIGHT, face("anna", BORIS_AT)),
        (*RIGHT, face("boris", ANNA_AT)),
        (*RIGHT, face("anna", (100.0, 120.0, 150.0, 180.0))),
        (*RIGHT, face("anna", ANNA_AT, frame=90)),
    ],
    ids=["nothing", "not named", "a stranger", "another", "a wall", "after they left"],
)
def test_what_is_not_right(events: Sequence[Mapping[str, Any]]) -> None:
    assert not judge(events, TRUTH).right


def test_a_wrong_name_counts_even_where_it_was_taken_back() -> None:
    begun = event("face", "recognised", "started", 12, person="anna", box=list(BORIS_AT))
    verdict = judge([begun, *RIGHT], TRUTH)
    assert verdict.named_wrongly == ("frame 12: anna",)
    assert not verdict.right


def test_deeds_are_told_once_at_their_place_and_time() -> None:
    told = [
        event("behaviour", "line_crossing", "once", 24, behaviour="gate"),
        event("behaviour", "recognised", "started", 30, label="run"),
        event("behaviour", "recognised", "updated", 34, label="run"),
        event("behaviour", "recognised", "started", 31, label="fight"),
        event("behaviour", "line_crossing", "once", 25, behaviour="gate"),
    ]
    verdict = judge([*RIGHT, *told], TRUTH)
    assert [(deed.what, deed.told) for deed in verdict.deeds] == [
        ("run", 3.0),
        ("line_crossing gate", 2.4),
    ]
    assert verdict.more == ("2.5 s: line_crossing gate", "3.1 s: fight")
    assert verdict.right  # names are what it stands or falls with


def test_what_was_told_at_another_time_is_another_deed() -> None:
    late = event("behaviour", "line_crossing", "once", 90, behaviour="gate")
    verdict = judge([*RIGHT, late], TRUTH)
    assert [deed.told for deed in verdict.deeds] == [None, None]
    assert verdict.more == ("9.0 s: line_crossing gate",)
