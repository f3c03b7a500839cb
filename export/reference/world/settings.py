"""What a scene is asked to be; what is left open, its seed decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from export.reference.world.truth import ANOMALIES, BEHAVIOURS, Anomaly, Behaviour

Place = Literal["lobby", "corridor", "street", "yard", "car_park"]

PLACES: tuple[Place, ...] = ("lobby", "corridor", "street", "yard", "car_park")


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSettings:
    """Of one scene.

    place: None for any. close: a camera that people walk up to, so that faces are 40 to 120 pixels
    wide in a frame of 640; in a lobby or corridor only. view: seed of the place and its camera, so
    that many scenes are of one place; None for the scene's own. size: width and height, pixels.
    fps: frames a second. seconds: how long. people: how many at most. identities: seeds of the
    people who come, in that order and then again; None for anyone. behaviours: what the people do,
    in that order; None for anything. night: None for either. nuisance: strength of noise, blur,
    shake, rain, moving shadows and flicker, 0..1. anomaly: what is wrong from ``anomaly_from``
    seconds on; None for nothing.

    Raises ValueError for what cannot be a scene.
    """

    place: Place | None = None
    close: bool = False
    view: int | None = None
    size: tuple[int, int] = (640, 360)
    fps: float = 15.0
    seconds: float = 8.0
    people: int = 3
    identities: tuple[int, ...] | None = None
    behaviours: tuple[Behaviour, ...] | None = None
    night: bool | None = None
    nuisance: float = 1.0
    anomaly: Anomaly | None = None
    anomaly_from: float = 0.0

    def __post_init__(self) -> None:
        _require(self.place is None or self.place in PLACES, "place", PLACES, self.place)
        indoors = self.place in (None, "lobby", "corridor")
        _require(not self.close or indoors, "place for a close camera", PLACES[:2], self.place)
        _require(min(self.size) >= 64, "size", "64 pixels or more", self.size)
        _require(self.fps > 0, "fps", "more than 0", self.fps)
        _require(self.seconds * self.fps >= 1, "seconds", "one frame or more", self.seconds)
        _require(0 <= self.people <= 12, "people", "0 to 12", self.people)
        _require(self.identities != (), "identities", "one or more, or None", self.identities)
        known = self.behaviours is None or (
            len(self.behaviours) > 0 and set(self.behaviours) <= set(BEHAVIOURS)
        )
        _require(known, "behaviours", BEHAVIOURS, self.behaviours)
        climbs = self.behaviours is not None and "climb" in self.behaviours
        fenced = not climbs or (self.place in (None, "yard") and not self.close)
        _require(fenced, "place to climb in", "yard", self.place)
        _require(0 <= self.nuisance <= 1, "nuisance", "0 to 1", self.nuisance)
        _require(self.anomaly in (None, *ANOMALIES), "anomaly", ANOMALIES, self.anomaly)

    @property
    def frames(self) -> int:
        """How many frames the scene has."""
        return max(1, round(self.seconds * self.fps))


def _require(fits: bool, name: str, expected: object, found: object) -> None:
    if not fits:
        raise ValueError(f"{name}: expected {expected}, found {found}")
