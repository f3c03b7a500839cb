"""The wheel: what is in it, and that it works where nothing else of the repository is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

PACKAGES = ("edge", "export", "calibration")
PACK_SUFFIXES = {".json", ".jpg", ".mp4", ".npz", ".onnx"}
MOST_PACK_BYTES = 8_000_000


def pack_files(repository: Path) -> list[Path]:
    """What the reference pack holds besides its modules."""
    every = (repository / "edge" / "pack").rglob("*")
    return [p for p in every if p.is_file() and p.suffix != ".py" and "__pycache__" not in p.parts]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run with nothing of this test's own Python in the environment."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=clean,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # From a copy: setuptools leaves a build/ in the tree, and would ship what an old one holds.
    work = tmp_path_factory.mktemp("wheel")
    source = work / "source"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", ".*_cache", "__pycache__", "*.egg-info", "build", "dist", "out"
    )
    shutil.copytree(repository, source, ignore=ignored)
    built = run(
        sys.executable, "-m", "build", "--wheel", "--outdir", work / "dist", source, cwd=work
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = (work / "dist").iterdir()
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new venv that holds the wheel with its extra ``cpu``, and no more."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=True)
    pins = repository / "constraints" / "py{}{}.txt".format(*sys.version_info[:2])
    constrained = ("-c", pins) if pins.exists() else ()
    pip = (home / "bin" / "pip", "--disable-pip-version-check", "--no-input", "-q", "install")
    done = run(*pip, *constrained, f"edgewarden[cpu] @ {wheel.as_uri()}", cwd=home)
    assert done.returncode == 0, done.stderr
    return home / "bin"


def test_it_holds_every_module_of_the_packages_and_nothing_else(
    wheel: Path, repository: Path
) -> None:
    expected = {
        str(path.relative_to(repository))
        for package in PACKAGES
        for path in (repository / package).rglob("*")
        if path.is_file() and path.suffix in {".py", ".typed"}
    } | {"edge/catalogue.toml"}  # the public models that ``bundle pull`` knows
    expected |= {str(path.relative_to(repository)) for path in pack_files(repository)}
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {f"{package}/py.typed" for package in PACKAGES} < names
    assert names == expected


def test_the_pack_is_in_it_and_small(wheel: Path, repository: Path) -> None:
    data = {
        str(path.relative_to(repository)): path.stat().st_size for path in pack_files(repository)
    }
    assert "edge/pack/pack.json" in data
    assert sum(data.values()) <= MOST_PACK_BYTES
    odd = [name for name in data if Path(name).suffix not in PACK_SUFFIXES]
    assert odd == []
    with zipfile.ZipFile(wheel) as archive:
        assert {name: archive.getinfo(name).file_size for name in data} == data


def test_every_folder_of_modules_is_a_package(repository: Path) -> None:
    folders = {path.parent for name in PACKAGES for path in (repository / name).rglob("*.py")}
    assert repository / "edge" / "vision" / "heads" in folders
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_its_metadata_says_licence_python_and_extras(wheel: Path, metadata: dict[str, Any]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        said = Parser().parsestr(archive.read(name).decode())
    assert said["Name"] == "edgewarden"
    assert said["License-Expression"] == "Apache-2.0"
    assert said.get_all("License-File") == ["LICENSE", "NOTICE"]
    assert said["Requires-Python"] == ">=3.10"
    assert set(said.get_all("Provides-Extra", [])) == set(metadata["optional-dependencies"])


def test_the_command_runs_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    helped = run(installed / "edgewarden", "--help", cwd=tmp_path)
    assert helped.returncode == 0, helped.stderr
    assert "COMMAND" in helped.stdout
    version = run(installed / "edgewarden", "--version", cwd=tmp_path)
    assert version.returncode == 0, version.stderr
    source = "from importlib.metadata import version; print('edgewarden', version('edgewarden'))"
    assert version.stdout == run(installed / "python", "-c", source, cwd=tmp_path).stdout
    assert list(tmp_path.iterdir()) == []


def test_every_command_helps_with_an_example(
    installed: Path, metadata: dict[str, Any], tmp_path: Path
) -> None:
    for name in metadata["entry-points"]["edgewarden.commands"]:
        helped = run(installed / "edgewarden", name, "--help", cwd=tmp_path)
        assert helped.returncode == 0, helped.stderr
        assert f"edgewarden {name}" in helped.stdout.partition("example")[2]


def test_it_imports_without_the_repository_or_opencv(installed: Path, tmp_path: Path) -> None:
    code = "import sys, edge.cli, export, calibration; print('cv2' in sys.modules, edge.__file__)"
    done = run(installed / "python", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    loaded, where = done.stdout.split()
    assert loaded == "False"
    assert Path(where).is_relative_to(installed.parent)


def test_the_installed_command_prints_the_event_schema(installed: Path, tmp_path: Path) -> None:
    done = run(installed / "edgewarden", "events", "schema", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "$schema" in json.loads(done.stdout)


def test_the_installed_command_makes_and_verifies_a_bundle(
    installed: Path, assets: Path, tmp_path: Path
) -> None:
    model = assets / "models" / "yunet_n_dynamic.onnx"
    made = run(
        *(installed / "edgewarden", "bundle", "new", model),
        *("--template", "yunet", "--out", "bundle"),
        cwd=tmp_path,
    )
    assert made.returncode == 0, made.stderr
    checked = run(installed / "edgewarden", "bundle", "verify", "bundle", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
