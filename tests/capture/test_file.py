from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.capture.file import FileSource, Timeline
from edge.errors import MediaError, MediaTooLargeError, StreamBrokenError
from edge.media import open_video
from edge.types import ByteImage, Frame

IndexOf = Callable[[ByteImage], int]

START = 1_763_719_200.0


def test_a_video_is_shown_frame_by_frame(clip: Path, index_of: IndexOf) -> None:
    with FileSource(clip, camera="door", start=START) as source:
        assert source.fps == pytest.approx(10)
        assert source.frames_total == 20
        frames = list(source)
    assert [f.index for f in frames] == list(range(20))
    assert [index_of(f.image) for f in frames] == list(range(20))
    assert {f.camera for f in frames} == {"door"}
    np.testing.assert_allclose([f.time - START for f in frames], np.arange(20) / 10, atol=2e-3)


def test_a_folder_is_shown_in_natural_order_at_the_rate(folder: Path, index_of: IndexOf) -> None:
    with FileSource(folder, camera="a", start=5.0, images_fps=2) as source:
        assert (source.fps, source.frames_total) == (2, 3)
        frames = list(source)
    assert [index_of(f.image) for f in frames] == [0, 1, 2]
    assert [(f.index, f.time) for f in frames] == [(0, 5.0), (1, 5.5), (2, 6.0)]


def test_an_image_is_shown_once(folder: Path) -> None:
    with FileSource(folder / "9.png", camera="a", start=5.0) as source:
        assert (source.fps, source.frames_total) == (25, 1)
        assert [(f.index, f.time, f.size) for f in source] == [(0, 5.0, (64, 48))]


def test_damaged_pictures_are_counted(folder: Path) -> None:
    (folder / "1.png").write_bytes(b"damaged")
    with FileSource(folder, camera="a", start=0.0) as source:
        assert [f.index for f in source] == [0, 1, 2]
        assert source.corrupt == 1


def test_a_video_that_was_cut_off_is_shown_to_the_cut(cut_clip: Path, index_of: IndexOf) -> None:
    seen: list[Frame] = []

    def take(source: FileSource) -> None:
        for frame in source:
            seen.append(frame)

    with (
        FileSource(cut_clip, camera="a", start=0.0) as source,
        pytest.raises(StreamBrokenError, match="cut off"),
    ):
        take(source)
    assert 5 < len(seen) < 20
    assert [index_of(f.image) for f in seen] == list(range(len(seen)))


def test_what_cannot_be_shown_is_refused_on_opening(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    for path in (tmp_path / "missing", tmp_path / "empty", tmp_path / "text.mp4"):
        source = FileSource(path, camera="a", start=0.0)
        with pytest.raises(MediaError):
            source.open()
        source.close()
    with pytest.raises(MediaTooLargeError):
        FileSource(folder / "9.png", camera="a", start=0.0, max_pixels=10).open()


def test_a_file_can_be_opened_again(clip: Path) -> None:
    source = FileSource(clip, camera="a", start=0.0)
    for _ in range(2):
        with source:
            assert [f.index for f in source] == list(range(20))


def test_nothing_stays_open(clip: Path, cut_clip: Path, folder: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(35):
        for path in (clip, cut_clip, folder):
            with FileSource(path, camera="a", start=0.0) as source:
                next(iter(source))
    assert len(os.listdir("/proc/self/fd")) == before


def test_times_are_those_of_the_real_clip(assets: Path) -> None:
    clip = assets / "videos" / "asl_bird.mkv"
    with open_video(clip) as reader:
        expected = [START + p.pts for p in reader]
    with FileSource(clip, camera="a", start=START) as source:
        assert [f.time for f in source] == expected
    assert expected[0] == pytest.approx(START + 0.033)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], []),
        ([0.0, 0.5, 1.0], [0.0, 0.5, 1.0]),
        ([-1.0, 0.0], [-1.0, 0.0]),
        ([7.0, 7.0, 7.5], [7.0, 7.0, 7.5]),
        ([5.0, 5.5, 0.0, 0.5, 9.0], [5.0, 5.5, 6.0, 6.5, 15.0]),
        ([5.0, 0.0, 0.25, 0.0, 0.25], [5.0, 5.25, 5.5, 5.75, 6.0]),
    ],
    ids=["none", "forward", "before zero", "equal", "back once", "back twice"],
)
def test_times_never_go_back(given: list[float], expected: list[float]) -> None:
    timeline = Timeline(0.25)
    assert [timeline.place(pts) for pts in given] == expected


def test_a_joined_recording_keeps_its_pace(tmp_path: Path) -> None:
    import av

    path = tmp_path / "a.ts"
    for _ in range(2):
        with av.open(str(tmp_path / "part.ts"), "w") as container:
            stream = container.add_stream("mpeg1video", rate=25)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for index in range(10):
                frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="bgr24")
                frame = frame.reformat(format="yuv420p")
                frame.pts = index
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        with path.open("ab") as joined:
            joined.write((tmp_path / "part.ts").read_bytes())
    with open_video(path) as reader:
        assert min(np.diff([p.pts for p in reader])) < 0  # or this test shows nothing
    with FileSource(path, camera="a", start=0.0) as source:
        steps = np.diff([f.time for f in source])
    assert len(steps) == 19
    np.testing.assert_allclose(steps, 0.04, atol=1e-3)


def test_capture_loads_neither_opencv_nor_a_model_runtime(clip: Path) -> None:
    code = (
        "import sys\n"
        "from edge.capture.decode_ahead import decode_ahead\n"
        "from edge.capture.file import FileSource\n"
        "assert 'av' not in sys.modules\n"
        "with decode_ahead(FileSource(sys.argv[1], camera='a', start=0.0), 2) as source:\n"
        "    assert sum(1 for _ in source) == 20\n"
        "print([m for m in ('cv2', 'onnxruntime', 'sqlite3') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(clip)], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
