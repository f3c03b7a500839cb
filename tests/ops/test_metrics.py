from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from edge import __version__
from edge.ops.health import Health
from edge.ops.memory import read_memory
from edge.ops.metrics import STAGES, Metrics


def families(metrics: Metrics) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(metrics.text())}


def series(metrics: Metrics, name: str, label: str) -> dict[str, float]:
    """The numbers of one family by one of its labels."""
    return {sample.labels[label]: sample.value for sample in families(metrics)[name].samples}


NAMES = {
    *("build_info", "health", "stage_seconds", "queue_depth", "events", "events_lost"),
    *("frames_seen", "frames_dropped", "frames_analysed", "camera_reconnects"),
    *("outbox_events", "outbox_oldest_age_seconds", "mqtt_connected", "mqtt_reconnects"),
    *("process_resident_bytes", "process_proportional_bytes"),
    *("selftest_passed", "selftest_timestamp_seconds"),
}


def test_the_text_is_what_prometheus_reads_and_every_metric_is_explained() -> None:
    found = families(Metrics())
    assert found.keys() == {f"edgewarden_{name}" for name in NAMES}
    for family in found.values():
        assert family.documentation.endswith(".")
        assert family.type in ("counter", "gauge", "histogram")


def test_every_stage_is_there_before_it_ran() -> None:
    metrics = Metrics()
    with metrics.stage_seconds.time(stage="detect"):
        pass
    samples = families(metrics)["edgewarden_stage_seconds"].samples
    counts = {s.labels["stage"]: s.value for s in samples if s.name.endswith("_count")}
    assert counts == {**dict.fromkeys(STAGES, 0), "detect": 1}


def test_exactly_one_state_of_health_is_shown() -> None:
    metrics = Metrics()
    metrics.set_health(Health.OK)
    metrics.set_health(Health.DEGRADED)
    assert series(metrics, "edgewarden_health", "state") == {
        "starting": 0,
        "ok": 0,
        "degraded": 1,
        "failed": 0,
        "stopping": 0,
    }


def test_cameras_come_and_go() -> None:
    metrics = Metrics()
    metrics.add_camera("door")
    metrics.add_camera("yard")
    metrics.frames_seen.inc(7, camera="door")
    metrics.add_camera("door")
    for name in ("frames_seen", "frames_dropped", "frames_analysed", "camera_reconnects"):
        expected = {"door": 7 if name == "frames_seen" else 0, "yard": 0}
        assert series(metrics, f"edgewarden_{name}", "camera") == expected
    metrics.remove_camera("door")
    assert series(metrics, "edgewarden_frames_seen", "camera") == {"yard": 0}


def test_the_version_is_shown() -> None:
    assert series(Metrics(), "edgewarden_build_info", "version") == {__version__: 1}


def test_memory_is_measured_for_processes_that_live() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    metrics = Metrics(processes=lambda: {"daemon": os.getpid(), "capture:door": child.pid})
    try:
        rss = series(metrics, "edgewarden_process_resident_bytes", "process")
        pss = series(metrics, "edgewarden_process_proportional_bytes", "process")
        assert rss.keys() == pss.keys() == {"daemon", "capture:door"}
        assert 1 << 20 < pss["daemon"] <= rss["daemon"] < 1 << 34
    finally:
        child.communicate()
    after = series(metrics, "edgewarden_process_resident_bytes", "process")
    assert after.keys() == {"daemon"}


ROLLUP = """\
00400000-7fff ---p 00000000 00:00 0    [rollup]
Rss:                  12 kB
Pss:                   4 kB
Pss_Anon:              1 kB
"""


def test_memory_as_linux_writes_it(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    file = tmp_path / "7" / "smaps_rollup"
    file.write_text(ROLLUP)
    memory = read_memory(7, proc=tmp_path)
    assert memory is not None
    assert (memory.rss, memory.pss) == (12 * 1024, 4 * 1024)
    assert read_memory(8, proc=tmp_path) is None
    file.write_text("Rss: 12 kB\n")
    assert read_memory(7, proc=tmp_path) is None


@pytest.mark.parametrize("stage", STAGES)
def test_the_table_of_stages_is_told_in_the_help(stage: str) -> None:
    assert stage in families(Metrics())["edgewarden_stage_seconds"].documentation
