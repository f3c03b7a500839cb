"""Reads a source tree from its syntax: what each module holds and imports. Runs none of it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGES = ("edge", "export", "calibration")


@dataclass(frozen=True)
class Import:
    """One import as written: ``lazy`` inside a function, ``typing`` under TYPE_CHECKING."""

    target: str
    line: int
    lazy: bool
    typing: bool


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name, its syntax and what it imports."""

    name: str
    path: Path
    tree: ast.Module
    lines: int
    imports: tuple[Import, ...]


Tree = dict[str, Module]
Plant = Callable[[dict[str, str]], Tree]


def read_tree(root: Path) -> Tree:
    """Every module of the three packages under ``root``, by dotted name."""
    paths = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
    }
    tree: Tree = {}
    for name, path in paths.items():
        text = path.read_text(encoding="utf-8")
        syntax = ast.parse(text, filename=str(path))
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        imports = tuple(_imports(syntax, package=package, known=frozenset(paths)))
        tree[name] = Module(name, path, syntax, len(text.splitlines()), imports)
    return tree


def _imports(
    node: ast.AST,
    *,
    package: str,
    known: frozenset[str],
    lazy: bool = False,
    typing: bool = False,
) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        for target in _targets(child, package=package, known=known):
            yield Import(target, getattr(child, "lineno", 0), lazy, typing)
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        guarded = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        yield from _imports(
            child, package=package, known=known, lazy=lazy or inside, typing=typing or guarded
        )


def _targets(node: ast.AST, *, package: str, known: frozenset[str]) -> Iterator[str]:
    """The dotted names of the modules that this one statement or call imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        up = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        base = ".".join([*up, *([node.module] if node.module else [])])
        for alias in node.names:
            whole = f"{base}.{alias.name}"
            yield whole if whole in known else base
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
            yield node.args[0].value


@pytest.fixture(scope="session")
def product() -> Tree:
    """The source tree of this repository."""
    return read_tree(Path(__file__).resolve().parents[2])


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """A tree of the given files, by path; the packages above them are made too."""

    def make(files: dict[str, str]) -> Tree:
        for path, text in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            for folder in [file.parent, *file.parent.parents]:
                if folder == tmp_path:
                    break
                (folder / "__init__.py").touch()
        return read_tree(tmp_path)

    return make
