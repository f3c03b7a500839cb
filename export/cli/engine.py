"""``edgewarden engine``: build TensorRT engines on the device that will run them."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from edge.cli.command import Command, positive
from edge.cli.console import Progress, print_json, table

if TYPE_CHECKING:
    from edge.engines import StoredEngine

_EXAMPLE = "edgewarden engine bundles/yunet-n --config site.toml"
_VARIANTS = ("fp32", "fp16", "int8-trt", "int8-trt8")
_HIGHEST_LEVEL = 5


def _configure(parser: ArgumentParser) -> None:
    parser.description = (
        "Builds an engine of each variant that this TensorRT can build, for this GPU, and keeps it "
        "under the site's cache_dir with a sidecar that proves what it was built from. Engines of "
        "another TensorRT or GPU are never used. A build takes minutes and can be interrupted: "
        "earlier engines stay."
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle's folder")
    parser.add_argument("--config", type=Path, required=True, metavar="SITE", help="the site file")
    parser.add_argument(
        "--variant", choices=_VARIANTS, help="this one only (default: all that can be built)"
    )
    parser.add_argument(
        "--workspace",
        type=positive,
        metavar="MIB",
        help="scratch memory on the GPU (default: an eighth of it, 128 to 1,024 MiB)",
    )
    parser.add_argument(
        "--level",
        type=_level,
        default=3,
        help="0 to 5: how many kernels are tried (default: %(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="build what is there already")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _run(arguments: Namespace) -> int:
    from edge.bundle import open_bundle
    from edge.config import load_site
    from edge.cuda import probe_gpu
    from edge.device import gather
    from edge.signature import load_public_key
    from export.engine import load_tensorrt
    from export.engine_job import Workshop, build_engine, choose_recipes, find_engine

    site = load_site(arguments.config)
    bundle = open_bundle(
        arguments.bundle,
        require_signed=site.models.require_signed,
        trusted_keys=[load_public_key(path) for path in site.models.trusted_keys],
    )
    # The driver first: without one TensorRT crashes instead of saying so.
    gpu = probe_gpu()
    workshop = Workshop(
        trt=load_tensorrt(),
        gpu=gpu,
        device=gather(),
        cache_dir=site.site.cache_dir,
        state_dir=site.site.state_dir,
        workspace=None if arguments.workspace is None else arguments.workspace << 20,
        level=arguments.level,
    )
    done: list[tuple[StoredEngine, bool]] = []
    for recipe in choose_recipes(bundle, workshop, arguments.variant):
        found = None if arguments.force else find_engine(bundle, recipe, workshop)
        if found is None:
            with _interruptible() as watcher:
                engine = build_engine(bundle, recipe, workshop, watcher)
        done.append((found or engine, found is None))
    if arguments.json:
        print_json([_record(engine, built) for engine, built in done])
    else:
        print(table(["variant", "state", "MB", "seconds", "engine"], _rows(done)))
        print("\nspeed on this device: not measured, so the bundle's states stay as they are")
    return 0


class _Watcher:
    """Shows the phases of a build, and asks for its end once a signal came."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._progress: Progress | None = None

    def start(self, phase: str, steps: int) -> None:
        self._progress = Progress(phase, steps)
        self._progress.__enter__()

    def step(self) -> bool:
        if self._progress is not None:
            self._progress.step()
        return not self.asked.is_set()

    def finish(self) -> None:
        if self._progress is not None:
            self._progress.__exit__()
            self._progress = None


@contextmanager
def _interruptible() -> Iterator[_Watcher]:
    """Ctrl-C and SIGTERM end a build at its next step; raised inside TensorRT they would crash it.

    Afterwards each does what it did before.
    """
    watcher = _Watcher()
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        watcher.asked.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield watcher
    finally:
        watcher.finish()
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _rows(done: list[tuple[StoredEngine, bool]]) -> list[list[object]]:
    return [
        [
            engine.sidecar.variant,
            "built" if built else "there already",
            engine.sidecar.bytes / 1e6,
            engine.sidecar.build["seconds"],
            engine.path,
        ]
        for engine, built in done
    ]


def _record(engine: StoredEngine, built: bool) -> dict[str, object]:
    return {"path": str(engine.path), "built": built, **engine.sidecar.model_dump(mode="json")}


def _level(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _HIGHEST_LEVEL):
        raise ArgumentTypeError(f"expected 0 to {_HIGHEST_LEVEL}, found {text!r}")
    return int(text)


command = Command(
    summary="build TensorRT engines of a bundle, on the device that will run them",
    example=f"  {_EXAMPLE}",
    configure=_configure,
    run=_run,
)
