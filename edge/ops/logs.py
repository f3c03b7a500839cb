"""What the daemon says of itself: one line a record, without anybody's password.

A line is text for people, or a JSON object for programs; times are UTC. On its way to the journal
each line begins with its priority (sd-daemon(3)). Passwords are kept out of messages where those
are written; the mask here is the last line of defence, for what a library quotes.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from typing import Literal, TextIO

from edge.site.source import mask_credentials

LogFormat = Literal["text", "json"]

_SPECIAL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_AROUND_URLS = "\"'`.,;:)]}>"
# syslog(3): err, warning, info, debug; crit for what ends the daemon.
_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)


def configure_logging(
    *,
    level: str,
    log_format: LogFormat = "text",
    journal_stream: tuple[int, int] | None = None,
    stream: TextIO | None = None,
) -> None:
    """Send every record of this process to ``stream``, standard error by default.

    level: one of ``edge.config.LOG_LEVELS``. journal_stream: device and inode of the journal's
    pipe; where that is the stream, lines get priorities. What was set up before is replaced;
    warnings become records.
    """
    target = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(target)
    formatter = JsonFormatter() if log_format == "json" else TextFormatter()
    journal = journal_stream is not None and _identity(target) == journal_stream
    handler.setFormatter(JournalFormatter(formatter) if journal else formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)


def mask_urls(text: str) -> str:
    """The text with the users, passwords and queries of every URL in it replaced by ``***``."""
    return _URL.sub(_masked, text) if "://" in text else text


class TextFormatter(logging.Formatter):
    """``2026-11-21T10:00:00.123Z warning edge.ops: message``; line breaks are written ``\\n``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        text = "\n".join(part for part in (record.getMessage(), *_details(self, record)) if part)
        head = f"{utc_time(record.created)} {record.levelname.lower():<7} {record.name}:"
        return f"{head} {_SPECIAL.sub(_escaped, mask_urls(text))}"


class JsonFormatter(logging.Formatter):
    """An object with time, level, logger, thread and message, and with exception and stack where
    there are any."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        exception, stack = _details(self, record)
        fields = {
            "time": utc_time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": mask_urls(record.getMessage()),
            "exception": mask_urls(exception),
            "stack": mask_urls(stack),
        }
        return json.dumps({name: value for name, value in fields.items() if value})


class JournalFormatter(logging.Formatter):
    """Another formatter's lines, each after its priority: ``<4>``."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        number = next((number for level, number in _PRIORITIES if record.levelno >= level), 7)
        return f"<{number}>{self._inner.format(record)}"


def utc_time(seconds: float) -> str:
    """A time since the epoch as ``2026-11-21T10:00:00.123Z``."""
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{milliseconds:03d}Z"


def _details(formatter: logging.Formatter, record: logging.LogRecord) -> tuple[str, str]:
    """Traceback and stack of a record; empty where it has none."""
    exception = formatter.formatException(record.exc_info) if record.exc_info else ""
    return exception, formatter.formatStack(record.stack_info) if record.stack_info else ""


def _masked(url: re.Match[str]) -> str:
    text = url[0].rstrip(_AROUND_URLS)
    return mask_credentials(text) + url[0][len(text) :]


def _escaped(character: re.Match[str]) -> str:
    return character[0].encode("unicode_escape").decode("ascii")


def _identity(stream: TextIO) -> tuple[int, int] | None:
    try:
        found = os.fstat(stream.fileno())
    except OSError:  # it is no file, or closed
        return None
    return found.st_dev, found.st_ino
