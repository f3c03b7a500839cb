"""Verification and open-set identification, against scikit-learn, by hand and on simulations."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from calibration.metrics import verification
from calibration.open_set import open_set
from calibration.pairs import genuine_of, impostors_of
from edge.types import FloatArray
from tests.calibration.faces import people, unit, views

Persons = NDArray[np.int64]


def faces(seed: int, count: int, each: int, *, families: int = 0) -> tuple[FloatArray, Persons]:
    random = np.random.default_rng(seed)
    population = people(random, count, families=families)
    vectors = np.concatenate([views(random, one, each) for one in population])
    return vectors, np.repeat(np.arange(count), each)


def on_circle(*degrees: float) -> FloatArray:
    angles = np.deg2rad(degrees)
    return unit(np.column_stack([np.cos(angles), np.sin(angles)]))


def test_area_is_that_of_scikit_learn_and_lies_in_its_interval() -> None:
    vectors, person = faces(1, 30, 3, families=3)
    found = verification(vectors, person, resamples=100)
    genuine, impostor = genuine_of(vectors, person), impostors_of(vectors, person)
    labels = np.repeat([1, 0], [len(genuine.similarity), len(impostor.similarity)])
    scores = np.concatenate([genuine.similarity, impostor.similarity])
    assert found.auc.value == pytest.approx(roc_auc_score(labels, scores))  # all of one size
    assert found.auc.low < found.auc.value < found.auc.high < 1
    assert (found.people, found.pairs) == (30, 435)
    assert (found.genuine, found.impostor) == (90, 3915)


def test_resampling_computes_the_very_area_that_scikit_learn_does() -> None:
    from calibration.metrics import Trial

    vectors, person = faces(2, 12, 4, families=2)
    trial = Trial(genuine_of(vectors, person), impostors_of(vectors, person))
    drawn = np.random.default_rng(0).integers(0, 3, 12).astype(np.float64)
    same = np.repeat([1, 0], [len(trial.genuine), len(trial.impostor)])
    similarity = np.concatenate([trial.genuine, trial.impostor])
    weights = np.concatenate(trial.weights(drawn))
    assert trial.area(drawn) == pytest.approx(
        roc_auc_score(same, similarity, sample_weight=weights)
    )
    fmr, tmr, _ = roc_curve(same, similarity, sample_weight=weights, drop_intermediate=False)
    for wanted in (0.3, 0.05, 0.01):
        assert trial.fnmr_at(drawn, wanted) == pytest.approx(1 - tmr[fmr <= wanted].max())


def test_a_rate_without_any_error_has_the_exact_bound_of_so_many_people() -> None:
    vectors = np.repeat(np.eye(40, dtype=np.float32), 2, axis=0)
    (at,) = verification(vectors, np.repeat(np.arange(40), 2), rates=[0.1], resamples=20).at
    assert at.fnmr is not None
    assert (at.fnmr.value, at.fnmr.low) == (0.0, 0.0)
    assert at.fnmr.high == pytest.approx(1 - 0.025 ** (1 / 40))


def test_somebody_with_many_pictures_weighs_no_more_than_others() -> None:
    # Person 0 is always recognised and has ten pictures; person 1 never is and has two.
    vectors = on_circle(*[0.0] * 10, 90, 180, 270)
    person = np.asarray([0] * 10 + [1, 1, 2])
    curve = verification(vectors, person, rates=[], resamples=2).curve
    (exact,) = np.flatnonzero(np.isclose(curve.threshold, 1.0))
    assert curve.fnmr[exact] == pytest.approx(0.5)


def test_fnmr_at_fmr_is_what_counting_gives() -> None:
    vectors, person = faces(3, 60, 2, families=4)
    found = verification(vectors, person, rates=[0.01], resamples=50)
    (at,) = found.at
    assert at.threshold is not None
    assert at.fnmr is not None
    genuine, impostor = genuine_of(vectors, person), impostors_of(vectors, person)
    assert impostor.false_matches(at.threshold).value <= 0.01
    lower = impostor.similarity[impostor.similarity < at.threshold].max()
    assert at.fnmr.value == pytest.approx(genuine.false_non_matches(at.threshold).value)
    assert impostor.false_matches(float(lower)).value > 0.01 or not np.any(
        (genuine.similarity < at.threshold) & (genuine.similarity >= lower)
    )
    assert at.fnmr.low <= at.fnmr.value <= at.fnmr.high


def test_a_rate_that_the_pairs_cannot_show_is_not_stated() -> None:
    vectors, person = faces(4, 20, 2)
    found = verification(vectors, person, rates=[0.1, 1e-3], resamples=10)
    shown, hidden = found.at
    assert shown.fnmr is not None
    assert (hidden.threshold, hidden.fnmr, hidden.needed) == (None, None, 2995)


def test_intervals_of_people_are_wider_than_those_of_pictures_would_be() -> None:
    vectors, person = faces(5, 10, 20, families=2)
    few = verification(vectors, person, rates=[], resamples=200).auc
    vectors, person = faces(5, 60, 4, families=2)
    many = verification(vectors, person, rates=[], resamples=200).auc
    assert few.high - few.low > 1.5 * (many.high - many.low)


def test_the_curve_is_thin_and_runs_from_corner_to_corner() -> None:
    vectors, person = faces(6, 60, 4, families=5)
    curve = verification(vectors, person, rates=[], resamples=2).curve
    assert len(curve.fmr) <= 402
    assert (curve.fmr[0], curve.fnmr[0]) == (0, 1)
    assert (curve.fmr[-1], curve.fnmr[-1]) == (1, pytest.approx(0, abs=1e-9))
    assert (np.diff(curve.fmr) >= 0).all()
    assert (np.diff(curve.fnmr) <= 1e-12).all()


@pytest.mark.parametrize("person", [[0, 0, 0], [0, 1, 2]])
def test_nobody_to_compare_with_is_refused(person: list[int]) -> None:
    with pytest.raises(ValueError, match="two people or more"):
        verification(on_circle(0, 1, 2), np.asarray(person))
    with pytest.raises(ValueError, match="two people or more"):
        open_set(on_circle(0, 1, 2), np.asarray(person))


def test_open_set_by_hand() -> None:
    # 0 and 1 can be enrolled, of whom one is; 2 is a stranger 30 degrees from 0.
    vectors = on_circle(0, 10, 180, 200, 30)
    found = open_set(vectors, np.asarray([0, 0, 1, 1, 2]), resamples=10, rates=[])
    assert (found.enrolled, found.strangers) == (2, 1)
    assert found.probes == 3
    assert found.rank1.value == 1.0
    cosines = np.cos(np.deg2rad([10, 20, 30]))
    np.testing.assert_allclose(found.threshold, cosines, atol=1e-6)
    np.testing.assert_allclose(found.dir, [0.5, 1, 1])
    np.testing.assert_allclose(found.far, [0, 0, 1])


def test_at_the_stated_threshold_no_more_strangers_pass_than_wanted() -> None:
    vectors, person = faces(7, 160, 3, families=10)
    found = open_set(vectors, person, rates=[0.1, 1e-3], resamples=100)
    shown, hidden = found.at
    assert (found.enrolled, found.strangers, found.probes) == (80, 80, 400)
    assert shown.threshold is not None
    assert shown.dir is not None
    above = found.threshold >= shown.threshold
    assert found.far[above].max() <= 0.1 < found.far[~above][0] + 0.02
    assert shown.dir.value == pytest.approx(found.dir[above][-1], abs=0.02)
    assert shown.dir.low <= shown.dir.value <= shown.dir.high
    assert shown.dir.value <= found.rank1.value
    assert (hidden.dir, hidden.needed) == (None, 2995)


def test_whom_a_seed_enrols_is_fixed() -> None:
    vectors, person = faces(8, 40, 2, families=3)
    one, same, other = (
        open_set(vectors, person, seed=seed, rates=[], resamples=5) for seed in (1, 1, 2)
    )
    assert one.rank1 == same.rank1
    assert not np.array_equal(one.threshold, other.threshold)


def test_one_enrolled_person_who_is_found_shows_next_to_nothing() -> None:
    found = open_set(on_circle(0, 10, 180), np.asarray([0, 0, 1]), rates=[], resamples=50)
    assert (found.rank1.value, found.rank1.high) == (1.0, 1.0)
    assert found.rank1.low == pytest.approx(0.025)
