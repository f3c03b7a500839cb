"""What every capture process needs. Imported by the process that forks them, and nowhere else."""

from __future__ import annotations

import gc

import edge.capture.worker  # noqa: F401  # for what it loads
from edge.media.stream import load_ffmpeg

load_ffmpeg()
# A collection in a forked process would write to all it visits, and so copy every shared page.
gc.freeze()
