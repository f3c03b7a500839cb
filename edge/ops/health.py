"""How the daemon is: stages that beat, problems that have names, and one verdict over both.

A stage is anything that has to go on and on: the capture of one camera, the loop, the publisher.
What happens outside (a camera or the broker is away) is a problem, not a stage that stands still:
whoever copes with it keeps beating. Times are of ``time.monotonic``, so that no jump of the wall
clock makes a stage late.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from threading import Lock
from types import TracebackType

_log = logging.getLogger(__name__)

Clock = Callable[[], float]
Fault = Callable[[], BaseException | None]


class Health(str, Enum):
    """How the daemon is, in one word."""

    STARTING = "starting"
    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"
    STOPPING = "stopping"


class Stage:
    """One thing that has to go on; ``Progress.stage`` makes it, its own thread beats.

    As a context manager it is taken off the list in the end, or, where an error leaves the block,
    stays on it as failed.
    """

    def __init__(self, name: str, *, deadline_s: float, progress: Progress) -> None:
        self.name = name
        self._deadline_s = deadline_s
        self._progress = progress
        self._due = 0.0
        self._failure: str | None = None
        self.beat()

    def beat(self, *, within_s: float | None = None) -> None:
        """It goes on. within_s: when to expect the next beat, where not by the usual deadline."""
        wait = self._deadline_s if within_s is None else within_s
        self._due = self._progress.now() + wait

    def fail(self, reason: str) -> None:
        """It will not go on any more."""
        self._failure = reason

    def end(self) -> None:
        """It has nothing more to do, and that is well."""
        self._progress.remove(self)

    def trouble(self, now: float) -> str | None:
        """Why it does not go on, if it does not."""
        if self._failure is not None:
            return f"{self.name}: {self._failure}"
        late = now - self._due
        return f"{self.name}: no progress, {late:.1f} s late" if late > 0 else None

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.end()
        else:
            self.fail(f"stopped by {type(error).__name__}")


class Progress:
    """The stages that have to go on. May be used from every thread."""

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self.now = clock
        self._lock = Lock()
        self._stages: dict[str, Stage] = {}

    def stage(self, name: str, *, deadline_s: float) -> Stage:
        """Add a stage that beats at least every ``deadline_s`` seconds from now on.

        One of the same name is replaced: a camera that is started anew forgets its old failure.
        """
        stage = Stage(name, deadline_s=deadline_s, progress=self)
        with self._lock:
            self._stages[name] = stage
        return stage

    def remove(self, stage: Stage) -> None:
        """Take a stage off the list; one that was replaced changes nothing any more."""
        with self._lock:
            if self._stages.get(stage.name) is stage:
                del self._stages[stage.name]

    def troubles(self) -> list[str]:
        """Every stage that does not go on, with why, by name."""
        with self._lock:
            stages = sorted(self._stages.values(), key=lambda stage: stage.name)
        now = self.now()
        return [text for stage in stages if (text := stage.trouble(now)) is not None]


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The verdict at one moment. reasons: what is behind ``degraded`` or ``failed``."""

    health: Health
    reasons: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The report for programs."""
        return {"health": self.health.value, "reasons": list(self.reasons)}

    def __str__(self) -> str:
        return "; ".join([self.health.value, *self.reasons])


class HealthMonitor:
    """Decides how the daemon is, and is the only one who does.

    ``check`` writes the verdict and ``report`` reads it. A stage that does not go on and a fault
    of a thread mean ``failed``, a problem ``degraded``; ``failed`` also while starting, but
    nothing follows ``stopping``. May be used from every thread.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = Lock()
        self._problems: dict[str, str] = {}
        self._faults: dict[str, Fault] = {}
        self._phase = Health.STARTING
        self._report = HealthReport(Health.STARTING)

    @property
    def report(self) -> HealthReport:
        """The verdict of the last check."""
        return self._report

    @property
    def problems(self) -> dict[str, str]:
        """What ``problem`` was told and ``solved`` was not, by name."""
        with self._lock:
            return dict(self._problems)

    def watchdog_ok(self) -> bool:
        """Whether, at this moment, every stage that has to go on does."""
        return not self._failures()

    def ready(self) -> None:
        """Everything was started."""
        self._enter(Health.OK)

    def stopping(self) -> None:
        """The end was asked for."""
        self._enter(Health.STOPPING)

    def problem(self, name: str, detail: str = "") -> None:
        """Something is amiss until ``solved`` is told the same name: ``camera_lost:door``."""
        with self._lock:
            self._problems[name] = detail
        self.check()

    def solved(self, name: str) -> None:
        """What ``problem`` told is over. Unknown names are ignored."""
        with self._lock:
            self._problems.pop(name, None)
        self.check()

    def watch(self, name: str, fault: Fault) -> None:
        """Look at the ``fault`` of something with a thread of its own in every check."""
        with self._lock:
            self._faults[name] = fault

    def forget(self, name: str) -> None:
        """Look at it no more. Unknown names are ignored."""
        with self._lock:
            self._faults.pop(name, None)
        self.check()

    def check(self) -> HealthReport:
        """Look at everything and write the verdict; a change of health is logged."""
        with self._lock:  # from the first look to the verdict, so that the last one counts
            failures = self._failures()
            before = self._report.health
            problems = [
                f"{name}: {text}" if text else name for name, text in self._problems.items()
            ]
            health = self._phase
            if health is not Health.STOPPING and failures:
                health = Health.FAILED
            elif health is Health.OK and problems:
                health = Health.DEGRADED
            report = self._report = HealthReport(health, (*failures, *problems))
        if health is not before:
            _log.log(_LEVELS[health], "health: %s, before: %s", report, before.value)
        return report

    def _enter(self, phase: Health) -> None:
        with self._lock:
            if self._phase is not Health.STOPPING:
                self._phase = phase
        self.check()

    def _failures(self) -> list[str]:
        faults = [(name, fault()) for name, fault in list(self._faults.items())]
        return self._progress.troubles() + [
            f"{name}: stopped by {type(error).__name__}" for name, error in faults if error
        ]


_LEVELS = {
    Health.STARTING: logging.INFO,
    Health.OK: logging.INFO,
    Health.DEGRADED: logging.WARNING,
    Health.FAILED: logging.ERROR,
    Health.STOPPING: logging.INFO,
}
