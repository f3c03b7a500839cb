"""Which variant runs here: one is picked and the reason says why, or none is and every one says
why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edge.choice import choose_variant
from edge.device import DeviceFacts
from edge.errors import BundleError
from edge.manifest import Manifest, build_manifest

if TYPE_CHECKING:
    from tests.bundle.conftest import Values

ORT = ("onnxruntime",)


def device(machine: str = "x86_64", *flags: str) -> DeviceFacts:
    return DeviceFacts(
        machine=machine,
        cpu_model=None,
        cpu_flags=frozenset(flags),
        cpu_count=4,
        memory_total=None,
        memory_available=None,
        python="3.10",
        l4t=None,
        board=None,
    )


VNNI = device("x86_64", "avx2", "avx512_vnni")
AVX2 = device("x86_64", "avx2")
ARM = device("aarch64", "asimddp")


def manifest_with(values: Values, **states: str) -> Manifest:
    """Variants by id (``_`` for ``-``) and state, in that order."""
    template: dict[str, Any] = values["variants"][0]
    values["variants"] = [
        {
            **template,
            "id": name.replace("_", "-"),
            "state": state,
            "runner": "tensorrt" if "trt" in name else "onnxruntime",
            "reason": "accuracy fell by 9 %" if state == "refused" else None,
        }
        for name, state in states.items()
    ]
    return build_manifest(values)


@pytest.mark.parametrize(
    ("states", "facts", "chosen"),
    [
        ({"fp32": "accepted"}, VNNI, "fp32"),
        ({"fp32": "accepted", "int8_cpu": "accepted"}, VNNI, "int8-cpu"),
        ({"int8_cpu": "accepted", "fp32": "accepted"}, VNNI, "int8-cpu"),
        ({"fp32": "accepted", "int8_cpu": "accepted"}, device("x86_64", "avx_vnni"), "int8-cpu"),
        ({"fp32": "accepted", "int8_cpu": "accepted"}, ARM, "int8-cpu"),
        ({"fp32": "accepted", "int8_cpu": "accepted"}, AVX2, "fp32"),
        ({"fp32": "accepted", "int8_cpu": "candidate"}, VNNI, "fp32"),
        ({"fp32": "accepted", "int8_cpu": "refused"}, VNNI, "fp32"),
        ({"fp32": "refused", "int8_cpu": "accepted"}, VNNI, "int8-cpu"),
        ({"fp16": "accepted", "int8_trt": "accepted", "fp32": "accepted"}, VNNI, "fp32"),
    ],
)
def test_the_best_accepted_variant_is_chosen(
    values: Values, states: dict[str, str], facts: DeviceFacts, chosen: str
) -> None:
    manifest = manifest_with(values, **states)
    assert choose_variant(manifest, runners=ORT, device=facts).variant.id == chosen


def test_the_reason_names_everything_passed_over(values: Values) -> None:
    manifest = manifest_with(
        values, fp32="accepted", fp16="accepted", int8_cpu="refused", int8_trt="accepted"
    )
    choice = choose_variant(manifest, runners=ORT, device=VNNI)
    assert choice.reason == (
        "fp32: accepted; passed over: fp16 (not for a CPU), "
        "int8-cpu (refused: accuracy fell by 9 %), int8-trt (runner tensorrt is not available)"
    )


def test_the_reason_says_that_a_usable_one_is_slower_or_inexact(values: Values) -> None:
    manifest = manifest_with(values, fp32="accepted", int8_cpu="accepted")
    reason = choose_variant(manifest, runners=ORT, device=VNNI).reason
    assert reason == "int8-cpu: accepted; passed over: fp32 (slower)"
    reason = choose_variant(manifest, runners=ORT, device=AVX2).reason
    assert "int8-cpu (inexact on an x86 CPU without VNNI)" in reason


def test_none_acceptable_lists_each_variant_and_why_not(values: Values) -> None:
    manifest = manifest_with(
        values, fp32="candidate", int8_cpu="refused", int8_trt="accepted", fp16="accepted"
    )
    with pytest.raises(BundleError) as caught:
        choose_variant(manifest, runners=ORT, device=VNNI)
    assert caught.value.found == (
        "fp32: candidate: its speed on the target is not measured; "
        "int8-cpu: refused: accuracy fell by 9 %; "
        "int8-trt: runner tensorrt is not available; fp16: not for a CPU"
    )
    assert caught.value.exit_code == 2


def test_no_runner_at_all_is_said(values: Values) -> None:
    with pytest.raises(BundleError, match=r"for any runner.*runner onnxruntime is not available"):
        choose_variant(manifest_with(values, fp32="accepted"), runners=(), device=VNNI)


@pytest.mark.parametrize("state", ["accepted", "candidate"])
def test_a_variant_can_be_asked_for_by_name(values: Values, state: str) -> None:
    manifest = manifest_with(values, fp32="accepted", int8_cpu=state)
    choice = choose_variant(manifest, runners=ORT, device=AVX2, variant="int8-cpu")
    assert choice.variant.id == "int8-cpu"
    assert choice.reason == f"int8-cpu: asked for by name; its state is {state}"


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("fp16", "no such variant; expected one of fp32, int8-cpu, int8-trt; found 'fp16'"),
        ("int8-cpu", "cannot be run.*refused: accuracy fell"),
        ("int8-trt", "cannot be run.*runner tensorrt is not available"),
    ],
)
def test_not_everything_can_be_asked_for(values: Values, variant: str, message: str) -> None:
    manifest = manifest_with(values, fp32="accepted", int8_cpu="refused", int8_trt="accepted")
    with pytest.raises(BundleError, match=message):
        choose_variant(manifest, runners=ORT, device=VNNI, variant=variant)
