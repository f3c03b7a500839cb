"""Bad input ends with exit 2 and failures while running with exit 1; nothing is half-written."""

from __future__ import annotations

import json
import signal
import sqlite3
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest


def audio_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def png_of(path: Path, width: int, height: int) -> None:
    """A valid PNG of one colour whose rows compress to almost nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "cut in its header", "audio only"])
def test_a_video_that_cannot_be_opened_is_refused_before_any_work(
    run: Any, world: Any, clip: Any, tmp_path: Path, capsys: Any, kind: str
) -> None:
    bad = tmp_path / ("bad.wav" if kind == "audio only" else "bad.mp4")
    if kind == "empty":
        bad.write_bytes(b"")
    elif kind == "text":
        bad.write_text("not a video\n" * 100)
    elif kind == "cut in its header":
        bad.write_bytes(clip(1).read_bytes()[:200])
    elif kind == "audio only":
        audio_only(bad)
    out = tmp_path / "out.jsonl"
    seen = tmp_path / "seen.mp4"
    before = sorted(tmp_path.iterdir())
    code = run("replay", clip(1), bad, "--config", world.site, "--events", out, "--annotate", seen)
    error = capsys.readouterr().err
    assert code == 2
    assert bad.name in error
    assert "Traceback" not in error
    assert set(tmp_path.iterdir()) - {tmp_path / "person-1.mp4"} == set(before) - {
        tmp_path / "person-1.mp4"
    }


def test_a_video_that_breaks_off_is_replayed_to_the_cut(
    run: Any, world: Any, tmp_path: Path, film: Any, portrait: Any, capsys: Any
) -> None:
    whole = film(tmp_path / "whole.mkv", [portrait(1)] * 60)
    cut = tmp_path / "cut.mkv"
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 6 // 10])
    out = tmp_path / "out.jsonl"
    assert run("replay", cut, "--config", world.site, "--events", out) == 1
    events = [json.loads(line) for line in out.read_text().splitlines()]
    assert [event["data"]["phase"] for event in events] == ["started", "ended"]
    assert 10 < events[-1]["data"]["track_frames"] < 60


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("detector =", "detecter =", ["detecter", "detector"]),
        ("threshold = 0.6", "threshold = -0.6", ["threshold"]),
        ('id = "hq"', 'id = "H Q"', ["H Q"]),
        ('"recogniser-bundle"', '"detector-bundle"', ["recogniser", "role detector"]),
        ('"detector-bundle"', '"nowhere"', ["nowhere"]),
        ("[recognition]", '[[rules]]\nid = "r"\non = ["face.unkown"]\n[recognition]', ["unknown"]),
        (
            "[recognition]",
            '[[rules]]\nid = "r"\non = ["face.unknown"]\ncameras = ["door"]\n[recognition]',
            ["door"],
        ),
        (
            "[recognition]",
            '[[rules]]\nid = "r"\non = ["face.unknown"]\nzones = ["hall"]\n[recognition]',
            ["hall"],
        ),
        ("[recognition]", 'liveness = "detector-bundle"\n[recognition]', ["liveness"]),
    ],
)
def test_a_site_file_that_is_wrong_is_refused(
    run: Any, world: Any, clip: Any, capsys: Any, old: str, new: str, words: list[str]
) -> None:
    world.edit(old, new)
    assert run("replay", clip(1), "--config", world.site) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    for word in words:
        assert word in error


def test_an_unknown_camera_is_refused(run: Any, world: Any, clip: Any, capsys: Any) -> None:
    assert run("replay", clip(1), "--config", world.site, "--camera", "door") == 2
    assert "door" in capsys.readouterr().err


def test_an_events_file_in_no_folder_is_refused(
    run: Any, world: Any, clip: Any, tmp_path: Path
) -> None:
    out = tmp_path / "none" / "out.jsonl"
    assert run("replay", clip(1), "--config", world.site, "--events", out) == 2
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ("person", "consent", "word"), [("Anna K", "yes", "id rule"), ("anna", "  ", "consent")]
)
def test_enrolling_needs_an_id_and_consent(
    run: Any, world: Any, clip: Any, capsys: Any, person: str, consent: str, word: str
) -> None:
    arguments = ["--config", world.site, "--consent", consent]
    assert run("enrol", person, clip(1), *arguments) == 2
    assert word in capsys.readouterr().err
    assert not (world.folder / "state").exists()


def test_an_image_too_large_to_decode_is_refused(
    run: Any, world: Any, tmp_path: Path, capsys: Any
) -> None:
    huge = tmp_path / "huge.png"
    png_of(huge, 30_000, 30_000)
    assert run("enrol", "anna", huge, "--config", world.site, "--consent", "yes") == 2
    assert "30000" in capsys.readouterr().err
    assert not (world.folder / "state").exists()


def test_a_picture_without_a_face_enrols_nobody(
    run: Any, world: Any, tmp_path: Path, film: Any, portrait: Any, capsys: Any
) -> None:
    dark = film(tmp_path / "dark.mp4", [portrait(1) * 0] * 20)
    assert run("enrol", "anna", dark, "--config", world.site, "--consent", "yes") == 2
    assert "no face" in capsys.readouterr().err


def test_pictures_of_two_people_are_not_one_person(
    run: Any, world: Any, clip: Any, capsys: Any
) -> None:
    arguments = ["--config", world.site, "--consent", "yes"]
    assert run("enrol", "anna", clip(1), clip(2), *arguments) == 2
    assert "do not show one person" in capsys.readouterr().err
    assert run("gallery", "list", "--config", world.site) == 0
    assert "nobody" in capsys.readouterr().out


@contextmanager
def locked(database: Path) -> Iterator[None]:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_a_gallery_held_by_another_process_fails_with_state_whole(
    run: Any, world: Any, clip: Any, capsys: Any
) -> None:
    arguments = ["--config", world.site, "--consent", "yes"]
    assert run("enrol", "anna", clip(1), *arguments) == 0
    with locked(world.folder / "state" / "gallery.db"):
        assert run("enrol", "berta", clip(2), *arguments) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert run("gallery", "list", "--config", world.site, "--json") == 0
    assert [person["id"] for person in json.loads(capsys.readouterr().out)] == ["anna"]


@pytest.mark.parametrize("kind", ["grey", "alpha", "16-bit"])
def test_any_kind_of_picture_enrols(
    run: Any, world: Any, tmp_path: Path, portrait: Any, kind: str
) -> None:
    picture = portrait(1)
    formats = {"grey": ("gray", "gray"), "alpha": ("bgra", "rgba"), "16-bit": ("bgr48", "rgb48be")}
    _, target = formats[kind]
    frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(format=target)
    path = tmp_path / "face.png"
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, target
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    assert run("enrol", "anna", path, "--config", world.site, "--consent", "yes") == 0


@pytest.mark.parametrize("option", ["--events", "--annotate"])
@pytest.mark.parametrize("target", ["clip", "site", "gallery"])
def test_an_output_never_replaces_what_is_needed(
    run: Any, world: Any, clip: Any, capsys: Any, option: str, target: str
) -> None:
    source = clip(1)
    places = {
        "clip": source,
        "site": world.site,
        "gallery": world.folder / "state" / "gallery.db",
    }
    place = places[target]
    before = place.read_bytes() if place.exists() else None
    assert run("replay", source, "--config", world.site, option, place) == 2
    assert "would replace" in capsys.readouterr().err
    assert (place.read_bytes() if place.exists() else None) == before


def test_two_outputs_are_two_files(run: Any, world: Any, clip: Any, tmp_path: Path) -> None:
    same = tmp_path / "same.mp4"
    arguments = ["--config", world.site, "--events", same, "--annotate", same]
    assert run("replay", clip(1), *arguments) == 2
    assert not same.exists()


def test_a_bench_needs_a_round(run: Any, world: Any, clip: Any, capsys: Any) -> None:
    assert run("bench", "pipeline", clip(1), "--config", world.site, "--rounds", "0") == 2
    assert "1 or more" in capsys.readouterr().err


def test_a_terminated_replay_leaves_nothing_behind(
    run: Any, world: Any, film: Any, portrait: Any, tmp_path: Path
) -> None:
    long = film(tmp_path / "long.mp4", [portrait(1)] * 3000)
    before = set(tmp_path.iterdir())
    words = ["replay", long, "--config", world.site, "--events", tmp_path / "out.jsonl"]
    words += ["--annotate", tmp_path / "seen.mp4"]
    code = "import sys; from edge.cli import main; sys.exit(main(sys.argv[1:]))"
    with subprocess.Popen([sys.executable, "-c", code, *map(str, words)]) as process:
        while not any(".part" in path.name for path in tmp_path.iterdir()):
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert set(tmp_path.iterdir()) == before
