from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from onnx import helper

from edge.errors import ModelError
from edge.manifest import Manifest
from edge.runner.base import Runner, Tensor
from export.parity import compare_source, fresh_batches, golden_tolerance

Load = Callable[[bytes], Runner]
Make = Callable[..., bytes]
MakeManifest = Callable[..., Manifest]


def feeds(*sizes: int) -> list[dict[str, Tensor]]:
    random = np.random.default_rng(9)
    return [{"latent": random.normal(size=(n, 8)).astype(np.float32)} for n in sizes]


def source(gain: float = 1.0, **changes: Any) -> Callable[[Mapping[str, Tensor]], dict[str, Any]]:
    """The same generator in NumPy, in double precision."""
    weight = np.random.default_rng(4).normal(0, 1, (8, 784)).astype(np.float32)

    def run(batch: Mapping[str, Tensor]) -> dict[str, Any]:
        drawn = np.tanh(batch["latent"].astype(np.float64) @ weight) * gain
        return {"image": drawn.reshape(-1, 1, 28, 28), **changes}

    return run


def test_a_faithful_export_is_within_rounding(drawing: Make, load: Load) -> None:
    parity = compare_source(source(), load(drawing()), feeds(1, 2, 5))

    assert parity.max_abs < 1e-5
    assert parity.max_rel < 1e-5
    assert parity.batches == (1, 2, 5)
    assert parity.outputs["image"].scale == pytest.approx(1, abs=1e-3)
    assert parity.to_record() == {
        "max_abs": pytest.approx(parity.max_abs, rel=0.01),
        "max_rel": pytest.approx(parity.max_rel, rel=0.01),
    }


def test_a_difference_is_measured_against_the_scale_of_its_output(
    make_model: Make, load: Load
) -> None:
    """0.01 off is nothing of values of a thousand."""
    double = helper.make_node("Add", ["x", "x"], ["y"])
    axes: dict[str, list[int | str]] = {"x": ["N", 3]}
    runner = load(make_model([double], inputs=axes, outputs={"y": ["N", 3]}, weights={}))
    batch = {"x": np.asarray([[500, 1, 2]], np.float32)}

    parity = compare_source(lambda _: {"y": batch["x"] * 2 + 0.01}, runner, [batch])

    assert parity.max_abs == pytest.approx(0.01, rel=0.01)
    assert parity.max_rel == pytest.approx(1e-5, rel=0.01)


def test_another_function_is_refused_by_the_output_s_name(drawing: Make, load: Load) -> None:
    with pytest.raises(ModelError, match=r"output 'image'.* at most 0.0001 of its scale"):
        compare_source(source(gain=1.001), load(drawing()), feeds(1))


def test_a_difference_in_one_batch_size_alone_is_seen(drawing: Make, load: Load) -> None:
    right, wrong = source(), source(gain=0.99)

    def of_larger_batches(batch: Mapping[str, Tensor]) -> dict[str, Any]:
        return (wrong if len(batch["latent"]) > 2 else right)(batch)

    runner = load(drawing())
    compare_source(of_larger_batches, runner, feeds(1, 2))
    with pytest.raises(ModelError, match="not what its source computes"):
        compare_source(of_larger_batches, runner, feeds(1, 2, 5))


def test_other_outputs_are_refused(drawing: Make, load: Load) -> None:
    extra = source(score=np.zeros(1))

    with pytest.raises(ModelError, match=r"other outputs.*image, score.*found image"):
        compare_source(extra, load(drawing()), feeds(1))


def test_another_shape_is_refused(drawing: Make, load: Load) -> None:
    flat = source(image=np.zeros((2, 784)))

    with pytest.raises(ModelError, match=r"another shape .* batch of 2.*\[2, 784\]"):
        compare_source(flat, load(drawing()), feeds(2))


def test_a_source_that_gives_no_numbers_is_refused(drawing: Make, load: Load) -> None:
    broken = source(image=np.full((1, 1, 28, 28), np.nan))

    with pytest.raises(ModelError, match="NaN or infinity from the source"):
        compare_source(broken, load(drawing()), feeds(1))


def test_nothing_to_compare_on_is_a_mistake(drawing: Make, load: Load) -> None:
    with pytest.raises(ValueError, match="at least one batch"):
        compare_source(source(), load(drawing()), [])


def test_fresh_batches_come_in_several_sizes(
    drawing: Make, generator: MakeManifest, load: Load
) -> None:
    runner = load(drawing(condition=True))
    manifest = generator(condition=True)

    batches = list(fresh_batches(manifest, runner.signature))
    again = list(fresh_batches(manifest, runner.signature))

    assert [len(batch["latent"]) for batch in batches] == [1, 2, 5]
    assert all((a["latent"] == b["latent"]).all() for a, b in zip(batches, again, strict=True))
    runner.infer(batches[2])


def test_fresh_pictures_keep_to_the_batch_that_the_manifest_allows(
    manifest_of: MakeManifest, make_model: Make, load: Load
) -> None:
    node = helper.make_node("Identity", ["input"], ["image"])
    axes: dict[str, list[int | str]] = {"input": ["N", 3, "H", "W"]}
    data = make_model([node], inputs=axes, outputs={"image": ["N", 3, "H", "W"]}, weights={})
    manifest = manifest_of("autoencoder", outputs=[{"name": "image", "range": [0, 1]}])
    assert manifest.input is not None
    fixed = manifest.input.model_dump(mode="json")
    fixed["shape"] = [1, *fixed["shape"][1:]]
    single = manifest_of("autoencoder", outputs=[{"name": "image", "range": [0, 1]}], input=fixed)
    signature = load(data).signature

    free = list(fresh_batches(manifest, signature))

    assert [len(batch["input"]) for batch in free] == [1, 2, 5]
    assert not (free[2]["input"][0] == free[2]["input"][1]).all()
    assert [len(batch["input"]) for batch in fresh_batches(single, signature)] == [1]


def test_the_golden_tolerance_leaves_room_for_another_cpu_and_none_for_a_broken_model() -> None:
    random = np.random.default_rng(0)
    golden = {"y": random.normal(0, 1, (1, 256))}
    variant = {"y": golden["y"] + random.normal(0, 0.01, (1, 256))}
    others = {"y": random.normal(0, 1, (1, 256))}
    off = float(np.abs(variant["y"] - golden["y"]).max())

    tolerance = golden_tolerance(variant, golden, others)

    assert 2 * off < tolerance < 2 * off + 0.01
    assert tolerance < np.abs(golden["y"]).max()  # what a model that gives zeros is off


def test_an_exact_variant_still_has_room_for_rounding() -> None:
    golden = {"y": np.asarray([[10.0, -3.0]])}

    tolerance = golden_tolerance(golden, golden, {"y": np.asarray([[0.0, 0.0]])})

    assert tolerance == pytest.approx(0.01)


def test_a_variant_that_golden_outputs_cannot_tell_from_noise_is_refused() -> None:
    random = np.random.default_rng(0)
    golden, variant, others = ({"y": random.normal(0, 1, (1, 64))} for _ in range(3))

    with pytest.raises(ModelError, match="could not tell this variant from a broken one"):
        golden_tolerance(variant, golden, others)
