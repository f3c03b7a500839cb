"""A cheap look at whether anything moved, so that still cameras leave the models to the others."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edge.types import ByteImage, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionSettings:
    """When a frame is worth the models' time. Everything is counted in frames offered.

    size: (width, height) of the grey picture that is compared. threshold: grey levels, 0 to 255, by
    which some pixel of it has to differ from the picture's slow average. learn: share of the new
    picture in that average. hold: frames that still pass after the last motion, so that whoever
    stops is not lost at once. look_every: however still it is, every so many frames one passes.
    """

    size: tuple[int, int] = (64, 36)
    threshold: float = 12.0
    learn: float = 0.1
    hold: int = 15
    look_every: int = 10


class MotionGate:
    """Decides for the frames of one camera, in order, which are analysed."""

    def __init__(self, settings: MotionSettings | None = None) -> None:
        self._settings = settings or MotionSettings()
        self._average: FloatArray | None = None
        self._held = 0
        self._since_look = 0

    def passes(self, picture: ByteImage) -> bool:
        """Whether this frame, uint8 ``[H, W, 3]`` BGR, is to be analysed. The first always is."""
        moved = self._moved(picture)
        self._held = self._settings.hold if moved else self._held - 1
        self._since_look += 1
        if self._held <= 0 and self._since_look < self._settings.look_every:
            return False
        self._since_look = 0
        return True

    def _moved(self, picture: ByteImage) -> bool:
        # Area averaging of 10 x 10 pixels and more takes most of a sensor's noise out.
        small = cv2.resize(picture, self._settings.size, interpolation=cv2.INTER_AREA)
        grey: FloatArray = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
        if self._average is None:
            self._average = grey
            return True
        change = grey - self._average
        self._average = self._average + change * np.float32(self._settings.learn)
        # What all pixels share is the light or the exposure, not somebody moving.
        return bool(np.abs(change - np.median(change)).max() > self._settings.threshold)
