"""Golden inputs that tell every variant from a broken one, where there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest

from edge.bundler import Proof
from edge.runner.base import Tensor
from edge.runner.onnxruntime import OnnxRuntimeRunner
from export.judging import Base, judge_forms, open_gate
from export.parity import golden_tolerance
from export.telling import other_outputs, telling_proof
from export.verdict import Form


class FarOff(OnnxRuntimeRunner):
    """A model that is far off on some inputs, as a quantised one may be on made ones."""

    def __init__(self, data: bytes, *, where: Callable[[Tensor], bool]) -> None:
        super().__init__(data)
        self._where = where

    def _infer(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        outputs = super()._infer(feeds)
        factor = np.float32(-3 if self._where(feeds["data"]) else 1.001)
        return {name: np.multiply(value, factor) for name, value in outputs.items()}


@pytest.fixture(scope="module")
def reference(base: Base) -> Iterator[OnnxRuntimeRunner]:
    with OnnxRuntimeRunner(base.data) as runner:
        yield runner


def tells(proof: Proof, base: Base, reference: OnnxRuntimeRunner, variant: FarOff) -> None:
    others = other_outputs(base.manifest, reference)
    golden_tolerance(variant.infer(proof.feeds), proof.outputs, others)


def test_golden_inputs_stay_where_they_tell(base: Base, reference: OnnxRuntimeRunner) -> None:
    with FarOff(base.data, where=lambda data: False) as variant:
        assert telling_proof(base.proof, base.manifest, reference, [variant]) is base.proof


def test_others_are_taken_where_a_variant_is_far_off(
    base: Base, reference: OnnxRuntimeRunner
) -> None:
    golden = base.proof.feeds["data"]
    sound = FarOff(base.data, where=lambda data: False)
    variant = FarOff(base.data, where=lambda data: np.array_equal(data, golden))
    with sound, variant:
        proof = telling_proof(base.proof, base.manifest, reference, [sound, variant])
        assert not np.array_equal(proof.feeds["data"], golden)
        np.testing.assert_array_equal(
            proof.outputs["embedding"], reference.infer(proof.feeds)["embedding"]
        )
        tells(proof, base, reference, sound)
        tells(proof, base, reference, variant)
        again = telling_proof(base.proof, base.manifest, reference, [sound, variant])
        np.testing.assert_array_equal(proof.feeds["data"], again.feeds["data"])


def test_where_nothing_tells_they_stay(base: Base, reference: OnnxRuntimeRunner) -> None:
    with FarOff(base.data, where=lambda data: True) as variant:
        assert telling_proof(base.proof, base.manifest, reference, [variant]) is base.proof


def test_what_is_refused_chooses_no_golden_inputs(
    base: Base, recogniser: Callable[..., bytes], blobs: Callable[..., object]
) -> None:
    forms = {"spoilt": Form(id="fp16", data=recogniser(noise=5))}
    judged = judge_forms(base, forms, open_gate(base, blobs(40)), kind="real")  # type: ignore[arg-type]  # pictures are Samples
    assert judged.verdicts["spoilt"].decision.state == "refused"
    assert judged.proof is base.proof
