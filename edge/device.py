"""What this machine is, gathered once: a device's own files, and nothing that needs a driver."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# The instructions that decide how fast, and on x86 how exactly, models run on the CPU.
_CPU_FLAGS = ("avx2", "avx512_vnni", "avx_vnni", "asimddp", "i8mm")
_L4T = re.compile(r"# R(\d+) \(release\), REVISION: ([\d.]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What is known of a machine; None for what it does not say.

    machine: as uname has it. cpu_flags: those of avx2, avx512_vnni, avx_vnni (x86), asimddp and
    i8mm (ARM) that it has. cpu_count: CPUs this process may use. Memory is in bytes; available is
    what was free to take when it was looked at. l4t: release of Jetson Linux, "36.4.3". board:
    model as the device tree has it.
    """

    machine: str
    cpu_model: str | None
    cpu_flags: frozenset[str]
    cpu_count: int
    memory_total: int | None
    memory_available: int | None
    python: str
    l4t: str | None
    board: str | None


def gather(root: Path = Path("/")) -> DeviceFacts:
    """The facts of this machine, its files read below ``root``. A missing file raises nothing."""
    cpu = _fields(_read(root / "proc/cpuinfo"))
    memory = _fields(_read(root / "proc/meminfo"))
    flags = (cpu.get("flags") or cpu.get("Features") or "").split()
    return DeviceFacts(
        machine=platform.machine(),
        cpu_model=_cpu_model(cpu),
        cpu_flags=frozenset(flags).intersection(_CPU_FLAGS),
        cpu_count=len(os.sched_getaffinity(0)),
        memory_total=_bytes(memory.get("MemTotal")),
        memory_available=_bytes(memory.get("MemAvailable")),
        python=platform.python_version(),
        l4t=_l4t(_read(root / "etc/nv_tegra_release")),
        board=_read(root / "proc/device-tree/model").strip("\0 \n") or None,
    )


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", errors="replace")
    except OSError:
        return ""


def _fields(text: str) -> Mapping[str, str]:
    """``key : value`` lines; of a key given more than once, as for each CPU, the first."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip(), value.strip())
    return found


def _cpu_model(cpu: Mapping[str, str]) -> str | None:
    """ARM kernels give numbers instead of a name."""
    if cpu.get("model name"):
        return cpu["model name"]
    if "CPU implementer" in cpu and "CPU part" in cpu:
        return f"ARM implementer {cpu['CPU implementer']} part {cpu['CPU part']}"
    return None


def _bytes(text: str | None) -> int | None:
    match = re.fullmatch(r"(\d+) kB", text or "", re.ASCII)
    return int(match[1]) * 1024 if match else None


def _l4t(text: str) -> str | None:
    match = _L4T.search(text)
    return f"{match[1]}.{match[2]}" if match else None
