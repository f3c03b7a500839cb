"""Each measure finds what is good and what is bad, and runs what ships as a camera does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import BundleError
from edge.pack import PackList, contents
from edge.types import Detections
from export.reference.evaluation.behaviour import draw_clips
from export.reference.evaluation.bundles import Pack
from export.reference.evaluation.dcgan import by_heart
from export.reference.evaluation.detector import figures_of
from export.reference.evaluation.figures import Figure, Measured
from export.reference.evaluation.held_out import Sizes
from export.reference.evaluation.names import NAMES
from export.reference.evaluation.run import evaluate
from export.reference.evaluation.vae import compared
from export.reference.world.samples import DetectorSample
from export.reference.world.truth import BEHAVIOURS

Values = NDArray[np.float32]


def by_name(figures: list[Figure], word: str) -> Figure:
    (found,) = [figure for figure in figures if word in figure.name]
    return found


@pytest.fixture(scope="module")
def measured(pack: Pack, tiny: Sizes) -> dict[str, Measured]:
    return {model.name: model for model in evaluate(pack, sizes=tiny).models}


@pytest.mark.parametrize("name", NAMES)
def test_every_model_is_measured_and_shown(measured: dict[str, Measured], name: str) -> None:
    model = measured[name]
    assert model.met == (name == "dcgan")  # none was ever trained; one that copies nobody may do so
    assert all(used.name.startswith("world-") for used in model.bundles)
    assert all(len(used.sha256) == 64 for used in model.bundles)
    assert model.sheets
    json.dumps(model.to_json(), allow_nan=False)
    for figure in model.figures:
        if figure.low is not None and figure.high is not None:
            assert figure.low <= figure.value <= figure.high, figure.name


def test_the_same_is_measured_twice(pack: Pack, tiny: Sizes, measured: dict[str, Measured]) -> None:
    (again,) = evaluate(pack, ["recogniser"], sizes=tiny).models
    assert again.to_json() == measured["recogniser"].to_json()


def test_arithmetic_on_pixels_stays_below_its_bounds(measured: dict[str, Measured]) -> None:
    pixels = by_name(list(measured["recogniser"].figures), "raw pixels")
    assert pixels.at_most == pytest.approx(0.7 * 0.98)
    assert pixels.met


def test_a_pack_without_a_bundle_says_which(tiny: Sizes, pack: Pack) -> None:
    with pytest.raises(BundleError, match="lacks pack"):
        evaluate(Pack(pack.folder / "elsewhere"), ["recogniser"], sizes=tiny)
    with pytest.raises(BundleError, match="lacks bundle world-dog"):
        pack.open("world-dog")


def test_what_the_pack_lacks_is_left_out_unless_it_is_asked_for(
    tiny: Sizes, pack: Pack, tmp_path: Path
) -> None:
    listed = contents(pack.folder)
    few = {name: one for name, one in listed.bundles.items() if name == "world-scenes"}
    (tmp_path / "bundles").symlink_to(pack.folder / "bundles")
    (tmp_path / "pack.json").write_text(PackList(bundles=few).model_dump_json())
    poor = Pack(tmp_path)
    found = evaluate(poor, sizes=tiny)
    assert [model.name for model in found.models] == ["vae"]
    assert found.left_out["cgan"] == ("world-clips", "world-behaviour")
    assert found.left_out.keys() == {"detector", "recogniser", "dcgan", "behaviour", "cgan"}
    with pytest.raises(BundleError, match="lacks bundle world-clips"):
        evaluate(poor, ["vae", "cgan"], sizes=tiny)


def test_generated_clips_are_held_against_what_was_asked_for(pack: Pack) -> None:
    with pack.open("world-clips") as maker:
        pictures, truth = draw_clips(maker, 9)
        more, _ = draw_clips(maker, 20)
    assert pictures.shape == (9, 16, 48, 48, 3)
    assert truth.tolist() == [*range(len(BEHAVIOURS)), 0, 1]
    assert (more[:9] == pictures).all()


def found_in(samples: list[DetectorSample], shift: float) -> list[Detections]:
    return [
        Detections(
            sample.faces,
            np.full(len(sample.faces), 0.9, np.float32),
            np.zeros(len(sample.faces), np.int64),
            sample.landmarks + np.float32(shift),
        )
        for sample in samples
    ]


@pytest.fixture
def samples() -> list[DetectorSample]:
    """Ten frames with two faces of 20 × 20 pixels each, and one that need not be found."""
    faces = np.asarray([[10, 10, 30, 30], [50, 10, 70, 30]], np.float32)
    one = DetectorSample(
        image=np.zeros((96, 160, 3), np.uint8),
        people=np.zeros((0, 4), np.float32),
        faces=faces,
        landmarks=np.asarray(
            [[[x, y] for x in (15, 25) for y in (15, 25)] + [[20, 20]]] * 2, np.float32
        ),
        ignored=np.asarray([[100, 10, 105, 15]], np.float32),
    )
    return [one] * 10


def test_a_detector_that_finds_everything_reaches_its_goal(samples: list[DetectorSample]) -> None:
    found = found_in(samples, 3.0)
    figures = figures_of("faces", found, samples, range(10), 0.5, 20)
    assert by_name(figures, "AP50").value == 1.0
    assert by_name(figures, "AP50").met
    assert by_name(figures, "recall").value == 1.0
    assert by_name(figures, "false faces").value == 0.0
    # Three pixels right and three down, of faces of twenty.
    assert by_name(figures, "landmarks").value == pytest.approx(3 * 2**0.5 / 20, rel=1e-5)


def test_a_detector_that_finds_half_does_not(samples: list[DetectorSample]) -> None:
    half = [one[:1] for one in found_in(samples, 0.0)]
    false = [
        replace(one, boxes=np.concatenate([one.boxes[:1], one.boxes[1:] + 30]))
        for one in found_in(samples, 0.0)
    ]
    for found, wrong in ((half, 0.0), (false, 1.0)):
        figures = figures_of("faces", found, samples, range(10), 0.5, 20)
        assert by_name(figures, "recall").value == 0.5
        assert by_name(figures, "false faces").value == wrong
        assert by_name(figures, "AP50").met is False


def with_mirrored(vectors: Values) -> Values:
    return np.concatenate([vectors, -vectors])


def test_a_generator_that_copies_is_found_out() -> None:
    random = np.random.default_rng(2)
    learned, unseen, own = (random.normal(0, 1, (300, 8)).astype(np.float32) for _ in range(3))
    sets = with_mirrored(learned), with_mirrored(unseen)
    copies = learned[:200] + random.normal(0, 0.05, (200, 8)).astype(np.float32)
    share, near, usual = by_heart("x", [copies, *sets], resamples=50)
    assert share.value > 0.95
    assert share.met is False
    assert near.value < 0.2 * usual.value
    share, near, usual = by_heart("x", [own[:200], *sets], resamples=50)
    assert 0.4 < share.value < 0.6
    assert share.met
    assert near.value == pytest.approx(usual.value, rel=0.1)


def test_a_score_has_to_beat_pixels_by_more_than_chance() -> None:
    random = np.random.default_rng(4)
    wrong = np.repeat([False, True], 60)
    groups = np.repeat(np.arange(40), 3)
    noise = random.normal(0, 1, 120)
    good = wrong + 0.1 * noise
    own, other, above = compared(good, noise, wrong, groups=groups, resamples=100)
    assert own.value == 1.0
    assert 0.3 < other.value < 0.7
    assert above.value == pytest.approx(own.value - other.value)
    assert above.low > 0
    _, _, above = compared(noise, noise + 0.01 * good, wrong, groups=groups, resamples=100)
    assert above.low <= 0
