"""Media: pictures and video, read and written. Only ``ffmpeg.py`` knows with what."""

from __future__ import annotations

from edge.media.ffmpeg import MAX_PIXELS
from edge.media.folder import ImageReader, open_images
from edge.media.image import is_image, read_image
from edge.media.picture import Picture, PictureReader
from edge.media.video import VideoReader, open_video
from edge.media.writer import VideoWriter, write_image

__all__ = [
    "MAX_PIXELS",
    "ImageReader",
    "Picture",
    "PictureReader",
    "VideoReader",
    "VideoWriter",
    "is_image",
    "open_images",
    "open_video",
    "read_image",
    "write_image",
]
