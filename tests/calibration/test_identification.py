"""The score of final identities, on counts worked out by hand."""

from __future__ import annotations

import pytest

from calibration.identification import (
    Coverage,
    Unit,
    coverage,
    require_enrolled,
    score,
    units,
)
from edge.errors import UsageError
from edge.types import Event

ENROLLED = frozenset({"a", "b"})


def unit(
    camera: str,
    outcome: str,
    person: str | None = None,
    similarity: float | None = None,
    *,
    margin: float | None = None,
    frames: int = 60,
) -> Unit:
    return Unit(camera, 1, outcome, person, similarity, margin, frames, 64.0)


def ended(camera: str, name: str = "unknown", **data: object) -> Event:
    payload: dict[str, object] = {
        "phase": "ended",
        "track_id": 1,
        "person": None,
        "similarity": 0.2,
        "margin": 0.1,
        "track_frames": 20,
        "face_px": 50.0,
    }
    return Event(
        id="x",
        source=f"edgewarden/hq/gate/{camera}",
        type=f"edgewarden.face.{name}.v1",
        subject="track/1",
        time=0.0,
        data=payload | data,
    )


def test_no_events_are_no_units() -> None:
    assert units([]) == []


def test_only_ended_faces_that_were_large_and_long_enough_are_units() -> None:
    events = [
        ended("kept"),
        ended("started", phase="started"),
        ended("short", track_frames=14),
        ended("small", face_px=39.9),
        ended("faceless", "person_without_face"),
        Event("y", "edgewarden/hq/gate/alert", "edgewarden.alert.raised.v1", None, 0.0, {}),
    ]
    assert [found.camera for found in units(events)] == ["kept"]


def test_counts_precision_recall_and_gap() -> None:
    truth = {"c1": "a", "c2": "a", "c3": "b", "c4": "c", "c5": "c", "empty": None}
    found = [
        unit("c1", "recognised", "a", 0.9, margin=0.6),  # right: TP; next person at 0.3
        unit("c2", "unknown", None, 0.4),  # missed: FN
        unit("c3", "recognised", "a", 0.7, margin=0.1),  # wrong name: FP and FN
        unit("c4", "unknown", None, 0.35),  # right stranger
        unit("c5", "recognised", "b", 0.5, margin=0.2),  # stranger named: FP
    ]
    report = score(found, truth, enrolled=ENROLLED, faces={})
    counts = (report.true_positives, report.false_positives, report.false_negatives)
    assert counts == (1, 2, 2)
    assert report.precision == pytest.approx(1 / 3)
    assert report.recall == pytest.approx(1 / 3)
    assert report.f1 == pytest.approx(1 / 3)
    assert report.genuine == (0.9,)
    assert sorted(report.impostor) == pytest.approx([0.3, 0.35, 0.4, 0.5, 0.7])
    assert report.gap == pytest.approx(0.2)
    assert not report.all_right
    assert [v.right for v in report.verdicts] == [True, False, False, True, False, True]


def test_perfect_counts() -> None:
    found = [unit("c1", "recognised", "a", 0.9, margin=0.6), unit("c2", "unknown", None, 0.1)]
    report = score(found, {"c1": "a", "c2": "c"}, enrolled=ENROLLED, faces={})
    assert report.all_right
    assert (report.precision, report.recall, report.f1) == (1.0, 1.0, 1.0)


def test_a_clip_without_a_unit_is_a_miss_for_enrolled_and_for_strangers() -> None:
    report = score([], {"c1": "a", "c2": "c"}, enrolled=ENROLLED, faces={})
    assert report.false_negatives == 1
    assert [v.right for v in report.verdicts] == [False, False]
    assert report.precision is None


def test_any_face_where_nobody_is_counts_as_wrong() -> None:
    report = score([], {"empty": None}, enrolled=ENROLLED, faces={"empty": 1})
    assert not report.all_right


@pytest.mark.parametrize(
    ("person", "right", "false_positives"), [(None, True, 0), ("a", True, 0), ("b", False, 1)]
)
def test_a_bystander_may_be_unnamed_or_the_clip_s_own_person(
    person: str | None, right: bool, false_positives: int
) -> None:
    main = unit("c1", "recognised", "a", 0.9, margin=0.6)
    other = unit("c1", "recognised" if person else "unknown", person, 0.5, frames=20)
    report = score([other, main], {"c1": "a"}, enrolled=ENROLLED, faces={})
    assert report.bystanders == 1
    assert report.verdicts[-1].right is right
    assert report.false_positives == false_positives
    assert report.true_positives == 1


def test_clips_without_an_event_and_cameras_without_a_clip_are_told() -> None:
    events = [
        ended("seen"),
        ended("other"),
        ended("other"),
        Event("y", "edgewarden/hq/gate/_node", "edgewarden.system.started.v1", None, 0.0, {}),
    ]
    truth = {"absent": "a", "seen": "a", "gone": "c", "empty": None}
    assert coverage(events, truth) == Coverage(silent=("absent", "gone"), unjudged=("other",))


def test_any_event_of_a_camera_shows_that_it_was_replayed() -> None:
    lost = Event("y", "edgewarden/hq/gate/c1", "edgewarden.system.camera_lost.v1", None, 0.0, {})
    assert coverage([lost], {"c1": "a"}) == Coverage(silent=(), unjudged=())


def test_everybody_who_is_named_has_to_be_enrolled() -> None:
    events = [ended("c1", "recognised", person=person) for person in ("d", "a", "c", "d")]
    require_enrolled([ended("c1"), *events[1:2]], ENROLLED)
    with pytest.raises(UsageError, match=r"found c, d\. .*--enrolled a,b,c,d"):
        require_enrolled(events, ENROLLED)
