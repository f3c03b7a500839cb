"""Making faces unrecognisable on a copy of a picture, for good.

Blurring alone can be undone, and mosaics of eight cells and more across a face still tell people
apart (R. McPherson et al., "Defeating Image Obfuscation with Deep Learning", 2016). So a face is
averaged down to a few cells, and what is painted over it is made of these averages alone: nothing
else of it is left, whatever its size was.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.types import ByteImage
from edge.vision.crop import expand_box

# Detectors frame a face from brow to chin; hair and ears tell people apart too.
REACH = 1.5
# Over the longer side of the enlarged box: four over the face itself.
CELLS = 6

_Region = tuple[int, int, int, int]


def blur_faces(picture: ByteImage, boxes: ArrayLike) -> ByteImage:
    """A copy of the picture whose faces cannot be told apart any more.

    picture: uint8 ``[H, W, 3]``. boxes: ``[N, 4]`` pixels, as a face detector gives them; ``REACH``
    times their size is covered. What of a box lies outside the picture is left out; boxes without
    an area, or not finite, cover nothing.
    """
    covered = picture.copy()
    for box in np.asarray(boxes, np.float64).reshape(-1, 4):
        sides = box[2:] - box[:2]
        if np.isfinite(box).all() and (sides > 0).all():
            _cover(covered, box)
    return covered


def _cover(canvas: ByteImage, box: NDArray[np.float64]) -> None:
    reach = expand_box(box, REACH)
    region = _inside(reach, canvas.shape)
    x1, y1, x2, y2 = region
    if x1 >= x2 or y1 >= y2:
        return
    # The size of a cell follows from the whole face: a part at the edge gets no finer ones.
    cell = max(2.0, float(max(reach[2:] - reach[:2])) / CELLS)
    columns, rows = (max(1, round(side / cell)) for side in (x2 - x1, y2 - y1))
    part = canvas[y1:y2, x1:x2]
    grid = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)
    grid = cv2.GaussianBlur(grid, (3, 3), 0, borderType=cv2.BORDER_REPLICATE)
    canvas[y1:y2, x1:x2] = cv2.resize(grid, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)


def _inside(box: Iterable[float], shape: tuple[int, ...]) -> _Region:
    """The pixels that a box touches, within the picture."""
    x1, y1, x2, y2 = box
    height, width = shape[:2]
    low = max(0, int(np.floor(x1))), max(0, int(np.floor(y1)))
    high = min(width, int(np.ceil(x2))), min(height, int(np.ceil(y2)))
    return *low, *high
