"""What a model is calibrated and judged on, and the words that say so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.errors import MediaError, OutputError, UsageError
from edge.manifest import Manifest
from edge.runner.base import Signature, TensorSpec
from export.forms import Recipe
from export.judging import Base
from export.report_file import require_writable, write_reports
from export.samples import Pictures, calibration_only, open_samples

NONE = Signature((), ())


@pytest.fixture
def faces(tmp_path: Path, blobs: Callable[[int], Any]) -> Path:
    """A folder of 24 faces of the model's own size."""
    folder = tmp_path / "faces"
    folder.mkdir()
    for index, picture in enumerate(blobs(24).pictures()):
        cv2.imwrite(str(folder / f"{index:02}.png"), picture)
    return folder


def test_what_is_judged_on_is_not_calibrated_on(base: Base, faces: Path) -> None:
    samples = open_samples(Pictures(calibrate=(str(faces),), count=6), base.manifest, NONE)
    assert samples is not None
    assert samples.calibrate is not None
    assert samples.kind == "real"
    parts = [samples.calibrate, samples.search, samples.judge]
    assert [part.count for part in parts] == [6, 6, 12]
    seen = [{picture.tobytes() for picture in part.pictures()} for part in parts]
    assert len(set.union(*seen)) == 24
    assert samples.seen is samples.calibrate
    told = samples.lines(calibrated=True)
    assert [line.split(" files (real)")[0] for line in told] == [
        "calibrated on 6 samples from 6",
        "layers chosen on 6 samples from 6",
        "judged on 12 samples from 12",
    ]
    assert samples.lines(calibrated=False) == told[-1:]


def test_what_is_calibrated_on_may_be_filled_up_but_not_what_is_judged_on(
    base: Base, faces: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for index in range(4):
        (faces / f"{index:02}.png").rename(few / f"{index:02}.png")
    words: dict[str, Any] = {"calibrate": (str(few),), "count": 10, "augment": True}
    samples = open_samples(Pictures(judge=(str(faces),), **words), base.manifest, NONE)
    assert samples is not None
    assert samples.calibrate is not None
    assert samples.calibrate.count == 10
    assert samples.search.count + samples.judge.count == 20
    assert len({picture.tobytes() for picture in samples.calibrate.pictures()}) == 10
    with pytest.raises(UsageError, match="are not judged on; expected --judge"):
        open_samples(Pictures(**words), base.manifest, NONE)


@pytest.mark.parametrize("files", [1, 2, 3, 4, 6])
def test_few_files_are_parted_so_that_the_judge_has_its_own(
    base: Base, blobs: Callable[[int], Any], tmp_path: Path, files: int
) -> None:
    """Clips of twelve pictures each: of one clip the parts follow each other in time."""
    clips = tmp_path / "clips"
    clips.mkdir()
    pictures = list(blobs(24).pictures())
    for clip in range(files):
        codec = cv2.VideoWriter.fourcc(*"MJPG")
        writer = cv2.VideoWriter(str(clips / f"{clip}.avi"), codec, 10, (112, 112))
        for index in range(12):
            writer.write(np.roll(pictures[2 * index + clip % 2], 16 * clip, axis=1))
        writer.release()
    samples = open_samples(Pictures(calibrate=(str(clips),), count=40), base.manifest, NONE)
    assert samples is not None
    assert samples.calibrate is not None
    parts = [samples.calibrate, samples.search, samples.judge]
    assert min(part.count for part in parts) >= 2
    assert len({part.sha256 for part in parts}) == 3
    groups = [set(part.groups) for part in parts]
    assert files == 1 or not groups[2] & (groups[0] | groups[1])
    assert files < 4 or not groups[0] & groups[1]


def test_pictures_that_are_too_few_to_be_parted_are_refused(base: Base, faces: Path) -> None:
    seven = tuple(str(faces / f"{index:02}.png") for index in range(7))
    with pytest.raises(UsageError, match=r"at least 8, of different files.*7"):
        open_samples(Pictures(calibrate=seven), base.manifest, NONE)


def test_the_same_folder_twice_is_split_as_well(base: Base, faces: Path) -> None:
    words = (str(faces),)
    samples = open_samples(Pictures(calibrate=words, judge=words, count=8), base.manifest, NONE)
    assert samples is not None
    assert samples.calibrate is not None
    assert samples.calibrate.sha256 != samples.judge.sha256


def test_noise_may_calibrate_what_pictures_judge(base: Base, faces: Path) -> None:
    pictures = Pictures(calibrate=("noise",), judge=(str(faces),), count=6)
    samples = open_samples(pictures, base.manifest, NONE)
    assert samples is not None
    assert samples.calibrate is not None
    parts = [samples.calibrate, samples.search, samples.judge]
    assert [part.kind for part in parts] == ["noise", "real", "real"]
    assert samples.kind == "real"
    again = calibration_only(pictures, base.manifest, NONE, judged=pictures)
    assert again is not None
    assert again.sha256 == samples.calibrate.sha256


@pytest.mark.parametrize(("calibrate", "judge"), [("", "00.png"), ("00.png", ""), (".", "")])
def test_pictures_within_each_other_are_not_both_calibrated_and_judged_on(
    base: Base, faces: Path, calibrate: str, judge: str
) -> None:
    named = Pictures(calibrate=(f"{faces}/{calibrate}",), judge=(f"{faces}/{judge}",), count=6)
    with pytest.raises(UsageError, match="must not be calibrated on"):
        open_samples(named, base.manifest, NONE)


def test_a_second_calibration_is_not_on_what_the_first_is_judged_on(
    base: Base, faces: Path
) -> None:
    words = (str(faces),)
    for judged in (Pictures(calibrate=words), Pictures(calibrate=("noise",), judge=words)):
        with pytest.raises(UsageError, match="must not be calibrated on"):
            calibration_only(Pictures(calibrate=words), base.manifest, NONE, judged=judged)


def test_judging_alone_calibrates_nothing(base: Base, faces: Path) -> None:
    samples = open_samples(Pictures(judge=(str(faces),), count=6), base.manifest, NONE)
    assert samples is not None
    assert samples.calibrate is None
    assert samples.seen is samples.search
    assert (samples.search.count, samples.judge.count) == (6, 12)
    assert samples.search.sha256 != samples.judge.sha256
    assert open_samples(None, base.manifest, NONE) is None


def test_noise_among_pictures_is_refused(base: Base, faces: Path) -> None:
    with pytest.raises(UsageError, match="not mixed"):
        open_samples(Pictures(calibrate=("noise", str(faces))), base.manifest, NONE)


def test_pictures_that_are_too_few_are_refused(base: Base, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError):
        open_samples(Pictures(calibrate=(str(tmp_path / "empty"),)), base.manifest, NONE)
    with pytest.raises(MediaError):
        open_samples(Pictures(calibrate=(str(tmp_path / "gone"),)), base.manifest, NONE)


@pytest.fixture
def generator(base: Base) -> Manifest:
    values = base.manifest.model_dump(mode="json")
    del values["input"], values["golden"]
    values |= {
        "role": "synthesiser",
        "decoder": {"name": "image"},
        "latent": {"name": "z", "dim": 8, "distribution": "normal"},
        "outputs": [{"name": "picture", "range": [-1, 1]}],
    }
    return Manifest.model_validate(values)


def test_a_generator_is_given_latents_of_its_own(generator: Manifest, faces: Path) -> None:
    signature = Signature((TensorSpec("z", (None, 8), np.dtype(np.float32)),), ())
    samples = open_samples(None, generator, signature)
    assert samples is not None
    assert samples.calibrate is not None
    assert samples.kind == "latent"
    parts = [samples.calibrate, samples.search, samples.judge]
    feeds = [next(part.feeds())["z"] for part in parts]
    assert [feed.shape for feed in feeds] == [(1, 8)] * 3
    assert len({feed.tobytes() for feed in feeds}) == 3
    judged = {feed["z"].tobytes() for feed in samples.judge.feeds()}
    second = calibration_only(Pictures(), generator, signature, judged=Pictures())
    assert second is not None
    assert not judged & {feed["z"].tobytes() for feed in second.feeds()}
    with pytest.raises(UsageError, match="takes no pictures"):
        open_samples(Pictures(calibrate=(str(faces),)), generator, signature)


@pytest.mark.parametrize(
    ("recipe", "pictures", "generates", "word"),
    [
        (Recipe(fp16=True), None, False, "--fp16 alone"),
        (Recipe(int8=True), None, False, "--int8 alone"),
        (Recipe(int8=True), Pictures(judge=("a",)), False, "--judge alone"),
        (Recipe(fp16=True), Pictures(judge=("a",)), False, None),
        (Recipe(int8=True), Pictures(calibrate=("a",)), False, None),
        (Recipe(int8=True), None, True, None),
        (Recipe(), None, False, None),
    ],
)
def test_variants_need_something_to_be_judged_on(
    recipe: Recipe, pictures: Pictures | None, generates: bool, word: str | None
) -> None:
    if word is None:
        recipe.require(pictures, generates=generates)
        return
    with pytest.raises(UsageError, match=word):
        recipe.require(pictures, generates=generates)


def test_a_report_never_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    require_writable([path])
    page = tmp_path / "report.html"
    write_reports([path, page], {"a": 1}, lambda: b"<p>")
    assert page.read_bytes() == b"<p>"
    assert path.read_text() == '{\n  "a": 1\n}\n'
    with pytest.raises(OutputError, match="not taken"):
        require_writable([path])
    with pytest.raises(OutputError, match="no such folder"):
        require_writable([tmp_path / "gone" / "report.json"])
