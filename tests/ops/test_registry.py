from __future__ import annotations

import math
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge.ops.registry import Counter, Gauge, Histogram, Registry

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(registry: Registry) -> Samples:
    """Every sample as Prometheus's own client reads it."""
    found: Samples = {}
    for family in text_string_to_metric_families(registry.text()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def test_the_text_to_the_letter() -> None:
    registry = Registry()
    registry.add(Counter("a_total", "Help.")).inc(2)
    registry.add(Gauge("b", "In\nb.", ("x", "y"))).set(-1.5, y="2", x="1")
    registry.add(Histogram("c_s", "C.", buckets=(0.5, 1))).observe(0.5)
    assert registry.text() == (
        "# HELP a_total Help.\n"
        "# TYPE a_total counter\n"
        "a_total 2\n"
        "# HELP b In\\nb.\n"
        "# TYPE b gauge\n"
        'b{x="1",y="2"} -1.5\n'
        "# HELP c_s C.\n"
        "# TYPE c_s histogram\n"
        'c_s_bucket{le="0.5"} 1\n'
        'c_s_bucket{le="1"} 1\n'
        'c_s_bucket{le="+Inf"} 1\n'
        "c_s_sum 0.5\n"
        "c_s_count 1\n"
    )


@pytest.mark.parametrize(
    "value", ["", 'a "b" c', "back\\slash", "\\n", "two\nlines", "{x=1}", "视频", " , "]
)
def test_any_label_value_and_help_come_through(value: str) -> None:
    registry = Registry()
    registry.add(Gauge("a", f"Help {value}.", ("x", "y"))).set(3, x=value, y="z")
    (family,) = text_string_to_metric_families(registry.text())
    (sample,) = family.samples
    assert sample.labels == {"x": value, "y": "z"}
    assert family.documentation == f"Help {value}."


@pytest.mark.parametrize(
    "number", [0.0, -0.5, 1e-9, 1e300, 123456789.0, 0.1 + 0.2, math.inf, -math.inf]
)
def test_any_number_comes_through(number: float) -> None:
    registry = Registry()
    registry.add(Gauge("a", "A.")).set(number)
    assert parsed(registry) == {("a", ()): number}


def test_no_number_comes_through_as_none() -> None:
    registry = Registry()
    registry.add(Gauge("a", "A.")).set(math.nan)
    assert math.isnan(parsed(registry)["a", ()])


def test_buckets_add_up_and_bounds_belong_to_them() -> None:
    registry = Registry()
    seconds = registry.add(Histogram("s", "S.", ("stage",), buckets=(0.1, 1.0, 10.0)))
    for number in (0.05, 0.1, 0.5, 10.0, 11.0):
        seconds.observe(number, stage="a")
    seconds.expect(stage="b")

    def series(stage: str) -> list[float]:
        found = parsed(registry)
        named = ("stage", stage)
        bounds = [found["s_bucket", (("le", bound), named)] for bound in ("0.1", "1", "10")]
        rest = [found["s_bucket", (("le", "+Inf"), named)], found["s_count", (named,)]]
        return [*bounds, *rest, found["s_sum", (named,)]]

    assert series("a") == [2, 3, 4, 5, 5, pytest.approx(21.65)]
    assert series("b") == [0, 0, 0, 0, 0, 0]


def test_a_timed_block_counts_even_where_it_fails() -> None:
    registry = Registry()
    seconds = registry.add(Histogram("s", "S.", buckets=(1000.0,)))
    with seconds.time():
        pass
    with pytest.raises(KeyError), seconds.time():
        raise KeyError
    assert parsed(registry)["s_bucket", (("le", "1000"),)] == 2


def test_counters_without_labels_begin_at_zero_and_gauges_at_nothing() -> None:
    registry = Registry()
    registry.add(Counter("a_total", "A."))
    counter = registry.add(Counter("b_total", "B.", ("x",)))
    gauge = registry.add(Gauge("c", "C."))
    assert parsed(registry) == {("a_total", ()): 0}
    assert gauge.value() is None
    counter.inc(0, x="1")
    assert counter.value(x="1") == 0


def test_a_series_can_be_forgotten() -> None:
    registry = Registry()
    counter = registry.add(Counter("a_total", "A.", ("camera",)))
    counter.inc(camera="door")
    counter.inc(camera="yard")
    counter.remove(camera="door")
    counter.remove(camera="door")
    assert parsed(registry) == {("a_total", (("camera", "yard"),)): 1}


@pytest.mark.parametrize("labels", [{}, {"x": "1"}, {"x": "1", "y": "2", "z": "3"}, {"y": "1"}])
def test_other_labels_are_refused(labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"a: expected labels \['x', 'y'\]"):
        Gauge("a", "A.", ("x", "y")).set(1, **labels)


@pytest.mark.parametrize("amount", [-1, math.nan])
def test_a_counter_never_shrinks(amount: float) -> None:
    with pytest.raises(ValueError, match="cannot grow by"):
        Counter("a_total", "A.").inc(amount)


@pytest.mark.parametrize(
    ("name", "labels"),
    [("", ()), ("1a", ()), ("a-b", ()), ("a", ("b-c",)), ("a", ("__b",)), ("a", ("b", "b"))],
)
def test_names_that_prometheus_refuses_are_refused_here(name: str, labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="no name of a metric"):
        Gauge(name, "A.", labels)


@pytest.mark.parametrize("buckets", [(), (1.0, 1.0), (2.0, 1.0), (1.0, math.inf)])
def test_bounds_that_do_not_grow_are_refused(buckets: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="finite bounds that grow"):
        Histogram("a", "A.", buckets=buckets)


def test_names_belong_to_one_metric() -> None:
    registry = Registry()
    registry.add(Gauge("a", "A."))
    with pytest.raises(ValueError, match="a metric a already"):
        registry.add(Counter("a", "A."))
    with pytest.raises(ValueError, match="the label le"):
        Histogram("b", "B.", ("le",), buckets=(1.0,))


def test_no_count_is_lost_among_threads() -> None:
    counter = Counter("a_total", "A.", ("x",))
    seconds = Histogram("s", "S.", buckets=(1.0,))

    def work() -> None:
        for _ in range(5000):
            counter.inc(x="1")
            seconds.observe(0.5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.value(x="1") == 20_000
    assert "s_count 20000\n" in seconds.text()
