"""Pictures chosen from folders of images."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.dataset import CalibrationSet, open_set
from edge.errors import MediaError, UsageError
from edge.manifest import Manifest
from edge.media import read_image, write_image
from edge.vision.preprocess import place, place_in_tensor, to_tensor

Images = Callable[..., Path]
Scene = Callable[..., Any]


def names(chosen: CalibrationSet) -> list[str]:
    return [chosen.group_of(index) for index in range(chosen.count)]


def test_the_choice_depends_on_names_and_seed_not_on_where_a_folder_is_or_how_it_came_about(
    images: Images, whole: Manifest, tmp_path: Path
) -> None:
    first = images(range(20))
    second = tmp_path / "elsewhere" / "copy"
    second.mkdir(parents=True)
    for path in reversed(sorted(first.iterdir())):
        shutil.copy(path, second)
    one, other = (open_set([folder], whole, count=8) for folder in (first, second))
    assert names(one) == names(other)
    assert one.sha256 == other.sha256
    assert one.describe() == other.describe()
    assert all(np.array_equal(a, b) for a, b in zip(one.pictures(), other.pictures(), strict=True))
    reseeded = open_set([first], whole, count=8, seed=1)
    assert set(names(reseeded)) != set(names(one))
    assert reseeded.sha256 != one.sha256


def test_the_hash_is_of_what_was_chosen_whatever_its_order(images: Images, whole: Manifest) -> None:
    folder = images(range(6))
    one, other = (open_set([folder], whole, count=6, seed=seed) for seed in (0, 1))
    assert names(one) != names(other)
    assert one.sha256 == other.sha256
    write_image(folder / "0003.png", read_image(folder / "0004.png")[::-1])
    assert open_set([folder], whole, count=6).sha256 != one.sha256


def test_a_picture_is_placed_and_fed_as_on_the_camera(images: Images, whole: Manifest) -> None:
    folder = images(range(3))
    chosen = open_set([folder], whole, count=3)
    spec = whole.input
    assert spec is not None
    for name, picture, fed in zip(names(chosen), chosen.pictures(), chosen.feeds(), strict=True):
        taken = read_image(folder / name)
        wanted = place_in_tensor(taken, place((64, 48), spec), spec)
        assert picture.shape == (64, 64, 3)
        assert (picture[48:] == 114).all()
        assert np.array_equal(picture, wanted)
        assert np.array_equal(fed[spec.name], to_tensor([wanted], spec))


def test_every_pass_is_alike_also_where_the_spool_has_no_room(
    images: Images, whole: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = images(range(9))
    spooled = open_set([folder], whole, count=9)
    passes = [list(spooled.pictures()) for _ in range(2)]
    monkeypatch.setattr("calibration.batches.MOST_BYTES", 3 * 64 * 64 * 3)
    tight = open_set([folder], whole, count=9)
    halted = tight.pictures()
    next(halted)
    passes += [list(tight.pictures()) for _ in range(2)]
    for other in passes[1:]:
        assert len(other) == 9
        assert all(np.array_equal(a, b) for a, b in zip(passes[0], other, strict=True))


def test_folders_are_searched_below_and_other_files_are_passed_over(
    images: Images, whole: Manifest, tmp_path: Path
) -> None:
    images(range(3), folder="all/a/b")
    images(range(3, 5), folder="all/c", suffix=".JPG")
    (tmp_path / "all" / "notes.txt").write_text("no picture")
    (tmp_path / "all" / ".hidden.png").write_bytes(b"x")
    chosen = open_set([tmp_path / "all"], whole, count=50)
    assert sorted(names(chosen)) == [f"a/b/000{n}.png" for n in range(3)] + [
        f"c/000{n}.JPG" for n in range(3, 5)
    ]
    assert "unreadable" not in chosen.description


def test_near_duplicates_are_dropped_and_counted(
    images: Images, whole: Manifest, scene: Scene
) -> None:
    folder = images(range(5))
    for number in range(5):
        lighter = np.clip(scene(number).astype(int) + 12, 0, 255).astype(np.uint8)
        write_image(folder / f"again-{number}.jpg", lighter)
    chosen = open_set([folder], whole, count=10)
    assert chosen.count == 5
    assert chosen.describe()["near_duplicates"] == 5
    assert "5 near duplicates" in chosen.description


def test_what_cannot_be_read_is_named_and_counted(images: Images, whole: Manifest) -> None:
    folder = images(range(4))
    (folder / "broken.png").write_bytes(b"no picture at all")
    (folder / "cut.png").write_bytes((folder / "0001.png").read_bytes()[:200])
    chosen = open_set([folder], whole, count=10)
    assert chosen.count == 4
    assert chosen.describe()["unreadable_files"] == 2
    assert "2 unreadable files" in chosen.description
    assert "broken.png" in chosen.description
    assert "cut.png" in chosen.description


@pytest.mark.parametrize(
    ("kept", "said"),
    [(0, "3 unreadable files"), (1, "1 pictures of 1 files; left out: 3 unreadable files")],
)
def test_with_nothing_or_one_picture_left_nothing_is_made(
    images: Images, whole: Manifest, kept: int, said: str
) -> None:
    folder = images(range(kept), folder="few")
    for number in range(3):
        (folder / f"broken-{number}.png").write_bytes(b"no picture")
    with pytest.raises(MediaError, match=said) as caught:
        open_set([folder], whole, count=10)
    assert caught.value.exit_code == 2
    assert "broken-" in str(caught.value)


def test_one_picture_many_times_is_one_picture(images: Images, whole: Manifest) -> None:
    folder = images(range(1))
    for number in range(4):
        shutil.copy(folder / "0000.png", folder / f"copy-{number}.png")
    with pytest.raises(MediaError, match="4 near duplicates"):
        open_set([folder], whole, count=10)


def test_an_empty_folder_and_a_missing_path_are_refused(whole: Manifest, tmp_path: Path) -> None:
    (tmp_path / "empty" / "below").mkdir(parents=True)
    with pytest.raises(MediaError, match="there is no picture in"):
        open_set([tmp_path / "empty"], whole, count=10)
    with pytest.raises(MediaError, match="no such path"):
        open_set([tmp_path / "missing"], whole, count=10)


def test_a_file_that_changes_between_choice_and_use_is_refused(
    images: Images, whole: Manifest
) -> None:
    folder = images(range(4))
    chosen = open_set([folder], whole, count=4)
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(MediaError, match="cannot be read"):
        list(chosen.pictures())


def test_a_split_shares_no_file_and_is_the_same_every_time(images: Images, whole: Manifest) -> None:
    folder = images(range(20))
    chosen = open_set([folder], whole, count=20)
    calibrating, judging = chosen.split(0.6)
    assert (calibrating.count, judging.count) == (12, 8)
    assert set(names(calibrating)).isdisjoint(names(judging))
    assert set(names(calibrating)) | set(names(judging)) == set(names(chosen))
    assert len({calibrating.sha256, judging.sha256, chosen.sha256}) == 3
    again = open_set([folder], whole, count=20).split(0.6)
    assert [part.sha256 for part in again] == [calibrating.sha256, judging.sha256]
    by_name = dict(zip(names(chosen), chosen.pictures(), strict=True))
    for part in (calibrating, judging):
        for name, picture in zip(names(part), part.pictures(), strict=True):
            assert np.array_equal(picture, by_name[name])


def test_too_few_pictures_cannot_be_split(images: Images, whole: Manifest) -> None:
    chosen = open_set([images(range(3))], whole, count=3)
    with pytest.raises(UsageError, match="too few pictures"):
        chosen.split(0.5)


def test_a_small_set_is_widened_within_its_groups(images: Images, whole: Manifest) -> None:
    folder = images(range(4))
    narrow = open_set([folder], whole, count=10)
    wide, again = (open_set([folder], whole, count=10, augment=True) for _ in range(2))
    assert (narrow.count, wide.count) == (4, 10)
    assert wide.describe()["augmented"] == 6
    assert list(wide.groups) == [wide.groups[index % 4] for index in range(10)]
    pictures = list(wide.pictures())
    assert all(np.array_equal(a, b) for a, b in zip(pictures, narrow.pictures(), strict=False))
    for index in range(4, 10):
        assert pictures[index].shape == pictures[0].shape
        assert not np.array_equal(pictures[index], pictures[index % 4])
    assert all(np.array_equal(a, b) for a, b in zip(pictures, again.pictures(), strict=True))
    assert wide.sha256 == again.sha256 != narrow.sha256
    calibrating, judging = wide.split(0.5)
    assert set(calibrating.groups).isdisjoint(judging.groups)
    assert calibrating.count + judging.count == 10
