"""A constant-velocity Kalman filter over many boxes at once.

The state of a box is (cx, cy, a, h) with its velocity: centre, aspect ratio (width over height) and
height, in pixels and frames. Model and noise are those of N. Wojke, A. Bewley, D. Paulus, "Simple
Online and Realtime Tracking with a Deep Association Metric", 2017, which ByteTrack takes over.

There the eight numbers have an 8 × 8 covariance. But each of the four is observed by itself, only
joined to its own velocity, and starts uncorrelated with the others: all entries but those of four
2 × 2 blocks stay zero. Only the blocks are kept, so a step is plain arithmetic on ``[N, 4]``
arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.types import FloatArray

States = NDArray[np.float64]

# Standard deviations as a share of the height; those of the aspect ratio do not scale with it.
_POSITION = 1 / 20
_VELOCITY = 1 / 160
_ASPECT = 1e-2
_ASPECT_VELOCITY = 1e-5
_ASPECT_SEEN = 1e-1
_LEAST_HEIGHT = 1.0  # a shrinking box is never predicted to vanish or turn over


@dataclass(frozen=True, slots=True)
class Motion:
    """Where N boxes are and how they move; every array is float64 ``[N, 4]`` in (cx, cy, a, h).

    velocity: per frame. spread, tie and velocity_spread: variance of the position, covariance of
    position and velocity, variance of the velocity.
    """

    position: States
    velocity: States
    spread: States
    tie: States
    velocity_spread: States

    def __len__(self) -> int:
        return len(self.position)

    def __getitem__(self, keep: NDArray[np.generic]) -> Motion:
        """The states that ``keep`` (indices or a mask) selects, in that order."""
        return Motion(*(getattr(self, field.name)[keep] for field in fields(self)))

    @classmethod
    def start(cls, boxes: ArrayLike) -> Motion:
        """Boxes ``[N, 4]`` seen for the first time: at rest, as far as anyone knows."""
        seen = _states_from_boxes(boxes)
        return cls(
            position=seen,
            velocity=np.zeros_like(seen),
            spread=_variance(seen, 2 * _POSITION, _ASPECT),
            tie=np.zeros_like(seen),
            velocity_spread=_variance(seen, 10 * _VELOCITY, _ASPECT_VELOCITY),
        )

    def join(self, other: Motion) -> Motion:
        """These states and then those of ``other``."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Motion(*(np.concatenate(pair) for pair in pairs))

    def predict(self, frames: int, moving: ArrayLike | None = None) -> Motion:
        """The states ``frames`` ≥ 0 frames later.

        moving: int ``[N]``, in how many of these frames each box moves on; all where None. One that
        moves in fewer has come to rest.

        As uncertain as after that many steps of one frame, each adding process noise for the height
        now: Σ FᵏQ(Fᵏ)ᵀ for k < n has n·p + q·Σk², q·Σk and n·q in its blocks.
        """
        n = frames
        steps = np.full(len(self), n) if moving is None else np.asarray(moving)
        position = self.position + steps[:, None] * self.velocity
        position[:, 3] = np.maximum(position[:, 3], _LEAST_HEIGHT)
        first, second = n * (n - 1) / 2, n * (n - 1) * (2 * n - 1) / 6  # Σk and Σk² for k < n
        p = _variance(self.position, _POSITION, _ASPECT)
        q = _variance(self.position, _VELOCITY, _ASPECT_VELOCITY)
        carried = 2 * n * self.tie + n**2 * self.velocity_spread
        return Motion(
            position=position,
            velocity=np.where(steps[:, None] < n, 0.0, self.velocity),
            spread=self.spread + carried + n * p + second * q,
            tie=self.tie + n * self.velocity_spread + first * q,
            velocity_spread=self.velocity_spread + n * q,
        )

    def hold_size(self, rows: NDArray[np.generic]) -> Motion:
        """The same, but the height of ``rows`` (indices or a mask) stands still from now on."""
        velocity = self.velocity.copy()
        velocity[rows, 3] = 0.0
        return replace(self, velocity=velocity)

    def correct(self, rows: NDArray[np.intp], boxes: ArrayLike) -> Motion:
        """The states after box i of ``[K, 4]`` was seen for state ``rows[i]``, others as before."""
        parts = {field.name: getattr(self, field.name).copy() for field in fields(self)}
        corrected = self[rows]._update(boxes)
        for name, values in parts.items():
            values[rows] = getattr(corrected, name)
        return Motion(**parts)

    def boxes(self) -> FloatArray:
        """float32 ``[N, 4]``: x1, y1, x2, y2."""
        cx, cy, aspect, height = self.position.T
        half_width, half_height = aspect * height / 2, height / 2
        corners = (cx - half_width, cy - half_height, cx + half_width, cy + half_height)
        return np.stack(corners, axis=1).astype(np.float32)

    def _update(self, boxes: ArrayLike) -> Motion:
        noise = _variance(self.position, _POSITION, _ASPECT_SEEN)
        total = self.spread + noise
        gain, velocity_gain = self.spread / total, self.tie / total
        surprise = _states_from_boxes(boxes) - self.position
        return Motion(
            position=self.position + gain * surprise,
            velocity=self.velocity + velocity_gain * surprise,
            spread=self.spread * (1 - gain),
            tie=self.tie * (1 - gain),
            velocity_spread=self.velocity_spread - velocity_gain * self.tie,
        )


def _states_from_boxes(boxes: ArrayLike) -> States:
    x1, y1, x2, y2 = np.asarray(boxes, np.float64).reshape(-1, 4).T
    height = y2 - y1
    return np.stack([(x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / height, height], axis=1)


def _variance(states: States, share_of_height: float, of_aspect: float) -> States:
    deviation = np.repeat(states[:, 3:] * share_of_height, 4, axis=1)
    deviation[:, 2] = of_aspect
    return deviation**2
