"""Promises of thresholds from unlabelled videos, judged by people with a known name."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.tracks import TrackEvidence
from edge.assembly import load_models
from edge.cli import main
from edge.config import load_site
from edge.types import FloatArray
from export.reference.proofs.footage import Known, film_known, vectors_of
from export.reference.proofs.thresholds import (
    Promise,
    ProofSettings,
    ThresholdProof,
    picture,
    promise,
)
from export.reference.proofs.waiting import SIDE_BY_SIDE, waiting_scene
from export.reference.world.truth import FaceTruth, FrameTruth, PersonTruth
from tests.calibration.faces import footage, people
from tests.small_world import FACE, POINTS, film, make_world, portrait, write_models


def evidence_from(population: FloatArray, *, together: int) -> TrackEvidence:
    random = np.random.default_rng(1)
    rows = population.reshape(-1, together, population.shape[1])
    return TrackEvidence([footage(random, f"{n}.mp4", row) for n, row in enumerate(rows)])


def known_from(population: FloatArray, *, together: int) -> list[Known]:
    """Everybody in two scenes."""
    random = np.random.default_rng(2)
    found = []
    for scene, start in enumerate(2 * list(range(0, len(population), together))):
        row = footage(random, f"{scene}.mp4", population[start : start + together])
        found += [Known(track, start + i, scene) for i, track in enumerate(row.tracks)]
    return found


def test_a_promise_for_people_of_one_kind_is_held() -> None:
    population = people(np.random.default_rng(3), 620)
    evidence = evidence_from(population[:400], together=4)
    found = promise(evidence, known_from(population[400:], together=4), 1e-1)
    assert found.outcome == "held"
    assert found.chosen is not None
    assert found.measured is not None
    assert found.measured.units == 220 * 219 // 2
    assert found.measured.value < 0.1
    assert found.neighbours is not None
    # Fifty-five rows of four in the first pass and the same rows in the second.
    assert found.neighbours.units == 55 * 6
    assert found.missed is not None
    assert found.missed.units == 220
    assert found.missed.value < 0.05


def test_a_promise_is_not_held_where_the_others_are_more_alike() -> None:
    random = np.random.default_rng(4)
    evidence = evidence_from(people(random, 400), together=4)
    found = promise(evidence, known_from(people(random, 220, families=2), together=4), 1e-1)
    assert found.outcome == "not held"
    assert found.measured is not None
    assert found.measured.low > 0.1


def test_what_the_calibration_refuses_is_not_resolvable_and_says_why() -> None:
    population = people(np.random.default_rng(5), 60)
    evidence = evidence_from(population[:40], together=4)
    found = promise(evidence, known_from(population[40:], together=4), 1e-3)
    assert (found.chosen, found.measured, found.outcome) == (None, None, "not resolvable")
    assert found.refused is not None
    assert "60 pairs of" in found.refused


def test_too_few_other_people_resolve_nothing() -> None:
    population = people(np.random.default_rng(6), 420)
    evidence = evidence_from(population[:400], together=4)
    found = promise(evidence, known_from(population[400:], together=4), 1e-2)
    assert found.chosen is not None
    assert found.measured is None  # 190 pairs, and 299 are needed
    assert found.outcome == "not resolvable"


def test_the_picture_has_both_rates_at_every_promise() -> None:
    population = people(np.random.default_rng(7), 620)
    evidence = evidence_from(population[:400], together=4)
    known = known_from(population[400:], together=4)
    promises: tuple[Promise, ...] = tuple(promise(evidence, known, rate) for rate in (1e-1, 1e-2))
    proof = ThresholdProof(
        videos=100,
        people_shown=400,
        tracks=400,
        people_at_least=390,
        others_shown=220,
        others=220,
        other_tracks=440,
        strays=0,
        promises=promises,
    )
    svg = picture(proof)
    assert "promised false match rate" in svg
    assert "measured, on people it never saw" in svg
    assert json.loads(json.dumps(proof.to_json()))["promises"][0]["outcome"] == "held"


@pytest.mark.parametrize("wrong", [{"scenes": 0}, {"people": 1}, {"rates": ()}])
def test_settings_without_anything_to_compare_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected a scene, two people"):
        ProofSettings(**wrong)


def test_people_who_wait_are_seen_side_by_side() -> None:
    together: Counter[tuple[int, int]] = Counter()
    identities = range(3_900_000, 3_900_000 + SIDE_BY_SIDE)
    scene = waiting_scene(identities, seed=1 << 43)
    for image, truth in scene:
        assert image.shape == (450, 800, 3)
        assert {one.identity for one in truth.people} <= set(identities)
        good = [
            one.track
            for one in truth.people
            if one.face is not None
            and one.face.visible > 0.6
            and min(one.face.box[2:] - one.face.box[:2]) >= 32
        ]
        together.update(combinations(sorted(good), 2))
    assert sum(frames >= 10 for frames in together.values()) >= 6


def test_a_track_belongs_to_whose_face_it_follows(tmp_path: Path) -> None:
    world = make_world(tmp_path, write_models(tmp_path))
    video = film(tmp_path / "clip.mp4", [portrait(1)] * 40)
    for shift, owner in ((0, 77), (300, -1)):
        truths = [_truth(index, identity=77, shift=shift) for index in range(40)]
        with load_models(load_site(world.site), needs_point=False) as loaded:
            seen, identities = film_known(loaded.models, video, truths)
        assert identities.tolist() == [owner]
        vectors, identity, scene = vectors_of([Known(seen.tracks[0], owner, 5)], 0.6)
        assert vectors.shape == (1, 192)
        assert (identity.tolist(), scene.tolist()) == ([owner], [5])


def _truth(index: int, *, identity: int, shift: float) -> FrameTruth:
    box = np.asarray(FACE, np.float32) + np.float32(shift)
    face = FaceTruth(
        box=box, landmarks=np.asarray(POINTS, np.float32), visible=1.0, yaw=0.0, pitch=0.0
    )
    someone = PersonTruth(
        track=1,
        identity=identity,
        box=box,
        visible=1.0,
        skeleton=np.zeros((17, 2), np.float32),
        seen=np.ones(17, np.bool_),
        behaviour="loiter",
        face=face,
    )
    return FrameTruth(index, index / 15, (someone,))


def test_one_command_renders_calibrates_and_judges(
    tmp_path: Path, assets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundles = {
        "yunet": "yunet_n_dynamic.onnx",
        "reid-0095": "face-reidentification-retail-0095.onnx",
    }
    for name, model in bundles.items():
        words = ["bundle", "new", str(assets / "models" / model), "--template", name]
        assert main([*words, "--out", str(tmp_path / name)]) == 0
    words = ["reference", "thresholds", "--scenes", "1", "--people", "10", "--json"]
    words += ["--detector", str(tmp_path / "yunet"), "--recogniser", str(tmp_path / "reid-0095")]
    out = tmp_path / "proof"
    capsys.readouterr()
    assert main([*words, "--out", str(out)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads((out / "thresholds.json").read_text())
    assert {one["wanted"] for one in report["promises"]} == {1e-1, 1e-2, 1e-3}
    assert report["others"] >= 2
    assert (out / "thresholds.svg").read_text().startswith("<svg")
    assert len(list(out.glob("*/*.mp4"))) == 3
    assert main([*words, "--out", str(out)]) == 2
    assert "a path that is not taken" in capsys.readouterr().err
