"""What calibration pictures are worth: paired gains, verdicts, pictures, and one small model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.bootstrap import Indices, Interval
from edge.bundle import Bundle, open_bundle, write_bundle
from edge.bundler import About, ModelVariant, assemble, prove
from edge.cli import main
from edge.fitting import Wishes
from edge.runner.onnxruntime import OnnxRuntimeRunner
from edge.templates import template
from edge.types import ByteImage
from export.comparison import Comparison
from export.reference.proofs import material
from export.reference.proofs.calibration import (
    FP32,
    NOISE,
    Judge,
    Measured,
    Subject,
    Trait,
    Uplift,
    gain,
    measure,
)
from export.reference.proofs.subjects import ClipJudge, RecogniserJudge
from export.samples import Pictures
from tests.calibration.data.models import generator
from tests.export.package.conftest import recogniser


def trait(values: Sequence[float], *, more: bool = True) -> Trait:
    array = np.asarray(values, np.float64)

    def mean(drawn: Indices) -> float:
        return float(array[drawn].mean())

    return Trait(name="mean", of=mean, count=len(array), more=more)


def test_a_gain_is_taken_on_the_same_draws() -> None:
    values = np.random.default_rng(0).normal(0, 100, 50)
    found = gain(trait((values + 1).tolist()), trait(values.tolist()), resamples=200)
    # Drawn apart, two such means would differ by some forty.
    assert found.low == pytest.approx(1)
    assert found.high == pytest.approx(1)
    less = gain(
        trait((values + 1).tolist(), more=False), trait(values.tolist(), more=False), resamples=200
    )
    assert less.value == pytest.approx(-1)


def uplift(low: float, high: float, on: str = "generated") -> Uplift:
    interval = Interval((low + high) / 2, low, high, 0.95)
    return Uplift(calibrated_on=on, variant="int8-cpu", figure="AP50", gain=interval)


def test_only_an_interval_without_zero_says_anything() -> None:
    assert uplift(0.01, 0.02).verdict == "better than noise"
    assert uplift(-0.02, -0.01).verdict == "worse than noise"
    assert uplift(-0.01, 0.02).verdict == "no better than noise"
    assert uplift(float("nan"), float("nan")).verdict == "no better than noise"


def measured(*uplifts: Uplift) -> Measured:
    return Measured(title="t", bundle="b", sha256="0", data="d", layers=2, rows=(), uplifts=uplifts)


def test_a_generator_that_is_no_better_is_said_to_be_no_better() -> None:
    assert measured(uplift(-1, 1)).conclusion == "the generator is no better than noise"
    # What rendered pictures gain is not the generator's.
    assert measured(uplift(1, 2, "rendered")).conclusion == "the generator is no better than noise"
    assert measured(uplift(1, 2)).conclusion == "better than noise: generated (AP50)"
    both = measured(uplift(-2, -1), uplift(1, 2, "generated on empty places")).conclusion
    assert both == (
        "better than noise: generated on empty places (AP50); worse than noise: generated (AP50)"
    )


@pytest.fixture
def faces_of_blobs(tmp_path: Path) -> Bundle:
    """A generator of blobs as a bundle."""
    path = generator(tmp_path / "g.onnx", side=64)
    words = ["bundle", "new", str(path), "--template", "generator", "--latent", "z"]
    assert main([*words, "--range=-1,1", "--out", str(tmp_path / "g")]) == 0
    return open_bundle(tmp_path / "g", require_signed=False)


def test_generated_faces_are_laid_into_places(faces_of_blobs: Bundle) -> None:
    places = [np.full((192, 320, 3), 7, np.uint8) for _ in range(4)]
    made = list(material.peopled(places, faces_of_blobs, seed=1))
    again = list(material.peopled(places, faces_of_blobs, seed=1))
    assert all((place == 7).all() for place in places)
    for picture, other in zip(made, again, strict=True):
        assert picture.shape == (192, 320, 3)
        assert (picture == other).all()
        changed = (picture != 7).any(axis=2).mean()
        assert 0.001 < changed < 0.9
    assert (made[0] != made[1]).any()


def test_frames_know_their_faces_and_places_know_nobody() -> None:
    frames = list(material.frames(4_900_000, 7))
    truth = material.truth_of(frames[0])
    assert truth.ignored is not None
    assert int((~truth.ignored).sum()) == len(frames[0].faces)
    places = list(material.empty_places(3, 2))
    assert [place.shape for place in places] == [(192, 320, 3)] * 2
    assert (places[0] != places[1]).any()


def bundle_of(folder: Path) -> Bundle:
    data = recogniser()
    with OnnxRuntimeRunner(data) as runner:
        proof = prove(template("arcface-rgb"), runner, Wishes())
    variant = ModelVariant(id="fp32", data=data, tolerance=proof.tolerance)
    manifest, files = assemble(proof, About(name="small", source="tests"), [variant])
    return write_bundle(folder / "small", manifest, files)


def blocks(seed: int, count: int) -> list[ByteImage]:
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (count, 7, 7, 3), np.uint8)
    return list(small.repeat(16, axis=1).repeat(16, axis=2))


def saved(folder: Path, pictures: Sequence[ByteImage]) -> str:
    folder.mkdir()
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{number:03}.png"), picture)
    return str(folder)


def test_a_small_recogniser_is_measured_after_every_calibration(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path)
    judged = saved(tmp_path / "judged", blocks(1, 60))
    shown = saved(tmp_path / "shown", blocks(2, 20))
    faces, person = blocks(3, 60), np.repeat(np.arange(30), 2)
    asked: list[Comparison] = []

    def judge(made: Comparison) -> Judge:
        asked.append(made)
        return RecogniserJudge(bundle.manifest, faces, person)

    pictures = {
        name: Pictures(calibrate=(word,), judge=(judged,), count=20)
        for name, word in (("rendered", shown), (NOISE, NOISE))
    }
    subject = Subject(title="small", bundle=bundle, pictures=pictures, judge=judge, data="blocks")
    found = measure(subject, resamples=50)
    assert len(asked) == 1
    # No search: every layer is in INT8, whatever the gate thinks of that.
    assert all(record["trials"] == 1 for record in asked[0].records.values())
    assert all(record["kept"] == [] for record in asked[0].records.values())
    assert [(row.calibrated_on, row.variant) for row in found.rows] == [
        ("nothing", FP32),
        ("rendered", "int8-cpu"),
        (NOISE, "int8-cpu"),
        ("rendered", "int8-trt"),
        (NOISE, "int8-trt"),
    ]
    cosines = [row.figures["cosine to fp32"].value for row in found.rows]
    assert cosines[0] == pytest.approx(1, abs=1e-6)
    assert all(0.5 < cosine < 1 for cosine in cosines[1:])
    assert {one.calibrated_on for one in found.uplifts} == {"rendered"}
    assert len(found.uplifts) == 4
    for one in found.uplifts[:1]:
        assert one.gain.value == pytest.approx(cosines[1] - cosines[2], abs=1e-6)
    report = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert report["conclusion"] == found.conclusion
    assert report["layers"] == asked[0].records["rendered"]["layers"]


def test_clips_of_few_people_tell_how_far_apart_they_are(tmp_path: Path) -> None:
    manifest = bundle_of(tmp_path).manifest
    random = np.random.default_rng(4)
    clips = {"a1": "a", "a2": "a", "b1": "b", "b2": "b"}
    looks = dict(zip("ab", blocks(5, 2), strict=True))
    faces, names = [], []
    for clip, person in clips.items():
        for _ in range(3):
            grain = random.normal(0, 4, looks[person].shape)
            faces.append(np.clip(looks[person] + grain, 0, 255).astype(np.uint8))
            names.append(clip)
    judge = ClipJudge(manifest, faces, names, clips)
    everything = np.arange(4)
    found = []
    for noise in (0.0, 0.5):
        with OnnxRuntimeRunner(recogniser(noise=noise)) as runner:
            near, gap = judge(runner)
        found.append((near.of(everything), gap.of(everything)))
        assert (near.count, gap.count) == (4, 4)
    assert found[0][0] == pytest.approx(1, abs=1e-6)
    assert found[1][0] < 0.999
    assert found[0][1] > 0.01
    assert np.isnan(gap.of(np.zeros(4, np.intp)))  # one clip, four times: nobody to compare


def test_real_faces_take_all_four_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["reference", "calibration", "--real", str(tmp_path), "--clips", str(tmp_path)]
    assert main(words) == 2
    assert "--real, --clips" in capsys.readouterr().err
