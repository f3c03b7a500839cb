"""Facts about an ONNX file, read from its bytes alone, before any library is let near it.

A reader of the protobuf wire format (protobuf.dev/programming-guides/encoding) that follows the
messages of onnx.proto which can hold a tensor, and steps over the weights. It never looks outside
the buffer, and gives up on nesting that no exporter makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from edge.errors import ModelError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DEEPEST = 100  # messages within messages; protobuf's own parsers stop there too
_EXTERNAL = 1  # TensorProto.DataLocation.EXTERNAL
_DEFAULT_DOMAINS = ("", "ai.onnx")

# Which fields of a message hold which message, as far as a tensor may lie in there.
_CHILDREN: Mapping[str, Mapping[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {
        5: "Tensor",
        6: "Graph",
        10: "Tensor",
        11: "Graph",
        22: "SparseTensor",
        23: "SparseTensor",
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
}


@dataclass(frozen=True, slots=True)
class OnnxFacts:
    """What an ONNX file says of itself.

    opset: version of the default domain. opsets: version by domain, the default one as "".
    producer: the exporter's name, perhaps empty. external_data: whether any tensor, in any
    subgraph, function or attribute, keeps its values in another file.
    """

    ir_version: int
    opset: int
    opsets: Mapping[str, int]
    producer: str
    external_data: bool


class _Field(NamedTuple):
    """One field of a message: a number, or where its bytes begin and end."""

    number: int
    kind: int
    value: int
    start: int
    end: int


def read_onnx_facts(data: bytes) -> OnnxFacts:
    """The facts of the ONNX model in ``data``.

    Raises ModelError where that is no whole ONNX model, or one without an IR version, a graph or
    an opset for the default domain, which ONNX Runtime would not run.
    """
    ir_version, producer, graphs = 0, "", 0
    opsets: dict[str, int] = {}
    for field in _fields(data, 0, len(data)):
        if field.number == 1 and field.kind == _VARINT:
            ir_version = _signed(field.value)
        elif field.number == 2 and field.kind == _BYTES:
            producer = _text(data, field)
        elif field.number == 7 and field.kind == _BYTES:
            graphs += 1
        elif field.number == 8 and field.kind == _BYTES:
            _add_opset(opsets, data, field)
    if ir_version < 1 or graphs == 0:
        raise _malformed("no IR version" if graphs else "no graph")
    if "" not in opsets:
        raise ModelError(
            "the model does not say which operators it was made for",
            expected="an opset import of the default domain",
            found=f"opset imports of {', '.join(sorted(opsets)) or 'no domain at all'}",
            remedy="Export the model again with a current exporter.",
        )
    external = _has_external_data(data)
    return OnnxFacts(ir_version, opsets[""], opsets, producer, external)


def _add_opset(opsets: dict[str, int], data: bytes, field: _Field) -> None:
    domain, version = "", 0
    for part in _fields(data, field.start, field.end):
        if part.number == 1 and part.kind == _BYTES:
            domain = _text(data, part)
        elif part.number == 2 and part.kind == _VARINT:
            version = _signed(part.value)
    domain = "" if domain in _DEFAULT_DOMAINS else domain
    if version < 1 or opsets.get(domain, version) != version:
        raise _malformed(f"no single opset version for domain {domain!r:.80}")
    opsets[domain] = version


def _has_external_data(data: bytes) -> bool:
    pending = [("Model", 0, len(data), 0)]
    while pending:
        message, start, end, depth = pending.pop()
        if depth > _DEEPEST:
            raise _malformed(f"messages nested more than {_DEEPEST} deep")
        if message == "Tensor":
            if _is_external(data, start, end):
                return True
            continue
        children = _CHILDREN[message]
        for field in _fields(data, start, end):
            child = children.get(field.number)
            if child is not None and field.kind == _BYTES:
                pending.append((child, field.start, field.end, depth + 1))
    return False


def _is_external(data: bytes, start: int, end: int) -> bool:
    """Either sign counts: readers differ over which of the two they go by."""
    for field in _fields(data, start, end):
        if field.number == 13 and field.kind == _BYTES:
            return True
        # Parsers keep the low 32 bits of an enumeration.
        if field.number == 14 and field.kind == _VARINT and field.value & 0xFFFFFFFF == _EXTERNAL:
            return True
    return False


def _fields(data: bytes, start: int, end: int) -> Iterator[_Field]:
    """The fields of the message in ``data[start:end]``, without looking into any of them."""
    at = start
    while at < end:
        key, at = _varint(data, at, end)
        number, kind, value, begin = key >> 3, key & 7, 0, at
        if number == 0 or key > 0xFFFFFFFF:
            raise _malformed(f"field number {number} at byte {begin}")
        if kind == _VARINT:
            value, at = _varint(data, at, end)
        elif kind == _BYTES:
            size, begin = _varint(data, at, end)
            at = begin + size
        elif kind == _FIXED64:
            at += 8
        elif kind == _FIXED32:
            at += 4
        else:
            raise _malformed(f"wire type {kind} at byte {begin}")
        if at > end:
            raise _malformed(f"a field of {at - begin} bytes at byte {begin}, {end - begin} left")
        yield _Field(number, kind, value, begin, at)


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """An unsigned 64-bit number and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise _malformed(f"the end, {at} bytes in, within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise _malformed(f"a number of more than 10 bytes before byte {at}")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _text(data: bytes, field: _Field) -> str:
    return data[field.start : field.end].decode("utf-8", errors="replace")


def _malformed(found: str) -> ModelError:
    return ModelError(
        "the file is no whole ONNX model",
        expected="a serialised ONNX ModelProto",
        found=found,
        remedy="Check that it was copied or downloaded to its end.",
    )
