"""A plain install lacks OpenCV and more: commands say which extra brings it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_WITHOUT = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
from edge.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run_without(hidden: str, *words: object) -> subprocess.CompletedProcess[str]:
    code = _WITHOUT.format(hidden=hidden)
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", ["replay", "verify"])
def test_without_opencv_a_command_names_the_extra(world: Any, clip: Any, command: str) -> None:
    words: dict[str, list[object]] = {
        "replay": ["replay", clip(1), "--config", world.site],
        "verify": ["bundle", "verify", world.folder / "detector-bundle"],
    }
    done = run_without("cv2", *words[command])
    assert done.returncode == 2
    assert "edgewarden[cpu]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("options", [[], ["--log-level", "info"]])
def test_a_command_that_does_not_import_says_so_whatever_stands_before_it(
    tmp_path: Path, options: list[str]
) -> None:
    words = [*options, "evaluate", "identification", tmp_path / "a.jsonl", "--truth", "b.csv"]
    done = run_without("calibration", *words)
    assert done.returncode == 2
    assert "evaluate needs calibration" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_other_commands_work_beside_one_that_does_not_import() -> None:
    done = run_without("calibration", "--help")
    assert done.returncode == 0
    assert "not available: calibration is not installed" in done.stdout
    assert run_without("calibration", "events", "schema").returncode == 0


def test_a_module_of_no_extra_is_a_fault_and_stays_one(world: Any) -> None:
    done = run_without("pydantic", "bundle", "show", world.folder / "detector-bundle")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
