from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

WaitFor = Callable[[Callable[[], object]], None]


class Clock:
    """A monotonic clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Manager:
    """The end of a notify socket that systemd holds."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(5)

    def next(self) -> str:
        """The next message; waits for it."""
        return self.socket.recv(4096).decode()

    def waiting(self) -> list[str]:
        """Every message that is there already."""
        self.socket.setblocking(False)
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                self.socket.settimeout(5)
                return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """Listens at the path ``notify`` below tmp_path."""
    manager = Manager(str(tmp_path / "notify"))
    with manager.socket:
        yield manager


@pytest.fixture
def abstract_manager() -> Iterator[Manager]:
    """Listens at an abstract name."""
    manager = Manager(f"\0edgewarden-test-{os.getpid()}")
    with manager.socket:
        yield manager


@pytest.fixture
def wait_for() -> WaitFor:
    """Wait until something holds; fails after ten seconds."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.01)

    return wait


@pytest.fixture(autouse=True)
def no_thread_survives() -> Iterator[None]:
    """Whatever a test starts is gone at its end."""
    before = set(threading.enumerate())
    yield
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert left == set()
