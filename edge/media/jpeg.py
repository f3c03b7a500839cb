"""Pictures as JPEG, at a chosen quality. Apart from the writer, because it loads OpenCV."""

from __future__ import annotations

import cv2
import numpy as np

from edge.errors import MediaError
from edge.types import ByteImage


def encode_jpeg(image: ByteImage, *, quality: int) -> bytes:
    """The picture, uint8 ``[H, W, 3]`` BGR, as a JPEG file without any metadata.

    quality: 1 to 100, on libjpeg's scale. OpenCV's encoder has that scale, and takes a quarter of
    the time that FFmpeg's does. Raises ValueError where the picture is empty or has more than
    65,500 pixels on a side.
    """
    height, width = image.shape[:2]
    if not (0 < height <= 65_500 and 0 < width <= 65_500):
        raise ValueError(f"expected a picture of 1 to 65500 pixels a side, found {image.shape}")
    written, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert written  # in memory, a picture of these sizes and type always is
    return data.tobytes()


def decode_jpeg(data: bytes) -> ByteImage:
    """The picture in a JPEG or PNG file of our own, uint8 ``[H, W, 3]`` BGR.

    For files that ship with the product: what users give is read by ``edge.media.image``. Raises
    MediaError where it is none.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise MediaError("not a picture", expected="a JPEG file", found=f"{len(data)} other bytes")
    return np.asarray(image, np.uint8)
