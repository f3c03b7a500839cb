"""Turning pictures upright.

The eight ways in which a camera can store a picture are numbered as the EXIF tag Orientation does
(CIPA DC-008, "Exchangeable image file format", 4.6.5.1.3): 1 is upright.
"""

from __future__ import annotations

import numpy as np

from edge.types import ByteImage

UPRIGHT = 1

# By the signs of the matrix (a, b, c, d) that maps stored x, y to a·x + c·y, b·x + d·y on display.
_FROM_MATRIX = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}


def orientation_from_matrix(a: int, b: int, c: int, d: int) -> int:
    """The orientation, 1 to 8, that the display matrix of a video asks for.

    Only the signs count. A matrix that is no quarter turn, with or without a mirror, gives 1.
    """
    return _FROM_MATRIX.get((_sign(a), _sign(b), _sign(c), _sign(d)), UPRIGHT)


def upright(image: ByteImage, orientation: int) -> ByteImage:
    """The picture, uint8 ``[H, W, 3]``, as it should be seen: C-contiguous, not copied needlessly.

    orientation: 1 to 8; anything else leaves the picture as it is.
    """
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)
