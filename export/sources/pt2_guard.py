"""What a file of ``torch.export`` may hold, checked before PyTorch reads it.

``torch.export.load`` was not made for files of strangers: it unpickles weights, constants and
example inputs, loads compiled libraries, evaluates the text of shape expressions and guards, and
calls whatever ``torch.…`` name a node states. Here all that is refused by name, so that what is
left is tensors, numbers and operators of the ATen library.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from edge.errors import ModelError

_RECORDS = re.compile(
    r"archive_format|archive_version|byteorder|\.data/(version|serialization_id)|"
    r"\.format_version|\.storage_alignment|models/model\.json|extra/[\w.-]+|"
    r"data/(weights|constants)/(model_(weights|constants)_config\.json|(weight|tensor)_\d+)|"
    r"data/sample_inputs/model\.pt"
)
_NAME = re.compile(r"[\w.@-]*", re.ASCII)
_WORDS = re.compile(r"[\w.,> -]*", re.ASCII)  # what an operator is told: "bij,bjk->bik"
_OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims)\.([a-z_][a-z0-9_]*)\.[A-Za-z_]\w*|"
    r"_operator\.(add|sub|mul|floordiv|truediv|mod|pow|neg|getitem|ge|gt|le|lt|eq|ne|and_|or_|not_)"
    r"|torch\.sym_(float|int|ite|max|min|not|sqrt|sum)|math\.(ceil|floor|trunc)",
    re.ASCII,
)
# These touch files, or are Python's own behind the name of an operator.
_WORLDLY = re.compile(r"from_file|save|load|__(?!and__|or__|xor__|lshift__|rshift__)\w*", re.ASCII)
_SYMBOL = re.compile(r"[a-z]{1,3}\d{1,6}|oo|int_oo|inf|True|False", re.ASCII)
_FUNCTIONS = {
    *("FloorDiv", "ModularIndexing", "Where", "PythonMod", "Mod", "CleanDiv", "CeilToInt"),
    *("FloorToInt", "CeilDiv", "LShift", "RShift", "PowByNatural", "FloatPow", "FloatTrueDiv"),
    *("IntTrueDiv", "TruncToFloat", "TruncToInt", "RoundToInt", "RoundDecimal", "ToFloat"),
    *("Max", "Min", "Identity", "Eq", "Ne", "Ge", "Gt", "Le", "Lt", "And", "Or", "Not"),
    *("Add", "Mul", "Pow", "Integer", "Rational", "max", "min"),
}
# SymPy's own spelling of a symbol, and of a number.
_ATOM = re.compile(
    r"Symbol\('[a-z]{1,3}\d{1,6}'(, (positive|integer|nonnegative|real)=(True|False))*\)|"
    r"Float\('[\d.e+-]+', precision=\d+\)",
    re.ASCII,
)
_ARITHMETIC = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Load),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)
# Text that nothing evaluates: where a node came from, and the trees that inputs are packed in.
_UNREAD = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node", "custom")
_TREES = ("in_spec", "out_spec")
_TREE_TYPES = ("builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
_LONGEST_EXPRESSION = 2000


def require_harmless_program(data: bytes, name: str) -> None:
    """Raises ModelError, naming what was found, unless loading ``data`` runs no code of its own.

    ``data`` is the content of a ``.pt2`` file and ``name`` what errors call it. Needs PyTorch.
    """
    records = _records(data, name)
    for record, content in records.items():
        if record.endswith("_config.json"):
            _require_plain_payload(_json(content, name, record), name)
        elif record.endswith(".pt"):
            _require_tensors(content, name, record)
    _require_plain_graph(_json(records["models/model.json"], name, "models/model.json"), name)


def _records(data: bytes, name: str) -> dict[str, bytes]:
    """Every record by its name, as PyTorch's own reader sees them."""
    import torch

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            listed = archive.namelist()
        reader = torch._C.PyTorchFileReader(io.BytesIO(data))
        records = reader.get_all_records()
    except (zipfile.BadZipFile, RuntimeError, ValueError) as exc:
        raise _no_program(name, "no whole archive") from exc
    if sorted(entry.partition("/")[2] for entry in listed) != sorted(records) or (
        len(set(records)) != len(records)
    ):
        raise _refused(name, "an archive that says two things of what it holds")
    for record in records:
        if _RECORDS.fullmatch(record) is None:
            raise _refused(name, f"{record!r:.120}, which is no tensor and no graph")
    if "models/model.json" not in records:
        raise _no_program(name, "an archive without models/model.json")
    try:
        return {record: reader.get_record(record) for record in records}
    except RuntimeError as exc:
        raise _no_program(name, "a damaged record") from exc


def _json(content: bytes, name: str, record: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise _no_program(name, f"{record}, which is not JSON") from exc


def _require_plain_payload(values: Any, name: str) -> None:
    entries = values.get("config") if isinstance(values, dict) else None
    if not isinstance(entries, dict):
        raise _no_program(name, "no list of its weights")
    for tensor, entry in entries.items():
        path = str(entry.get("path_name")) if isinstance(entry, dict) else ""
        if not isinstance(entry, dict) or entry.get("use_pickle") is not False:
            raise _refused(name, f"{tensor!r:.120}, which is pickled")
        if re.fullmatch(r"(weight|tensor)_\d+", path) is None or not _NAME.fullmatch(tensor):
            raise _refused(name, f"{tensor!r:.120} in {path!r:.80}")


def _require_tensors(content: bytes, name: str, record: str) -> None:
    """PyTorch tries this first and, where it fails, unpickles without looking."""
    import pickle

    import torch

    try:
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as exc:
        raise _refused(name, f"pickled objects in {record}") from exc


def _require_plain_graph(values: Any, name: str) -> None:
    for key, value in _texts(values, ""):
        if key == "expr_str":
            _require_arithmetic(value, name)
        elif key == "guards_code":
            _require_arithmetic(value, name, guard=True)
        elif key in _TREES:
            _require_plain_tree(value, name)
        elif key == "target" and "." in value:
            match = _OPERATOR.fullmatch(value)
            if match is None or _WORLDLY.fullmatch(match[2] or ""):
                raise _refused(name, f"a call of {value!r:.120}, which is no operator of ATen")
        elif key == "torch_version":
            continue
        elif (
            key not in _UNREAD
            and (_WORDS if key == "as_string" else _NAME).fullmatch(value) is None
        ):
            raise _refused(name, f"{value!r:.120} where a name belongs")


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Every text with the key that it is under; keys that are no plain names are texts too."""
    pending = [(key, value)]
    while pending:
        key, value = pending.pop()
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, list):
            pending += [(key, item) for item in value]
        elif isinstance(value, dict):
            yield from (("key", name) for name in value if _SYMBOL.fullmatch(name) is None)
            pending += list(value.items())


def _require_arithmetic(text: str, name: str, *, guard: bool = False) -> None:
    """Sums of numbers and symbols only; a guard may also ask for the size of an input."""
    try:
        if len(text) > _LONGEST_EXPRESSION:
            raise ValueError(text)
        tree = ast.parse(text, mode="eval")
        plain = _is_arithmetic(tree, guard=guard)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        plain = False
    if not plain:
        raise _refused(name, f"the expression {text!r:.120}")


def _is_arithmetic(node: ast.AST, *, guard: bool) -> bool:
    if _is_atom(node) or (guard and _is_size(node)):
        return True
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float)
    if isinstance(node, ast.Name):
        return _SYMBOL.fullmatch(node.id) is not None
    if isinstance(node, ast.Call):
        named = isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS
        return (
            named
            and not node.keywords
            and all(_is_arithmetic(part, guard=guard) for part in node.args)
        )
    return isinstance(node, _ARITHMETIC) and all(
        _is_arithmetic(part, guard=guard) for part in ast.iter_child_nodes(node)
    )


def _is_atom(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _ATOM.fullmatch(ast.unparse(node)) is not None


def _is_size(node: ast.AST) -> bool:
    """``L['x'].size()[0]`` and nothing else, with any plain names between."""
    text = ast.unparse(node) if isinstance(node, ast.Subscript) else ""
    return re.fullmatch(r"L(\['\w+'\]|\[\d+\])+\.size\(\)\[\d+\]", text, re.ASCII) is not None


def _require_plain_tree(text: str, name: str) -> None:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise _no_program(name, "inputs that are packed in an unknown way") from exc
    pending = [tree[1] if isinstance(tree, list) and len(tree) == 2 else None]
    while pending:
        node = pending.pop()
        if not isinstance(node, dict):
            raise _no_program(name, "inputs that are packed in an unknown way")
        if node.get("type") is not None and node["type"] not in _TREE_TYPES:
            raise _refused(name, f"inputs or outputs packed in {node['type']!r:.120}")
        pending += node.get("children_spec", ())


def _refused(name: str, found: str) -> ModelError:
    return ModelError(
        f"{name} holds what could run as code when it is loaded",
        expected="tensors, numbers and operators of ATen",
        found=found,
        remedy="Export to ONNX where the model was trained, or give --factory and a state_dict.",
    )


def _no_program(name: str, found: str) -> ModelError:
    return ModelError(
        f"{name} is no whole program of torch.export",
        expected="a file written by torch.export.save in PyTorch 2.8 or later",
        found=found,
        remedy="Check that it was copied to its end, or save it again.",
    )
