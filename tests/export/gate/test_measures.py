from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import UsageError
from edge.manifest import Manifest
from edge.runner.base import Runner, Tensor
from edge.types import ByteImage
from export.gate import Gate, judge
from tests.export.gate.samples import PictureSamples

Answering = Callable[..., Runner]
MakeManifest = Callable[..., Manifest]
Numbered = Callable[..., list[ByteImage]]
Rows = NDArray[np.float64]
DIMENSIONS = 64


def numbers(pictures: Tensor) -> NDArray[np.int64]:
    """The numbers that pictures carry, whatever they are scaled by: the input is 0..255."""
    corner = np.asarray(pictures, np.float64)[:, :2, 0, 0]
    return np.rint(corner[:, 0] * 256 + corner[:, 1]).astype(np.int64)


def rows(function: Callable[[int], Any]) -> Callable[[Tensor], Tensor]:
    """A model that gives ``function(n)`` for picture n."""
    return lambda pictures: np.asarray([function(int(n)) for n in numbers(pictures)])


def embedding(index: int, cosine: float = 1.0) -> Rows:
    """A vector of picture ``index`` with this cosine to the one that the reference gives."""
    random = np.random.default_rng(index)
    first = random.normal(size=DIMENSIONS)
    first /= np.linalg.norm(first)
    other = random.normal(size=DIMENSIONS)
    other -= (other @ first) * first
    other /= np.linalg.norm(other)
    return np.asarray(7 * (cosine * first + np.sqrt(1 - cosine**2) * other))


class TestRecogniser:
    @pytest.fixture
    def gate(
        self, answering: Answering, manifest_of: MakeManifest, numbered: Numbered
    ) -> Callable[..., Gate]:
        manifest = manifest_of("reid-0095", outputs=["y"])

        def make(count: int, groups: Sequence[int] | None = None) -> Gate:
            samples = PictureSamples(manifest, numbered(count, (128, 128)), groups)
            return Gate(manifest, answering(rows(embedding)), samples)

        return make

    def test_the_same_embeddings_pass(
        self, gate: Callable[..., Gate], answering: Answering
    ) -> None:
        found = gate(40).judge(answering(rows(embedding)))

        assert found.passed is True
        assert found.kind == "agreement"
        assert found.figures["cosine_mean"] == pytest.approx(1)
        assert (found.samples, found.groups) == (40, 40)

    def test_cosines_are_measured(self, gate: Callable[..., Gate], answering: Answering) -> None:
        found = gate(300).judge(answering(rows(lambda n: embedding(n, 0.995))))

        assert found.figures["cosine_mean"] == pytest.approx(0.995, abs=1e-4)
        assert found.figures["cosine_p1"] == pytest.approx(0.995, abs=1e-4)
        assert found.passed is True

    def test_a_low_mean_fails_by_name(
        self, gate: Callable[..., Gate], answering: Answering
    ) -> None:
        found = gate(40).judge(answering(rows(lambda n: embedding(n, 0.79 + n % 5 / 100))))

        assert found.passed is False
        assert "cosine mean 0.81 < 0.99" in found.text

    def test_a_bad_tail_fails_though_the_mean_is_good(
        self, gate: Callable[..., Gate], answering: Answering
    ) -> None:
        """One face in twenty is lost: 0.7 · 0.05 + 0.9995 · 0.95 is still above 0.98."""
        answer = rows(lambda n: embedding(n, 0.9 if n % 20 == 0 else 0.9995))

        found = gate(400).judge(answering(answer))

        assert found.bounds[0].passed is True
        assert found.bounds[1].passed is False
        assert found.passed is False

    def test_few_faces_cannot_resolve_a_close_tail(
        self, gate: Callable[..., Gate], answering: Answering
    ) -> None:
        """All of 60 faces are above 0.97, but nothing says that one in a hundred is not below."""
        answer = rows(lambda n: embedding(n, 0.99 + 0.009 * (n % 7) / 7))

        few, many = (gate(count).judge(answering(answer)) for count in (60, 300))

        assert few.passed is None
        assert few.bounds[1].needed == 299
        assert "about 239 more samples" in few.text
        assert many.passed is True

    def test_few_faces_resolve_what_is_nearly_exact(
        self, gate: Callable[..., Gate], answering: Answering
    ) -> None:
        """As of FP16: no spread, so even the bound that holds for every distribution is good."""
        answer = rows(lambda n: embedding(n, 1 - 1e-6 * (n % 7)))

        assert gate(30).judge(answering(answer)).passed is True

    def test_frames_of_one_clip_are_not_independent(
        self, gate: Callable[..., Gate], answering: Answering
    ) -> None:
        """Twelve clips of 30 frames; one clip is bad from end to end."""
        answer = rows(lambda n: embedding(n, 0.972 if n < 30 else 0.9995))
        groups = [n // 30 for n in range(360)]

        blind = gate(360).judge(answering(answer)).bounds[0]
        aware = gate(360, groups).judge(answering(answer))

        assert aware.groups == 12
        assert aware.bounds[0].value == blind.value
        assert aware.bounds[0].low < blind.low
        assert aware.bounds[0].value - aware.bounds[0].low > 3 * (blind.value - blind.low)

    def test_one_clip_is_judged_by_its_runs(
        self, gate: Callable[..., Gate], answering: Answering
    ) -> None:
        """Of 400 frames of one clip 20 that follow each other are bad: one run of 20."""
        answer = rows(lambda n: embedding(n, 0.95 if 200 <= n < 220 else 0.9995))

        blind = gate(400).judge(answering(answer))
        aware = gate(400, [0] * 400).judge(answering(answer))

        assert aware.groups == 1
        assert aware.bounds[0].low < blind.bounds[0].low - 0.001
        assert "400 samples from 1 files or tracks" in aware.text

    def test_a_vector_of_zeros_counts_as_opposite(
        self, gate: Callable[..., Gate], answering: Answering
    ) -> None:
        answer = rows(lambda n: np.zeros(DIMENSIONS) if n == 3 else embedding(n))

        assert gate(40).judge(answering(answer)).figures["cosine_min"] == -1

    def test_a_variant_that_cannot_be_read_has_failed(
        self, gate: Callable[..., Gate], answering: Answering
    ) -> None:
        found = gate(40).judge(answering(lambda pictures: pictures))

        assert found.passed is False
        assert "does not fit decoder 'embedding'" in found.text

    def test_no_pictures_are_refused(self, gate: Callable[..., Gate]) -> None:
        with pytest.raises(UsageError, match="nothing to judge"):
            gate(0)

    def test_groups_of_another_number_are_a_mistake(self, gate: Callable[..., Gate]) -> None:
        with pytest.raises(ValueError, match="expected a group for each of 4 samples"):
            gate(4, [1, 2])

    def test_judge_is_a_gate_for_one(
        self, answering: Answering, manifest_of: MakeManifest, numbered: Numbered
    ) -> None:
        manifest = manifest_of("reid-0095", outputs=["y"])
        samples = PictureSamples(manifest, numbered(30, (128, 128)))
        runner = answering(rows(embedding))

        assert judge(manifest, runner, runner, samples).passed is True


class TestLandmarks:
    @pytest.fixture
    def gate(self, answering: Answering, manifest_of: MakeManifest, numbered: Numbered) -> Gate:
        manifest = manifest_of("landmarks-0009", outputs=["y"])
        samples = PictureSamples(manifest, numbered(320, (48, 48)))
        return Gate(manifest, answering(rows(self.points)), samples)

    @staticmethod
    def points(index: int, away: float = 0.0) -> Rows:
        """Eyes 0.4 apart; every point ``away`` to the right."""
        face = np.asarray([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
        face[:, 0] += index % 5 / 100 + away
        return face.reshape(10)

    def test_the_error_is_a_part_of_the_eyes_distance(
        self, gate: Gate, answering: Answering
    ) -> None:
        found = gate.judge(answering(rows(lambda n: self.points(n, 0.002 + 0.0001 * (n % 3)))))

        assert found.figures["nme_mean"] == pytest.approx(0.0021 / 0.4, rel=0.01)
        assert found.passed is True

    def test_points_that_move_too_far_fail(self, gate: Gate, answering: Answering) -> None:
        found = gate.judge(answering(rows(lambda n: self.points(n, 0.02))))

        assert found.passed is False
        assert "landmark error mean 0.05 > 0.01" in found.text


class TestLiveness:
    @pytest.fixture
    def gate(
        self, answering: Answering, manifest_of: MakeManifest, numbered: Numbered
    ) -> Callable[[int], Gate]:
        manifest = manifest_of(
            "minifasnet-2.7",
            outputs=["y"],
        )

        def make(count: int) -> Gate:
            samples = PictureSamples(manifest, numbered(count, (80, 80)))
            return Gate(manifest, answering(rows(self.logits)), samples)

        return make

    @staticmethod
    def logits(index: int, shift: float = 0.0) -> Rows:
        """Live and not in turns, always clear."""
        return np.asarray([shift, 3.0 if index % 2 else -3.0, 0.0])

    def test_the_same_probabilities_pass(
        self, gate: Callable[[int], Gate], answering: Answering
    ) -> None:
        found = gate(320).judge(answering(rows(self.logits)))

        assert found.passed is True
        assert found.figures["label_agreement"] == 1
        assert found.figures["probability_max_abs"] == 0

    def test_agreement_of_few_is_not_resolvable(
        self, gate: Callable[[int], Gate], answering: Answering
    ) -> None:
        """None wrong of 60 leaves room for 3 in 60."""
        found = gate(60).judge(answering(rows(self.logits)))

        assert found.passed is None
        assert found.bounds[0].low == pytest.approx(1 - 3 / 60, abs=2e-3)
        assert found.bounds[0].needed == 299

    def test_labels_that_change_fail(
        self, gate: Callable[[int], Gate], answering: Answering
    ) -> None:
        answer = rows(lambda n: -self.logits(n) if n % 10 == 0 else self.logits(n))

        found = gate(320).judge(answering(answer))

        assert found.passed is False
        assert found.figures["label_agreement"] == pytest.approx(0.9)

    def test_probabilities_that_drift_fail_though_the_labels_stay(
        self, gate: Callable[[int], Gate], answering: Answering
    ) -> None:
        found = gate(320).judge(answering(rows(lambda n: self.logits(n, 1.5))))

        assert found.figures["label_agreement"] == 1
        assert found.passed is False
        assert "probability difference" in found.text


class TestAnomaly:
    @pytest.fixture
    def gate(self, answering: Answering, manifest_of: MakeManifest, numbered: Numbered) -> Gate:
        spec = manifest_of("autoencoder").input
        assert spec is not None
        values = {**spec.model_dump(mode="json"), "scale": [1, 1, 1], "color": "BGR"}
        manifest = manifest_of(
            "autoencoder", input=values, outputs=[{"name": "y", "range": [0, 255]}]
        )
        samples = PictureSamples(manifest, numbered(80, (16, 16)))
        return Gate(manifest, answering(self.off_by()), samples)

    @staticmethod
    def off_by(gain: float = 1.0, noise: float = 0.0) -> Callable[[Tensor], Tensor]:
        """A reconstruction that is off by more the higher the picture's number."""

        def answer(pictures: Tensor) -> Tensor:
            index = numbers(pictures)
            away = gain * np.sqrt(index + 1) + noise * np.random.default_rng(index).normal()
            return np.asarray(pictures, np.float64) + np.asarray(away)[:, None, None, None]

        return answer

    def test_the_same_scores_pass(self, gate: Gate, answering: Answering) -> None:
        found = gate.judge(answering(self.off_by(1.001)))

        assert found.passed is True
        assert found.figures["score_concordance"] > 0.999

    @pytest.mark.parametrize(("gain", "noise"), [(1.3, 0.0), (1.0, 2.0)])
    def test_scores_that_stretch_or_scatter_fail(
        self, gate: Gate, answering: Answering, gain: float, noise: float
    ) -> None:
        assert gate.judge(answering(self.off_by(gain, noise))).passed is False

    def test_scores_without_spread_say_nothing(self, gate: Gate, answering: Answering) -> None:
        constant = gate.judge(answering(lambda pictures: np.asarray(pictures) + 1))

        assert constant.passed is False
        assert constant.figures["score_concordance"] < 0.1
