from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from edge.store.base import Consent, Enrolled, Person
from edge.types import Embedding, EventDraft

ROOT = Path(__file__).resolve().parents[2]

Drafter = Callable[..., EventDraft]
Enroller = Callable[..., Enrolled]
Personifier = Callable[..., Person]
Prober = Callable[[Path, list[bytes]], list[bytes]]
Sharer = Callable[..., "subprocess.Popen[str]"]

DOOR = "edgewarden/hq/gate-01/door"


@pytest.fixture
def draft() -> Drafter:
    def make(source: str = DOOR, *, time: float = 1.5, **data: object) -> EventDraft:
        return EventDraft(source, "edgewarden.face.unknown.v1", "track/1", time, {**data})

    return make


@pytest.fixture
def enrolled() -> Enroller:
    """A template with a random vector that its seed fixes."""

    def make(seed: int, *, space: str = "space-1", dimension: int = 256) -> Enrolled:
        vector = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
        return Enrolled(
            embedding=Embedding(vector / np.linalg.norm(vector), space),
            quality=0.75,
            source=f"clip-{seed}.mkv",
            created=100.0 + seed,
        )

    return make


@pytest.fixture
def person() -> Personifier:
    def make(id: str, *, name: str = "", text: str = "agreed on paper") -> Person:
        return Person(id=id, name=name or id.title(), created=50.0, consents=(Consent(text, 40.0),))

    return make


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for other processes only as long as it takes to see that one waits."""
    monkeypatch.setattr("edge.store.sqlite.BUSY_TIMEOUT_S", 0.05)


@pytest.fixture
def found_in() -> Prober:
    """Which of some byte strings stand anywhere in the files of a folder.

    Another process looks: closing a database's file here would drop SQLite's locks on it.
    """
    script = (
        "import sys, pathlib\n"
        "raw = b''.join(p.read_bytes() for p in pathlib.Path(sys.argv[1]).iterdir())\n"
        "print(*(int(bytes.fromhex(word) in raw) for word in sys.stdin.read().split()))"
    )

    def look(folder: Path, words: list[bytes]) -> list[bytes]:
        answer = subprocess.run(
            [sys.executable, "-I", "-S", "-c", script, str(folder)],
            input=" ".join(word.hex() for word in words),
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        return [word for word, hit in zip(words, answer, strict=True) if hit == "1"]

    return look


@pytest.fixture
def other_process() -> Iterator[Sharer]:
    """Runs a script in another process, returns when it has printed a line.

    It ends when its standard input closes, at the latest with the test.
    """
    with ExitStack() as stack:

        def start(script: str, *arguments: object) -> subprocess.Popen[str]:
            process = stack.enter_context(_running(script, *arguments))
            assert process.stdout is not None
            assert process.stdout.readline()
            return process

        yield start


@contextmanager
def _running(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    connection.execute(statement).fetchall()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holding(other_process: Sharer) -> Sharer:
    """Another process that runs statements on a database and then keeps its connection open."""

    def hold(path: Path, *statements: str) -> subprocess.Popen[str]:
        return other_process(HOLD, path, *statements)

    return hold


@pytest.fixture
def let_go() -> Callable[[subprocess.Popen[str]], None]:
    def end(process: subprocess.Popen[str]) -> None:
        process.communicate()

    return end
