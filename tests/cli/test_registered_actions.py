"""Actions that packages add to a command by entry points."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A folder that Python takes for an installed package with two actions, one of them broken."""
    (tmp_path / "plugin.py").write_text(
        "from edge.cli.command import Command\n"
        "def configure(parser): parser.add_argument('word')\n"
        "def run(arguments): print(arguments.word); return 0\n"
        "command = Command(summary='say it', example='edgewarden bundle say hello',\n"
        "                  configure=configure, run=run)\n"
    )
    (tmp_path / "unready.py").write_text("import sklearn_of_old\n")
    facts = tmp_path / "plugin-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "[edgewarden.bundle]\nsay = plugin:command\nunready = unready:command\n"
    )
    return tmp_path


def run(plugin: Path, *words: str) -> subprocess.CompletedProcess[str]:
    code = (
        f"import sys; sys.path.insert(0, {str(plugin)!r}); from edge.cli import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_registered_action_is_run_with_its_arguments(plugin: Path) -> None:
    done = run(plugin, "bundle", "say", "hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
    helped = run(plugin, "bundle", "say", "--help")
    assert "edgewarden bundle say hello" in helped.stdout


def test_one_that_does_not_import_says_so_and_leaves_the_others_alone(plugin: Path) -> None:
    done = run(plugin, "bundle", "unready", "--anything")
    assert done.returncode == 2
    assert "unready needs sklearn_of_old" in done.stderr
    assert "Traceback" not in done.stderr
    assert run(plugin, "bundle", "--help").returncode == 0
