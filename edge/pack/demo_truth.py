"""What is true of the demo's clip: who is in it, who of them is enrolled, and what they do.

Seconds count from the clip's first frame; zones and the line are in fractions of the frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from edge.errors import BundleError
from edge.polygon import Point, Polygon

Watched = Literal["intrusion", "line_crossing", "loitering"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Span(_Part):
    """From when to when, seconds; the end is that of the last frame."""

    begins: float
    ends: float


class Shot(Span):
    """One take of the camera. first: index of its first frame. frames: how many it has."""

    first: int
    frames: int
    night: bool


# Index of a frame, then x1, y1, x2, y2 in pixels.
FaceAt = tuple[int, float, float, float, float]


class DemoPerson(_Part):
    """Somebody in the clip. face_px: the widest that their face is seen, pixels. faces: where it is
    in each frame in which it is large enough to be of use."""

    id: str
    enrolled: bool
    face_px: float
    seen: tuple[Span, ...]
    faces: tuple[FaceAt, ...]


class Conduct(Span):
    """What a camera that watches zones and a line has to tell. place: the zone's or line's name."""

    kind: Watched
    place: str
    person: str


class Act(Span):
    """What somebody is seen doing with their whole body in the picture."""

    behaviour: str
    person: str


class DemoTruth(_Part):
    """The truth of the clip. loitering_s: seconds in a zone from which on it is loitering."""

    format: Literal["1.0"]
    seed: int
    size: tuple[int, int]
    fps: float
    frames: int
    zones: dict[str, Polygon]
    line: tuple[Point, Point]
    line_name: str
    loitering_s: float
    shots: tuple[Shot, ...]
    people: tuple[DemoPerson, ...]
    conducts: tuple[Conduct, ...]
    acts: tuple[Act, ...]

    @property
    def enrolled(self) -> tuple[str, ...]:
        """The ids of those who are enrolled."""
        return tuple(person.id for person in self.people if person.enrolled)


def load_truth(path: Path) -> DemoTruth:
    """Read a truth.json. Raises BundleError where it is missing or is none."""
    try:
        return DemoTruth.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise BundleError(
            f"the demo's truth is not at {path}",
            expected="a truth.json beside the clip",
            found=exc.strerror or str(exc),
            remedy="Install edgewarden again; in a checkout: git checkout -- edge/pack",
        ) from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise BundleError(
            f"{path} is no truth of a demo clip",
            expected="what edgewarden reference demo-clip writes",
            found=f"{place}: {first['msg']}",
            remedy="Install edgewarden again; in a checkout: git checkout -- edge/pack",
        ) from exc
