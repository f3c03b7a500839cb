"""Networks of every family, and what a source is held to."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.runner.base import Signature, Tensor
from edge.runner.onnxruntime import OnnxRuntimeRunner
from export.graph.prepare import prepare
from export.parity import compare_source
from export.sources.base import Source, SourceRequest

REASON = "needs PyTorch and onnxscript: run scripts/test-frameworks"
PYTHON_VARIABLE = "EDGEWARDEN_TENSORFLOW_PYTHON"
SIDE = 16  # of a free height or width

Feeds = Callable[[Signature, int], dict[str, Tensor]]
Save = Callable[..., Path]


@pytest.fixture(scope="session")
def torch() -> Any:
    pytest.importorskip("onnxscript", reason=REASON)
    return pytest.importorskip("torch", reason=REASON)


@pytest.fixture(scope="module")
def one_thread(torch: Any) -> Iterator[None]:
    """Toys are too small for more, and threads that wait for each other take a core each."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def networks(torch: Any) -> Any:
    """tests/frameworks/networks.py, whose factories a source finds by this very name."""
    return importlib.import_module("tests.frameworks.networks")


@pytest.fixture(scope="session")
def tensorflow() -> Path:
    """A Python that has TensorFlow and tf2onnx."""
    value = os.environ.get(PYTHON_VARIABLE, "")
    if not value:
        pytest.skip(f"{PYTHON_VARIABLE} is unset: run scripts/test-frameworks")
    return Path(value)


@pytest.fixture
def save_weights(torch: Any, networks: Any, tmp_path: Path) -> Save:
    """The state_dict of a trained network, in a file."""

    def save(factory: str, change: Callable[[dict[str, Any]], Any] = dict) -> Path:
        path = tmp_path / f"{factory}.pt"
        network = networks.trained(getattr(networks, factory)())
        torch.save(change(network.state_dict()), path)
        return path

    return save


@pytest.fixture
def network(save_weights: Save) -> Callable[..., SourceRequest]:
    """What a user says of one of the networks."""

    def request(
        network: str, inputs: Mapping[str, tuple[int | None, ...]], **more: Any
    ) -> SourceRequest:
        values = {"factory": f"tests.frameworks.networks:{network}", "inputs": inputs, **more}
        if "weights" not in more:
            values["weights"] = save_weights(network)
        return SourceRequest(**values)

    return request


@pytest.fixture
def feeds() -> Feeds:
    """Fresh inputs of a model: normal, or whole numbers below 10."""
    random = np.random.default_rng(7)

    def make(signature: Signature, count: int) -> dict[str, Tensor]:
        made: dict[str, Tensor] = {}
        for spec in signature.inputs:
            size = [count, *(SIDE if axis is None else axis for axis in spec.shape[1:])]
            whole = spec.dtype.kind in "iu"
            values = random.integers(0, 10, size) if whole else random.standard_normal(size)
            made[spec.name] = values.astype(spec.dtype)
        return made

    return make


@pytest.fixture
def require_parity(feeds: Feeds) -> Callable[[Source], Signature]:
    """The source, prepared as for a bundle, against the framework at batches of 1 and 5."""

    def require(source: Source) -> Signature:
        model = prepare(source.model).model
        with OnnxRuntimeRunner(model.SerializeToString()) as runner:
            batches = [feeds(runner.signature, count) for count in (1, 5)]
            parity = compare_source(source.run, runner, batches, tolerance=1e-4)
            assert parity.max_abs <= 1e-4 or parity.max_rel <= 1e-5
            for name, value in source.run(batches[1]).items():
                assert np.ptp(value[0]) > 0 or len(value[0].ravel()) == 1, name
                assert not np.allclose(value[0], value[1]), f"{name} does not depend on its input"
            return runner.signature

    return require
