"""What is amiss with the device, told to consumers: ``system.degraded``, ``started`` and ``ended``.

Every problem that health knows is told once when it begins and once when it is over, in that order,
also where it had to wait because the outbox itself had no room. Cameras have events of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from edge.events.build import SystemName
from edge.events.payloads import Scalar
from edge.ops.health import HealthMonitor
from edge.types import Phase

_CAMERA = "camera_lost:"
# A broker that is started anew is nobody's business; one that stays away is.
_PATIENCE_S = {"mqtt": 30.0, "mqtt_refused": 30.0}


def camera_lost(camera: str) -> str:
    """The name that health gives the problem of a camera that is away."""
    return f"{_CAMERA}{camera}"


class Say(Protocol):
    """Whatever commits an event about the device."""

    def __call__(
        self,
        name: SystemName,
        *,
        reason: str,
        detail: Mapping[str, Scalar],
        phase: Phase,
        at: float,
    ) -> bool:
        """False where it could not be committed now."""


@dataclass(slots=True)
class _Trouble:
    """One problem. began: by the monotonic clock; at: by the wall clock, when it was first seen.
    over: when it was first seen to be gone, by either clock."""

    text: str
    began: float
    at: float
    told: bool = False
    over: tuple[float, float] | None = None


class Troubles:
    """Looks at health now and then and says what has changed.

    clock: seconds, monotonic. wall: seconds since the epoch, for what is published.
    """

    def __init__(
        self,
        monitor: HealthMonitor,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._monitor = monitor
        self._clock = clock
        self._wall = wall
        self._troubles: dict[str, _Trouble] = {}

    def look(self, say: Say) -> None:
        """Tell what is new, and what is over."""
        now, at = self._clock(), self._wall()
        problems = self._monitor.problems
        for name, text in problems.items():
            if not name.startswith(_CAMERA):
                self._troubles.setdefault(name, _Trouble(text, now, at)).over = None
        for name, trouble in list(self._troubles.items()):
            if name not in problems and trouble.over is None:
                trouble.over = now, at
            if self._tell(name, trouble, now, say):
                del self._troubles[name]

    def _tell(self, name: str, trouble: _Trouble, now: float, say: Say) -> bool:
        """Say what is due of one problem; whether there is nothing more to say of it."""
        until, until_at = trouble.over or (now, 0.0)
        lasted = until - trouble.began
        if not trouble.told and lasted >= _PATIENCE_S.get(name, 0.0):
            trouble.told = say(
                "degraded",
                reason=trouble.text,
                detail={"problem": name},
                phase=Phase.STARTED,
                at=trouble.at,
            )
            if not trouble.told:
                return False
        if trouble.over is None or not trouble.told:
            return trouble.over is not None
        return say(
            "degraded",
            reason=trouble.text,
            detail={"problem": name, "seconds": round(lasted, 1)},
            phase=Phase.ENDED,
            at=until_at,
        )
