"""Engines built by a fake TensorRT that has the names, arguments and refusals of the real ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from onnx import TensorProto, helper

from edge.bundle import Bundle
from edge.cuda import GpuFacts
from edge.errors import EngineError, GpuError
from export.engine import (
    BuildSettings,
    Plan,
    Recipe,
    build_plan,
    profile_of,
    recipes,
    tensorrt_version,
    workspace_for,
)
from export.engine_job import Workshop, build_engine, choose_recipes, find_engine
from export.fake_tensorrt import MAGIC, make_fake_tensorrt

MakeBundle = Callable[..., Bundle]
MakeWorkshop = Callable[..., Workshop]


def header_of(data: bytes) -> dict[str, Any]:
    assert data.startswith(MAGIC)
    header: dict[str, Any] = json.loads(data[len(MAGIC) :].split(b"\n", 1)[0])
    return header


def build_all(bundle: Bundle, workshop: Workshop) -> dict[str, dict[str, Any]]:
    return {
        recipe.variant: header_of(build_engine(bundle, recipe, workshop).data)
        for recipe in choose_recipes(bundle, workshop, None)
    }


def test_from_10_on_networks_are_strongly_typed_and_no_flag_names_a_precision(
    make_bundle: MakeBundle, make_workshop: MakeWorkshop
) -> None:
    bundle = make_bundle()
    for version in ("10.3.0", "10.16.2", "11.4.0"):
        built = build_all(bundle, make_workshop(version))
        assert list(built) == ["int8-trt", "fp16", "fp32"]
        for header in built.values():
            assert header["network_flags"] == 2
            assert header["flags"] == []


def test_8_gets_fp32_files_and_says_precision_by_flags(
    make_bundle: MakeBundle, make_workshop: MakeWorkshop
) -> None:
    bundle = make_bundle()
    built = build_all(bundle, make_workshop("8.6.1"))
    assert list(built) == ["int8-trt8", "fp16", "fp32"]
    assert built["int8-trt8"]["flags"] == ["FP16", "INT8"]
    assert built["fp16"]["flags"] == ["FP16"]
    assert built["fp32"]["flags"] == []
    engine = build_engine(bundle, recipes(bundle.manifest, 8)[1], make_workshop("8.6.1"))
    assert engine.data.endswith(bundle.read("fp32.onnx"))


def test_what_was_refused_at_export_is_not_built(
    make_bundle: MakeBundle, make_workshop: MakeWorkshop
) -> None:
    bundle = make_bundle(refused=["int8-trt", "fp16"])
    assert [r.variant for r in recipes(bundle.manifest, 10)] == ["fp32"]
    with pytest.raises(EngineError, match=r"nothing to build.*int8-trt \(refused\)"):
        choose_recipes(bundle, make_workshop(), "int8-trt")


def test_an_8_engine_of_fp16_needs_the_fp32_file(make_bundle: MakeBundle) -> None:
    assert recipes(make_bundle(["fp16"]).manifest, 8) == []


def test_free_axes_get_the_ranges_of_the_manifest(
    make_bundle: MakeBundle, make_workshop: MakeWorkshop
) -> None:
    bundle = make_bundle(["fp32"])
    header = build_all(bundle, make_workshop())["fp32"]
    assert header["profiles"] == [
        {"input": [[1, 3, 32, 32], [2, 3, 64, 64], [4, 3, 128, 128]]},
    ]
    assert profile_of(bundle.manifest)["input"][1] == (2, 3, 64, 64)


@pytest.mark.parametrize("behind", [[], [1, 1]])
def test_a_latent_gets_the_axes_that_its_file_has(behind: list[int]) -> None:
    assert header_of(build_latent(["n", 8, *behind]).data)["profiles"] == [
        {"z": [[1, 8, *behind], [1, 8, *behind], [8, 8, *behind]]}
    ]


@pytest.mark.parametrize("axes", [["n"], ["n", 8, 2]])
def test_a_file_with_another_latent_than_its_manifest_is_refused(axes: list[Any]) -> None:
    with pytest.raises(EngineError, match="another input than its manifest"):
        build_latent(axes)


def build_latent(axes: list[Any]) -> Plan:
    """The engine of a generator whose manifest states a latent of 8 values."""
    z, picture = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, axes) for name in ("z", "picture")
    )
    graph = helper.make_graph([helper.make_node("Tanh", ["z"], ["picture"])], "g", [z], [picture])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return build_plan(
        make_fake_tensorrt("10.3.0"),
        made.SerializeToString(),
        name="fp32.onnx",
        recipe=Recipe("fp32", "fp32", ()),
        profile={"z": ((1, 8), (1, 8), (8, 8))},
        settings=BuildSettings(workspace=1 << 20),
    )


def test_a_file_without_free_axes_gets_no_profile(
    make_bundle: MakeBundle, make_workshop: MakeWorkshop
) -> None:
    bundle = make_bundle(["fp32"], free=False)
    assert build_all(bundle, make_workshop())["fp32"]["profiles"] == []


def test_an_operator_that_tensorrt_lacks_is_named_with_its_node(
    make_bundle: MakeBundle, make_workshop: MakeWorkshop
) -> None:
    bundle = make_bundle(["fp32"])
    for version, where in (("8.6.1", "node 0"), ("10.3.0", "node 'first_conv' (Conv)")):
        workshop = make_workshop(version, unsupported=frozenset({"Conv"}))
        (recipe,) = [r for r in recipes(bundle.manifest, 10) if r.variant == "fp32"]
        with pytest.raises(EngineError) as caught:
            build_engine(bundle, recipe, workshop)
        assert where in str(caught.value)
        assert "No importer registered for op: Conv" in str(caught.value)
        assert not list(workshop.cache_dir.rglob("*.engine"))


def test_a_build_that_fails_says_what_tensorrt_said_and_keeps_the_earlier_engine(
    make_bundle: MakeBundle, make_workshop: MakeWorkshop
) -> None:
    bundle = make_bundle(["fp32", "int8-trt8"])
    workshop = make_workshop("8.6.1")
    recipe = recipes(bundle.manifest, 8)[0]
    before = build_engine(bundle, recipe, workshop)
    with pytest.raises(EngineError, match="Q/DQ layers need the builder flag INT8"):
        build_engine(bundle, replace(recipe, flags=()), workshop)
    kept = find_engine(bundle, recipe, workshop)
    assert kept is not None
    assert kept.data == before.data


class Impatient:
    """Gives up at the second step."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.steps = 0

    def start(self, phase: str, steps: int) -> None:
        self.seen.append(f"{phase} {steps}")

    def step(self) -> bool:
        self.steps += 1
        return self.steps < 2

    def finish(self) -> None:
        self.seen.append("over")


def test_the_outermost_phase_is_shown_and_a_build_can_be_given_up(
    make_bundle: MakeBundle, make_workshop: MakeWorkshop
) -> None:
    bundle, workshop, watcher = make_bundle(["fp32"]), make_workshop(), Impatient()
    (recipe,) = choose_recipes(bundle, workshop, None)
    with pytest.raises(EngineError, match="was given up"):
        build_engine(bundle, recipe, workshop, watcher)
    assert watcher.seen == ["Building Engine 3", "over"]
    assert find_engine(bundle, recipe, workshop) is None


def test_what_was_measured_is_used_by_the_next_build_and_of_another_version_is_not(
    make_bundle: MakeBundle, make_workshop: MakeWorkshop
) -> None:
    bundle, workshop = make_bundle(["fp32"]), make_workshop()
    (recipe,) = choose_recipes(bundle, workshop, None)
    build_engine(bundle, recipe, workshop)
    (cache,) = (workshop.cache_dir / "timing").iterdir()
    assert cache.name == "trt10.3.0-sm87.cache"
    assert cache.read_bytes()
    cache.write_bytes(b"fake timing cache of 8")
    build_engine(bundle, recipe, workshop)
    assert cache.read_bytes() == b"fake timing cache of 10"


def test_the_workspace_leaves_room_on_a_board_that_shares_its_memory() -> None:
    def gpu(gib: float) -> GpuFacts:
        return GpuFacts(
            name="x", sm=87, driver="12.6", memory_total=int(gib * 2**30), integrated=True
        )

    assert [workspace_for(gpu(gib)) >> 20 for gib in (0.5, 4, 8, 64)] == [128, 512, 1024, 1024]


def test_an_old_tensorrt_is_refused() -> None:
    assert tensorrt_version(make_fake_tensorrt("8.6.1")) == (8, 6)
    old = make_fake_tensorrt("8.6.1")
    old.__version__ = "8.5.2"
    with pytest.raises(GpuError, match=r"8\.6 or newer; found 8\.5\.2"):
        tensorrt_version(old)


def test_the_fake_lacks_what_each_version_lacks() -> None:
    fakes = {version: make_fake_tensorrt(version) for version in ("8.6.1", "10.3.0", "11.4.0")}
    assert not hasattr(fakes["8.6.1"], "IProgressMonitor")
    assert not hasattr(fakes["8.6.1"].NetworkDefinitionCreationFlag, "STRONGLY_TYPED")
    assert hasattr(fakes["10.3.0"].BuilderFlag, "FP16")
    assert not hasattr(fakes["11.4.0"].BuilderFlag, "FP16")
    assert not hasattr(fakes["11.4.0"].NetworkDefinitionCreationFlag, "EXPLICIT_BATCH")
