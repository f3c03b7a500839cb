"""The one place that talks to FFmpeg, through PyAV: everything else in this folder builds on it.

PyAV is imported inside the functions, so that importing this module costs nothing. Its errors are
translated here. Every decoder and scaler gets one thread: on a device the cores belong to
inference, one core decodes 640×480 at about a thousand frames a second, and a second thread for
the colour conversion of so small a picture costs more than it saves.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from edge.errors import MediaError, MediaTooLargeError, OutputError
from edge.media.orientation import UPRIGHT, orientation_from_matrix, upright
from edge.types import ByteImage

if TYPE_CHECKING:
    import av.container
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# The largest phone pictures of common use have 50 megapixels; this many are 192 MB as BGR.
MAX_PIXELS = 64_000_000

# What may be decoded, by FFmpeg's name for the decoder. Each further one is further attack surface.
STILL_DECODERS = {"bmp": "bmp", "jpeg": "mjpeg", "png": "png", "tiff": "tiff", "webp": "webp"}
VIDEO_DECODERS = (
    *("ffv1", "gif", "h264", "hevc", "libdav1d", "mjpeg", "mpeg1video", "mpeg2video"),
    *("mpeg4", "png", "rawvideo", "vp8", "vp9"),
)
# Playlists and descriptions of streams are missing on purpose: they name other files and hosts.
_CONTAINERS = (
    *("asf", "avi", "flv", "gif", "h264", "hevc", "m4v", "matroska", "mjpeg", "mov", "mpeg"),
    *("mpegts", "webm"),
)
# FFmpeg skips damage up to the next cluster; where there is none, it meets the end of the file.
# Other containers are read by an index, or have their duration guessed from what is there.
_TELLING_THEIR_END = ("matroska,webm",)
# A still in HEIF can be a grid of tiles, of which FFmpeg would show one as if it were the picture.
_HEIF_BRANDS = ("avif", "avis", "heic", "heix", "hevc", "hevx", "mif1", "msf1")

# FF_QP2LAMBDA, times 2: a JPEG quality at which no blocks can be seen.
_JPEG_QUALITY = 118 * 2
# VP9 is the widest played codec that FFmpeg encodes without GPL parts (x264 and x265 are GPL, the
# wheel has no OpenH264, and browsers play no MPEG-4 Part 2). Measured on one core at 640×480:
# 330 frames/s, against 210 of x264 "veryfast". At crf 24 overlaid text loses nothing that 4:2:0
# chroma has not taken already.
_VP9 = {"deadline": "realtime", "cpu-used": "8", "crf": "24", "row-mt": "1"}
# About a fifth of the size at 20 frames/s: for what is made once and shipped.
_VP9_SMALL = {"deadline": "good", "cpu-used": "2", "crf": "34", "row-mt": "1"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """codec: its common name. fps, frames (an estimate) and duration in seconds may be unknown.

    end: the time in seconds up to which its packets must go, where the container is known to say.
    """

    codec: str
    fps: float | None
    frames: int | None
    duration: float | None
    end: float | None


class VideoDecoder:
    """The pictures of the best video stream of one file, as long as FFmpeg can read it.

    corrupt counts the damaged pictures that were skipped. truncated: the last packet was cut off,
    or reading failed before the end. oversized: a picture was refused for its size. reached and
    bytes_read tell how far the packets of all streams went, in seconds and in bytes.

    Raises MediaError where the file cannot be opened as a video of an allowed kind,
    MediaTooLargeError where it says that its pictures have more than ``max_pixels``.
    """

    def __init__(self, path: Path, *, max_pixels: int) -> None:
        self.corrupt = 0
        self.truncated = False
        self.oversized = False
        self.reached = 0.0
        self.bytes_read = 0
        self._path = path
        self._orientations = {0: UPRIGHT}
        self._container = _open_container(
            path, codec_whitelist=",".join(VIDEO_DECODERS), max_pixels=decoder_limit(max_pixels)
        )
        try:
            self._stream = _video_stream(self._container, path, max_pixels)
        except MediaError:
            self._container.close()
            raise

    @property
    def info(self) -> StreamInfo:
        """What the file says of itself."""
        stream, container = self._stream, self._container
        rate = stream.average_rate or stream.guessed_rate
        duration = None
        if container.duration is not None:
            duration = container.duration / 1e6
        elif stream.duration is not None and stream.time_base is not None:
            duration = float(stream.duration * stream.time_base)
        estimate = round(duration * rate) if duration and rate else 0
        return StreamInfo(
            codec=stream.codec_context.codec.canonical_name,
            fps=float(rate) if rate else None,
            frames=stream.frames or estimate or None,
            duration=duration,
            end=duration if container.format.name in _TELLING_THEIR_END else None,
        )

    def pictures(self) -> Iterator[tuple[ByteImage, float | None]]:
        """Upright BGR pictures, uint8 ``[H, W, 3]``, and their presentation times in seconds."""
        import av

        for packet in self._packets():
            try:
                frames = self._stream.codec_context.decode(packet)
            except av.error.FFmpegError as exc:
                self._skip(exc)
                continue
            for frame in frames:
                try:
                    image = _bgr(frame)
                except av.error.FFmpegError as exc:
                    self._skip(exc)
                    continue
                if frame.is_corrupt:
                    self._skip(None)
                    continue
                yield upright(image, self._orientation(frame)), self._seconds(frame.pts)

    def close(self) -> None:
        """Release the file and the decoder. Safe to call twice."""
        self._container.close()

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        """Every packet with data, then None, which has the decoder hand out what it still holds.

        A packet that lost its end is marked corrupt. In the middle of a file the decoder may still
        make something of it; as the last one it is the cut, and must not become half a picture.
        """
        import av

        held = None
        try:
            # The other streams are read along, because a picture may rightly be the last thing
            # shown long before the sound ends.
            for packet in self._container.demux():
                if not packet.size:  # an empty packet would end the decoder's stream
                    continue
                self._note(packet)
                if packet.stream_index != self._stream.index:
                    continue
                picture = cast("Packet[VideoStream]", packet)
                if held is not None:
                    yield held
                held = picture if picture.is_corrupt else None
                if held is None:
                    yield picture
        except av.error.FFmpegError as exc:
            _log.warning("%s: reading failed: %s", self._path, exc)
            self.truncated = True
        self.truncated = self.truncated or held is not None
        yield None

    def _note(self, packet: Packet[Stream]) -> None:
        self.bytes_read += packet.size
        if packet.pts is not None:
            end = (packet.pts + (packet.duration or 0)) * packet.time_base
            self.reached = max(self.reached, float(end))

    def _orientation(self, frame: VideoFrame) -> int:
        # Looking at side data ties a frame into a cycle, which keeps its memory until the next
        # collection. So it is done once, and only where there is a rotation at all. (A video that
        # is only mirrored top to bottom has none and stays so; no recorder is known to make one.)
        if frame.rotation not in self._orientations:
            self._orientations[frame.rotation] = _orientation(frame)
        return self._orientations[frame.rotation]

    def _skip(self, cause: Exception | None) -> None:
        import av

        # FFmpeg clears the size that it refuses.
        refused = isinstance(cause, av.error.ArgumentError) and not self._stream.codec_context.width
        self.oversized = self.oversized or refused
        self.corrupt += 1

    def _seconds(self, pts: int | None) -> float | None:
        base = self._stream.time_base
        return None if pts is None or base is None else float(pts * base)


def decode_still(data: bytes, kind: str, *, name: str, max_pixels: int) -> ByteImage:
    """The picture in the content of an image file of ``kind``, uint8 ``[H, W, 3]`` BGR, as stored.

    Transparency is dropped, more than 8 bits are reduced to 8. Raises MediaTooLargeError where it
    has more than ``max_pixels``, before their memory is taken, MediaError where it does not decode.
    """
    import av

    context = av.CodecContext.create(STILL_DECODERS[kind], "r")
    assert isinstance(context, av.VideoCodecContext)
    context.options = {"max_pixels": decoder_limit(max_pixels)}
    context.thread_count = 1
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
        if frames and frames[0].width * frames[0].height > max_pixels:
            raise too_large(name, max_pixels, (frames[0].width, frames[0].height))
        if frames:
            return _bgr(frames[0])
    except av.error.ArgumentError as exc:
        raise too_large(name, max_pixels) from exc
    except av.error.FFmpegError as exc:
        raise MediaError(
            f"{name} does not decode",
            expected=f"a whole {kind} image",
            found=_reason(exc).lower(),
            remedy="Copy or export it again.",
        ) from exc
    raise MediaError(f"{name} holds no picture", expected=f"a {kind} image", found="none")


def encode_still(image: ByteImage, kind: str) -> bytes:
    """The picture, uint8 ``[H, W, 3]`` BGR, as a file of ``kind``, "jpeg" or "png"."""
    import av

    context = av.CodecContext.create(STILL_DECODERS[kind], "w")
    assert isinstance(context, av.VideoCodecContext)
    context.height, context.width = image.shape[:2]
    # Full chroma: a snapshot is small, and faces and overlaid text are judged by it.
    context.pix_fmt = "yuvj444p" if kind == "jpeg" else "rgb24"
    context.time_base = Fraction(1, 1)
    context.thread_count = 1
    if kind == "jpeg":
        context.options = {"flags": "+qscale", "global_quality": str(_JPEG_QUALITY)}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
    frame = frame.reformat(format=context.pix_fmt, dst_color_range="JPEG", threads=1)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


class VideoEncoder:
    """A new file at ``path`` in ``container`` ("mp4", "matroska", "webm"), encoded as VP9.

    small: take time for a smaller file. Raises OSError where the file system refuses, OutputError
    where the encoder does.
    """

    def __init__(
        self,
        path: Path,
        *,
        container: str,
        size: tuple[int, int],
        fps: Fraction,
        small: bool = False,
    ) -> None:
        import av

        self._count = 0
        self._fps = fps
        self._container = av.open(f"file:{path}", mode="w", format=container)
        options = _VP9_SMALL if small else _VP9
        stream = self._container.add_stream("libvpx-vp9", rate=fps, options=options)
        assert isinstance(stream, av.VideoStream)  # the types of PyAV 17 do not say it
        self._stream = stream
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.bit_rate = 0  # the quality alone decides
        context.gop_size = max(1, round(2 * fps))
        context.thread_count = 1
        context.colorspace = av.video.reformatter.Colorspace.ITU709
        context.color_range = av.video.reformatter.ColorRange.MPEG
        try:
            self._container.start_encoding()
        except av.error.FFmpegError as exc:
            self.abandon()
            raise _as_output_error(exc) from exc

    def add(self, image: ByteImage) -> None:
        """Append one picture, uint8 ``[H, W, 3]`` BGR, of the size of the video."""
        import av

        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
        frame = frame.reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", threads=1
        )
        frame.pts = self._count
        frame.time_base = 1 / self._fps
        self._count += 1
        try:
            self._container.mux(self._stream.encode(frame))
        except av.error.FFmpegError as exc:
            raise _as_output_error(exc) from exc

    def finish(self) -> None:
        """Write what is held back, and the index."""
        import av

        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        except av.error.FFmpegError as exc:
            self.abandon()
            raise _as_output_error(exc) from exc

    def abandon(self) -> None:
        """Let go of the file, whole or not."""
        import av

        try:
            self._container.close()
        except av.error.FFmpegError:
            _log.debug("closing an unfinished video failed", exc_info=True)


def too_large(
    what: str, max_pixels: int, size: tuple[int, int] | None = None
) -> MediaTooLargeError:
    """The error for a picture or video that is not decoded because of its size."""
    return MediaTooLargeError(
        f"{what} is too large to decode",
        expected=f"at most {max_pixels:,} pixels",
        found=f"{size[0]} × {size[1]}" if size else "more",
        remedy="Scale it down first.",
    )


def decoder_limit(max_pixels: int) -> str:
    """FFmpeg's own limit. It counts the padding of rows, so what is just within ours needs room."""
    return str(max_pixels + max_pixels // 8 + (1 << 16))


def _open_container(path: Path, **limits: str) -> av.container.InputContainer:
    import av

    options = {
        "protocol_whitelist": "file",
        "format_whitelist": ",".join(_CONTAINERS),
        **limits,
    }
    try:
        # "file:" keeps a name like "http:x.mp4" or "a%03d.png" a name.
        return av.open(f"file:{path}", mode="r", options=options, metadata_errors="replace")
    except av.error.ArgumentError as exc:
        raise MediaError(
            f"{path} is of a kind that is not read here",
            expected="a video in one of " + ", ".join(_CONTAINERS),
            found="something else that FFmpeg knows",
            remedy="Convert it to MP4.",
        ) from exc
    except av.error.FFmpegError as exc:
        raise MediaError(
            f"{path} cannot be opened as a video",
            expected="a video file with a whole header and index",
            found=_reason(exc),
            remedy="Copy or record it again.",
        ) from exc


def _video_stream(
    container: av.container.InputContainer, path: Path, max_pixels: int
) -> VideoStream:
    import av
    from av.stream import Disposition

    if container.metadata.get("major_brand", "").strip() in _HEIF_BRANDS:
        raise MediaError(
            f"{path} is an image of a kind that is not read",
            expected="JPEG, PNG, WebP, BMP or TIFF",
            found="HEIF",
            remedy="Convert it to JPEG.",
        )
    covers = Disposition.attached_pic
    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream) or stream.disposition & covers:
        kinds = sorted({s.type for s in container.streams if not s.disposition & covers})
        raise MediaError(
            f"{path} has no video", expected="a video stream", found=", ".join(kinds) or "none"
        )
    # PyAV types it without None, which is what stands here where FFmpeg has no decoder.
    context = cast("av.VideoCodecContext | None", stream.codec_context)
    if context is None or context.name not in VIDEO_DECODERS:
        raise MediaError(
            f"{path} is coded in a way that is not decoded here",
            expected="one of " + ", ".join(VIDEO_DECODERS),
            found="a codec unknown to FFmpeg" if context is None else context.name,
            remedy="Convert it to H.264.",
        )
    size = (context.width, context.height)
    if 0 in size:
        size = _claimed_size(path)
    if size[0] * size[1] > max_pixels:
        raise too_large(str(path), max_pixels, size)
    context.options = {"max_pixels": decoder_limit(max_pixels)}
    context.thread_count = 1
    return stream


def _claimed_size(path: Path) -> tuple[int, int]:
    """What the container says of the picture's size, which FFmpeg clears when it is above a limit.

    No decoder may run here, so a lie costs nothing.
    """
    with _open_container(path, codec_whitelist="none") as container:
        context = container.streams.video[0].codec_context
        return context.width, context.height


def _bgr(frame: VideoFrame) -> ByteImage:
    return np.asarray(frame.to_ndarray(format="bgr24", threads=1), dtype=np.uint8)


def _orientation(frame: VideoFrame) -> int:
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV has no name for one of the other things that hang on this frame
        return {-90: 6, 90: 8, 180: 3, -180: 3}.get(frame.rotation, UPRIGHT)
    if data is None:
        return UPRIGHT
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5]  # type: ignore[call-overload]  # PyAV types side data as motion vectors
    return orientation_from_matrix(int(a), int(b), int(c), int(d))


def _as_output_error(error: av.error.FFmpegError) -> OSError | OutputError:
    if isinstance(error, OSError):
        return OSError(error.errno, error.strerror)
    return OutputError("the video cannot be encoded", found=_reason(error))


def _reason(error: av.error.FFmpegError) -> str:
    return error.strerror or str(error)
