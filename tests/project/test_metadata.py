"""pyproject.toml, the pins and the command modules have to agree."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
MACHINES = ("x86_64", "aarch64")


def requirements(metadata: dict[str, Any]) -> list[Requirement]:
    extras = metadata["optional-dependencies"].values()
    return [Requirement(r) for group in (metadata["dependencies"], *extras) for r in group]


def pins(path: Path, environment: dict[str, str]) -> dict[str, str]:
    """Version by canonical name, of the lines whose marker holds in ``environment``."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        pin = Requirement(text)
        (clause,) = pin.specifier
        assert clause.operator == "==", line
        if pin.marker is None or pin.marker.evaluate(environment):
            assert canonicalize_name(pin.name) not in found, line
            found[canonicalize_name(pin.name)] = clause.version
    return found


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_has_a_pin_that_satisfies_it(
    repository: Path, metadata: dict[str, Any], python: str, machine: str
) -> None:
    environment = {"python_version": python, "platform_machine": machine, "sys_platform": "linux"}
    path = repository / "constraints" / f"py{python.replace('.', '')}.txt"
    pinned = pins(path, environment)
    wanted = [
        requirement
        for requirement in requirements(metadata)
        if requirement.marker is None or requirement.marker.evaluate(environment)
    ]
    assert len(wanted) > 10
    unmet = [
        str(requirement)
        for requirement in wanted
        if not requirement.specifier.contains(pinned.get(canonicalize_name(requirement.name), "0"))
    ]
    assert unmet == []


def test_every_python_that_is_claimed_has_pins_and_no_other(
    repository: Path, metadata: dict[str, Any]
) -> None:
    prefix = "Programming Language :: Python :: 3."
    claimed = [
        line.removeprefix("Programming Language :: Python :: ")
        for line in metadata["classifiers"]
        if line.startswith(prefix)
    ]
    assert tuple(claimed) == PYTHONS
    files = {path.name for path in (repository / "constraints").iterdir()}
    assert files == {f"py{python.replace('.', '')}.txt" for python in PYTHONS}


def test_a_camera_installs_what_it_needs_and_the_rest_is_extra(metadata: dict[str, Any]) -> None:
    base = {canonicalize_name(Requirement(r).name) for r in metadata["dependencies"]}
    assert base == {
        *("av", "cryptography", "numpy", "onnxruntime", "paho-mqtt", "pydantic", "tomli"),
    }
    assert set(metadata["optional-dependencies"]) == {"cpu", "jetson", "export", "train", "dev"}


def top_level_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_every_command_module_is_registered_under_its_own_name(
    repository: Path, metadata: dict[str, Any]
) -> None:
    modules = {
        f"{'.'.join(path.relative_to(repository).with_suffix('').parts)}:command"
        for folder in ("edge/cli", "export/cli", "calibration/cli")
        for path in sorted((repository / folder).glob("*.py"))
        if "command" in top_level_names(path)
    }
    commands = metadata["entry-points"]["edgewarden.commands"]
    groups = {f"edgewarden.{name}" for name in commands} | {"edgewarden.commands"}
    assert set(metadata["entry-points"]) <= groups
    registered = [
        (name, module)
        for group in metadata["entry-points"].values()
        for name, module in group.items()
    ]
    assert {module for _, module in registered} == modules
    assert len(registered) == len(modules)
    for name, module in registered:
        stem = module.removesuffix(":command").rpartition(".")[2]
        assert stem == name or stem.endswith(name.replace("-", "_"))
