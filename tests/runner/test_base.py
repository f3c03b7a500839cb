"""What every runner does for its backend: state, shapes, and splitting of batches."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from edge.errors import ClosedError, ModelError
from edge.runner.base import Signature, Tensor, TensorSpec
from edge.runner.fake import FakeRunner

FLOAT = np.dtype(np.float32)


def signature(*shapes: tuple[int | None, ...], dtype: type[np.generic] = np.float32) -> Signature:
    inputs = tuple(
        TensorSpec("xyz"[place], shape, np.dtype(dtype)) for place, shape in enumerate(shapes)
    )
    return Signature(inputs, (TensorSpec("sum", (None,), FLOAT),))


def rows_summed(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {"sum": np.sum([np.sum(v, axis=1) for v in feeds.values()], axis=0)}


def numbers(rows: int, columns: int = 3) -> Tensor:
    return np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)


@pytest.mark.parametrize(
    ("batch_axis", "max_batch", "rows", "calls"),
    [
        (None, None, 1, [1]),
        (None, None, 9, [9]),
        (None, 4, 3, [3]),
        (None, 4, 4, [4]),
        (None, 4, 9, [4, 4, 1]),
        (1, None, 1, [1]),
        (1, None, 3, [1, 1, 1]),
        (1, 8, 3, [1, 1, 1]),
        # A fixed batch is always fed whole: the last part is filled up.
        (4, None, 3, [4]),
        (4, None, 9, [4, 4, 4]),
        (4, 2, 5, [4, 4]),
    ],
)
def test_a_batch_is_split_to_what_the_model_takes_and_joined_again(
    batch_axis: int | None, max_batch: int | None, rows: int, calls: list[int]
) -> None:
    runner = FakeRunner(signature((batch_axis, 3)), rows_summed, max_batch=max_batch)
    with runner:
        found = runner.infer({"x": numbers(rows)})
    assert runner.batches == calls
    assert found["sum"].tolist() == [9 * row + 3 for row in range(rows)]


def test_every_input_is_split_alike() -> None:
    runner = FakeRunner(signature((None, 3), (None, 2)), rows_summed, max_batch=2)
    with runner:
        found = runner.infer({"x": numbers(5), "y": np.ones((5, 2), np.float32)})
    assert runner.batches == [2, 2, 1]
    assert found["sum"].tolist() == [9 * row + 5 for row in range(5)]


def test_an_output_with_several_rows_a_picture_is_cut_with_its_batch() -> None:
    # Some detectors drop the batch axis: two rows for each picture, one picture after the other.
    def doubled(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"rows": np.repeat(feeds["x"], 2, axis=0)}

    with FakeRunner(signature((4, 3)), doubled) as runner:
        found = runner.infer({"x": numbers(3)})
    np.testing.assert_array_equal(found["rows"], np.repeat(numbers(3), 2, axis=0))


@pytest.mark.parametrize("batch_axis", [1, 4])
@pytest.mark.parametrize("answer", [np.float32(3), np.zeros((3, 2), np.float32)])
def test_an_output_that_has_no_batch_axis_is_an_error_once_it_has_to_be_put_together(
    batch_axis: int, answer: Tensor
) -> None:
    answers = iter([answer, np.zeros((3, 5), np.float32)])

    def next_answer(feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"total": next(answers)}

    with (
        FakeRunner(signature((batch_axis, 3)), next_answer) as runner,
        pytest.raises(ModelError, match="'total' cannot be put together"),
    ):
        runner.infer({"x": numbers(2)})


@pytest.mark.parametrize(
    ("axis", "max_batch", "largest"), [(None, None, None), (None, 8, 8), (1, 8, 1), (4, None, 4)]
)
def test_max_batch_says_what_one_call_takes(
    axis: int | None, max_batch: int | None, largest: int | None
) -> None:
    with FakeRunner(signature((axis, 3)), rows_summed, max_batch=max_batch) as runner:
        assert runner.max_batch == largest


@pytest.mark.parametrize(
    ("feeds", "said"),
    [
        ({}, "wrong inputs"),
        ({"data": numbers(1)}, "wrong inputs"),
        ({"x": numbers(1), "y": numbers(1)}, "wrong inputs"),
        ({"x": numbers(1)[0]}, "float32[3]"),
        ({"x": numbers(1)[None]}, "float32[1, 1, 3]"),
        ({"x": numbers(2, 4)}, "float32[2, 4]"),
        ({"x": numbers(2).astype(np.float64)}, "float64[2, 3]"),
        ({"x": numbers(2).astype(np.uint8)}, "uint8[2, 3]"),
        ({"x": numbers(0)}, "at least one"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_before_the_model_sees_them(
    feeds: dict[str, Tensor], said: str
) -> None:
    runner = FakeRunner(signature((None, 3)), rows_summed)
    with runner, pytest.raises(ModelError) as caught:
        runner.infer(feeds)
    assert said in str(caught.value)
    assert "x float32[?, 3]" in str(caught.value) or "1 or more" in str(caught.value)
    assert runner.batches == []


def test_inputs_of_different_batches_are_refused() -> None:
    runner = FakeRunner(signature((None, 3), (None, 3)), rows_summed)
    with runner, pytest.raises(ModelError, match="one batch"):
        runner.infer({"x": numbers(2), "y": numbers(3)})


@pytest.mark.parametrize("shapes", [((),), ((1, 3), (4, 3)), ((None, 3), (1, 3)), ()])
def test_a_model_without_one_batch_axis_does_not_load(
    shapes: tuple[tuple[int | None, ...], ...],
) -> None:
    runner = FakeRunner(signature(*shapes), rows_summed)
    with pytest.raises(ModelError, match="share one batch axis"):
        runner.load()
    assert runner.closed
    with pytest.raises(ClosedError):
        runner.signature  # noqa: B018  # reading it is the test


@pytest.mark.parametrize("max_batch", [0, -1])
def test_a_largest_batch_below_one_is_refused(max_batch: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        FakeRunner(signature((None, 3)), rows_summed, max_batch=max_batch)


def test_it_is_closed_before_load_and_after_close() -> None:
    runner = FakeRunner(signature((None, 3)), rows_summed)
    with pytest.raises(ClosedError, match="not loaded"):
        runner.infer({"x": numbers(1)})
    runner.load()
    runner.load()  # a second time changes nothing
    assert runner.infer({"x": numbers(1)})["sum"].tolist() == [3]
    runner.close()
    runner.close()
    assert runner.closed
    with pytest.raises(ClosedError):
        runner.infer({"x": numbers(1)})


def test_a_second_load_does_not_reach_the_backend() -> None:
    loads: list[None] = []

    class Counted(FakeRunner):
        def _load(self) -> Signature:
            loads.append(None)
            return super()._load()

    with Counted(signature((None, 3)), rows_summed) as runner:
        runner.load()
    assert len(loads) == 1


def test_the_context_manager_loads_and_closes_even_when_the_body_fails() -> None:
    runner = FakeRunner(signature((None, 3)), rows_summed)

    def fail() -> None:
        with runner as entered:
            assert entered is runner
            assert entered.signature.inputs[0].name == "x"
            raise KeyError("body")

    with pytest.raises(KeyError, match="body"):
        fail()
    assert runner.closed


def test_close_without_load_does_not_reach_the_backend() -> None:
    runner = FakeRunner(signature((None, 3)), rows_summed)
    runner.close()
    assert not runner.closed


def test_a_closed_runner_can_be_loaded_again() -> None:
    runner = FakeRunner(signature((None, 3)), rows_summed)
    for _ in range(2):
        with runner:
            assert runner.infer({"x": numbers(2)})["sum"].tolist() == [3, 12]
