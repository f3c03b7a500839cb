from __future__ import annotations

import io
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator

import pytest

from edge.ops.logs import LogFormat, configure_logging, mask_urls, utc_time

Lines = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def log_to_memory(log_format: LogFormat, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    configure_logging(level=level, log_format=log_format, stream=stream)
    return stream


def raise_and_log() -> None:
    try:
        raise ValueError("cannot open rtsp://me:secret@cam/1")
    except ValueError:
        logging.getLogger("edge.capture").exception("camera %s", "door")


def test_a_line_for_people() -> None:
    stream = log_to_memory("text")
    logging.getLogger("edge.x").warning("%d frames", 3)
    stamp, level, name, text = stream.getvalue().split(maxsplit=3)
    assert stamp.endswith("Z")
    assert len(stamp) == len("2026-11-21T10:00:00.123Z")
    assert (level, name, text) == ("warning", "edge.x:", "3 frames\n")


def test_a_line_for_programs() -> None:
    stream = log_to_memory("json")
    logging.getLogger("edge.x").warning("%d frames\nof é", 3)
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    stamp = record.pop("time")
    assert stamp.endswith("Z")
    assert record == {
        "level": "warning",
        "logger": "edge.x",
        "thread": "MainThread",
        "message": "3 frames\nof é",
    }


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_exception_stays_on_one_line_and_keeps_no_secret(log_format: LogFormat) -> None:
    stream = log_to_memory(log_format)
    raise_and_log()
    (line,) = stream.getvalue().splitlines()
    assert "camera door" in line
    assert "Traceback" in line
    assert "ValueError: cannot open rtsp://***@cam/1" in line
    assert "secret" not in line


def test_a_program_finds_the_exception_apart_from_the_message() -> None:
    stream = log_to_memory("json")
    raise_and_log()
    record = json.loads(stream.getvalue())
    assert record["message"] == "camera door"
    assert record["exception"].startswith("Traceback (most recent call last):\n")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_message_from_outside_can_forge_no_line(log_format: LogFormat) -> None:
    stream = log_to_memory(log_format)
    logging.getLogger("x").info("server: %s", "a\n<3>b\r\x1b[31m\u2028\x85c")
    text = stream.getvalue()
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text


def test_the_level_is_obeyed_and_the_setup_before_is_replaced() -> None:
    first = log_to_memory("text", "debug")
    second = log_to_memory("text", "error")
    logging.getLogger("x").warning("quiet")
    logging.getLogger("x").error("loud")
    assert first.getvalue() == ""
    assert [line.split()[-1] for line in second.getvalue().splitlines()] == ["loud"]


def test_warnings_are_records() -> None:
    stream = log_to_memory("text")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(True)
        warnings.warn("old", UserWarning, stacklevel=1)
    (line,) = stream.getvalue().splitlines()
    assert "py.warnings" in line
    assert "UserWarning: old" in line


def test_the_journal_gets_priorities_and_nobody_else() -> None:
    reading, writing = os.pipe()
    with open(reading) as journal, open(writing, "w") as stream:
        found = os.fstat(writing)
        for identity in ((found.st_dev, found.st_ino), (found.st_dev, found.st_ino + 1), None):
            configure_logging(level="debug", stream=stream, journal_stream=identity)
            logger = logging.getLogger("x")
            for level in (10, 20, 30, 40, 50):
                logger.log(level, "a\nb")
        stream.close()
        lines = journal.readlines()
    assert [line[:3] for line in lines[:5]] == ["<7>", "<6>", "<4>", "<3>", "<2>"]
    assert len(lines) == 15
    assert [line[:1] for line in lines[5:]] == ["2"] * 10


def test_programs_get_priorities_too() -> None:
    reading, writing = os.pipe()
    with open(reading) as journal, open(writing, "w") as stream:
        found = os.fstat(writing)
        configure_logging(
            level="info",
            log_format="json",
            stream=stream,
            journal_stream=(found.st_dev, found.st_ino),
        )
        logging.getLogger("x").error("a")
        stream.close()
        line = journal.read()
    assert line.startswith("<3>")
    assert json.loads(line.removeprefix("<3>"))["message"] == "a"


def test_standard_error_is_where_it_goes_by_itself(capfd: pytest.CaptureFixture[str]) -> None:
    stream = sys.stderr
    configure_logging(level="info")
    logging.getLogger("x").info("here")
    stream.flush()
    assert capfd.readouterr().err.endswith("here\n")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("no address", "no address"),
        ("see https://host/page", "see https://host/page"),
        ("rtsp://me:secret@cam:554/1", "rtsp://***@cam:554/1"),
        ("'rtsp://me:secret@cam'", "'rtsp://***@cam'"),
        ("'rtsp://cam:554': refused", "'rtsp://cam:554': refused"),
        ("rtsp://me:se/c@r?et@cam/1.", "rtsp://***@cam/1."),
        ("rtsp://cam/1?user=me&password=secret)", "rtsp://cam/1?***)"),
        ("rtsp://cam/user=me&password=secret", "rtsp://cam/***"),
        ("a mqtts://me:secret@a, http://b:secret@c", "a mqtts://***@a, http://***@c"),
        ("[rtsp://me:secret@cam/1]", "[rtsp://***@cam/1]"),
        ("rtsp://me:secret", "rtsp://***"),
    ],
)
def test_credentials_in_addresses_are_masked(text: str, masked: str) -> None:
    assert mask_urls(text) == masked


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_credentials_that_are_arguments_are_masked(log_format: LogFormat) -> None:
    stream = log_to_memory(log_format)
    logging.getLogger("x").info(
        "opening %r from %s", "rtsp://a:secret@cam/1", ["rtsp://b:secret@c"]
    )
    assert "secret" not in stream.getvalue()
    assert "rtsp://***@cam/1" in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1795255200.123, "2026-11-21T10:00:00.123Z"),
        (1795255199.9999, "2026-11-21T09:59:59.999Z"),
    ],
)
def test_times_are_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert utc_time(seconds) == text
