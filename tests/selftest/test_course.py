"""What a self-test does and says, step by step in one process."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest

from edge.cli import main
from edge.errors import (
    BundleError,
    BundleIntegrityError,
    EdgewardenError,
    InferenceError,
    MediaError,
    TransientError,
    UsageError,
)
from edge.media import write_image
from edge.types import Event
from tests.selftest.supplies import AWAY, FPS, SHOWN, STRANGER, Supplies, make_bundle, visit
from tests.service.daemon import Place
from tests.small_world import detector_model, portrait, recogniser_model

if TYPE_CHECKING:
    from tests.selftest.bench import Bench

MakeBench = Callable[..., "Bench"]
SOURCE = "edgewarden/hq/gate/_selftest"
FRAMES = 3 * (SHOWN + AWAY)


def summary(event: Event) -> tuple[str, object]:
    return event.type.removeprefix("edgewarden.").removesuffix(".v1"), event.data.get("person")


def test_everything_that_is_expected_comes(place: Place, bench: MakeBench) -> None:
    place.add_rule("stranger")
    place.add('[[rules]]\nid = "night"\non = ["face.unknown"]\nschedule = "Mon 00:00-00:01"\n')
    made = bench()
    report = made.run()
    assert (report["passed"], report["reason"]) == (True, None)
    assert (report["expected"], report["came"], report["recall"]) == (6, 6, 1.0)
    assert (report["delivery"], report["delivery_p50_s"]) == (None, None)
    assert all(event["commit_s"] >= 0 for event in report["events"])
    assert (report["frames_shown"], report["not_tested"]) == (FRAMES, ["capture"])
    assert 0 < report["frames_analysed"] <= FRAMES
    assert {event.source for event in made.events} == {SOURCE}
    assert all(event.data["synthetic"] for event in made.events)
    assert {summary(event) for event in made.events} >= {
        ("face.recognised", "ada"),
        ("face.recognised", "ben"),
        ("face.unknown", None),
        ("behaviour.intrusion", None),
    }
    raised = {event.data["rule"] for event in made.events if ".alert." in event.type}
    assert raised == {"stranger", "selftest"}
    assert json.loads(json.dumps(report)) == report
    told = made.events[-1]
    assert told.type == "edgewarden.system.selftest.v1"
    assert told.data["detail"] == {
        **{key: report[key] for key in told.data["detail"] if key != "not_tested"},  # type: ignore[attr-defined]  # JSON
        "not_tested": "capture",
    }


def test_a_loop_with_little_time_sees_every_frame(bench: MakeBench) -> None:
    """A turn takes longer than a frame of the clip lasts, and most turns are not the guest's."""
    made = bench()
    turns = 0

    def be_busy() -> None:
        nonlocal turns
        turns += 1
        guest = made.deployment.loop.guest
        if guest is not None:
            time.sleep(0.5 / FPS)
            guest.free_at = time.monotonic() + 1e6 if turns % 3 else 0.0

    report = made.run(each=be_busy)
    assert (report["passed"], report["reason"]) == (True, None)
    assert (report["expected"], report["came"]) == (5, 5)
    assert report["frames_shown"] == FRAMES
    assert report["seconds"] > FRAMES / FPS


def test_time_is_that_of_the_clip(bench: MakeBench) -> None:
    """However fast the loop is, visitors come as far apart as in the clip, and all in the past."""
    made = bench()
    before = time.time()
    made.run()
    began = [e for e in made.events if ".face." in e.type and e.data["phase"] == "started"]
    assert [event.data.get("person") for event in began] == ["ada", "ben", None]
    for one, next_ in itertools.pairwise(began):
        apart = cast("int", next_.data["frame_index"]) - cast("int", one.data["frame_index"])
        assert next_.time - one.time == pytest.approx(apart / FPS, abs=1e-3)
    assert began[0].time >= before - FRAMES / FPS - 1
    assert all(event.time <= time.time() for event in made.events)


def test_a_model_that_fails_at_the_very_end_fails_the_report(bench: MakeBench) -> None:
    """It fails only while the last tracks end."""

    def fail(last: object) -> object:
        raise InferenceError("no numbers")

    def break_the_end() -> None:
        guest = made.deployment.loop.guest
        if guest is not None:
            guest.line.pipeline.end = fail  # type: ignore[method-assign,assignment]  # a broken model

    made = bench()
    report = made.run(each=break_the_end)
    assert (report["passed"], report["frames_shown"]) == (False, FRAMES)
    assert "no numbers" in report["reason"]


def test_a_clip_that_breaks_off_fails_the_report(bench: MakeBench, supplies: Supplies) -> None:
    clip = supplies.material / "clip.mp4"
    content = bytearray(clip.read_bytes())
    middle, index = len(content) // 2, content.index(b"moov")
    content[middle : index - 4] = bytes(index - 4 - middle)
    clip.write_bytes(content)
    report = bench().run()
    assert report["passed"] is False
    assert "clip.mp4 is damaged" in report["reason"]
    assert 0 < report["frames_shown"] < FRAMES


def test_over_time_it_says_how_far_it_was(bench: MakeBench) -> None:
    made = bench()

    def rest() -> None:
        guest = made.deployment.loop.guest
        if guest is not None and guest.shown == 5:
            guest.free_at = time.monotonic() + 1e6

    report = made.run(each=rest, timeout_s=2)
    assert (report["passed"], report["frames_shown"]) == (False, 5)
    assert report["reason"].startswith("not done after 2 s, at frame 5 of the clip; did not come")


def test_the_own_rule_gives_way_to_a_rule_of_its_name(place: Place, bench: MakeBench) -> None:
    place.add_rule("selftest")
    made = bench()
    assert made.run()["passed"] is True
    raised = {event.data["rule"] for event in made.events if ".alert." in event.type}
    assert raised == {"selftest", "selftest-2"}


def test_a_cooldown_of_one_self_test_does_not_silence_the_next(
    place: Place, bench: MakeBench
) -> None:
    place.add('[[rules]]\nid = "once"\non = ["face.recognised"]\ncooldown_s = 3600\n')
    made = bench()
    assert [made.run()["passed"], made.run()["passed"]] == [True, True]


def test_the_real_gallery_is_not_its_own(place: Place, bench: MakeBench) -> None:
    """Its stranger is somebody whom the site has enrolled."""
    picture = place.folder / "eve.png"
    write_image(picture, portrait(STRANGER))
    words = ["enrol", "eve", str(picture), "--config", str(place.site), "--consent", "a form"]
    assert main(words) == 0
    made = bench()
    assert made.run()["passed"] is True
    assert {event.data.get("person") for event in made.events} == {None, "ada", "ben"}


def test_without_a_recogniser_everybody_is_unknown(place: Place, bench: MakeBench) -> None:
    place.edit('recogniser = "recogniser-bundle"\n', "")
    report = bench().run()
    assert (report["passed"], report["expected"]) == (True, 5)
    assert [e["type"] for e in report["events"]].count("edgewarden.face.unknown.v1") == 3


@pytest.mark.parametrize("blind", ["detector", "recogniser"])
def test_a_blind_stage_is_replaced_and_named(place: Place, bench: MakeBench, blind: str) -> None:
    if blind == "detector":
        make_bundle(place.folder / "detector-bundle", "yunet", detector_model(faces=()))
    else:  # one block of all colours tells nobody from anybody
        model = recogniser_model(blocks=1)
        make_bundle(place.folder / "recogniser-bundle", "arcface-rgb", model)
    made = bench()
    report = made.run()
    assert (report["passed"], report["not_tested"]) == (True, ["capture", blind])
    said = report["stages"][blind]
    assert said.startswith(f"small-{blind} (the site's small-{blind}-bundle "), said
    faces = [event for event in made.events if ".face." in event.type]
    played: set[Any] = {event.data["models"][blind]["bundle"] for event in faces}  # type: ignore[index]  # JSON
    assert played == {f"small-{blind}"}
    assert made.events[-1].data["detail"]["not_tested"] == f"capture, {blind}"  # type: ignore[index]  # JSON


def test_the_very_same_model_does_not_take_its_own_place(
    place: Place, bench: MakeBench, supplies: Supplies
) -> None:
    blind = place.folder / "detector-bundle"
    make_bundle(blind, "yunet", detector_model(faces=()))
    shutil.rmtree(supplies.folder / "bundles/detector")
    shutil.copytree(blind, supplies.folder / "bundles/detector")
    report = bench().run()
    assert (report["passed"], report["came"]) == (False, 0)
    assert "detector" not in report["not_tested"]


def test_who_does_not_come_is_named(bench: MakeBench, supplies: Supplies) -> None:
    """The truth promises a visitor whom the clip does not show."""
    late = {**visit("ada", 10), "last": 950}
    supplies.change(visits=[*supplies.truth["visits"], late])
    made = bench()
    report = made.run()
    assert (report["passed"], report["expected"], report["came"]) == (False, 6, 5)
    assert report["reason"] == "did not come: ada is recognised, from frame 900 to 950"
    assert made.events[-1].data["reason"] == report["reason"]
    assert "\nedgewarden_selftest_passed 0\n" in made.metrics.text()


def test_a_wrong_name_is_no_pass(bench: MakeBench, supplies: Supplies) -> None:
    """Whom the clip shows first is Ada, whatever the truth says."""
    supplies.change(visits=supplies.truth["visits"][1:])
    report = bench().run()
    assert (report["passed"], report["recall"]) == (False, 1.0)
    assert "ada was named from frame" in report["reason"]


def test_an_event_has_come_when_it_was_delivered(bench: MakeBench) -> None:
    made = bench(delivery="broker")
    report = made.run(each=made.deliver)
    assert (report["passed"], report["delivery"]) == (True, "broker")
    assert all(0 <= event["commit_s"] <= event["delivery_s"] for event in report["events"])
    assert "\nedgewarden_selftest_passed 1\n" in made.metrics.text()


def test_what_is_never_delivered_has_not_come(bench: MakeBench) -> None:
    made = bench(delivery="broker")
    report = made.run(timeout_s=8)
    assert (report["passed"], report["came"]) == (False, 0)
    words = "not done after 8 s; committed, but not acknowledged by the broker, which may be away: "
    assert report["reason"].startswith(f"{words}ada is recognised")
    assert made.events[-1].data["reason"] == report["reason"]
    assert made.tests.last is not None
    assert made.tests.last["passed"] is False
    assert made.tests.last["reason"] == report["reason"]


def test_models_that_are_tried_for_too_long_are_not_waited_for(bench: MakeBench) -> None:
    report = bench().run(timeout_s=1e-6)
    assert (report["passed"], report["came"], set(report["stages"])) == (False, 0, {"capture"})
    assert (report["frames_shown"], report["frames_analysed"]) == (0, 0)
    assert report["reason"].startswith("not done after 1e-06 s; did not come: ada is recognised")


def test_one_at_a_time(bench: MakeBench) -> None:
    made = bench()
    first = made.tests.ask({})
    with pytest.raises(TransientError, match="running already"):
        made.tests.ask({})
    made.tests.abandon("a reload was asked for")
    with pytest.raises(TransientError, match="was ended: a reload was asked for"):
        first.result(0)
    assert made.run()["passed"] is True


def test_ended_in_the_middle_it_leaves_nothing_behind(bench: MakeBench) -> None:
    made = bench()
    answer = made.tests.ask({})
    while not made.events:
        made.turn()
    made.tests.abandon("the daemon was stopped")
    assert isinstance(answer.exception(0), TransientError)
    assert made.deployment.loop.guest is None
    assert made.events[-1].data["phase"] == "ended"  # its tracks
    assert not [thread.name for thread in threading.enumerate() if "_selftest" in thread.name]


def test_a_changed_gallery_does_not_end_it(bench: MakeBench) -> None:
    made = bench()
    done: list[bool] = []

    def change() -> None:
        if made.events and not done:
            made.deployment.refresh_gallery()
            done.append(True)

    assert made.run(each=change)["passed"] is True
    assert done


@pytest.mark.parametrize("timeout_s", [0, -1, 281, True, "60", None, float("nan")])
def test_a_timeout_is_seconds(bench: MakeBench, timeout_s: object) -> None:
    with pytest.raises(UsageError, match="no usable timeout for"):
        bench().tests.ask({"timeout_s": timeout_s})


def test_a_model_that_does_not_load_ends_it_and_nothing_else(
    place: Place, bench: MakeBench, supplies: Supplies
) -> None:
    make_bundle(place.folder / "detector-bundle", "yunet", detector_model(faces=()))
    (supplies.folder / "bundles/detector/model.onnx").write_bytes(b"none")
    made = bench()
    with pytest.raises(BundleError):
        made.run()
    assert made.deployment.loop.guest is None
    made.turn()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("selftest.json", b"{"),
        ("selftest.json", b"[]"),
        ("selftest.json", b'{"clip": "clip.mp4"}'),
        ("clip.mp4", None),
        ("clip.mp4", b"no clip"),
        ("11.png", None),
        ("11.png", b"no picture"),
    ],
)
def test_damaged_material_is_refused(
    bench: MakeBench, supplies: Supplies, name: str, content: bytes | None
) -> None:
    path = supplies.material / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EdgewardenError) as caught:
        bench().run()
    named = isinstance(caught.value, BundleIntegrityError | MediaError)
    assert named or "not a picture" in str(caught.value)
