"""What a self-test shows: a short clip, who is in it and when, and how its people are enrolled.

It is a folder with ``selftest.json`` and the files that it names::

    {"clip": "clip.mp4", "fps": 15.0, "zone": [[x, y], …],
     "visits": [{"person": "ada", "first": 12, "last": 80, "in_zone": false,
                 "faces": [{"frame": 20, "box": [x1, y1, x2, y2]}, …]}, …],
     "people": {"ada": ["ada-1.jpg", …]}, "strangers": ["someone.jpg", …],
     "probes": [{"picture": "clip-40.jpg", "people": [[x1, y1, x2, y2]],
                 "faces": [{"box": [x1, y1, x2, y2], "landmarks": [[x, y], …]}]}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.errors import BundleIntegrityError
from edge.ids import ID_RULE
from edge.polygon import Point
from edge.strict_json import read_strict_json

TRUTH_FILE = "selftest.json"
_LONGEST_TRUTH = 1 << 20

Id = Annotated[str, Field(pattern=ID_RULE)]
Index = Annotated[int, Field(ge=0)]
Box = tuple[float, float, float, float]


class _Part(BaseModel):
    # JSON has lists only; a frozen value keeps tuples.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FaceAt(_Part):
    """Where somebody's face is in a frame of the clip, in pixels."""

    frame: Index
    box: Box


class Visit(_Part):
    """Somebody who shows their face in the clip.

    person: who, None for a stranger. first, last: indices of the frames between which they are
    seen. in_zone: whether they enter the zone. faces: where their face is, in order, now and then.
    """

    person: Id | None
    first: Index
    last: Index
    in_zone: bool
    faces: tuple[FaceAt, ...]


class FaceTruth(_Part):
    """A face in a picture, in pixels. landmarks: as ``Detections`` has them."""

    box: Box
    landmarks: tuple[Point, Point, Point, Point, Point]


class Probe(_Part):
    """A picture out of the clip, by which detectors are tried. people: boxes of whole people."""

    picture: str
    faces: tuple[FaceTruth, ...]
    people: tuple[Box, ...]


class Material(_Part):
    """All of it.

    folder: where its files lie. fps: of the clip. zone: a polygon in fractions of the frame; it
    reaches from the top to the bottom, so that faces and people enter it alike. people: pictures by
    which to enrol them, by id. strangers: pictures of people who are not enrolled.
    """

    folder: Path
    clip: str
    fps: Annotated[float, Field(gt=0)]
    zone: tuple[Point, ...]
    visits: tuple[Visit, ...]
    people: Mapping[Id, tuple[str, ...]]
    strangers: tuple[str, ...]
    probes: tuple[Probe, ...]

    def path(self, name: str) -> Path:
        """One of its files."""
        return self.folder / name

    def read(self, name: str) -> bytes:
        """What is in one of its files. Raises BundleIntegrityError where it cannot be read."""
        try:
            return self.path(name).read_bytes()
        except OSError as exc:
            raise _damaged(f"{self.path(name)}: {exc.strerror}") from exc


def read_material(folder: Path) -> Material:
    """Read a folder. Raises BundleIntegrityError where it is not what is described above."""
    path = folder / TRUTH_FILE
    try:
        found = read_strict_json(path.read_bytes(), limit=_LONGEST_TRUTH)
        if not isinstance(found, dict):
            raise ValueError("no object")
        material = Material.model_validate({**found, "folder": folder})
    except OSError as exc:
        raise _damaged(f"{path}: {exc.strerror}") from exc
    except ValidationError as exc:
        problem = exc.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise _damaged(f"{path}: {place}: {problem['msg']}") from exc
    except ValueError as exc:
        raise _damaged(f"{path}: {exc}") from exc
    named = [
        material.clip,
        *(picture for pictures in material.people.values() for picture in pictures),
        *material.strangers,
        *(probe.picture for probe in material.probes),
    ]
    for name in named:
        if not material.path(name).is_file():
            raise _damaged(f"{material.path(name)} is not there")
    return material


def _damaged(found: str) -> BundleIntegrityError:
    return BundleIntegrityError(
        "the material of the self-test is not whole",
        expected=f"a folder with {TRUTH_FILE} and the files that it names",
        found=found,
        remedy="Install Edgewarden again.",
    )
