"""The shipped bundles: that they are those of the list, by the recipes as they are, and still good.

Nothing here is learned from, calibrated on or measured with elsewhere. The samples are small, so a
figure has to come near the training's own and no more; what a spoilt file gives is far from it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.classification import classify
from calibration.detection import average_precision, match
from calibration.synthetic import Draws
from edge.assembly import check_golden, open_runner
from edge.bundle import Bundle, open_bundle
from edge.errors import BundleIntegrityError
from edge.golden import Golden
from edge.manifest import Manifest
from edge.pack import NAMES, PACK, PackedBundle, bundle, contents
from edge.runner.base import Runner
from edge.runner.golden import replay
from edge.runner.onnxruntime import OnnxRuntimeRunner
from edge.types import FloatArray
from edge.vision.behaviour import ClipClassifier
from edge.vision.clips import DueClip
from edge.vision.detector import Detector
from edge.vision.generator import to_clips
from edge.vision.recogniser import Recogniser
from export.reference.pack.pictures import boxes_of
from export.reference.pack.plans import Kind
from export.reference.recipes.clips import clips
from export.reference.recipes.faces import crops
from export.reference.recipes.scenes import frames
from export.reference.recipes.settings import FULL, VaeSettings, recipe_hash
from export.reference.world.samples import detector_samples
from export.reference.world.truth import BEHAVIOURS

PEOPLE, SCENES = 900_000, 3 << 40  # seeds of this file's own
LISTED = contents().bundles
# Bundles that the pack still lacks; whoever adds one takes it out here.
AWAITED = frozenset({"world-clips"})
MOST_BYTES = 6_500_000


def skip_awaited(name: str) -> None:
    """Skip what needs a bundle that is known to be missing; any other has to be there."""
    if name in AWAITED:
        pytest.skip(f"the pack has no {name} yet")


@contextmanager
def running(name: str) -> Iterator[tuple[Runner, Manifest]]:
    """A shipped model as a camera runs it."""
    skip_awaited(name)
    found = open_bundle(bundle(name), require_signed=False)
    runner, variant = open_runner(found)
    with runner:
        check_golden(runner, found, variant)
        yield runner, found.manifest


def figure(name: str, key: str) -> float:
    """What the training measured."""
    value = LISTED[name].figures[key]
    assert isinstance(value, float)
    return value


def test_folders_and_list_are_of_each_other() -> None:
    """What is not listed is not tested below, so nothing may lie there unlisted."""
    assert {path.name for path in (PACK / "bundles").glob("*")} == set(LISTED)
    assert set(LISTED) == set(NAMES) - AWAITED


@pytest.fixture(params=sorted(LISTED))
def listed(request: pytest.FixtureRequest) -> tuple[str, PackedBundle]:
    """Each bundle of the list."""
    return request.param, LISTED[request.param]


def opened(name: str) -> Bundle:
    return open_bundle(bundle(name), require_signed=False)


def test_a_bundle_is_the_one_of_the_list(listed: tuple[str, PackedBundle]) -> None:
    name, packed = listed
    found = opened(name)
    assert found.sha256 == packed.sha256
    assert found.manifest.name == name
    assert sum(path.stat().st_size for path in found.path.iterdir()) == packed.bytes
    assert set(packed.left_out).isdisjoint(variant.id for variant in found.manifest.variants)


def test_a_bundle_is_of_the_recipe_as_it_is(listed: tuple[str, PackedBundle]) -> None:
    _, packed = listed
    assert packed.recipe_sha256 == recipe_hash(packed.recipe, FULL[packed.recipe])


def test_a_bundle_says_where_it_is_from(listed: tuple[str, PackedBundle]) -> None:
    name, packed = listed
    manifest = opened(name).manifest
    assert manifest.training == "verified"
    assert manifest.license == "Apache-2.0"
    for text in (packed.recipe_sha256, packed.data_sha256, "no recognition of real people"):
        assert text in manifest.provenance.source


def test_every_variant_gives_its_golden_outputs(listed: tuple[str, PackedBundle]) -> None:
    found = opened(listed[0])
    golden: Golden = found.golden()
    for variant in found.manifest.variants:
        assert (variant.state, variant.runner) == ("accepted", "onnxruntime")
        assert variant.golden_tolerance is not None
        with OnnxRuntimeRunner(found.read(variant.file), name=variant.id) as runner:
            result = replay(runner, *golden, variant.golden_tolerance.max_abs)
        if variant.id == "fp32":  # INT8 is exact on CPUs with VNNI alone
            assert result.passed


def test_the_bundles_leave_room_for_the_clip() -> None:
    assert sum(packed.bytes for packed in LISTED.values()) <= MOST_BYTES


@pytest.mark.parametrize(("name", "kind"), [("world-face", "faces"), ("world-person", "people")])
def test_detectors_find_what_is_there(name: str, kind: Kind) -> None:
    skip_awaited(name)
    samples = [
        sample
        for seed in range(20)
        for sample in detector_samples(seed=SCENES + seed, count=2, each=2)
    ]
    with running(name) as (runner, manifest):
        detector = Detector(runner, manifest, floor=0.05)
        found = detector.detect([sample.image for sample in samples])
    precision = average_precision(match(found, [boxes_of(one, kind) for one in samples]))
    assert precision >= figure(name, f"{kind}_ap50") - 0.08
    if kind == "faces":  # nor may landmarks, which alignment needs, be anywhere else
        assert all(one.landmarks is not None for one in found)


def test_the_recogniser_tells_people_apart_at_its_own_threshold() -> None:
    skip_awaited("world-recogniser")
    people, each = 60, 4
    faces = crops(PEOPLE, people, each, seed=SCENES)
    with running("world-recogniser") as (runner, manifest):
        vectors: FloatArray = np.stack(
            [one.vector for one in Recogniser(runner, manifest).embed(list(faces))]
        )
    (point,) = manifest.thresholds
    alike = vectors @ vectors.T >= point.value
    person = np.repeat(np.arange(people), each)
    same = person[:, None] == person[None]
    genuine, impostors = alike[same & ~np.eye(len(person), dtype=bool)], alike[~same]
    assert 1 - genuine.mean() <= figure("world-recogniser", "fnmr") + 0.05
    assert impostors.mean() <= 5e-3


def judged(pictures: NDArray[np.uint8], truth: NDArray[np.int64]) -> float:
    with running("world-behaviour") as (runner, manifest):
        assert manifest.labels == BEHAVIOURS
        classifier = ClipClassifier(runner, manifest)
        due = [DueClip(index, clip) for index, clip in enumerate(pictures)]
        verdicts = [verdict for verdict in classifier.classify(due) if verdict is not None]
        said = [BEHAVIOURS.index(verdict.label) for verdict in verdicts]
    return classify(truth.tolist(), said, BEHAVIOURS).macro_f1.value


def test_the_classifier_knows_what_people_do() -> None:
    skip_awaited("world-behaviour")
    pictures, truth = clips(4, seed=SCENES)
    assert judged(pictures, truth) >= figure("world-behaviour", "macro_f1") - 0.15


def test_generated_clips_show_what_was_asked_for() -> None:
    skip_awaited("world-behaviour")
    with running("world-clips") as (runner, manifest):
        assert manifest.latent is not None
        assert manifest.condition is not None
        assert manifest.condition.labels == BEHAVIOURS
        count = 6 * len(BEHAVIOURS)
        random = np.random.default_rng(5)
        truth = np.arange(count) % len(BEHAVIOURS)
        z = random.standard_normal((count, manifest.latent.dim)).astype(np.float32)
        kinds = np.eye(len(BEHAVIOURS), dtype=np.float32)[truth]
        outputs = runner.infer({manifest.latent.name: z, manifest.condition.name: kinds})
        output = manifest.outputs[0]
        assert output.range is not None
        made = np.stack(to_clips(outputs[output.name], output.range))
    assert judged(made, truth) >= 0.6


def test_odd_scenes_stand_out() -> None:
    skip_awaited("world-scenes")
    from edge.vision.anomaly import LOOKS, AnomalyFinder, lasting

    settings = FULL["vae"]
    assert isinstance(settings, VaeSettings)
    asked, kinds = frames(
        40, LOOKS, views=settings.views, size=settings.size, seed=SCENES, wrong=True
    )
    with running("world-scenes") as (runner, manifest):
        finder = AnomalyFinder(runner, manifest)
        found = [
            lasting(finder.look(list(asked[start : start + LOOKS])))
            for start in range(0, len(asked), LOOKS)
        ]
    scores, wrong = np.asarray([one.score for one in found]), np.asarray(kinds[::LOOKS]) >= 0
    above = scores[wrong][:, None] > scores[~wrong][None]
    assert above.mean() >= figure("world-scenes", "auroc") - 0.1


def test_generated_faces_look_different_and_coloured_as_faces() -> None:
    skip_awaited("world-faces")
    made = np.stack(list(Draws(opened("world-faces"), seed=3).pictures(np.arange(24))))
    real = crops(PEOPLE, 24, 1, seed=SCENES, nuisance=0.4)
    small = [np.stack([cv2.resize(one, (8, 8), interpolation=cv2.INTER_AREA) for one in faces])
             for faces in (made, real)]  # fmt: skip
    first, second = (values.astype(np.float64).mean(axis=0) for values in small)
    assert float(np.abs(first - second).mean()) < 30
    spread = [float(values.astype(np.float64).std(axis=0).mean()) for values in small]
    assert 0.4 * spread[1] < spread[0] < 2.0 * spread[1]


def test_a_spoilt_file_is_found(tmp_path: Path) -> None:
    """One weight file in which a byte differs is no longer what the manifest lists."""
    if not LISTED:
        pytest.skip("the pack has no bundles yet")
    name = min(LISTED)
    copy = tmp_path / name
    shutil.copytree(bundle(name), copy)
    data = bytearray((copy / "fp32.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "fp32.onnx").write_bytes(data)
    with pytest.raises(BundleIntegrityError, match=r"fp32\.onnx"):
        open_bundle(copy, require_signed=False)
