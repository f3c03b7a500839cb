"""Real media files, made by the tests themselves with encoders that every PyAV wheel has."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from numpy.typing import NDArray

Image = NDArray[np.uint8]
MakeVideo = Callable[..., Path]
EncodeStill = Callable[..., bytes]


def scene(index: int, size: tuple[int, int]) -> Image:
    """A picture that tells its index, up to 25, by its brightness top left; the rest moves."""
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    texture = (columns * 3 + rows * 2 + index * 5) % 256
    image = np.repeat(texture[..., None].astype(np.uint8), 3, axis=2)
    image[: height // 2, : width // 2] = 12 + index % 25 * 9
    return image


def encoded_still(
    image: NDArray[Any],
    codec: str = "png",
    *,
    format: str = "bgr24",
    pix_fmt: str = "rgb24",
    options: dict[str, str] | None = None,
) -> bytes:
    """One picture in an image format. format: of the array; pix_fmt: of the file."""
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.height, context.width = image.shape[:2]
    context.pix_fmt = pix_fmt
    context.time_base = Fraction(1, 1)
    context.options = options or {}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=format)
    if format != pix_fmt:
        frame = frame.reformat(format=pix_fmt)
    return b"".join(bytes(p) for p in [*context.encode(frame), *context.encode(None)])


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Write a video whose pictures are ``scene(0)``, ``scene(1)`` and so on; returns its path."""

    def make(
        name: str,
        codec: str = "mpeg4",
        *,
        frames: int = 20,
        size: tuple[int, int] = (96, 64),
        rate: int = 25,
        pix_fmt: str = "yuv420p",
        b_frames: int = 0,
        gop: int = 6,
        muxer: str | None = None,
        muxer_options: dict[str, str] | None = None,
        options: dict[str, str] | None = None,
        sound: bool = False,
        title: str | None = None,
        images: Sequence[Image] | None = None,
    ) -> Path:
        path = tmp_path / name
        shown = [scene(i, size) for i in range(frames)] if images is None else images
        with av.open(f"file:{path}", "w", format=muxer, options=muxer_options or {}) as container:
            if title is not None:
                container.metadata["title"] = title
            stream = container.add_stream(codec, rate=rate, options=options or {})
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = size
            stream.pix_fmt = pix_fmt
            stream.codec_context.gop_size = gop
            stream.codec_context.max_b_frames = b_frames
            stream.codec_context.bit_rate = 8_000_000
            voice = container.add_stream("aac", rate=16000) if sound else None
            for index, image in enumerate(shown):
                frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=pix_fmt)
                frame.pts, frame.time_base = index, Fraction(1, rate)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            if isinstance(voice, av.AudioStream):
                silence = _silence(len(shown) * 16000 // rate)
                container.mux([*voice.encode(silence), *voice.encode(None)])
        return path

    return make


@pytest.fixture
def make_sound(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of sound alone, with a cover picture or without; returns its path."""

    def make(name: str, *, cover: bool = False) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=16000)
            assert isinstance(stream, av.AudioStream)
            if cover:
                front = container.add_stream("mjpeg", rate=1)
                assert isinstance(front, av.VideoStream)
                front.disposition = Disposition.attached_pic
                front.width, front.height = 32, 32
                front.pix_fmt = "yuvj420p"
                picture = av.VideoFrame.from_ndarray(scene(0, (32, 32)), format="bgr24")
                picture = picture.reformat(format="yuvj420p")
                container.mux([*front.encode(picture), *front.encode(None)])
            container.mux([*stream.encode(_silence(16000)), *stream.encode(None)])
        return path

    return make


def _silence(samples: int) -> av.AudioFrame:
    quiet = np.zeros((1, samples), np.float32)
    frame = av.AudioFrame.from_ndarray(quiet, format="fltp", layout="mono")
    frame.sample_rate = 16000
    frame.pts, frame.time_base = 0, Fraction(1, 16000)
    return frame


@pytest.fixture
def encode_still() -> EncodeStill:
    return encoded_still


@pytest.fixture
def make_scene() -> Callable[[int, tuple[int, int]], Image]:
    return scene


@pytest.fixture
def index_of() -> Callable[[Image], int]:
    """Which scene a decoded picture shows, modulo 25."""

    def index(image: Image) -> int:
        height, width = image.shape[:2]
        corner = image[4 : height // 2 - 4, 4 : width // 2 - 4]
        return round((float(corner.mean()) - 12) / 9)

    return index


@pytest.fixture
def packets_of() -> Callable[[Path], list[tuple[int, int]]]:
    """Where each coded picture of a video lies: offset and length in bytes."""

    def packets(path: Path) -> list[tuple[int, int]]:
        with av.open(str(path)) as container:
            found = container.demux(container.streams.video[0])
            return [(p.pos, p.size) for p in found if p.size and p.pos is not None]

    return packets


@pytest.fixture
def exif_block() -> Callable[[int, str], bytes]:
    """A TIFF structure whose one tag is Orientation; order is "<" or ">"."""

    def block(orientation: int, order: str = "<") -> bytes:
        magic = b"II*\0" if order == "<" else b"MM\0*"
        value = struct.pack(order + "HxxI", orientation, 0)
        entry = struct.pack(order + "HHI", 0x0112, 3, 1) + value[:4]
        return magic + struct.pack(order + "IH", 8, 1) + entry + bytes(4)

    return block


REFUSED = """
import sys
from edge.errors import MediaTooLargeError
from edge.media import open_video, read_image
import av


def peak():
    # Unlike the figure of getrusage, this one does not begin at that of the parent process.
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])


kind, path, max_pixels = sys.argv[1:]
before = peak()
try:
    {"image": read_image, "video": open_video}[kind](path, max_pixels=int(max_pixels))
except MediaTooLargeError as error:
    print(peak() - before, error.found)
"""


@pytest.fixture
def refuse_in_a_new_process() -> Callable[[str, Path, int], tuple[int, str]]:
    """Open an "image" or "video" that is too large: by how many kB the peak of memory rose, and
    what the error says it found."""

    def refuse(kind: str, path: Path, max_pixels: int) -> tuple[int, str]:
        command = [sys.executable, "-c", REFUSED, kind, str(path), str(max_pixels)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        grown, found = done.stdout.split(maxsplit=1)
        return int(grown), found.strip()

    return refuse


@pytest.fixture
def png_chunk() -> Callable[[bytes, bytes], bytes]:
    def chunk(name: bytes, content: bytes) -> bytes:
        checked = name + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    return chunk


@pytest.fixture
def huge_png(tmp_path: Path, png_chunk: Callable[[bytes, bytes], bytes]) -> Callable[..., Path]:
    """A small, whole and valid PNG file of very many black pixels."""

    def make(width: int, height: int) -> Path:
        def rows() -> Iterator[bytes]:
            packer = zlib.compressobj(9)
            row = bytes(1 + (width + 7) // 8)
            for _ in range(height):
                yield packer.compress(row)
            yield packer.flush()

        header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
        path = tmp_path / f"{width}x{height}.png"
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + png_chunk(b"IHDR", header)
            + png_chunk(b"IDAT", b"".join(rows()))
            + png_chunk(b"IEND", b"")
        )
        return path

    return make
