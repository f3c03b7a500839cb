"""Engines from ONNX files, on the device that will run them: every builder call of TensorRT.

Written for 8.6, 10.x and 11.x. Precision is in the ONNX file wherever TensorRT allows it: from 10
on networks are strongly typed and no flag says anything about precision; 8.x is given FP32 files
with its FP16 and INT8 flags. Nothing here needs more than the base install and TensorRT.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from edge.cuda import GpuFacts
from edge.errors import EngineError, GpuError
from edge.manifest import Axis, Manifest

Shape = tuple[int, ...]
Profile = Mapping[str, tuple[Shape, Shape, Shape]]

_OLDEST = (8, 6)
_STRONGLY_TYPED_FROM = 10
_MAX_MESSAGES = 5
# Generators state no batch: that of a handful of pictures.
_LATENT_BATCH = Axis(min=1, opt=1, max=8)
_MIB = 1 << 20
_LEAST_WORKSPACE, _MOST_WORKSPACE = 128 * _MIB, 1024 * _MIB


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one variant is built: from the file of which variant, with which builder flags."""

    variant: str
    source: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSettings:
    """workspace: bytes of scratch memory on the GPU. level: builder_optimization_level, 0 to 5; a
    higher one tries more kernels and takes longer. timing_cache: what an earlier build measured.
    """

    workspace: int
    level: int = 3
    timing_cache: bytes = b""


@dataclass(frozen=True, slots=True)
class Plan:
    """A built engine. flags: what the network and the builder were told. timing_cache: for the
    next build. warnings: what TensorRT remarked.
    """

    data: bytes
    flags: tuple[str, ...]
    timing_cache: bytes
    warnings: tuple[str, ...]


class Watcher(Protocol):
    """Who is told of a build's phases. ``step`` returns False to have the build given up."""

    def start(self, phase: str, steps: int) -> None:
        """A phase of so many steps begins."""

    def step(self) -> bool:
        """One step is done; False gives up."""

    def finish(self) -> None:
        """The phase is over."""


def load_tensorrt() -> Any:
    """The module ``tensorrt``. Raises GpuError where there is none or it is too old."""
    try:
        import tensorrt
    except (ImportError, OSError) as exc:
        raise GpuError(
            "TensorRT does not import",
            expected="TensorRT 8.6 or newer with its Python bindings",
            found=str(exc).splitlines()[0] if str(exc) else type(exc).__name__,
            remedy="On a Jetson: apt-get install python3-libnvinfer, in a virtual environment made "
            "with --system-site-packages.",
        ) from exc
    tensorrt_version(tensorrt)
    return tensorrt


def tensorrt_version(trt: Any) -> tuple[int, int]:
    """Major and minor version. Raises GpuError for one that is older than 8.6."""
    match = re.match(r"(\d+)\.(\d+)", str(trt.__version__))
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if version < _OLDEST:
        raise GpuError(
            "TensorRT is too old",
            expected=f"{_OLDEST[0]}.{_OLDEST[1]} or newer",
            found=str(trt.__version__),
            remedy="Install JetPack 6 or newer.",
        )
    return version


def recipes(manifest: Manifest, major: int) -> list[Recipe]:
    """The variants of a bundle that this major version of TensorRT can build, fastest first.

    A variant that was refused at export is none of them.
    """
    usable = {variant.id for variant in manifest.variants if variant.state != "refused"}
    if major >= _STRONGLY_TYPED_FROM:
        known = [Recipe(variant, variant, ()) for variant in ("int8-trt", "fp16", "fp32")]
    else:
        known = [
            Recipe("int8-trt8", "int8-trt8", ("INT8", "FP16")),
            Recipe("fp16", "fp32", ("FP16",)),
            Recipe("fp32", "fp32", ()),
        ]
    return [recipe for recipe in known if {recipe.variant, recipe.source} <= usable]


def profile_of(manifest: Manifest) -> Profile:
    """By input name, the least, the usual and the largest shape, as the manifest states them."""
    shapes: dict[str, tuple[Axis, ...]] = {}
    if manifest.input is not None:
        shapes[manifest.input.name] = tuple(manifest.input.shape)
    if manifest.latent is not None:
        shapes[manifest.latent.name] = (_LATENT_BATCH, _fixed(manifest.latent.dim))
    if manifest.condition is not None:
        one_hot = manifest.condition.encoding == "one_hot"
        rest = (_fixed(len(manifest.condition.labels)),) if one_hot else ()
        shapes[manifest.condition.name] = (_LATENT_BATCH, *rest)
    return {
        name: (
            tuple(axis.min for axis in axes),
            tuple(axis.opt for axis in axes),
            tuple(axis.max for axis in axes),
        )
        for name, axes in shapes.items()
    }


def workspace_for(gpu: GpuFacts) -> int:
    """Scratch memory that leaves room for all else: an eighth of the GPU's, 128 MiB to 1 GiB.

    On an 8 GB board, which shares its memory with the system, that is 1 GiB at most.
    """
    return max(_LEAST_WORKSPACE, min(_MOST_WORKSPACE, gpu.memory_total // 8))


def build_plan(
    trt: Any,
    model: bytes,
    *,
    name: str,
    recipe: Recipe,
    profile: Profile,
    settings: BuildSettings,
    watcher: Watcher | None = None,
) -> Plan:
    """Build the engine of one ONNX file.

    trt: the module ``tensorrt``; a driver must have been found before. name: of the file, for
    errors. Raises EngineError where TensorRT does not take the file, with the node where it says
    one, cannot build it, or the watcher gave up.
    """
    journal = _Journal(trt)
    builder = _require(trt.Builder(journal.logger), "a builder", journal)
    network, typed = _network(trt, builder, journal)
    _parse(trt, network, model, name, journal)
    config = _require(builder.create_builder_config(), "a builder configuration", journal)
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.workspace)
    config.builder_optimization_level = settings.level
    for flag in recipe.flags:
        config.set_flag(getattr(trt.BuilderFlag, flag))
    _add_profile(builder, network, config, profile, name)
    _set_timing_cache(config, settings.timing_cache)
    monitor = _monitor(trt, watcher)
    if monitor is not None:
        config.progress_monitor = monitor
    built = builder.build_serialized_network(network, config)
    if built is None:
        given_up = monitor is not None and monitor.given_up.is_set()
        raise EngineError(
            f"building an engine from {name} was given up"
            if given_up
            else f"TensorRT {trt.__version__} builds no engine from {name}",
            found="" if given_up else journal.errors(),
            remedy="" if given_up else "Use another variant of the bundle, or more --workspace.",
        )
    cache = config.get_timing_cache()
    return Plan(
        data=bytes(built),
        flags=(*typed, *recipe.flags, f"level={settings.level}"),
        timing_cache=bytes(cache.serialize()) if cache is not None else b"",
        warnings=tuple(journal.warnings[:_MAX_MESSAGES]),
    )


class _Journal:
    """What TensorRT said. Its logger must live as long as anything made with it."""

    def __init__(self, trt: Any) -> None:
        self.warnings: list[str] = []
        self._errors: list[str] = []
        journal = self

        class Logger(trt.ILogger):  # type: ignore[misc]  # TensorRT ships no types
            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, severity: Any, msg: str) -> None:
                if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                    journal._errors.append(msg)
                elif severity == trt.ILogger.WARNING:
                    journal.warnings.append(msg)

        self.logger = Logger()

    def errors(self) -> str:
        return "; ".join(self._errors[:_MAX_MESSAGES])[:1000] or "no reason given"


def _require(value: Any, what: str, journal: _Journal) -> Any:
    if value is None:
        raise GpuError(f"TensorRT makes no {what.split(' ', 1)[1]}", found=journal.errors())
    return value


def _network(trt: Any, builder: Any, journal: _Journal) -> tuple[Any, tuple[str, ...]]:
    """An empty network and the names of the flags that it was made with."""
    name = "EXPLICIT_BATCH"
    if tensorrt_version(trt)[0] >= _STRONGLY_TYPED_FROM:
        name = "STRONGLY_TYPED"
    flag = 1 << int(getattr(trt.NetworkDefinitionCreationFlag, name))
    return _require(builder.create_network(flag), "a network", journal), (name,)


def _parse(trt: Any, network: Any, model: bytes, name: str, journal: _Journal) -> None:
    parser = _require(trt.OnnxParser(network, journal.logger), "a parser", journal)
    if parser.parse(model):
        return
    found = [_parser_error(parser.get_error(i)) for i in range(parser.num_errors)]
    raise EngineError(
        f"TensorRT {trt.__version__} does not take {name}",
        expected="ONNX operators that it has",
        found="; ".join(found[:_MAX_MESSAGES]) or journal.errors(),
        remedy="See what is in its way with: edgewarden bundle check-trt",
    )


def _parser_error(error: Any) -> str:
    """8.x has only the index of a node; later ones its name and operator."""
    if hasattr(error, "node_name"):
        return f"node {error.node_name()!r} ({error.node_operator()}): {error.desc()}"
    return f"node {error.node()}: {error.desc()}"


def _add_profile(builder: Any, network: Any, config: Any, profile: Profile, name: str) -> None:
    """Sizes for the inputs that leave some axis free; no profile where none does."""
    made = builder.create_optimization_profile()
    free = False
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        shape = tuple(tensor.shape)
        if -1 not in shape:
            continue
        sides = _padded(profile[tensor.name], shape) if tensor.name in profile else None
        if sides is None:
            raise EngineError(
                f"{name} has another input than its manifest",
                expected=", ".join(f"{key} {value[1]}" for key, value in profile.items()),
                found=f"{tensor.name} {shape}",
                remedy="Export the bundle again.",
            )
        # An axis that the file fixes stays fixed, whatever range the manifest allows.
        low, usual, high = (
            tuple(own if own != -1 else wanted for own, wanted in zip(shape, side, strict=True))
            for side in sides
        )
        made.set_shape(tensor.name, low, usual, high)
        free = True
    if free:
        config.add_optimization_profile(made)


def _padded(sides: Sequence[Shape], shape: Shape) -> list[Shape] | None:
    """The sizes with further axes of 1 as the file has them; None where they do not fit it.

    A manifest states how many values a latent has; a file may take them as ``[N, dim, 1, 1]``.
    """
    behind = shape[len(sides[0]) :]
    if len(sides[0]) > len(shape) or any(axis != 1 for axis in behind):
        return None
    return [(*side, *behind) for side in sides]


def _set_timing_cache(config: Any, data: bytes) -> None:
    """One of another TensorRT or GPU is not taken; then measuring begins anew."""
    if not data or not config.set_timing_cache(config.create_timing_cache(data), False):
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _monitor(trt: Any, watcher: Watcher | None) -> Any:
    """TensorRT's view of ``watcher``; None without one, and on 8.x, which tells of no phases."""
    if watcher is None or not hasattr(trt, "IProgressMonitor"):
        return None
    told = watcher

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # TensorRT ships no types
        """Called from threads of TensorRT's own. Phases nest; people are shown the outermost."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.given_up = threading.Event()
            self._outermost: str | None = None
            self._lock = threading.Lock()

        def phase_start(self, phase_name: str, parent_phase: str, num_steps: int) -> None:
            with self._lock:
                if self._outermost is None:
                    self._outermost = phase_name
                    told.start(phase_name, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                if phase_name == self._outermost and not told.step():
                    self.given_up.set()
            return not self.given_up.is_set()

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                if phase_name == self._outermost:
                    self._outermost = None
                    told.finish()

    return Monitor()


def _fixed(size: int) -> Axis:
    return Axis(min=size, opt=size, max=size)
