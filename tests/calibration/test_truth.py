"""The list of who is in which clip, as spreadsheets and people write it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from calibration.truth import read_truth
from edge.errors import UsageError

Read = Callable[[bytes], dict[str, str | None]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a list and read it."""

    def read_bytes(content: bytes) -> dict[str, str | None]:
        path = tmp_path / "truth.csv"
        path.write_bytes(content)
        return read_truth(path)

    return read_bytes


def test_clips_are_known_by_camera_id(read: Read) -> None:
    truth = read(b"file,person\nvideos/ASL Again.mkv,A\nbottle.mp4,\n")
    assert truth == {"asl-again": "a", "bottle": None}


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter(read: Read) -> None:
    assert read(b"\xef\xbb\xbffile,person\r\na.mkv,b\r\n") == {"a": "b"}


def test_other_columns_blank_lines_and_spaces_are_passed_over(read: Read) -> None:
    assert read(b"note, person ,file\nx, b , a.mkv\n\ny,  ,c.mkv\n") == {"a": "b", "c": None}


def test_a_clip_that_comes_twice_is_refused_with_both_lines(read: Read) -> None:
    with pytest.raises(UsageError) as caught:
        read(b"file,person\nASL Again.mkv,a\nother.mkv,b\nold/asl-again.mp4,b\n")
    assert "names the clip asl-again twice" in str(caught.value)
    assert "'ASL Again.mkv' in line 2 and 'old/asl-again.mp4' in line 4" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "expected a CSV with columns file,person; found an empty file"),
        (b"clip,who\na,b\n", "expected a CSV with columns file,person; found clip, who"),
        (b"file;person\na;b\n", "found file;person"),
        (b"file,person\n", "names no clip"),
        (b"file,person\na.mkv,b\nc.mkv\n", "line 3 does not fit the headings"),
        (b"file,person\na, one.mkv,b\n", "found more values"),
        (b"person,file\nb, \n", "line 2 names no clip"),
        (b"file,person\n\xfcber.mkv,b\n", "found other text than UTF-8: byte 12"),
    ],
)
def test_what_is_no_such_list_is_refused(read: Read, content: bytes, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(content)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "reason"), [("none.csv", "No such file or directory"), (".", "Is a directory")]
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason_alone(
    tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_truth(tmp_path / name)
    assert f"; found {reason}" in str(caught.value)
    assert "Errno" not in str(caught.value)
