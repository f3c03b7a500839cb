"""Engines at rest: only one that this device wrote, for this bundle, is handed out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.bundle import Bundle
from edge.engines import StoredEngine, device_key, read_engine, sidecar_path
from edge.errors import EngineError, OutputError, UsageError
from export.engine_job import Workshop, build_engine, choose_recipes, find_engine


@pytest.fixture
def bundle(make_bundle: Callable[..., Bundle]) -> Bundle:
    return make_bundle(["fp32"])


@pytest.fixture
def workshop(make_workshop: Callable[..., Workshop]) -> Workshop:
    return make_workshop()


@pytest.fixture
def engine(bundle: Bundle, workshop: Workshop) -> StoredEngine:
    (recipe,) = choose_recipes(bundle, workshop, None)
    return build_engine(bundle, recipe, workshop)


@pytest.fixture
def read(bundle: Bundle, workshop: Workshop) -> Callable[[Path], StoredEngine | None]:
    def again(path: Path) -> StoredEngine | None:
        onnx = bundle.manifest.file("fp32.onnx").sha256
        key = device_key(workshop.state_dir)
        return read_engine(path, key=key, bundle=bundle.sha256, onnx=onnx)

    return again


Read = Callable[[Path], StoredEngine | None]


def test_it_lies_where_the_contract_says_and_comes_back_as_written(
    engine: StoredEngine, bundle: Bundle, workshop: Workshop, read: Read
) -> None:
    folder = workshop.cache_dir / "engines" / bundle.sha256
    assert engine.path == folder / "fp32-trt10.3.0-sm87.engine"
    again = read(engine.path)
    assert again is not None
    assert again.data == engine.data
    assert again.sidecar == engine.sidecar
    assert again.sidecar.speed is None
    assert sorted(path.name for path in folder.iterdir()) == [
        "fp32-trt10.3.0-sm87.engine",
        "fp32-trt10.3.0-sm87.json",
    ]


def test_none_is_none(read: Read, tmp_path: Path) -> None:
    assert read(tmp_path / "fp32-trt10.3.0-sm87.engine") is None


def test_a_changed_engine_is_refused(engine: StoredEngine, read: Read) -> None:
    engine.path.write_bytes(engine.data + b"\0")
    with pytest.raises(EngineError, match="is not the one that was built"):
        read(engine.path)


def test_a_changed_sidecar_is_refused(engine: StoredEngine, read: Read) -> None:
    path = sidecar_path(engine.path)
    document = json.loads(path.read_text())
    document["sidecar"]["sm"] = 110
    path.write_text(json.dumps(document))
    with pytest.raises(EngineError, match="not written by this device"):
        read(engine.path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sidecar": {}}', "{" * 5000])
def test_what_is_no_sidecar_is_refused(engine: StoredEngine, read: Read, text: str) -> None:
    sidecar_path(engine.path).write_text(text)
    with pytest.raises(EngineError, match="is no sidecar"):
        read(engine.path)


def test_an_engine_under_the_name_of_another_gpu_is_refused(
    engine: StoredEngine, read: Read
) -> None:
    other = engine.path.with_name("fp32-trt10.3.0-sm110.engine")
    engine.path.rename(other)
    sidecar_path(engine.path).rename(sidecar_path(other))
    with pytest.raises(EngineError, match="built for another name"):
        read(other)


def test_an_engine_of_another_model_is_refused(engine: StoredEngine, workshop: Workshop) -> None:
    key = device_key(workshop.state_dir)
    with pytest.raises(EngineError, match="built for another bundle"):
        read_engine(engine.path, key=key, bundle="0" * 64, onnx=engine.sidecar.onnx)
    with pytest.raises(EngineError, match="built for another ONNX file"):
        read_engine(engine.path, key=key, bundle=engine.sidecar.bundle, onnx="0" * 64)


def test_an_engine_from_another_device_is_built_anew(
    engine: StoredEngine, bundle: Bundle, workshop: Workshop
) -> None:
    (recipe,) = choose_recipes(bundle, workshop, None)
    assert find_engine(bundle, recipe, workshop) is not None
    key = workshop.state_dir / "engine.key"
    key.chmod(0o600)
    key.write_bytes(b"k" * 32)
    assert find_engine(bundle, recipe, workshop) is None


def test_the_key_is_private_and_stays_the_same(tmp_path: Path) -> None:
    first = device_key(tmp_path / "state")
    assert device_key(tmp_path / "state") == first
    assert (tmp_path / "state" / "engine.key").stat().st_mode & 0o777 == 0o600
    assert device_key(tmp_path / "other") != first
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["engine.key"]


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    device_key(tmp_path)
    (tmp_path / "engine.key").chmod(0o644)
    with pytest.raises(UsageError, match="mode 0600; found 32 bytes, mode 0644"):
        device_key(tmp_path)


def test_a_key_of_another_length_or_a_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "engine.key"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(UsageError, match="found 5 bytes"):
        device_key(tmp_path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="cannot read"):
        device_key(tmp_path)
