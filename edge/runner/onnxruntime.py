"""ONNX Runtime behind the runner's seam: the only module that imports it and makes sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.config import forbid_telemetry
from edge.errors import InferenceError, MissingExtraError, ModelError
from edge.onnx_file import read_onnx_facts
from edge.runner.base import Runner, Signature, Tensor, TensorSpec

if TYPE_CHECKING:
    import onnxruntime as ort


_DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


# What a provider whose driver does not load comes back as.
_DRIVER_ERRORS: tuple[type[Exception], ...] = (RuntimeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """How a session uses the machine.

    threads: intra-op threads, None for one a core. spinning: let idle threads burn their core while
    they wait; off by default, because a detector and a recogniser on two cores then spin against
    each other and take twice as long. providers: execution providers, best first; one that
    ONNX Runtime lacks is refused rather than passed over.
    """

    threads: int | None = None
    spinning: bool = False
    providers: tuple[str, ...] = ("CPUExecutionProvider",)


class OnnxRuntimeRunner(Runner):
    """Runs the ONNX file whose bytes it is given.

    Bytes, not a path: what was verified is what is loaded. ``name`` appears in errors only.
    """

    def __init__(
        self,
        model: bytes,
        *,
        name: str = "model",
        settings: SessionSettings | None = None,
        max_batch: int | None = None,
    ) -> None:
        super().__init__(max_batch=max_batch)
        self._model = model
        self._name = name
        self._settings = settings or SessionSettings()
        self._session: ort.InferenceSession | None = None

    def _load(self) -> Signature:
        if read_onnx_facts(self._model).external_data:
            raise ModelError(
                f"{self._name} keeps weights outside its file",
                expected="one ONNX file that holds all its weights",
                found="external data",
                remedy="Save the model with its weights inside and build the bundle again.",
            )
        ort = _import()
        self._check_available(ort.get_available_providers())
        try:
            session = ort.InferenceSession(
                self._model,
                self._options(ort),
                providers=list(self._settings.providers),
                enable_fallback=0,
            )
        except (*_errors(ort), *_DRIVER_ERRORS) as exc:
            raise ModelError(
                f"ONNX Runtime {ort.__version__} does not load {self._name}",
                found=_first_line(exc),
                remedy="Export the model again for an opset that this version knows.",
            ) from exc
        self._check_available(session.get_providers())
        signature = Signature(
            tuple(self._spec(node) for node in session.get_inputs()),
            tuple(self._spec(node) for node in session.get_outputs()),
        )
        self._session = session
        return signature

    def _infer(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        assert self._session is not None
        names = [spec.name for spec in self.signature.outputs]
        try:
            values = self._session.run(names, dict(feeds))
        except _errors(_import()) as exc:
            raise InferenceError(
                f"{self._name} failed while running", found=_first_line(exc)
            ) from exc
        return dict(zip(names, values, strict=True))

    def _close(self) -> None:
        self._session = None

    def _options(self, ort: Any) -> ort.SessionOptions:
        options = ort.SessionOptions()
        options.log_severity_level = 4  # what fails comes back as an exception; all else is noise
        if self._settings.threads is not None:
            options.intra_op_num_threads = self._settings.threads
        spinning = "1" if self._settings.spinning else "0"
        options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
        return options

    def _check_available(self, available: Sequence[str]) -> None:
        missing = [name for name in self._settings.providers if name not in available]
        if missing:
            raise ModelError(
                f"ONNX Runtime here cannot use {missing[0]}",
                expected=f"one of {', '.join(available)}",
                found=missing[0],
                remedy="Install an ONNX Runtime and a driver for it, or choose another provider.",
            )

    def _spec(self, node: Any) -> TensorSpec:
        dtype = _DTYPES.get(node.type)
        if dtype is None:
            raise ModelError(
                f"{self._name} has a tensor we cannot feed",
                expected="a plain number tensor",
                found=f"{node.name} {node.type}",
            )
        shape = tuple(axis if isinstance(axis, int) and axis > 0 else None for axis in node.shape)
        return TensorSpec(node.name, shape, np.dtype(dtype))


def version() -> str:
    """The installed ONNX Runtime's version. Raises MissingExtraError without it."""
    return str(_import().__version__)


def _import() -> Any:
    forbid_telemetry()
    try:
        import onnxruntime
    except ImportError as exc:
        raise MissingExtraError(
            "ONNX Runtime does not import", found=str(exc), remedy="Run: pip install onnxruntime"
        ) from exc
    return onnxruntime


def _errors(ort: Any) -> tuple[type[Exception], ...]:
    """Every exception that ONNX Runtime has of its own; which there are depends on its version."""
    own = vars(ort.capi.onnxruntime_pybind11_state).values()
    return tuple(kind for kind in own if isinstance(kind, type) and issubclass(kind, Exception))


def _first_line(exc: Exception) -> str:
    return str(exc).strip().splitlines()[0][:300] if str(exc).strip() else type(exc).__name__
