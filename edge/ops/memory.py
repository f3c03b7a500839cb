"""What a process takes of the machine's memory, as Linux counts it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FIELD = re.compile(r"^(Rss|Pss):\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. rss: all resident pages. pss: pages shared with others counted by their share."""

    rss: int
    pss: int


def read_memory(pid: int, *, proc: Path = Path("/proc")) -> Memory | None:
    """The memory of a process now; None where it has gone or may not be looked at."""
    try:
        text = (proc / str(pid) / "smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return None
    found = {name: int(kilobytes) * 1024 for name, kilobytes in _FIELD.findall(text)}
    if found.keys() != {"Rss", "Pss"}:
        return None
    return Memory(rss=found["Rss"], pss=found["Pss"])
