"""Programs of torch.export: what they compute, and what they must not do when they are loaded."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from edge.errors import ModelError, UsageError
from edge.runner.base import Signature
from export.sources.base import Source, SourceRequest
from export.sources.loading import load_source

GRAPH = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"

RequireParity = Callable[[Source], Signature]
SaveProgram = Callable[..., Path]
Change = Callable[[dict[str, bytes]], None]


@pytest.fixture
def save_program(torch: Any, networks: Any, tmp_path: Path) -> SaveProgram:
    def save(factory: str, *args: Any, training: bool = False, **more: Any) -> Path:
        path = tmp_path / f"{factory}.pt2"
        network = networks.trained(getattr(networks, factory)()).train(training)
        torch.export.save(torch.export.export(network, args, **more), path)
        return path

    return save


@pytest.fixture
def generator(torch: Any, save_program: SaveProgram) -> Path:
    batch = torch.export.Dim("batch")
    return save_program("Dcgan", torch.zeros(2, 16, 1, 1), dynamic_shapes=({0: batch},))


def changed(path: Path, change: Change) -> Path:
    """The archive with its records changed."""
    with zipfile.ZipFile(path) as archive:
        root = archive.namelist()[0].partition("/")[0]
        records = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(records)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in records.items():
            archive.writestr(f"{root}/{name}", content)
    return path


def replace_in_graph(old: str, new: str) -> Change:
    """A text of the graph, wherever it is a whole JSON string."""

    def change(records: dict[str, bytes]) -> None:
        graph = records[GRAPH].decode()
        assert json.dumps(old) in graph
        records[GRAPH] = graph.replace(json.dumps(old), json.dumps(new)).encode()

    return change


def test_a_program_computes_the_same_in_onnx(
    generator: Path, require_parity: RequireParity
) -> None:
    signature = require_parity(load_source(SourceRequest(path=generator)))
    assert str(signature.inputs[0]) == "z float32[?, 16, 1, 1]"


def test_a_program_with_a_condition_by_keyword(
    torch: Any, save_program: SaveProgram, require_parity: RequireParity
) -> None:
    batch = torch.export.Dim("batch")
    path = save_program(
        "IndexedGan",
        torch.zeros(2, 16),
        kwargs={"label": torch.zeros(2, dtype=torch.int64)},
        dynamic_shapes={"z": {0: batch}, "label": {0: batch}},
    )
    request = SourceRequest(
        path=path, inputs={"noise": (None, 16), "label": (None,)}, output_names=("face",)
    )
    signature = require_parity(load_source(request))
    assert ", ".join(map(str, signature.inputs)) == "noise float32[?, 16], label int64[?]"
    assert signature.outputs[0].name == "face"


def test_a_program_whose_sizes_are_free(
    torch: Any, save_program: SaveProgram, require_parity: RequireParity
) -> None:
    """Its guards are expressions that loading evaluates; these are plain."""
    free = {0: torch.export.Dim("batch"), 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    path = save_program("UNet", torch.zeros(2, 3, 32, 48), dynamic_shapes=(free,))
    signature = require_parity(load_source(SourceRequest(path=path)))
    assert str(signature.inputs[0]) == "picture float32[?, 3, ?, ?]"


def test_a_program_whose_names_and_words_are_not_identifiers(
    torch: Any, save_program: SaveProgram, require_parity: RequireParity
) -> None:
    free = {0: torch.export.Dim("batch")}
    path = save_program("Attention", torch.zeros(2, 16), dynamic_shapes=(free,))
    require_parity(load_source(SourceRequest(path=path)))


def test_a_program_of_one_batch_size_is_fed_that_many(
    torch: Any, save_program: SaveProgram, require_parity: RequireParity
) -> None:
    path = save_program("Decoder", torch.zeros(2, 16))
    signature = require_parity(load_source(SourceRequest(path=path)))
    assert str(signature.inputs[0]) == "z float32[2, 16]"


def test_a_shape_that_is_not_the_programs(generator: Path) -> None:
    with pytest.raises(UsageError, match=r"another shape.*\?x16x1x1.*\?x100x1x1"):
        load_source(SourceRequest(path=generator, inputs={"z": (None, 100, 1, 1)}))
    with pytest.raises(UsageError, match="another number of inputs"):
        load_source(SourceRequest(path=generator, inputs={"z": (None, 16, 1, 1), "c": (None,)}))


def test_a_program_in_training_mode(torch: Any, save_program: SaveProgram) -> None:
    path = save_program("Gan", torch.zeros(2, 16), training=True)
    with pytest.raises(ModelError, match=r"as it does in training.*dropout"):
        load_source(SourceRequest(path=path))


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def pickled_inputs(target: Path, torch: Any) -> Change:
    def change(records: dict[str, bytes]) -> None:
        buffer = io.BytesIO()
        torch.save(((Bomb(target),), {}), buffer)
        records["data/sample_inputs/model.pt"] = buffer.getvalue()

    return change


def pickled_weight(target: Path, torch: Any) -> Change:
    def change(records: dict[str, bytes]) -> None:
        config = json.loads(records[WEIGHTS])
        entry = next(iter(config["config"].values()))
        entry["use_pickle"] = True
        records[WEIGHTS] = json.dumps(config).encode()
        buffer = io.BytesIO()
        torch.save(Bomb(target), buffer)
        records[f"data/weights/{entry['path_name']}"] = buffer.getvalue()

    return change


def pickled_constant(target: Path, torch: Any) -> Change:
    def change(records: dict[str, bytes]) -> None:
        entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True}
        config = {"config": {"thing": {**entry, "tensor_meta": None}}}
        records["data/constants/model_constants_config.json"] = json.dumps(config).encode()
        records["data/constants/opaque_obj_0"] = pickle.dumps(Bomb(target))

    return change


def evaluated_size(target: Path, torch: Any) -> Change:
    def change(records: dict[str, bytes]) -> None:
        graph = json.loads(records[GRAPH])
        code = f"__import__('os').mkdir({str(target)!r})"
        found = [0]

        def walk(value: Any) -> None:
            for item in value.values() if isinstance(value, dict) else value:
                if isinstance(item, dict) and "expr_str" in item:
                    item["expr_str"] = code
                    found[0] += 1
                if isinstance(item, dict | list):
                    walk(item)

        walk(graph)
        assert found[0]
        records[GRAPH] = json.dumps(graph).encode()

    return change


def evaluated_guard(target: Path, torch: Any) -> Change:
    def change(records: dict[str, bytes]) -> None:
        graph = json.loads(records[GRAPH])
        graph["guards_code"] = [f"math.__loader__.load_module('os').mkdir({str(target)!r})"]
        records[GRAPH] = json.dumps(graph).encode()

    return change


def called_function(target: Path, torch: Any) -> Change:
    return replace_in_graph("torch.ops.aten.tanh.default", "torch.serialization.os.getcwd")


def quoted_name(target: Path, torch: Any) -> Change:
    return replace_in_graph("layers.0.weight", "layers.0.weight'+exit()+'")


def compiled_library(target: Path, torch: Any) -> Change:
    def change(records: dict[str, bytes]) -> None:
        records["data/aotinductor/model/model.so"] = b"\x7fELF"

    return change


def older_form(target: Path, torch: Any) -> Change:
    def change(records: dict[str, bytes]) -> None:
        records["version"] = b"8.20"
        records["serialized_state_dict.pt"] = pickle.dumps(Bomb(target))

    return change


ATTACKS = {
    "pickled example inputs": (pickled_inputs, "sample_inputs"),
    "a pickled weight": (pickled_weight, "layers.0.weight', which is pickled"),
    "a pickled constant": (pickled_constant, "opaque_obj_0"),
    "code as a size": (evaluated_size, "__import__"),
    "code as a guard": (evaluated_guard, "__loader__"),
    "a call of Python": (called_function, "torch.serialization.os.getcwd"),
    "code as a name": (quoted_name, "layers.0.weight'+exit"),
    "a compiled library": (compiled_library, "model.so"),
    "the form before 2.8": (older_form, "version"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_could_run_as_code_is_refused_by_name(
    attack: str, generator: Path, torch: Any, tmp_path: Path
) -> None:
    make, named = ATTACKS[attack]
    target = tmp_path / "ran"
    changed(generator, make(target, torch))
    with pytest.raises(ModelError) as caught:
        load_source(SourceRequest(path=generator))
    assert "could run as code" in str(caught.value)
    assert named in str(caught.value)
    assert not target.exists()


@pytest.mark.parametrize("attack", ["pickled example inputs", "a pickled weight", "code as a size"])
def test_the_attacks_are_real(attack: str, generator: Path, torch: Any, tmp_path: Path) -> None:
    """PyTorch's own loader runs them, or this guard would be for nothing."""
    target = tmp_path / "ran"
    changed(generator, ATTACKS[attack][0](target, torch))
    with suppress(Exception):  # what it makes of the rest is not the point
        torch.export.load(generator)
    assert target.exists()


def test_an_archive_that_is_repacked_unchanged_still_loads(
    generator: Path, require_parity: RequireParity
) -> None:
    require_parity(load_source(SourceRequest(path=changed(generator, lambda records: None))))


def test_weights_that_are_no_numbers(torch: Any, networks: Any, tmp_path: Path) -> None:
    network = networks.trained(networks.Decoder()).eval()
    with torch.no_grad():
        network.first.weight[3, 3] = float("nan")
    path = tmp_path / "nan.pt2"
    torch.export.save(torch.export.export(network, (torch.zeros(2, 16),)), path)
    with pytest.raises(ModelError, match=r"NaN or infinity in first\.weight"):
        load_source(SourceRequest(path=path))


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_program_that_is_cut_off(keep: float, generator: Path) -> None:
    data = generator.read_bytes()
    generator.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(ModelError, match="whole"):
        load_source(SourceRequest(path=generator))


def test_a_graph_that_is_not_there_or_no_graph(generator: Path) -> None:
    changed(generator, lambda records: records.update({GRAPH: b"{"}))
    with pytest.raises(ModelError, match="not JSON"):
        load_source(SourceRequest(path=generator))
    changed(generator, lambda records: records.update({GRAPH: b"{}"}))
    with pytest.raises(ModelError, match="does not load"):
        load_source(SourceRequest(path=generator))
    changed(generator, lambda records: records.__delitem__(GRAPH))
    with pytest.raises(ModelError, match=GRAPH):
        load_source(SourceRequest(path=generator))
