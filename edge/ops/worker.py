"""A named thread whose error is kept for whoever joins it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from threading import Thread
from types import TracebackType


class Worker:
    """Runs ``body`` once on a thread of its own, from ``start`` until ``join``."""

    def __init__(self, name: str, body: Callable[[], None]) -> None:
        self._thread = Thread(target=self._run, name=name, daemon=False)
        self._body = body
        self._fault: BaseException | None = None

    @property
    def fault(self) -> BaseException | None:
        """The error that ended the thread."""
        return self._fault

    def start(self) -> None:
        """Begin. Once only."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end, then raise the error that caused it, if one did."""
        self._thread.join()
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        with ExitStack() as kept:
            kept.push(self._keep)
            self._body()

    def _keep(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._fault = error
        return True
