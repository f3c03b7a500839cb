"""What the driver says, asked of a stand-in with the calls of libcuda."""

from __future__ import annotations

from typing import Any

import pytest

from edge.cuda import probe_gpu
from edge.errors import GpuError


class Driver:
    """libcuda as ctypes shows it: results come back through pointers, errors as codes."""

    def __init__(self, *, count: int = 1, failing: str = "", code: int = 999) -> None:
        self._count, self._failing, self._code = count, failing, code

    def __call__(self, name: str) -> Driver:
        assert name == "libcuda.so.1"
        return self

    def _done(self, call: str) -> int:
        return self._code if call == self._failing else 0

    def cuInit(self, flags: int) -> int:  # noqa: N802  # the driver's own name
        return self._done("cuInit")

    def cuDeviceGetCount(self, out: Any) -> int:  # noqa: N802
        out._obj.value = self._count
        return self._done("cuDeviceGetCount")

    def cuDeviceGet(self, out: Any, ordinal: int) -> int:  # noqa: N802
        out._obj.value = 0
        return self._done("cuDeviceGet")

    def cuDriverGetVersion(self, out: Any) -> int:  # noqa: N802
        out._obj.value = 12060
        return self._done("cuDriverGetVersion")

    def cuDeviceGetName(self, buffer: Any, length: int, device: Any) -> int:  # noqa: N802
        buffer.value = b"Orin"
        return self._done("cuDeviceGetName")

    def cuDeviceTotalMem_v2(self, out: Any, device: Any) -> int:  # noqa: N802
        out._obj.value = 8 << 30
        return self._done("cuDeviceTotalMem")

    def cuDeviceGetAttribute(self, out: Any, number: int, device: Any) -> int:  # noqa: N802
        out._obj.value = {75: 8, 76: 7, 18: 1}[number]
        return self._done("cuDeviceGetAttribute")


def test_the_facts_of_a_board() -> None:
    facts = probe_gpu(Driver())
    assert (facts.name, facts.sm, facts.driver) == ("Orin", 87, "12.6")
    assert facts.memory_total == 8 << 30
    assert facts.integrated


def test_without_a_driver() -> None:
    def load(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    with pytest.raises(GpuError, match=r"no NVIDIA driver here; .*libcuda\.so\.1"):
        probe_gpu(load)


def test_a_driver_without_a_gpu() -> None:
    with pytest.raises(GpuError, match="serves no GPU"):
        probe_gpu(Driver(count=0))


@pytest.mark.parametrize("call", ["cuInit", "cuDeviceGetCount", "cuDeviceGetAttribute"])
def test_a_driver_that_fails(call: str) -> None:
    with pytest.raises(GpuError, match=f"{call} without an error; found CUDA error 999"):
        probe_gpu(Driver(failing=call))
