"""What is true of a rendered frame: who is where, how they stand and what they do.

Pixels are x to the right, y down; boxes are ``[x1, y1, x2, y2]``, x2 and y2 exclusive, and lie
within the frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.types import FloatArray

Behaviour = Literal["walk", "run", "loiter", "climb", "fall", "fight", "take"]
Anomaly = Literal["object", "lying", "smoke", "open_door", "covered"]

BEHAVIOURS: tuple[Behaviour, ...] = ("walk", "run", "loiter", "climb", "fall", "fight", "take")
ANOMALIES: tuple[Anomaly, ...] = ("object", "lying", "smoke", "open_door", "covered")

# The order of COCO's key points; left and right are the person's own.
JOINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
)


@dataclass(frozen=True, slots=True, eq=False)
class FaceTruth:
    """A face that is turned to the camera.

    box: float32 ``[4]``, brow to chin and ear to ear. landmarks: float32 ``[5, 2]``: eye on the
    image's left, other eye, nose, mouth corner on the image's left, other corner; they may lie
    outside the frame. visible: share of the box's face that nothing hides and the frame holds.
    yaw, pitch: radians against the line of sight, to the picture's right and up.
    """

    box: FloatArray
    landmarks: FloatArray
    visible: float
    yaw: float
    pitch: float


@dataclass(frozen=True, slots=True, eq=False)
class PersonTruth:
    """A person of whom something is seen.

    track: number within the scene, from 1. identity: seed of the person. box: float32 ``[4]``, of
    the part within the frame, as if nothing stood before it. visible: share of the person's pixels
    that nothing hides and the frame holds. skeleton: float32 ``[17, 2]`` in the order of JOINTS;
    joints may lie outside the frame. seen: bool ``[17]``, joints within the frame and not behind
    other things; a body hides none of its own. face: None where it is turned away or too small.
    """

    track: int
    identity: int
    box: FloatArray
    visible: float
    skeleton: FloatArray
    seen: NDArray[np.bool_]
    behaviour: Behaviour
    face: FaceTruth | None


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyTruth:
    """What is not as it always was. box: float32 ``[4]``, where it is in the frame."""

    kind: Anomaly
    box: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class FrameTruth:
    """All that is true of one frame.

    time: seconds since the scene's first frame. people: nearest first. crossed: tracks whose feet
    crossed the scene's line since the frame before. anomaly: None in a normal frame.
    """

    index: int
    time: float
    people: tuple[PersonTruth, ...]
    crossed: tuple[int, ...] = ()
    anomaly: AnomalyTruth | None = None
