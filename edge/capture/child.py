"""Processes that are forked from a lean server: started, watched and ended by this one.

The server (multiprocessing's forkserver) is a process that has loaded FFmpeg and NumPy, and neither
OpenCV nor a model runtime, and holds no file or socket of this process. Those forked from it share
its memory and start in milliseconds.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, forkserver, reduction, resource_tracker
from types import ModuleType
from typing import Any

from edge.errors import StreamBrokenError

PRELOAD = "edge.capture.preload"

# multiprocessing looks through all children whenever it starts one, and is not made for threads
# that end others meanwhile.
_CHILDREN = threading.Lock()

# SIGTERM, whether it was ready to obey or not yet.
_TOLD = (0, -signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class InheritedDescriptor:
    """A file descriptor as an argument of a child, in which it has a number of its own."""

    number: int

    def __reduce__(self) -> tuple[Any, ...]:
        return _inherit, (reduction.DupFd(self.number),)


class Child:
    """One running child. target and its arguments are pickled.

    Raises StreamBrokenError where no process can be had now.
    """

    def __init__(self, name: str, target: Callable[..., None], *args: object) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([PRELOAD])
        # Where this process ends without a word, multiprocessing ends its daemonic ones.
        process = context.Process(target=target, args=args, name=name, daemon=True)
        try:
            with _CHILDREN, _without_main_module():
                _start_server()
                process.start()
        except (OSError, EOFError) as exc:
            raise StreamBrokenError("no process can be started", found=str(exc)) from exc
        assert process.pid is not None
        self.pid = process.pid
        self._process = process

    @property
    def sentinel(self) -> int:
        """A descriptor that is readable once the child is gone."""
        return self._process.sentinel

    @property
    def was_told_to_end(self) -> bool:
        """Whether somebody asked it to go, and it went."""
        return self._exit_code() in _TOLD

    @property
    def ending(self) -> str:
        """How it ended, in words; empty while it lives."""
        code = self._exit_code()
        if code is None:
            return ""
        if code in _TOLD:
            return "its process was told to end"
        if code >= 0:
            return f"its process ended with exit code {code}"
        return f"its process was ended by {signal.Signals(-code).name}"

    def _exit_code(self) -> int | None:
        with _CHILDREN:
            return self._process.exitcode

    def end(self, *, grace_s: float, kill_s: float) -> bool:
        """Terminate it; after ``grace_s`` seconds kill it. False where it lives on even then."""
        for send, patience in ((self._process.terminate, grace_s), (self._process.kill, kill_s)):
            with _CHILDREN:
                if self._process.is_alive():
                    send()
            if connection.wait([self.sentinel], patience):
                with _CHILDREN:
                    self._process.join()
                    self._process.close()
                return True
        return False


def _start_server() -> None:
    """Start the server unless it runs, with those signals held back that it will not obey."""
    resource_tracker.ensure_running()  # it would let go of them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_main_module() -> Iterator[None]:
    """Keep multiprocessing from running the main module's file again in the child.

    It does so for functions that are defined there. Ours are not, and what the command line loads
    would cost each child 14 MB and a third of a second.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _inherit(descriptor: Any) -> InheritedDescriptor:
    return InheritedDescriptor(descriptor.detach())
