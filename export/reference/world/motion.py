"""Bodies in motion: a few controls place every joint; legs and arms follow their ends.

A body's own frame is (forward, left, up) in metres from the ground below it, for a person of
average height. Feet stay where they are put: a gait moves them backwards as fast as the body goes
forwards, and the knees follow by solving the two-bone triangle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

# Rows of Figure.joints: COCO's seventeen, then what only the drawing needs.
SHOULDERS, ELBOWS, WRISTS = (5, 6), (7, 8), (9, 10)
HIPS, KNEES, ANKLES = (11, 12), (13, 14), (15, 16)
HEAD, NECK, PELVIS, TOES, HANDS = 17, 18, 19, (20, 21), (22, 23)
ROWS = 24

_THIGH, _SHIN, _UPPER_ARM, _FOREARM = 0.45, 0.44, 0.29, 0.26
_TORSO, _ANKLE = 0.5, 0.08
_TRUNK, _LIMB = 0.1, 0.05  # above the ground of somebody who lies there
_LIES = [*SHOULDERS, *HIPS, HEAD]
STANDING = 0.95  # the pelvis above the ground


def _stand_feet() -> Vector:
    return np.asarray([[0.0, 0.1, _ANKLE], [0.0, -0.1, _ANKLE]])


def _hanging_hands() -> Vector:
    return np.asarray([[0.03, 0.07, -0.53], [0.03, 0.07, -0.53]])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Controls:
    """What decides a posture; the left side is first. Angles are in radians.

    pelvis: ``[3]``. lean, side: of the torso, forwards and to the left. twist: of the shoulders to
    the left. feet: ``[2, 3]`` ankles. hands: ``[2, 3]`` wrists from their shoulders, in the torso's
    frame, its second number outwards. look, nod: of the head, to the left and up. tilt: of all of
    it about the point on the ground; ``tilt_to`` from forwards to the left.
    """

    pelvis: Vector = field(default_factory=lambda: np.asarray([0.0, 0.0, STANDING]))
    lean: float = 0.03
    side: float = 0.0
    twist: float = 0.0
    feet: Vector = field(default_factory=_stand_feet)
    hands: Vector = field(default_factory=_hanging_hands)
    look: float = 0.0
    nod: float = 0.0
    tilt: float = 0.0
    tilt_to: float = 0.0


def blend(first: Controls, second: Controls, share: float) -> Controls:
    """Between two postures; share 0 is the first."""
    mixed = {
        part.name: getattr(first, part.name) * (1 - share) + getattr(second, part.name) * share
        for part in fields(Controls)
    }
    return Controls(**mixed)


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A body in the world. joints: ``[24, 3]`` metres. gaze, crown: unit vectors of the head.

    facing: unit vector of the chest.
    """

    joints: Vector
    gaze: Vector
    crown: Vector
    facing: Vector


def figure(controls: Controls, *, at: Vector, heading: float, tall: float) -> Figure:
    """The joints of a posture. at: ``[3]``, the ground (or what is stood on) below the body.

    heading: radians; 0 looks away from the camera, positive to the camera's right. tall: factor.
    """
    joints, directions = _joints(controls)
    if controls.tilt:
        turn = _tilting(controls.tilt, controls.tilt_to)
        joints, directions = joints @ turn.T, directions @ turn.T
        # The trunk lies on the ground; limbs that would be below it lie there too.
        joints[:, 2] += max(0.0, _TRUNK - float(joints[_LIES, 2].min()))
        joints[:, 2] = np.maximum(joints[:, 2], _LIMB)
    sine, cosine = math.sin(heading), math.cos(heading)
    # Rows: forward, left and up in the world.
    axes = np.asarray([[sine, 0, cosine], [-cosine, 0, sine], [0, 1, 0]])
    gaze, crown, facing = directions @ axes
    return Figure(joints * tall @ axes + at, gaze, crown, facing)


def _joints(controls: Controls) -> tuple[Vector, Vector]:
    lean, side, twist = controls.lean, controls.side, controls.twist
    spine = np.asarray([math.sin(lean), math.sin(side), math.cos(lean) * math.cos(side)])
    spine /= np.linalg.norm(spine)
    ahead = np.asarray([math.cos(lean), 0.0, -math.sin(lean)])
    left = np.cross(spine, ahead)
    ahead, left = (
        ahead * math.cos(twist) + left * math.sin(twist),
        left * math.cos(twist) - ahead * math.sin(twist),
    )
    joints = np.zeros((ROWS, 3))
    joints[PELVIS] = controls.pelvis
    joints[NECK] = controls.pelvis + spine * _TORSO
    for row, sign in enumerate((1, -1)):
        joints[SHOULDERS[row]] = joints[NECK] + left * (sign * 0.19) - spine * 0.03
        joints[HIPS[row]] = controls.pelvis + np.asarray([0.0, sign * 0.095, 0.0])
        hand = controls.hands[row]
        reach = ahead * hand[0] + left * (sign * hand[1]) + spine * hand[2]
        pole = -ahead * 0.6 - spine * 0.6 + left * (sign * 0.35)
        joints[ELBOWS[row]], joints[WRISTS[row]] = _bend(
            joints[SHOULDERS[row]], reach, (_UPPER_ARM, _FOREARM), pole
        )
        forearm = joints[WRISTS[row]] - joints[ELBOWS[row]]
        joints[HANDS[row]] = joints[WRISTS[row]] + forearm / np.linalg.norm(forearm) * 0.08
        outwards = np.asarray([1.0, sign * 0.12, 0.0])
        joints[KNEES[row]], joints[ANKLES[row]] = _bend(
            joints[HIPS[row]], controls.feet[row] - joints[HIPS[row]], (_THIGH, _SHIN), outwards
        )
        joints[TOES[row]] = joints[ANKLES[row]] + _toe(joints[ANKLES[row]], sign)
    gaze, crown = _head(joints, controls, spine, ahead, left)
    return joints, np.stack([gaze, crown, ahead])


def _toe(ankle: Vector, sign: int) -> Vector:
    """From ankle to toe: a raised foot points down."""
    down = min(1.1, max(0.0, float(ankle[2]) - _ANKLE) * 4)
    return np.asarray([0.16 * math.cos(down), sign * 0.03, -0.045 - 0.14 * math.sin(down)])


def _head(
    joints: Vector, controls: Controls, spine: Vector, ahead: Vector, left: Vector
) -> tuple[Vector, Vector]:
    """Place the head, which a bent neck keeps half upright; its gaze and crown."""
    up = spine + np.asarray([0.0, 0.0, 0.8])
    up /= np.linalg.norm(up)
    level = ahead - up * float(ahead @ up)
    level /= np.linalg.norm(level)
    gaze = level * math.cos(controls.look) + np.cross(up, level) * math.sin(controls.look)
    gaze, crown = (
        gaze * math.cos(controls.nod) + up * math.sin(controls.nod),
        up * math.cos(controls.nod) - gaze * math.sin(controls.nod),
    )
    ear = np.cross(crown, gaze)
    joints[HEAD] = joints[NECK] + up * 0.165 + level * 0.03
    joints[0] = joints[HEAD] + gaze * 0.12 - crown * 0.01
    for row, sign in enumerate((1, -1)):
        joints[1 + row] = joints[HEAD] + gaze * 0.1 + ear * (sign * 0.035) + crown * 0.02
        joints[3 + row] = joints[HEAD] + ear * (sign * 0.08)
    return gaze, crown


def _bend(
    root: Vector, reach: Vector, lengths: tuple[float, float], pole: Vector
) -> tuple[Vector, Vector]:
    """The middle and the end of a two-bone limb that reaches as far as it can.

    The middle bends towards ``pole``; by the law of cosines.
    """
    first, second = lengths
    distance = float(np.linalg.norm(reach))
    if distance < 1e-6:
        reach, distance = -pole, float(np.linalg.norm(pole))
    axis = reach / distance
    distance = min(max(distance, abs(first - second) + 0.02), first + second - 1e-4)
    along = (first**2 - second**2 + distance**2) / (2 * distance)
    aside = math.sqrt(max(first**2 - along**2, 0.0))
    across = pole - axis * float(pole @ axis)
    across /= max(float(np.linalg.norm(across)), 1e-6)
    return root + axis * along + across * aside, root + axis * distance


def _tilting(angle: float, to: float) -> Vector:
    """The rotation that brings up towards a direction on the ground (Rodrigues)."""
    x, y = -math.sin(to), math.cos(to)  # the axis, (forward, left), at right angles to it
    cross = np.asarray([[0, 0, y], [0, 0, -x], [-y, x, 0]], np.float64)
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


@dataclass(frozen=True, slots=True, kw_only=True)
class Gait:
    """How somebody goes. stride: metres of a whole cycle. stance: share of it a foot is down.

    lift: of a swinging foot, metres. sink: of the pelvis. bounce: metres. swing: of the arms,
    radians. lean: radians. bent: of the elbows, 0 hanging to 1 at right angles. trail: how far
    behind the body the middle of a step is, to half a step.
    """

    stride: float
    stance: float
    lift: float
    sink: float
    bounce: float
    swing: float
    lean: float
    bent: float
    trail: float = 0.0


def walking(speed: float, style: float) -> Gait:
    """A walk at ``speed`` metres a second; style, −1..1, is how the person walks."""
    stride = min(1.15, 1.05 * max(speed, 0.3) ** 0.5) * (1 + 0.04 * style)
    return Gait(
        stride=stride,
        stance=0.58,
        lift=0.08,
        sink=0.035,
        bounce=0.016,
        swing=0.38 + 0.15 * style,
        lean=0.05 + 0.03 * style,
        bent=0.15,
    )


def running(speed: float, style: float) -> Gait:
    """A run at ``speed`` metres a second."""
    return Gait(
        stride=min(2.6, 0.8 * speed) * (1 + 0.03 * style),
        stance=0.3,
        lift=0.36,
        sink=0.085,
        bounce=0.04,
        swing=0.95 + 0.15 * style,
        lean=0.24 + 0.05 * style,
        bent=1.0,
        trail=0.45,
    )


def stride(gait: Gait, distance: float) -> Controls:
    """The posture after ``distance`` metres, in units of a person of average height."""
    phase = distance / gait.stride
    feet, hands = np.zeros((2, 3)), np.zeros((2, 3))
    for row, sign in enumerate((1, -1)):
        own = (phase + 0.5 * row) % 1.0
        feet[row] = _foot(gait, own) + np.asarray([0.0, sign * 0.075, 0.0])
        angle = -gait.swing * math.cos(2 * math.pi * own) + 0.1
        straight = np.asarray([0.53 * math.sin(angle), 0.08, -0.53 * math.cos(angle)])
        bent = np.asarray([0.2 + 0.3 * math.sin(angle), 0.0, -0.24 + 0.16 * math.sin(angle)])
        hands[row] = straight * (1 - gait.bent) + bent * gait.bent
    # Highest when one foot is right below, which is a quarter of the cycle after it lands.
    rise = gait.bounce * math.sin(4 * math.pi * (phase - gait.stance / 2 + 0.125))
    twist = 0.12 * math.cos(2 * math.pi * phase)
    return Controls(
        pelvis=np.asarray([0.0, 0.0, STANDING - gait.sink + rise]),
        lean=gait.lean,
        twist=-twist,
        feet=feet,
        hands=hands,
    )


def _foot(gait: Gait, own: float) -> Vector:
    reach = gait.stride * gait.stance / 2
    if own < gait.stance:
        share = own / gait.stance
        heel = 0.09 * max(0.0, share - 0.7) / 0.3  # the heel comes up before the toe leaves
        return np.asarray([reach * (1 - gait.trail) - gait.stride * own, 0.0, _ANKLE + heel])
    share = (own - gait.stance) / (1 - gait.stance)
    eased = share * share * (3 - 2 * share)
    up = 0.09 * (1 - share) + gait.lift * math.sin(math.pi * share ** (1 - 0.5 * gait.trail))
    ahead = reach * (2 * eased - 1 - gait.trail)
    return np.asarray([ahead, 0.0, _ANKLE + up])
