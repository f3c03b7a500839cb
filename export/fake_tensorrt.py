"""TensorRT's builder as far as ``export.engine`` uses it, without a GPU: for tests and dry runs.

Names, arguments and refusals are those of the real bindings of 8.6.1, 10.3.0 and 11.4.0 (as their
own docstrings print them); a name that a version lacks is missing here too. The "engine" is the
ONNX file behind a header, so that whatever runs it can compute the same.
"""

from __future__ import annotations

import json
from enum import Enum
from types import SimpleNamespace
from typing import Any

MAGIC = b"FAKE-TENSORRT-PLAN\n"
_CACHE = b"fake timing cache of "
_FLAGS: dict[int, tuple[str, ...]] = {
    8: ("FP16", "INT8", "TF32"),
    10: ("FP16", "INT8", "TF32"),
    11: ("TF32",),
}
_NETWORK_FLAGS: dict[int, dict[str, int]] = {
    8: {"EXPLICIT_BATCH": 0, "EXPLICIT_PRECISION": 1},
    10: {"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1},
    11: {"STRONGLY_TYPED": 1},
}
_PHASES = (("Building Engine", None, 3), ("Computing profile costs", "Building Engine", 2))


class HostMemory:
    """IHostMemory: bytes through the buffer protocol, copied by ``bytes()``."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __bytes__(self) -> bytes:
        return self._data

    @property
    def nbytes(self) -> int:
        """How many."""
        return len(self._data)


def make_fake_tensorrt(version: str, *, unsupported: frozenset[str] = frozenset()) -> Any:
    """A module like ``tensorrt`` of that version. unsupported: operators that its parser lacks."""
    major = int(version.split(".")[0])
    members = sorted(_NETWORK_FLAGS[major].items())
    network_flag = Enum("NetworkDefinitionCreationFlag", members, type=_Flag)  # type: ignore[misc]
    builder_flag = Enum("BuilderFlag", list(_FLAGS[major]))  # type: ignore[misc]
    severity = Enum("Severity", ["INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"])  # type: ignore[misc]
    pool = Enum("MemoryPoolType", ["WORKSPACE"])  # type: ignore[misc]

    class ILogger:
        Severity = severity
        INTERNAL_ERROR, ERROR, WARNING = severity.INTERNAL_ERROR, severity.ERROR, severity.WARNING

        def log(self, severity: Any, msg: str) -> None:
            raise RuntimeError('Tried to call pure virtual function "ILogger::log"')

    class Builder(_Builder):
        flag_type, network_flags, pool_type = builder_flag, network_flag, pool

        def __init__(self, logger: ILogger) -> None:
            _expect(logger, ILogger)
            super().__init__(major, lambda text: logger.log(severity.ERROR, text))

    class OnnxParser(_Parser):
        def __init__(self, network: _Network, logger: ILogger) -> None:
            _expect(network, _Network)
            _expect(logger, ILogger)
            super().__init__(network, major, unsupported)

    module = SimpleNamespace(
        __version__=version,
        ILogger=ILogger,
        Builder=Builder,
        OnnxParser=OnnxParser,
        NetworkDefinitionCreationFlag=network_flag,
        BuilderFlag=builder_flag,
        MemoryPoolType=pool,
    )
    if major >= 10:
        module.IProgressMonitor = _ProgressMonitor
    return module


class _Flag(int):
    """Enum members that ``int()`` takes, as pybind's do."""


class _ProgressMonitor:
    """IProgressMonitor: abstract, as in TensorRT."""


def _expect(value: object, kind: type | tuple[type, ...]) -> None:
    """What pybind does with an argument of a wrong type."""
    if not isinstance(value, kind):
        raise TypeError(f"incompatible function arguments: {type(value).__name__}")


class _Network:
    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.model: bytes = b""
        self.inputs: list[SimpleNamespace] = []
        self.quantised = False

    @property
    def num_inputs(self) -> int:
        return len(self.inputs)

    def get_input(self, index: int) -> SimpleNamespace:
        return self.inputs[index]


class _ParserError:
    def __init__(self, index: int, operator: str) -> None:
        self._index, self._operator = index, operator

    def node(self) -> int:
        return self._index

    def desc(self) -> str:
        return f"No importer registered for op: {self._operator}"


class _NamedParserError(_ParserError):
    """From 10 on."""

    def __init__(self, index: int, operator: str, name: str) -> None:
        super().__init__(index, operator)
        self._name = name

    def node_name(self) -> str:
        return self._name

    def node_operator(self) -> str:
        return self._operator


class _Parser:
    def __init__(self, network: _Network, major: int, unsupported: frozenset[str]) -> None:
        self._network, self._major, self._unsupported = network, major, unsupported
        self._errors: list[_ParserError] = []

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> _ParserError:
        return self._errors[index]

    def parse(self, model: bytes, path: str | None = None) -> bool:
        import onnx

        _expect(model, (bytes, bytearray, memoryview))
        if self._major == 8 and not self._network.flags & 1:
            raise RuntimeError("8.x parses into networks with EXPLICIT_BATCH only")
        graph = onnx.load_from_string(bytes(model)).graph
        for index, node in enumerate(graph.node):
            if node.op_type in self._unsupported:
                self._errors.append(
                    _ParserError(index, node.op_type)
                    if self._major < 10
                    else _NamedParserError(index, node.op_type, node.name)
                )
        constants = {tensor.name for tensor in graph.initializer}
        for value in graph.input:
            if value.name not in constants:
                axes = value.type.tensor_type.shape.dim
                shape = tuple(a.dim_value if a.HasField("dim_value") else -1 for a in axes)
                self._network.inputs.append(SimpleNamespace(name=value.name, shape=shape))
        self._network.model = bytes(model)
        self._network.quantised = any(n.op_type == "QuantizeLinear" for n in graph.node)
        return not self._errors


class _Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, tuple[Any, Any, Any]] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        _expect(input, str)
        self.shapes[input] = (tuple(min), tuple(opt), tuple(max))


class _TimingCache:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def serialize(self) -> HostMemory:
        return HostMemory(self.data)


class _Config:
    def __init__(self, major: int, flag_type: Any, pool_type: Any) -> None:
        self._major, self._flag_type, self._pool_type = major, flag_type, pool_type
        self.flags: set[str] = set()
        self.profiles: list[_Profile] = []
        self.workspace = 0
        self.builder_optimization_level = 3
        self._cache: _TimingCache | None = None
        if major >= 10:
            self.progress_monitor: Any = None

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        _expect(pool, self._pool_type)
        _expect(pool_size, int)
        self.workspace = pool_size

    def set_flag(self, flag: Any) -> None:
        _expect(flag, self._flag_type)
        self.flags.add(flag.name)

    def add_optimization_profile(self, profile: _Profile) -> int:
        _expect(profile, _Profile)
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: bytes) -> _TimingCache:
        _expect(serialized_timing_cache, (bytes, bytearray, memoryview))
        return _TimingCache(bytes(serialized_timing_cache))

    def set_timing_cache(self, cache: _TimingCache, ignore_mismatch: bool) -> bool:
        _expect(cache, _TimingCache)
        if cache.data and not ignore_mismatch and cache.data != _CACHE + str(self._major).encode():
            return False
        self._cache = cache
        return True

    def get_timing_cache(self) -> _TimingCache | None:
        return self._cache


class _Builder:
    flag_type: Any
    network_flags: Any
    pool_type: Any

    def __init__(self, major: int, complain: Any) -> None:
        self._major, self._complain = major, complain

    def create_network(self, flags: int = 0) -> _Network:
        _expect(flags, int)
        return _Network(flags)

    def create_builder_config(self) -> _Config:
        return _Config(self._major, self.flag_type, self.pool_type)

    def create_optimization_profile(self) -> _Profile:
        return _Profile()

    def build_serialized_network(self, network: _Network, config: _Config) -> HostMemory | None:
        _expect(network, _Network)
        _expect(config, _Config)
        objection = self._objection(network, config)
        if objection is not None:
            self._complain(objection)
            return None
        if not self._report(getattr(config, "progress_monitor", None)):
            self._complain("the build was cancelled by the progress monitor")
            return None
        if config._cache is not None:
            config._cache.data = _CACHE + str(self._major).encode()
        header = {
            "major": self._major,
            "flags": sorted(config.flags),
            "network_flags": network.flags,
            "workspace": config.workspace,
            "profiles": [profile.shapes for profile in config.profiles],
        }
        return HostMemory(MAGIC + json.dumps(header).encode() + b"\n" + network.model)

    def _objection(self, network: _Network, config: _Config) -> str | None:
        if network.flags & 2 and self._major >= 10 and config.flags & {"FP16", "INT8"}:
            return "strongly typed networks take no precision flags"
        if self._major == 8 and network.quantised and "INT8" not in config.flags:
            return "Q/DQ layers need the builder flag INT8"
        free = {tensor.name for tensor in network.inputs if -1 in tensor.shape}
        if free and not config.profiles:
            return "the network has dynamic inputs, but no optimization profile was defined"
        for name in free - set(config.profiles[0].shapes if config.profiles else ()):
            return f"dynamic input {name} is missing in profile 0"
        return None

    def _report(self, monitor: Any) -> bool:
        """Nested phases, as the real builder reports them; False where the monitor gave up."""
        if monitor is None:
            return True
        for name, parent, steps in _PHASES:
            monitor.phase_start(name, parent, steps)
        going = True
        for name, _, steps in reversed(_PHASES):
            for step in range(steps):
                going = going and monitor.step_complete(name, step)
            monitor.phase_finish(name)
        return going
