"""Live streams through FFmpeg: RTSP, HTTP and V4L2. Decodes as pictures come, and never seeks.

Like ``ffmpeg.py`` this imports PyAV inside its functions, translates its errors and gives each
decoder one thread. PyAV's errors carry the URL with its credentials, so no error raised here keeps
one as its cause.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from edge.errors import MediaError, MediaTooLargeError, StreamBrokenError, UsageError
from edge.media.ffmpeg import decoder_limit, too_large
from edge.site.source import SourceAddress, SourceKind
from edge.types import ByteImage

if TYPE_CHECKING:
    import av.container
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# The largest surveillance cameras of common use have 12 megapixels.
MAX_STREAM_PIXELS = 4096 * 4096

# What may be decoded: a stream comes from outside, and every further decoder is attack surface.
STREAM_DECODERS = ("h264", "hevc", "mjpeg")
# Plain USB cameras send pixels.
_DEVICE_DECODERS = (*STREAM_DECODERS, "rawvideo")

# Playlists are missing on purpose: they name other files and hosts.
_HTTP_CONTAINERS = "mpjpeg,mjpeg,mpegts,flv,matroska,webm,h264,hevc"

_COMMON = {
    # Pictures leave the decoder as they come.
    "flags": "low_delay",
    # Nobody uses the guessed frame rate: with H.264 at 15 frames/s this opens in 0.6 s, not in 2 s.
    "fpsprobesize": "0",
    # What RTSP does not say of the pictures may wait for the decoder. In microseconds.
    "analyzeduration": "1000000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """open_timeout_s and read_timeout_s: seconds of silence after which a stream is given up."""

    open_timeout_s: float = 5.0
    read_timeout_s: float = 5.0
    max_pixels: int = MAX_STREAM_PIXELS


class StreamDecoder:
    """The pictures of a stream that is open. Close it, or use it once and end the process.

    Raises MediaError where it cannot be opened or is coded in another way than STREAM_DECODERS (for
    V4L2, raw pictures too), MediaTooLargeError for too many pixels, UsageError for a kind of source
    that is no stream.
    """

    def __init__(self, address: SourceAddress, limits: StreamLimits) -> None:
        decoders = _DEVICE_DECODERS if address.kind is SourceKind.V4L2 else STREAM_DECODERS
        self._limits = limits
        self._max_pixels = decoder_limit(limits.max_pixels)
        self._container = _open(address, limits, decoders, self._max_pixels)
        try:
            self._stream = _video_stream(self._container, decoders)
        except MediaError:
            self._container.close()
            raise
        self._stream.codec_context.options = {"flags": "low_delay", "max_pixels": self._max_pixels}
        self._stream.codec_context.thread_count = 1
        self.corrupt = 0

    @property
    def fps(self) -> float | None:
        """Frames per second as the stream states, None where it does not."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(rate) if rate else None

    def pictures(
        self, *, wanted: Callable[[], bool], beat: Callable[[], None]
    ) -> Iterator[ByteImage | None]:
        """Each decoded picture, uint8 ``[H, W, 3]`` BGR; None where it was not ``wanted``.

        wanted: asked once for each. beat: called whenever data arrives. Damaged pictures are left
        out and counted in ``corrupt``. Raises StreamBrokenError where the stream ends or stays
        silent, MediaTooLargeError where its pictures have become too large.
        """
        import av

        for packet in self._packets():
            beat()
            try:
                frames = self._stream.codec_context.decode(packet)
            except av.error.FFmpegError as exc:
                self._skip(exc)
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self.corrupt += 1
                elif not wanted():
                    yield None
                elif (image := self._bgr(frame)) is not None:
                    yield image

    def close(self) -> None:
        """Release the connection and the decoder. Safe to call twice."""
        self._container.close()

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        import av

        try:
            for packet in self._container.demux(self._stream):
                if packet.size:  # an empty packet would end the decoder's stream
                    yield packet
        except av.error.FFmpegError as exc:
            found = _found(exc, self._limits.read_timeout_s)
            raise StreamBrokenError("the stream broke off", found=found) from None
        raise StreamBrokenError("the stream ended")

    def _bgr(self, frame: VideoFrame) -> ByteImage | None:
        import av

        if frame.width * frame.height > self._limits.max_pixels:
            raise self._too_large((frame.width, frame.height))
        try:
            return np.asarray(frame.to_ndarray(format="bgr24", threads=1), dtype=np.uint8)
        except av.error.FFmpegError as exc:
            self._skip(exc)
            return None

    def _skip(self, error: av.error.FFmpegError) -> None:
        import av

        # FFmpeg clears the size that it refuses.
        if isinstance(error, av.error.ArgumentError) and not self._stream.codec_context.width:
            raise self._too_large(None) from None
        self.corrupt += 1

    def _too_large(self, size: tuple[int, int] | None) -> MediaTooLargeError:
        return too_large("the stream", self._limits.max_pixels, size)


def load_ffmpeg() -> None:
    """Load FFmpeg into this process, so that those forked from it share its memory."""
    import av  # noqa: F401  # for what it loads


def _open(
    address: SourceAddress, limits: StreamLimits, decoders: tuple[str, ...], max_pixels: str
) -> av.container.InputContainer:
    import av

    container, options = _ways(address, limits)
    options |= {**_COMMON, "codec_whitelist": ",".join(decoders), "max_pixels": max_pixels}
    timeouts = (limits.open_timeout_s, limits.read_timeout_s)
    began = time.monotonic()
    try:
        return av.open(
            address.location,
            mode="r",
            format=container,
            options=options,
            timeout=timeouts,
            metadata_errors="replace",
        )
    except av.error.FFmpegError as exc:
        found = _found(exc, limits.open_timeout_s)
        # A request that nobody answers ends as if the answer had made no sense.
        waited = time.monotonic() - began
        if isinstance(exc, av.error.InvalidDataError) and waited >= min(timeouts):
            found = f"no usable answer for {waited:.1f} s"
    raise MediaError("the stream cannot be opened", found=found)


def _ways(address: SourceAddress, limits: StreamLimits) -> tuple[str | None, dict[str, str]]:
    """FFmpeg's name of the container, None where it has to look, and what to open it with."""
    silence = str(round(limits.read_timeout_s * 1e6))
    if address.kind is SourceKind.RTSP:
        return "rtsp", {
            "rtsp_transport": "tcp",
            "allowed_media_types": "video",
            "protocol_whitelist": "rtsp,rtsps,tcp,tls",
            "timeout": silence,
        }
    if address.kind is SourceKind.HTTP:
        return None, {
            "protocol_whitelist": "http,https,tcp,tls",
            "format_whitelist": _HTTP_CONTAINERS,
            "rw_timeout": silence,
        }
    if address.kind is SourceKind.V4L2:
        return "video4linux2", {"protocol_whitelist": "file"}
    raise UsageError(
        "this is no stream", expected="an RTSP, HTTP or V4L2 source", found=str(address)
    )


def _video_stream(container: av.container.InputContainer, decoders: tuple[str, ...]) -> VideoStream:
    import av

    stream = next(iter(container.streams.video), None)
    if not isinstance(stream, av.VideoStream):
        raise MediaError("the stream has no video", expected="a video stream", found="none")
    # PyAV types it without None, which is what stands here where FFmpeg has no decoder.
    context = cast("av.VideoCodecContext | None", stream.codec_context)
    if context is None or context.name not in decoders:
        raise MediaError(
            "the stream is coded in a way that is not decoded here",
            expected="one of " + ", ".join(decoders),
            found="a codec unknown to FFmpeg" if context is None else context.name,
            remedy="Set the camera to H.264.",
        )
    return stream


def _found(error: av.error.FFmpegError, timeout_s: float) -> str:
    """What happened, in words that hold nothing of the URL."""
    import av

    # FFmpeg's own timeout, and PyAV's, which interrupts.
    if isinstance(error, av.error.ExitError) or error.errno == errno.ETIMEDOUT:
        return f"no data for {timeout_s:g} s"
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return "the user or password was refused (401)"
    if isinstance(error, av.error.InvalidDataError):
        return "an answer that makes no sense"
    return (error.strerror or type(error).__name__).lower()
