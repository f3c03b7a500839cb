"""One attempt at a camera: one capture process, with the memory and the pipe that are its own."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from multiprocessing import connection

from edge.capture.child import Child, InheritedDescriptor
from edge.capture.ring import FrameRing
from edge.capture.worker import CaptureJob, Notice, receive_notice, run_capture
from edge.config import Camera, SourceKind
from edge.errors import StreamBrokenError
from edge.media import MAX_PIXELS
from edge.media.stream import StreamLimits

_GRACE_S, _KILL_S = 0.5, 2.0


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt ended.

    final: a file is at its end, there is nothing to try again. told: somebody told the process to
    end, as whoever ends a whole group of processes does.
    """

    reason: str
    final: bool = False
    told: bool = False


class CaptureAttempt:
    """A running capture process for ``camera``. bell: the eventfd that it rings for every frame.

    The ring outlives it, so that its last frame can still be taken: whoever made the attempt closes
    both. Raises StreamBrokenError where there is no process, memory or descriptor to be had.
    """

    def __init__(
        self, camera: Camera, *, first_index: int, limits: StreamLimits, bell: int
    ) -> None:
        from_file = camera.source.kind is SourceKind.FILE
        try:
            self.ring = FrameRing(max_pixels=MAX_PIXELS if from_file else limits.max_pixels)
            self._messages, theirs = multiprocessing.Pipe(duplex=False)
        except OSError as exc:
            raise StreamBrokenError("no memory for frames", found=str(exc)) from exc
        job = CaptureJob(
            camera=camera.id,
            address=camera.source,
            loop=camera.loop,
            max_fps=camera.fps,
            first_index=first_index,
            limits=limits,
            ring=self.ring,
            bell=InheritedDescriptor(bell),
            messages=theirs,
        )
        try:
            self._child = Child(f"capture-{camera.id}", run_capture, job)
        except StreamBrokenError:
            self._messages.close()
            self.ring.close()
            raise
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        """The capture process."""
        return self._child.pid

    def wait(self, stop: int, timeout: float) -> AttemptEnd | None:
        """Wait for news, for ``stop`` to be readable or for the time; how it ended, once it has."""
        ready = connection.wait([self._messages, self._child.sentinel, stop], timeout)
        if self._messages in ready:
            return self._heard()
        return self._gone() if self._child.sentinel in ready else None

    def silence(self, seconds: float, now: float) -> str:
        """Why no frame came for so long, as far as can be told from here."""
        if now - self.ring.last_beat < seconds / 2:
            return f"data, but no whole picture for {seconds:g} s"
        return f"no frame for {seconds:g} s"

    def end(self) -> bool:
        """End the process, with force where it does not go; False where it stays even so."""
        self._messages.close()
        return self._child.end(grace_s=_GRACE_S, kill_s=_KILL_S)

    def _gone(self) -> AttemptEnd:
        reason = self._child.ending or "its process fell silent"
        return AttemptEnd(reason, told=self._child.was_told_to_end)

    def _heard(self) -> AttemptEnd | None:
        try:
            heard = receive_notice(self._messages)
        except (EOFError, OSError):
            connection.wait([self._child.sentinel], _GRACE_S)
            return self._gone()
        if heard is None:
            return AttemptEnd("its process said what none says")
        notice, reason = heard
        if notice is Notice.FIRST_FRAME:
            return None
        return AttemptEnd(reason, final=notice is Notice.ENDED)
