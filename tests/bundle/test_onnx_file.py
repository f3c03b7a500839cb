"""The ONNX reader against the ``onnx`` package, on real and generated models, whole and spoiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf.message import (  # type: ignore[import-untyped]  # ships no types
    DecodeError,
    Message,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edge.errors import ModelError
from edge.onnx_file import OnnxFacts, read_onnx_facts


def keeps_data_outside(message: Message) -> bool:
    """Whether any tensor anywhere below says so; goes through every field there is."""
    if isinstance(message, TensorProto):
        return message.data_location == TensorProto.EXTERNAL or bool(message.external_data)
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        parts = [value] if isinstance(value, Message) else value
        if any(keeps_data_outside(part) for part in parts):
            return True
    return False


def text(value: str | bytes) -> str:
    """protobuf gives bytes for what should be text and is not."""
    return value if isinstance(value, str) else value.decode("utf-8", errors="replace")


def facts_by_onnx(model: onnx.ModelProto) -> OnnxFacts:
    opsets = {text(entry.domain): entry.version for entry in model.opset_import}
    if "ai.onnx" in opsets:
        opsets[""] = opsets.pop("ai.onnx")
    return OnnxFacts(
        ir_version=model.ir_version,
        opset=opsets[""],
        opsets=opsets,
        producer=text(model.producer_name),
        external_data=keeps_data_outside(model),
    )


def tensor(name: str, *, external: bool = False) -> TensorProto:
    made = numpy_helper.from_array(np.zeros(4, np.float32), name)
    if external:
        made.ClearField("raw_data")
        made.data_location = TensorProto.EXTERNAL
        made.external_data.add(key="location", value="weights.bin")
    return made


def model_of(
    nodes: list[onnx.NodeProto], initializers: list[TensorProto] | None = None
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])],
        initializers or [],
    )
    return helper.make_model(
        graph,
        producer_name="a maker of models",
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)],
    )


def subgraph(external: bool) -> onnx.GraphProto:
    out = helper.make_tensor_value_info("w", TensorProto.FLOAT, [4])
    return helper.make_graph([], "sub", [], [out], [tensor("w", external=external)])


def in_initializer(external: bool) -> onnx.ModelProto:
    return model_of([], [tensor("a"), tensor("w", external=external)])


def in_attribute(external: bool) -> onnx.ModelProto:
    return model_of([helper.make_node("Constant", [], ["y"], value=tensor("w", external=external))])


def in_attribute_list(external: bool) -> onnx.ModelProto:
    tensors = [tensor("v"), tensor("w", external=external)]
    return model_of([helper.make_node("Custom", [], ["y"], values=tensors)])


def in_subgraph(external: bool) -> onnx.ModelProto:
    branches = {"then_branch": subgraph(False), "else_branch": subgraph(external)}
    return model_of([helper.make_node("If", ["x"], ["y"], **branches)])


def in_graph_list(external: bool) -> onnx.ModelProto:
    return model_of([helper.make_node("Custom", [], ["y"], bodies=[subgraph(external)])])


def in_subgraph_of_a_subgraph(external: bool) -> onnx.ModelProto:
    inner = helper.make_node("If", ["x"], ["y"], then_branch=subgraph(external))
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])
    outer = helper.make_graph([inner], "outer", [], [out])
    return model_of([helper.make_node("Loop", ["x"], ["y"], body=outer)])


def in_sparse_initializer(external: bool) -> onnx.ModelProto:
    model = model_of([])
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(tensor("v"))
    sparse.indices.CopyFrom(tensor("i", external=external))
    return model


def in_sparse_attribute(external: bool) -> onnx.ModelProto:
    model = model_of([helper.make_node("Custom", [], ["y"])])
    attribute = model.graph.node[0].attribute.add(name="s", type=onnx.AttributeProto.SPARSE_TENSOR)
    attribute.sparse_tensor.values.CopyFrom(tensor("v", external=external))
    return model


def in_sparse_attribute_list(external: bool) -> onnx.ModelProto:
    model = model_of([helper.make_node("Custom", [], ["y"])])
    attribute = model.graph.node[0].attribute.add(name="s", type=onnx.AttributeProto.SPARSE_TENSORS)
    attribute.sparse_tensors.add().values.CopyFrom(tensor("v", external=external))
    return model


def in_function(external: bool) -> onnx.ModelProto:
    model = model_of([])
    constant = helper.make_node("Constant", [], ["c"], value=tensor("w", external=external))
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("local", "F", [], ["c"], [constant], opsets))
    return model


def in_function_default(external: bool) -> onnx.ModelProto:
    model = in_function(False)
    default = model.functions[0].attribute_proto.add(name="d", type=onnx.AttributeProto.TENSOR)
    default.t.CopyFrom(tensor("w", external=external))
    return model


def in_training(external: bool) -> onnx.ModelProto:
    model = model_of([])
    model.training_info.add().algorithm.CopyFrom(subgraph(external))
    model.training_info.add().initialization.CopyFrom(subgraph(False))
    return model


PLACES: list[Callable[[bool], onnx.ModelProto]] = [
    in_initializer,
    in_attribute,
    in_attribute_list,
    in_subgraph,
    in_graph_list,
    in_subgraph_of_a_subgraph,
    in_sparse_initializer,
    in_sparse_attribute,
    in_sparse_attribute_list,
    in_function,
    in_function_default,
    in_training,
]


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("build", PLACES)
def test_external_data_is_found_wherever_a_tensor_can_be(
    build: Callable[[bool], onnx.ModelProto], external: bool
) -> None:
    model = build(external)
    facts = read_onnx_facts(model.SerializeToString())
    assert facts == facts_by_onnx(model)
    assert facts.external_data is external


@pytest.mark.parametrize(
    "name",
    [
        "2.7_80x80_MiniFASNetV2.onnx",
        "4_0_0_80x80_MiniFASNetV1SE.onnx",
        "face-reidentification-retail-0095.onnx",
        "landmarks-regression-retail-0009.onnx",
        "super_resolution_subpixel_x3_opset13.onnx",
        "yolox_nano.onnx",
        "yunet_n_320_320.onnx",
        "yunet_n_dynamic.onnx",
    ],
)
def test_real_models_are_read_as_onnx_reads_them(assets: Path, name: str) -> None:
    data = (assets / "models" / name).read_bytes()
    assert read_onnx_facts(data) == facts_by_onnx(onnx.load_from_string(data))


def test_a_real_model_without_an_opset_is_refused(assets: Path) -> None:
    data = (assets / "models" / "super_resolution_subpixel_x3.onnx").read_bytes()
    with pytest.raises(ModelError, match="expected an opset import of the default domain"):
        read_onnx_facts(data)


def test_a_real_model_saved_with_its_weights_outside_is_found_out(
    assets: Path, tmp_path: Path
) -> None:
    model = onnx.load(assets / "models" / "yunet_n_dynamic.onnx")
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert read_onnx_facts(path.read_bytes()).external_data


def with_opsets(*opsets: tuple[str, int]) -> bytes:
    model = model_of([])
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(*opset) for opset in opsets)
    data: bytes = model.SerializeToString()
    return data


def test_the_default_domain_has_two_names() -> None:
    facts = read_onnx_facts(with_opsets(("ai.onnx", 15), ("com.microsoft", 1)))
    assert (facts.opset, facts.opsets) == (15, {"": 15, "com.microsoft": 1})


@pytest.mark.parametrize(
    ("opsets", "message"),
    [
        ([], "no domain at all"),
        ([("ai.onnx.ml", 3)], r"imports of ai\.onnx\.ml"),
        ([("", 0)], "no single opset version for domain ''"),
        ([("", -5)], "no single opset version"),
        ([("", 13), ("ai.onnx", 14)], "no single opset version"),
    ],
)
def test_opsets_that_say_nothing_certain_are_refused(
    opsets: list[tuple[str, int]], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        read_onnx_facts(with_opsets(*opsets))


@pytest.mark.parametrize("gone", ["graph", "ir_version"])
def test_a_model_without_graph_or_ir_version_is_refused(gone: str) -> None:
    model = model_of([])
    model.ClearField(gone)
    with pytest.raises(ModelError, match=f"no {'graph' if gone == 'graph' else 'IR version'}"):
        read_onnx_facts(model.SerializeToString())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no graph"),
        (b"version https://git-lfs.github.com/spec/v1\n", "wire type"),
        (b"\x80", "within a number"),
        (b"\xff" * 20, "more than 10 bytes"),
        (b"\x00\x00", "field number 0"),
        (b"\x80\x80\x80\x80\x80\x01\x00", "field number"),
        (b"\x0b", "wire type 3"),
        (b"\x3a\x7f\x00", "a field of 127 bytes"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "a field of 18446744073709551615 bytes"),
        (b"\x09\x00\x00", "a field of 8 bytes"),
        (b"\x0d\x00\x00", "a field of 4 bytes"),
    ],
)
def test_what_is_no_protobuf_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_onnx_facts(data)


def nested(depth: int) -> bytes:
    """A model whose graph holds a node with an attribute with a graph, ``depth`` times over."""
    model = model_of([])
    tail: bytes = model.SerializeToString()
    inner = b""
    for _ in range(depth):
        for field in (0x32, 0x2A, 0x0A):  # graph in attribute, attribute in node, node in graph
            inner = bytes([field]) + varint(len(inner)) + inner
    return b"\x3a" + varint(len(inner)) + inner + tail


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def test_nesting_is_bounded() -> None:
    assert read_onnx_facts(nested(30)).opset == 17
    for depth in (40, 5000):
        with pytest.raises(ModelError, match="nested more than 100 deep"):
            read_onnx_facts(nested(depth))


def test_a_location_that_is_external_only_in_its_low_bits_counts() -> None:
    hidden = b"\x70" + varint((1 << 32) + 1)  # field 14 of a tensor
    graph = b"\x2a" + varint(len(hidden)) + hidden
    tail: bytes = model_of([]).SerializeToString()
    data = b"\x3a" + varint(len(graph)) + graph + tail
    assert keeps_data_outside(onnx.load_from_string(data))
    assert read_onnx_facts(data).external_data


@pytest.mark.parametrize("last", [0, 2, 0x7E])
def test_a_number_of_ten_bytes_is_cut_to_64_bits(last: int) -> None:
    model = model_of([])
    model.ClearField("ir_version")
    data = b"\x08" + bytes([0x88, *[0x80] * 8, last]) + model.SerializeToString()
    assert onnx.load_from_string(data).ir_version == 8
    assert read_onnx_facts(data).ir_version == 8


def test_fields_that_are_not_known_are_stepped_over() -> None:
    unknown = b"\xfa\x3f\x03abc" + b"\xf9\x3f" + bytes(8) + b"\xfd\x3f" + bytes(4) + b"\xf8\x3f\x05"
    model = model_of([])
    assert read_onnx_facts(unknown + model.SerializeToString()) == facts_by_onnx(model)


SMALL: bytes = in_subgraph(False).SerializeToString()


@pytest.mark.parametrize("length", range(len(SMALL)))
def test_a_model_cut_anywhere_is_refused_or_still_whole(length: int) -> None:
    """It is still whole where only the second opset import is missing."""
    try:
        facts = read_onnx_facts(SMALL[:length])
    except ModelError:
        return
    assert facts == facts_by_onnx(onnx.load_from_string(SMALL[:length]))


def agrees_with_onnx(data: bytes) -> None:
    """Nothing but ModelError is raised, and what is read is what ``onnx`` reads."""
    try:
        facts = read_onnx_facts(data)
    except ModelError:
        return
    try:
        model = onnx.load_from_string(data)
    except (DecodeError, ValueError):
        return  # that parser also checks what a loader would have refused
    assert facts == facts_by_onnx(model)


@settings(max_examples=400, deadline=None)
@given(
    build=st.sampled_from(PLACES),
    at=st.integers(0, 10_000),
    new=st.binary(min_size=1, max_size=6),
    cut=st.integers(0, 6),
)
def test_a_spoiled_model_is_refused_or_read_as_onnx_reads_it(
    build: Callable[[bool], onnx.ModelProto], at: int, new: bytes, cut: int
) -> None:
    data = bytes(build(True).SerializeToString())
    at %= len(data)
    agrees_with_onnx(data[:at] + new + data[at + cut :])


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_read_as_onnx_reads_them(data: bytes) -> None:
    agrees_with_onnx(data)
    agrees_with_onnx(data + SMALL)
    agrees_with_onnx(SMALL + data)
