"""What every capture process needs. Imported by the process that forks them, and nowhere else."""

from __future__ import annotations

import gc
import signal

import edge.capture.worker  # noqa: F401  # for what it loads
from edge.media.stream import load_ffmpeg

load_ffmpeg()
# Who ends a whole group of processes, as Ctrl-C does, ends the daemon, which ends this one last: it
# alone knows how those that it forked have ended. Up to here these signals were held back.
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
# A collection in a forked process would write to all it visits, and so copy every shared page.
gc.freeze()
