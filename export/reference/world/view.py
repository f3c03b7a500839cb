"""Where the camera stands and what it sees: from metres to pixels and back to the ground.

The world: x to the camera's right, y up, z away from it, metres; the camera is above the origin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]

_NEAREST = 0.05  # metres; what is nearer cannot be projected


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A pinhole camera. height: metres. pitch: radians down. focal: pixels. size: width, height."""

    height: float
    pitch: float
    focal: float
    size: tuple[int, int]

    @property
    def place(self) -> Points:
        """The camera's own point."""
        return np.asarray([0.0, self.height, 0.0])

    @property
    def axes(self) -> Points:
        """Rows: the picture's right, its up, and the line of sight."""
        sine, cosine = math.sin(self.pitch), math.cos(self.pitch)
        return np.asarray([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]], np.float64)

    def project(self, points: ArrayLike) -> tuple[Points, Points]:
        """World points ``[N, 3]`` to pixels ``[N, 2]`` and depths ``[N]`` along the sight."""
        seen = (np.asarray(points, np.float64).reshape(-1, 3) - self.place) @ self.axes.T
        depth = np.maximum(seen[:, 2], _NEAREST)
        scale = self.focal / depth
        pixels = np.stack([seen[:, 0] * scale, -seen[:, 1] * scale], axis=1)
        return pixels + np.asarray(self.size) / 2, seen[:, 2]

    def rays(self) -> Points:
        """The direction that each pixel's centre sees, world, ``[H, W, 3]``; not of unit length."""
        width, height = self.size
        across = (np.arange(width) + 0.5 - width / 2) / self.focal
        down = (np.arange(height) + 0.5 - height / 2) / self.focal
        flat = np.stack(np.broadcast_arrays(across[None], -down[:, None], 1.0), axis=-1)
        return np.asarray(flat @ self.axes, np.float64)

    def half_width(self, z: float) -> float:
        """How far to either side the ground is seen at ``z`` metres away, about."""
        depth = z * math.cos(self.pitch) + self.height * math.sin(self.pitch)
        return self.size[0] / 2 / self.focal * depth

    def nearest_ground(self) -> float:
        """The z at which the ground leaves the picture below."""
        angle = self.pitch + math.atan2(self.size[1] / 2, self.focal)
        return self.height / math.tan(angle) if angle > 0 else math.inf
