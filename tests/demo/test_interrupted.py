"""A demo that is ended in the middle leaves nothing that stands in the way of the next."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.brokers import free_port
from tests.demo.conftest import Pack

# The command, on another pack and with another port for the broker that may be there.
_RUN = """
import sys
from pathlib import Path
import edge.pack, edge.cli.demo_pack
from edge.cli import main
edge.pack.PACK = Path(sys.argv[1])
edge.cli.demo_pack._PORT = int(sys.argv[2])
sys.exit(main(["demo", "--out", sys.argv[3]]))
"""


def parent_of(pid: int) -> int | None:
    """The process that started a process; None for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[1])


def children(pid: int) -> set[int]:
    """The processes that it started and that still run."""
    every = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return {other for other in every if parent_of(other) == pid}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_next_demo_finds_nothing_in_its_way(
    pack: Pack, demo: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:  # fmt: skip
    port, out = free_port(), tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(pack.folder), str(port), str(out)],
        cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (out / "state" / "outbox.db").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    started = children(process.pid)
    assert started  # the broker
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in error
    deadline = time.monotonic() + 10
    while any(parent_of(pid) is not None for pid in started):
        assert time.monotonic() < deadline, "a process was left behind"
        time.sleep(0.02)
    assert not (out / "seen.mp4").exists()
    monkeypatch.setattr("edge.cli.demo_pack._PORT", port)
    assert demo() == 0
