"""The NVIDIA GPU of this machine, asked through the driver alone.

TensorRT without a driver does not raise: it hands out objects that crash the process when they are
used. So the driver is asked first, through its own C interface and nothing else.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge.errors import GpuError

_LIBRARY = "libcuda.so.1"
# CUdevice_attribute of cuda.h.
_MAJOR, _MINOR, _INTEGRATED = 75, 76, 18
_NAME_BYTES = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFacts:
    """One GPU. sm: compute capability, 87 for 8.7. driver: CUDA version that the driver serves,
    "12.6". memory_total: bytes. integrated: it shares the memory of the CPU, as on every Jetson.
    """

    name: str
    sm: int
    driver: str
    memory_total: int
    integrated: bool


def probe_gpu(load: Callable[[str], Any] = ctypes.CDLL) -> GpuFacts:
    """The first GPU. Takes no memory on it and makes no context.

    Raises GpuError where there is no driver, or no GPU that it serves.
    """
    try:
        cuda = load(_LIBRARY)
    except OSError as exc:
        raise GpuError(
            "there is no NVIDIA driver here",
            expected=f"{_LIBRARY}, which comes with JetPack or the driver",
            found=str(exc),
            remedy="Run it on the device, or use the ONNX Runtime variants of the bundle.",
        ) from exc
    _check(cuda.cuInit(0), "cuInit")
    count = ctypes.c_int()
    _check(cuda.cuDeviceGetCount(ctypes.byref(count)), "cuDeviceGetCount")
    if count.value < 1:
        raise GpuError("the NVIDIA driver serves no GPU", expected="one GPU", found="none")
    device = ctypes.c_int()
    _check(cuda.cuDeviceGet(ctypes.byref(device), 0), "cuDeviceGet")
    version = ctypes.c_int()
    _check(cuda.cuDriverGetVersion(ctypes.byref(version)), "cuDriverGetVersion")
    name = ctypes.create_string_buffer(_NAME_BYTES)
    _check(cuda.cuDeviceGetName(name, _NAME_BYTES, device), "cuDeviceGetName")
    memory = ctypes.c_size_t()
    _check(cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device), "cuDeviceTotalMem")
    major, minor, integrated = (
        _attribute(cuda, device, number) for number in (_MAJOR, _MINOR, _INTEGRATED)
    )
    return GpuFacts(
        name=name.value.decode("utf-8", errors="replace"),
        sm=major * 10 + minor,
        driver=f"{version.value // 1000}.{version.value % 1000 // 10}",
        memory_total=memory.value,
        integrated=bool(integrated),
    )


def _attribute(cuda: Any, device: ctypes.c_int, number: int) -> int:
    value = ctypes.c_int()
    _check(cuda.cuDeviceGetAttribute(ctypes.byref(value), number, device), "cuDeviceGetAttribute")
    return value.value


def _check(code: int, call: str) -> None:
    if code != 0:
        raise GpuError(
            "the NVIDIA driver does not answer",
            expected=f"{call} without an error",
            found=f"CUDA error {code}",
            remedy="Check the driver with nvidia-smi, on a Jetson with tegrastats, and its groups.",
        )
