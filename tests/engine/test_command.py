"""``edgewarden engine`` as people use it, with a fake TensorRT and GPU in the real ones' place."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.bundle import Bundle
from edge.cli import main
from edge.errors import GpuError
from export.fake_tensorrt import make_fake_tensorrt
from tests.engine.conftest import ORIN

SITE = """
[site]
id = "hq"
node = "gate-01"
state_dir = "state"
cache_dir = "cache"
[models]
detector = "bundle"
require_signed = false
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    return path


@pytest.fixture
def on_a_device(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    def use(trt: Any) -> None:
        monkeypatch.setattr("edge.cuda.probe_gpu", lambda: ORIN)
        monkeypatch.setattr("export.engine.load_tensorrt", lambda: trt)

    return use


OnADevice = Callable[[Any], None]


def test_it_builds_once_and_again_only_when_forced(
    make_bundle: Callable[..., Bundle],
    site: Path,
    on_a_device: OnADevice,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_bundle()
    on_a_device(make_fake_tensorrt("11.4.0"))
    words = ["engine", str(site.parent / "bundle"), "--config", str(site), "--json"]
    for more, built in ([], True), ([], False), (["--force"], True):
        assert main([*words, *more]) == 0
        records = json.loads(capsys.readouterr().out)
        assert [record["variant"] for record in records] == ["int8-trt", "fp16", "fp32"]
        assert {record["built"] for record in records} == {built}
    for record in records:
        assert Path(record["path"]).parent.parent == site.parent / "cache" / "engines"


def test_the_table_names_the_variant_asked_for_and_says_that_speed_is_not_measured(
    make_bundle: Callable[..., Bundle],
    site: Path,
    on_a_device: OnADevice,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_bundle()
    on_a_device(make_fake_tensorrt("8.6.1"))
    words = ["engine", str(site.parent / "bundle"), "--config", str(site)]
    assert main([*words, "--variant", "int8-trt8", "--workspace", "64", "--level", "5"]) == 0
    out = capsys.readouterr().out
    assert "int8-trt8-trt8.6.1-sm87.engine" in out
    assert "fp32" not in out
    assert "not measured" in out


def test_without_a_gpu_it_says_so_before_tensorrt_is_touched(
    make_bundle: Callable[..., Bundle],
    site: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def no_gpu() -> None:
        raise GpuError("there is no NVIDIA driver here", remedy="Run it on the device.")

    def never() -> None:
        raise AssertionError("TensorRT was loaded without a driver")

    make_bundle()
    monkeypatch.setattr("edge.cuda.probe_gpu", no_gpu)
    monkeypatch.setattr("export.engine.load_tensorrt", never)
    assert main(["engine", str(site.parent / "bundle"), "--config", str(site)]) == 2
    assert "no NVIDIA driver here" in capsys.readouterr().err


def test_an_unsigned_bundle_is_refused_where_the_site_wants_signatures(
    make_bundle: Callable[..., Bundle], site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_bundle()
    site.write_text(SITE.replace("require_signed = false", ""))
    assert main(["engine", str(site.parent / "bundle"), "--config", str(site)]) == 2
    assert "not signed" in capsys.readouterr().err


def test_a_signal_ends_the_build_and_leaves_no_engine(
    make_bundle: Callable[..., Bundle],
    site: Path,
    on_a_device: OnADevice,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_bundle()
    trt = make_fake_tensorrt("10.3.0")
    build = trt.Builder.build_serialized_network

    def interrupted(self: Any, network: Any, config: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return build(self, network, config)

    trt.Builder.build_serialized_network = interrupted
    on_a_device(trt)
    words = ["engine", str(site.parent / "bundle"), "--config", str(site)]
    assert main(words) == 128 + signal.SIGINT
    assert "interrupted" in capsys.readouterr().err
    assert not list(site.parent.rglob("*.engine"))


@pytest.mark.parametrize("words", [["--level", "6"], ["--workspace", "0"], ["--variant", "int8"]])
def test_bad_words(site: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["engine", "bundle", "--config", str(site), *words])
    assert caught.value.code == 2
