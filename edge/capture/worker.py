"""The capture process of one camera: opens it, decodes, and puts every frame into the ring.

It lives as long as it gets frames. Whatever goes wrong, it says why and ends; another process makes
the next attempt. It holds the only decoder, so that it can be killed at any moment and nothing is
left of what a broken stream did to it.
"""

from __future__ import annotations

import ctypes
import fcntl
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from multiprocessing import connection
from multiprocessing.connection import Connection

from edge.capture.base import Source
from edge.capture.child import InheritedDescriptor
from edge.capture.paced import PacedFile
from edge.capture.ring import FrameRing
from edge.capture.stream import StreamSource
from edge.errors import EdgewardenError, MediaError
from edge.media.stream import StreamLimits
from edge.site.source import SourceAddress, SourceKind

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_LONGEST_REASON = 300


class Notice(str, Enum):
    """What a capture process says.

    It goes as plain text and is never unpickled: a decoder reads what strangers send, and may
    become theirs.
    """

    FIRST_FRAME = "first"
    FAILED = "failed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureJob:
    """What a capture process is to do, and where to put it.

    bell: an eventfd that is rung for every frame. messages: its end of a pipe. max_fps: at most so
    many frames a second are put in the ring. first_index: the index of the first frame.
    """

    camera: str
    address: SourceAddress
    loop: bool
    max_fps: float | None
    first_index: int
    limits: StreamLimits
    ring: FrameRing
    bell: InheritedDescriptor
    messages: Connection


def run_capture(job: CaptureJob) -> None:
    """The main function of a capture process."""
    _live_and_die_with_parent(job.camera)
    notice, reason = Notice.ENDED, "the file is at its end"
    try:
        _capture(job)
    except EdgewardenError as error:
        shown = job.ring.written and job.address.kind is SourceKind.FILE and not job.loop
        notice, reason = Notice.ENDED if shown else Notice.FAILED, str(error)
    send_notice(job.messages, notice, reason)


def open_source(job: CaptureJob, beat: Callable[[], None]) -> Source:
    """The source that the job names, not yet open. Raises MediaError for a CSI camera."""
    if job.address.kind is SourceKind.FILE:
        return PacedFile(
            job.address.location,
            camera=job.camera,
            loop=job.loop,
            first_index=job.first_index,
            max_fps=job.max_fps,
        )
    refuse_csi(job.address)
    return StreamSource(
        job.address,
        camera=job.camera,
        first_index=job.first_index,
        max_fps=job.max_fps,
        limits=job.limits,
        beat=beat,
    )


def refuse_csi(address: SourceAddress) -> None:
    """Raise MediaError for a CSI camera."""
    if address.kind is SourceKind.CSI:
        raise MediaError(
            f"{address} cannot be opened: CSI cameras need GStreamer, which is not built in yet",
            expected="a file, an RTSP or HTTP stream, or a V4L2 camera",
            found="a CSI camera",
            remedy="Use a camera with RTSP or USB.",
        )


def send_notice(messages: Connection, notice: Notice, reason: str = "") -> None:
    """Say something to the other process; nothing where it is gone."""
    try:
        messages.send_bytes(f"{notice.value} {reason[:_LONGEST_REASON]}".encode())
    except OSError:
        sys.exit(1)


def receive_notice(messages: Connection) -> tuple[Notice, str] | None:
    """What the capture process said, None for what it should not say. Raises EOFError, OSError."""
    text = messages.recv_bytes(4 * _LONGEST_REASON + 16).decode(errors="replace")
    word, _, reason = text.partition(" ")
    if word not in {notice.value for notice in Notice}:
        return None
    return Notice(word), "".join(c for c in reason if c.isprintable())


def _capture(job: CaptureJob) -> None:
    def beat() -> None:
        job.ring.beat(time.monotonic())

    beat()
    with open_source(job, beat) as source:
        for frame in source:
            beat()
            job.ring.put(frame.image, index=frame.index, time=frame.time)
            os.eventfd_write(job.bell.number, 1)
            if job.ring.written == 1:
                send_notice(job.messages, Notice.FIRST_FRAME)


def _live_and_die_with_parent(camera: str) -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NAME, f"cap-{camera}"[:15].encode(), 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Ctrl-C on a terminal goes to every process; the daemon decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The kernel sees to the rest, so that it holds inside a call that never returns, too. The
    # process that forked this one has to live for the daemon to know of this one's end …
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # … and the daemon holds the other end of this pipe, on which nothing is ever said again.
    daemon = multiprocessing.parent_process()
    assert daemon is not None
    pipe = daemon.sentinel
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if connection.wait([pipe], 0) or os.getppid() == 1:
        sys.exit(1)
