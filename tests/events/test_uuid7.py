from __future__ import annotations

from collections.abc import Iterator
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from edge.events.uuid7 import Uuid7

ZEROS = bytes
ONES = lambda size: b"\xff" * size  # noqa: E731  # one of two sources of bytes


def clock(*readings: int) -> Iterator[int]:
    yield from readings
    while True:
        yield readings[-1]


def make(*readings: int, random: object = ZEROS) -> Uuid7:
    ticks = clock(*readings)
    return Uuid7(lambda: next(ticks), random)  # type: ignore[arg-type]  # bytes(n) is n zeros


def test_it_is_laid_out_as_rfc_9562_says() -> None:
    # RFC 9562, appendix A.6: this time, all of rand_a and rand_b chosen by the generator.
    value = UUID(make(0x017F22E279B0)())
    assert str(value) == "017f22e2-79b0-7000-8000-000000000000"
    assert (value.version, value.variant) == (7, RFC_4122)


def test_random_bits_fill_all_but_version_variant_and_the_counters_top() -> None:
    assert make(0, random=ONES)() == "00000000-0000-77ff-bfff-ffffffffffff"


def test_within_a_millisecond_the_counter_goes_up() -> None:
    new = make(5)
    assert [new() for _ in range(3)] == [
        "00000000-0005-7000-8000-000000000000",
        "00000000-0005-7000-8000-000100000000",
        "00000000-0005-7000-8000-000200000000",
    ]


def test_a_counter_that_runs_over_moves_the_time_on() -> None:
    new = make(5)
    new()
    new._counter = (1 << 42) - 2
    assert new() == "00000000-0005-7fff-bfff-ffff00000000"
    assert new() == "00000000-0006-7000-8000-000000000000"


def test_a_clock_set_back_leaves_the_time_as_it_was() -> None:
    new = make(100, 40, 41, 100, 101)
    times = [UUID(new()).int >> 80 for _ in range(5)]
    assert times == [100, 100, 100, 100, 101]


@given(
    st.lists(st.integers(-5, 1 << 49), min_size=1, max_size=50),
    st.binary(min_size=8, max_size=8),
)
def test_whatever_the_clock_does_ids_ascend(readings: list[int], seed: bytes) -> None:
    ticks = iter(readings)
    new = Uuid7(lambda: next(ticks), lambda size: seed[:size])
    ids = [new() for _ in readings]
    assert ids == sorted(set(ids))
    assert all((UUID(i).version, UUID(i).variant) == (7, RFC_4122) for i in ids)
