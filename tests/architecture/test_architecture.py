"""The shape of the source tree, read from its syntax.

The rules are functions over a tree, so that the tests below can show each of them one that breaks
it. A new room of ``edge`` has to be given its floor in FLOORS.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.architecture.conftest import Plant, Tree

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 450

# Lowest first; a module imports from its own floor and those before it. A name stands for one
# module; with ".*" for a package and all that is in it, where no longer name fits.
FLOORS = {
    "values": (
        *("edge", "edge.closing", "edge.errors", "edge.types", "edge.geometry"),
        *("edge.extras", "edge.ids", "edge.polygon", "edge.strict_json"),
    ),
    "facts": (
        *("edge.config", "edge.site.*", "edge.schedule"),
        *("edge.manifest", "edge.manifest_model", "edge.manifest_parts", "edge.templates"),
        *("edge.bundle", "edge.bundle_folder", "edge.choice", "edge.golden"),
        *("edge.signature", "edge.onnx_file", "edge.device", "edge.durable"),
        *("edge.catalogue", "edge.pack.*"),
        *("edge.cuda", "edge.engines"),
    ),
    "seams": (
        *("edge.runner", "edge.runner.base"),
        *("edge.capture", "edge.capture.base"),
        *("edge.publish", "edge.publish.base"),
        *("edge.store", "edge.store.base"),
    ),
    "domain": ("edge.vision.*", "edge.track.*", "edge.gallery.*", "edge.rules.*", "edge.events.*"),
    "adapters": (
        *("edge.runner.*", "edge.capture.*", "edge.store.*", "edge.publish.*"),
        *("edge.media.*", "edge.ops.*", "edge.download_cache", "edge.fetch"),
    ),
    "composition": (
        *("edge.behaviour_reporter", "edge.camera_view", "edge.clip_stage", "edge.scene"),
        *("edge.pipeline", "edge.reporter", "edge.replay", "edge.loop", "edge.deployment"),
        *("edge.service", "edge.upkeep", "edge.troubles", "edge.delivery"),
        *("edge.snapshots", "edge.latency"),
        *("edge.assembly", "edge.bundler", "edge.enrol", "edge.cli.*"),
        *("edge.fitting", "edge.proving", "edge.selftest.*", "edge.demo.*"),
    ),
}
ORDER = tuple(FLOORS)

# What each package may never import, at any depth of its code.
BARRED = {
    "edge": ("export", "calibration", "tests", "onnx", "torch", "scipy"),
    "calibration": ("export", "tests"),
    "export": ("tests",),
}

# Packages that few modules of edge import, inside a function: a camera may lack them, and they
# are slow to load. No modules: one may, and which is not settled.
HOMES: dict[str, tuple[str, ...]] = {
    "av": ("edge.media.ffmpeg", "edge.media.stream"),  # files, and live streams
    "gi": ("edge.capture.gstreamer",),
    "onnxruntime": ("edge.runner.onnxruntime",),
    "pycuda": (),
    "tensorrt": ("edge.runner.tensorrt",),
}
# The doctor says which build of OpenCV is there.
CV2_ROOMS = ("edge.vision.", "edge.media.", "edge.cli.doctor")

# Domain code is arrays and values in, arrays and values out.
WORLDLY = {
    *("asyncio", "multiprocessing", "select", "shutil", "signal", "socket", "sqlite3", "ssl"),
    *("subprocess", "tempfile", "threading", "time"),
}


def floor_of(name: str) -> str | None:
    """The floor of a module of edge; None where FLOORS has no place for it."""
    exact = {entry: floor for floor, entries in FLOORS.items() for entry in entries}
    if name in exact:
        return exact[name]
    parts = name.split(".")
    packages = [".".join(parts[:end]) + ".*" for end in range(len(parts), 1, -1)]
    return next((exact[package] for package in packages if package in exact), None)


def is_within(target: str, package: str) -> bool:
    return target == package or target.startswith(f"{package}.")


def unknown_rooms(tree: Tree) -> list[str]:
    return [
        f"{name}: no floor; give the room one in FLOORS"
        for name in tree
        if is_within(name, "edge") and floor_of(name) is None
    ]


def imports_upwards(tree: Tree) -> list[str]:
    found = []
    for module in tree.values():
        floor = floor_of(module.name)
        for imported in module.imports:
            other = floor_of(imported.target) if is_within(imported.target, "edge") else None
            if floor and other and ORDER.index(other) > ORDER.index(floor):
                found.append(
                    f"{module.name}:{imported.line}: {floor} imports {imported.target} ({other})"
                )
    return found


def import_cycles(tree: Tree) -> list[str]:
    """Each cycle once, named from where a depth-first walk met it; lazy imports count too."""
    done: set[str] = set()
    found: list[str] = []

    def walk(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            found.append(" -> ".join([*trail[trail.index(name) :], name]))
        elif name not in done:
            for target in sorted(
                {i.target for i in tree[name].imports if not i.typing} & set(tree)
            ):
                walk(target, (*trail, name))
            done.add(name)

    for name in tree:
        walk(name, ())
    return found


def barred_imports(tree: Tree) -> list[str]:
    return [
        f"{module.name}:{imported.line}: imports {imported.target}"
        for module in tree.values()
        for imported in module.imports
        for barred in BARRED[module.name.partition(".")[0]]
        if is_within(imported.target, barred)
    ]


def shared_or_eager_imports(tree: Tree) -> list[str]:
    found = []
    for package, homes in HOMES.items():
        uses = [
            (module.name, imported)
            for module in tree.values()
            if is_within(module.name, "edge")
            for imported in module.imports
            if is_within(imported.target, package)
        ]
        importers = sorted({name for name, _ in uses})
        if not homes and len(importers) > 1:
            found.append(f"{package}: imported by {', '.join(importers)}; one module may")
        found += [
            f"{name}: imports {package}, which only {' and '.join(homes)} may"
            for name in importers
            if homes and name not in homes
        ]
        found += [
            f"{name}:{imported.line}: imports {package} outside of a function"
            for name, imported in uses
            if not (imported.lazy or imported.typing)
        ]
    return found


def scattered_sessions(tree: Tree) -> list[str]:
    """ONNX Runtime sessions made, or TensorRT imported, where they must not be."""
    found = []
    for module in tree.values():
        for node in ast.walk(module.tree):
            named = getattr(node, "attr", None) or getattr(node, "id", None)
            if named == "InferenceSession" and module.name not in HOMES["onnxruntime"]:
                found.append(f"{module.name}:{getattr(node, 'lineno', 0)}: makes its own session")
        found += [
            f"{module.name}:{imported.line}: only export.engine may import tensorrt"
            for imported in module.imports
            if is_within(imported.target, "tensorrt")
            and not is_within(module.name, "edge")
            and module.name != "export.engine"
        ]
    return found


def environment_readers(tree: Tree) -> list[str]:
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    found = []
    for module in tree.values():
        if module.name == "edge.config":
            continue
        for node in ast.walk(module.tree):
            attribute = isinstance(node, ast.Attribute) and node.attr in names
            imported = (
                isinstance(node, ast.ImportFrom)
                and node.module == "os"
                and any(alias.name in names for alias in node.names)
            )
            if attribute or imported:
                line = getattr(node, "lineno", 0)
                found.append(f"{module.name}:{line}: only edge.config reads the environment")
    return found


def misplaced_opencv(tree: Tree) -> list[str]:
    """cv2 outside its rooms, or anywhere in what a capture process loads."""
    users = {m.name for m in tree.values() for i in m.imports if is_within(i.target, "cv2")}
    found = [
        f"{name}: imports cv2"
        for name in sorted(users)
        if is_within(name, "edge") and not name.startswith(CV2_ROOMS)
    ]
    capture = {name for name in tree if is_within(name, "edge.capture")}
    reached: set[str] = set()
    while capture:
        name = capture.pop()
        reached.add(name)
        targets = {i.target for i in tree[name].imports if not i.typing and i.target in tree}
        parents = {target.rpartition(".")[0] for target in targets} & set(tree)
        capture |= (targets | parents) - reached
    return found + [
        f"{name}: a capture process loads it, and with it cv2" for name in reached & users
    ]


def worldly_domain(tree: Tree) -> list[str]:
    return [
        f"{module.name}:{imported.line}: {floor} imports {imported.target}"
        for module in tree.values()
        if (floor := floor_of(module.name)) in {"values", "domain"}
        for imported in module.imports
        if imported.target.partition(".")[0] in WORLDLY
    ]


def long_modules(tree: Tree) -> list[str]:
    return [
        f"{module.name}: {module.lines} lines; at most {MOST_LINES}"
        for module in tree.values()
        if module.lines > MOST_LINES
    ]


RULES: tuple[Callable[[Tree], list[str]], ...] = (
    barred_imports,
    environment_readers,
    import_cycles,
    imports_upwards,
    long_modules,
    misplaced_opencv,
    scattered_sessions,
    shared_or_eager_imports,
    unknown_rooms,
    worldly_domain,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_product_keeps_the_rule(product: Tree, rule: Callable[[Tree], list[str]]) -> None:
    assert "edge.types" in product
    assert rule(product) == []


def test_no_test_file_is_too_long() -> None:
    lengths = {
        path.name: len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "tests").rglob("*.py")
    }
    assert "test_architecture.py" in lengths
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_every_room_of_the_table_is_a_place_that_a_module_can_be_in() -> None:
    assert floor_of("edge.runner.base") == "seams"
    assert floor_of("edge.runner.onnxruntime") == "adapters"
    assert floor_of("edge.vision.heads.yunet") == "domain"
    assert floor_of("edge.cli") == "composition"
    assert floor_of("edge.types") == "values"
    assert floor_of("edge.types.more") is None
    assert floor_of("edge.utils") is None


def lazily(statement: str) -> str:
    return f"def f():\n    {statement}\n"


TYPED = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import {}\n"

BROKEN: list[tuple[Callable[[Tree], list[str]], dict[str, str], str]] = [
    (unknown_rooms, {"edge/utils.py": ""}, "edge.utils"),
    (unknown_rooms, {"edge/helpers/boxes.py": ""}, "edge.helpers.boxes"),
    (imports_upwards, {"edge/types.py": "import edge.config", "edge/config.py": ""}, "facts"),
    (
        imports_upwards,
        {"edge/runner/base.py": "from edge import vision", "edge/vision/a.py": ""},
        "dom",
    ),
    (imports_upwards, {"edge/track/a.py": lazily("from edge.store.sqlite import x")}, "adapters"),
    (
        imports_upwards,
        {"edge/media/a.py": "from ..cli import x", "edge/cli/b.py": ""},
        "composition",
    ),
    (
        import_cycles,
        {"edge/types.py": "import edge.errors", "edge/errors.py": "import edge.types"},
        "->",
    ),
    (barred_imports, {"edge/config.py": "import onnx.helper"}, "onnx.helper"),
    (barred_imports, {"edge/cli/a.py": lazily("from calibration import metrics")}, "calibration"),
    (barred_imports, {"edge/track/a.py": "from scipy.optimize import x"}, "scipy"),
    (barred_imports, {"calibration/a.py": "import export"}, "export"),
    (barred_imports, {"export/a.py": "import tests.conftest"}, "tests"),
    (shared_or_eager_imports, {"edge/runner/onnxruntime.py": "import onnxruntime"}, "outside of"),
    (
        shared_or_eager_imports,
        {"edge/cli/a.py": lazily("import onnxruntime as o")},
        "only edge.runner",
    ),
    (
        shared_or_eager_imports,
        {"edge/media/a.py": lazily("import pycuda"), "edge/cli/b.py": lazily("import pycuda.x")},
        "edge.cli.b, edge.media.a",
    ),
    (shared_or_eager_imports, {"edge/media/a.py": lazily("import av.error")}, "edge.media.stream"),
    (
        shared_or_eager_imports,
        {"edge/capture/file.py": lazily("import importlib; importlib.import_module('av')")},
        "only edge.media.",
    ),
    (
        shared_or_eager_imports,
        {"edge/runner/tensorrt.py": "class A:\n    import pycuda.driver"},
        "out",
    ),
    (scattered_sessions, {"export/a.py": lazily("onnxruntime.InferenceSession('a')")}, "session"),
    (scattered_sessions, {"export/parity.py": lazily("import tensorrt")}, "export.engine"),
    (environment_readers, {"edge/device.py": "import os\nos.environ['A']"}, "edge.device:2"),
    (environment_readers, {"export/a.py": "from os import getenv"}, "export.a:1"),
    (misplaced_opencv, {"edge/cli/a.py": lazily("import cv2")}, "edge.cli.a"),
    (
        misplaced_opencv,
        {
            "edge/capture/file.py": "from edge.media import video",
            "edge/media/video.py": "from edge.media.picture import f",
            "edge/media/picture.py": lazily("import cv2"),
        },
        "edge.media.picture: a capture process",
    ),
    (worldly_domain, {"edge/rules/a.py": "import time"}, "time"),
    (worldly_domain, {"edge/types.py": lazily("from socket import socket")}, "socket"),
    (long_modules, {"edge/types.py": "\n" * (MOST_LINES + 1)}, "451"),
]


@pytest.mark.parametrize(("rule", "files", "said"), BROKEN)
def test_a_planted_violation_is_found(
    plant: Plant, rule: Callable[[Tree], list[str]], files: dict[str, str], said: str
) -> None:
    found = rule(plant(files))
    assert len(found) >= 1
    assert said in " ".join(found)


def test_what_is_allowed_is_not_found(plant: Plant) -> None:
    tree = plant(
        {
            "edge/types.py": TYPED.format("edge.errors") + "import numpy",
            "edge/errors.py": TYPED.format("edge.types"),
            "edge/config.py": "import os\nos.environ.get('A')\nfrom . import types",
            "edge/runner/base.py": "from edge.types import x",
            "edge/runner/onnxruntime.py": lazily("from onnxruntime import InferenceSession"),
            "edge/media/stream.py": TYPED.format("av") + lazily("import av.error"),
            "edge/media/picture.py": "import cv2",
            "edge/capture/file.py": "from edge.media.stream import x",
            "edge/vision/a.py": "import cv2\nfrom edge.runner.base import x\nimport onnxruntimes",
            "edge/cli/a.py": "from edge.runner import base, onnxruntime\nimport threading",
            "calibration/a.py": "import edge.cli.a\nimport scipy",
            "export/engine.py": "import tensorrt\nimport calibration, onnx",
        }
    )
    assert [found for rule in RULES for found in rule(tree)] == []


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("edge.cli", "cv2 onnxruntime av tensorrt pycuda gi export calibration"),
        ("edge.capture.file", "cv2 onnxruntime tensorrt pycuda sqlite3"),
        ("edge.capture.worker", "cv2 onnxruntime tensorrt pycuda sqlite3 pydantic av"),
    ],
)
def test_importing_it_loads_nothing_heavy(module: str, absent: str) -> None:
    script = f"import sys, {module}; print(*set(sys.modules) & set({absent.split()!r}))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
