from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from edge.errors import ClosedError, OutputError
from edge.media import VideoWriter, open_video, read_image, write_image
from edge.types import ByteImage

Scene = Callable[[int, tuple[int, int]], ByteImage]
IndexOf = Callable[[ByteImage], int]

COLOURS = [(255, 255, 255), (0, 0, 0), (60, 180, 75), (0, 130, 200), (230, 25, 75)]


def chart(width: int = 160, height: int = 96) -> ByteImage:
    """Wide bars of colour, as overlays have them, and fine black print on white."""
    image = np.full((height, width, 3), 255, np.uint8)
    for number, colour in enumerate(COLOURS):
        image[: height // 2, number * 32 : number * 32 + 32] = colour
    image[height // 2 + 8 : -8 : 6, 8:-8] = 0
    image[height // 2 + 8 : -8, 12:-8:8] = 0
    return image


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "A.MP4"])
def test_what_is_written_can_be_read(
    tmp_path: Path, make_scene: Scene, index_of: IndexOf, name: str
) -> None:
    path = tmp_path / name
    with VideoWriter(path, size=(96, 64), fps=12.5) as writer:
        for index in range(20):
            writer.write(make_scene(index, (96, 64)))
    with open_video(path) as reader:
        assert reader.codec == "vp9"
        assert reader.fps == pytest.approx(12.5)
        pictures = list(reader)
    assert [index_of(p.image) for p in pictures] == list(range(20))
    np.testing.assert_allclose([p.pts for p in pictures], np.arange(20) / 12.5, atol=1e-3)
    assert list(tmp_path.iterdir()) == [path]


def test_print_and_colours_survive(tmp_path: Path) -> None:
    image = chart()
    with VideoWriter(tmp_path / "a.mp4", size=(160, 96), fps=25) as writer:
        for _ in range(30):
            writer.write(image)
    with open_video(tmp_path / "a.mp4") as reader:
        last = list(reader)[-1].image.astype(int)
    for number, colour in enumerate(COLOURS):
        bar = last[8:40, number * 32 + 6 : number * 32 + 26]
        assert np.abs(bar.mean(axis=(0, 1)) - colour).max() < 8
    ink = image[48:].min(axis=2) == 0
    assert last[48:][ink].mean() < 40
    assert last[48:][~ink].mean() > 215


def test_a_small_file_shows_the_same_in_fewer_bytes(tmp_path: Path, make_scene: Scene) -> None:
    grain = np.random.default_rng(1).integers(0, 30, (20, 64, 96, 3), np.uint8)
    pictures = [make_scene(i, (96, 64)) // 2 + grain[i] for i in range(20)]
    for name, small in (("large.mp4", False), ("small.mp4", True)):
        with VideoWriter(tmp_path / name, size=(96, 64), fps=12.0, small=small) as writer:
            for picture in pictures:
                writer.write(picture)
    sizes = [(tmp_path / name).stat().st_size for name in ("large.mp4", "small.mp4")]
    assert sizes[1] < 0.7 * sizes[0]
    with open_video(tmp_path / "small.mp4") as reader:
        shown = [picture.image.astype(int) for picture in reader]
    assert len(shown) == 20
    assert all(np.abs(a - b).mean() < 12 for a, b in zip(shown, pictures, strict=True))


def test_the_video_says_which_colours_it_means(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", size=(160, 96), fps=25) as writer:
        writer.write(chart())
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range) == (1, 1)  # BT.709, limited
        assert frame.format.name == "yuv420p"


@pytest.mark.parametrize("size", [(97, 65), (1, 1), (640, 2)])
@pytest.mark.parametrize("fps", [30000 / 1001, 1, 0.5, 240])
def test_odd_sizes_and_rates_are_fine(tmp_path: Path, size: tuple[int, int], fps: float) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, size=size, fps=fps) as writer:
        for _ in range(3):
            writer.write(np.full((size[1], size[0], 3), 90, np.uint8))
    with open_video(path) as reader:
        pictures = list(reader)
    assert [p.image.shape for p in pictures] == [(size[1], size[0], 3)] * 3
    assert pictures[2].pts == pytest.approx(2 / fps, rel=1e-3)


def test_a_picture_that_is_a_view_is_written_as_it_looks(tmp_path: Path) -> None:
    wide = np.zeros((64, 200, 3), np.uint8)
    wide[:, 50:146] = 200
    with VideoWriter(tmp_path / "a.mkv", size=(96, 64), fps=25) as writer:
        writer.write(wide[:, 50:146])
    with open_video(tmp_path / "a.mkv") as reader:
        assert abs(next(iter(reader)).image.mean() - 200) < 2


def test_the_file_is_there_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"what was there before")
    with VideoWriter(path, size=(32, 32), fps=25) as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
        assert path.read_bytes() == b"what was there before"
    with open_video(path) as reader:
        assert sum(1 for _ in reader) == 1


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(ValueError, match="expected uint8"):
            write(path, np.zeros((32, 32, 3), np.uint8), np.zeros((5, 5, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_pictures_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", size=(32, 16), fps=25) as writer:
        for bad in (
            np.zeros((32, 16, 3), np.uint8),
            np.zeros((16, 32), np.uint8),
            np.zeros((16, 32, 4), np.uint8),
            np.zeros((16, 32, 3), np.float32),
        ):
            with pytest.raises(ValueError, match=r"expected uint8 \(16, 32, 3\)"):
                writer.write(bad)  # type: ignore[arg-type]  # the point of the test
        writer.write(np.zeros((16, 32, 3), np.uint8))
    with pytest.raises(ClosedError):
        writer.write(np.zeros((16, 32, 3), np.uint8))
    for size, fps in (((0, 5), 25), ((5, 5), 0)):
        with pytest.raises(ValueError, match="above 0"):
            VideoWriter(tmp_path / "a.mp4", size=size, fps=fps)


@pytest.mark.parametrize("name", ["a.mp4", "a.png"])
def test_places_that_take_no_file_are_refused(tmp_path: Path, name: str) -> None:
    suffix = Path(name).suffix
    (tmp_path / f"folder{suffix}").mkdir()
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / "file").write_bytes(b"")
    places = {
        tmp_path / "missing" / name: "no folder",
        tmp_path / "file" / name: "no folder",
        tmp_path / f"folder{suffix}": "a folder",
        tmp_path / f"pipe{suffix}": "a device or pipe",
        tmp_path / ("x" * 300 + suffix): "File name too long",
        Path("/proc") / name: "cannot write",
    }
    for path, found in places.items():
        with pytest.raises(OutputError, match=found) as caught:
            write(path)
        assert caught.value.exit_code == 2
    assert (tmp_path / "file").read_bytes() == b""


def write(path: Path, *images: ByteImage) -> None:
    images = images or (np.zeros((32, 32, 3), np.uint8),)
    if path.suffix == ".png":
        write_image(path, images[0])
        return
    with VideoWriter(path, size=(32, 32), fps=25) as writer:
        for image in images:
            writer.write(image)


def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write everywhere")
        for name in ("a.mp4", "a.png"):
            with pytest.raises(OutputError, match="Permission denied"):
                write(tmp_path / name)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("name", ["a.avi", "a", "a.mp4.txt"])
def test_a_name_of_another_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"\.mkv, \.mp4, \.webm"):
        VideoWriter(tmp_path / name, size=(32, 32), fps=25)
    with pytest.raises(OutputError, match=r"\.jpeg, \.jpg, \.png"):
        write_image(tmp_path / name, np.zeros((8, 8, 3), np.uint8))


FILL = """
import resource, signal, sys
import numpy as np
from edge.errors import StoreFullError
from edge.media import VideoWriter, write_image
path, limit = sys.argv[1], int(sys.argv[2])
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
try:
    if path.endswith(".png"):
        write_image(path, noise)
    else:
        with VideoWriter(path, size=(320, 240), fps=25) as writer:
            for _ in range(200):
                writer.write(noise)
                noise = np.roll(noise, 17)
    print("written")
except StoreFullError as error:
    print("full", error.found)
"""


def fill(path: Path, limit: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(path), str(limit)],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.png"])
def test_no_room_is_told_and_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    """With a limit on the size of files, which every user can set."""
    assert fill(tmp_path / name, 100_000) == "full File too large"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.png"])
def test_a_full_disk_is_told_and_left_as_it_was(small_disk: Path, name: str) -> None:
    (small_disk / name).write_bytes(b"what was there before")
    assert fill(small_disk / name, 0) == "full No space left on device"
    assert [p.read_bytes() for p in small_disk.iterdir()] == [b"what was there before"]


@pytest.mark.parametrize(("name", "tolerance"), [("a.png", 0), ("a.jpg", 3), ("a.JPEG", 3)])
def test_a_picture_survives(tmp_path: Path, name: str, tolerance: int) -> None:
    image = chart()
    write_image(tmp_path / name, image)
    read = read_image(tmp_path / name)
    assert np.abs(read.astype(int) - image).mean() <= tolerance
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o666 & ~umask()
    assert list(tmp_path.iterdir()) == [tmp_path / name]
    write_image(tmp_path / name, image[:1, :1])
    assert read_image(tmp_path / name).shape == (1, 1, 3)


def umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def test_an_empty_picture_is_refused(tmp_path: Path) -> None:
    for shape in ((0, 5, 3), (5, 5), (5, 5, 4)):
        with pytest.raises(ValueError, match="expected uint8"):
            write_image(tmp_path / "a.png", np.zeros(shape, np.uint8))
    assert list(tmp_path.iterdir()) == []
