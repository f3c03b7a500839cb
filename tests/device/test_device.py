"""What a device says of itself, read from trees of files like those of real ones."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.device import DeviceFacts, gather

ORIN = {
    "proc/cpuinfo": (
        "processor\t: 0\nBogoMIPS\t: 62.50\n"
        "Features\t: fp asimd evtstrm aes crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc asimddp\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd42\n\n"
        "processor\t: 1\nCPU part\t: 0xffff\n"
    ),
    "proc/meminfo": "MemTotal:        7802072 kB\nMemFree: 1 kB\nMemAvailable:    5120000 kB\n",
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
    "etc/nv_tegra_release": (
        "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, "
        "DATE: Wed Jan  8 01:49:37 UTC 2025\n# KERNEL_VARIANT: oot\n"
    ),
}
LAPTOP = {
    "proc/cpuinfo": (
        "processor\t: 0\nmodel name\t: Fast CPU @ 3.0: GHz\n"
        "flags\t\t: fpu avx avx2 avx_vnni avx512f avx512_vnni amx_int8\nbugs\t\t: i8mm\n"
    ),
    "proc/meminfo": "MemTotal:       16 kB\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    def plant(files: dict[str, str]) -> Path:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path

    return plant


def test_a_jetson_is_recognised(tree: Callable[[dict[str, str]], Path]) -> None:
    facts = gather(tree(ORIN))
    assert facts.board == "NVIDIA Jetson Orin Nano Developer Kit"
    assert facts.l4t == "36.4.3"
    assert facts.cpu_model == "ARM implementer 0x41 part 0xd42"
    assert facts.cpu_flags == {"asimddp"}
    assert facts.memory_total == 7802072 * 1024
    assert facts.memory_available == 5120000 * 1024


def test_a_laptop_is_no_jetson(tree: Callable[[dict[str, str]], Path]) -> None:
    facts = gather(tree(LAPTOP))
    assert facts.cpu_model == "Fast CPU @ 3.0: GHz"
    assert facts.cpu_flags == {"avx2", "avx_vnni", "avx512_vnni"}
    assert (facts.l4t, facts.board) == (None, None)
    assert facts.memory_total == 16 * 1024
    assert facts.memory_available is None


def test_no_fact_is_unknown_on_every_machine(tree: Callable[[dict[str, str]], Path]) -> None:
    facts = dataclasses.asdict(gather(tree(ORIN)))
    assert [name for name, value in facts.items() if value is None] == []


def test_an_empty_tree_raises_nothing(tmp_path: Path) -> None:
    facts = gather(tmp_path)
    assert (facts.cpu_model, facts.memory_total, facts.l4t, facts.board) == (None,) * 4
    assert facts.cpu_flags == frozenset()
    assert facts.machine == platform.machine()


def test_odd_files_raise_nothing(tree: Callable[[dict[str, str]], Path]) -> None:
    root = tree(
        {
            "proc/cpuinfo": ":::\n: \nflags\n",
            "proc/meminfo": "MemTotal: lots\nMemAvailable: -1 kB\n",
            "etc/nv_tegra_release": "# R (release)\n",
        }
    )
    (root / "proc/device-tree/model").mkdir(parents=True)
    (root / "proc/cpuinfo").write_bytes(b"model name: \xff\n")
    facts = gather(root)
    assert facts.cpu_model == "\ufffd"
    assert (facts.memory_total, facts.memory_available, facts.l4t) == (None, None, None)
    assert facts.board is None


def test_only_cpus_that_may_be_used_are_counted() -> None:
    allowed = os.sched_getaffinity(0)
    one = {min(allowed)}
    os.sched_setaffinity(0, one)
    try:
        assert gather().cpu_count == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert gather().cpu_count == len(allowed)


def test_this_machine_has_memory_and_a_python() -> None:
    facts = gather()
    assert facts.memory_total is not None
    assert facts.memory_total > 0
    assert facts.python == platform.python_version()


def test_facts_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        gather().board = "another"  # type: ignore[misc]  # that is the test
    assert hash(gather(Path("/nowhere"))) == hash(gather(Path("/nowhere")))
    assert isinstance(gather(), DeviceFacts)
