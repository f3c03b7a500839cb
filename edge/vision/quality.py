"""How far a face can be trusted for recognition.

Four parts, each in 0..1, joined as a geometric mean so that one bad part cannot be bought off by
the others. The ramps are in pixels of the original frame or are free of scale, so that they hold
for other cameras.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike

from edge.types import ByteImage, FaceQuality

# Each ramp runs from 0 at the first number to 1 at the second.
_SIZE_PX = (16.0, 64.0)
_SHARPNESS = (0.001, 0.012)
_DETECTOR = (0.3, 0.8)
# Nose off the middle of the eyes, in eye distances: 0 seen from the front, about 0.5 in half
# profile. Nose between eye and mouth line: 0.5 from the front.
_YAW = (0.5, 0.1)
_PITCH = (0.35, 0.1)
_SHARPNESS_SIDE = 64
# Grey levels²: what a dim picture may hold of noise alone.
_NOISE_VARIANCE = 25.0


def face_quality(
    crop: ByteImage, box: ArrayLike, landmarks: ArrayLike, detector_score: float
) -> FaceQuality:
    """The quality of one face.

    crop: the aligned face, uint8 ``[H, W, 3]``. box: ``[4]`` and landmarks: ``[5, 2]`` in pixels of
    the frame.
    """
    x1, y1, x2, y2 = np.asarray(box, np.float64)
    face_px = max(0.0, float(min(x2 - x1, y2 - y1)))
    parts = (
        _ramp(face_px, _SIZE_PX),
        _ramp(sharpness(crop), _SHARPNESS),
        frontality(landmarks),
        _ramp(detector_score, _DETECTOR),
    )
    return FaceQuality(
        score=float(np.prod(parts) ** (1 / len(parts))),
        size=parts[0],
        sharpness=parts[1],
        frontality=parts[2],
        detector=parts[3],
        face_px=face_px,
    )


def sharpness(crop: ByteImage) -> float:
    """Variance of the Laplacian over the variance of the grey values, at one common size.

    Dividing takes contrast and exposure out of the measure, as long as there is more contrast than
    noise; 0 for a flat picture. After Pech-Pacheco et al., "Diatom autofocusing in brightfield
    microscopy", ICPR 2000.
    """
    # In floats: rounding to whole grey levels would pass for detail in a blurred face.
    pixels = crop.astype(np.float32)
    side = (_SHARPNESS_SIDE, _SHARPNESS_SIDE)
    small = cv2.resize(pixels, side, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    detail = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    return detail / (16 * (float(grey.var()) + _NOISE_VARIANCE))


def frontality(landmarks: ArrayLike) -> float:
    """1 for a face seen from the front, towards 0 in profile or when looking up or down.

    Independent of roll, which alignment takes out. 0 where the points make no face.
    """
    points = np.asarray(landmarks, np.float64)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    across, down = points[1] - points[0], mouth - eyes
    width, height = float(np.hypot(*across)), float(np.hypot(*down))
    if width < 1e-6 or height < 1e-6:
        return 0.0
    nose = points[2] - eyes
    yaw = abs(float(nose @ across) / width**2)
    pitch = abs(float(nose @ down) / height**2 - 0.5)
    return _ramp(yaw, _YAW) * _ramp(pitch, _PITCH)


def _ramp(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return float(np.clip((value - low) / (high - low), 0.0, 1.0))
