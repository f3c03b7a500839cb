"""JSON read without leniency, for files whose exact bytes are hashed or signed.

Two readers of one file must not see different things, so whatever readers differ over is refused:
a key given twice, NaN and infinity, a byte order mark, encodings other than UTF-8.
"""

from __future__ import annotations

import json
import math
from typing import NoReturn


def read_strict_json(raw: bytes, *, limit: int) -> object:
    """The value that ``raw`` holds. Raises ValueError, saying what is wrong, on more than
    ``limit`` bytes and on anything that is not plain JSON.
    """
    if len(raw) > limit:
        raise ValueError(f"{len(raw)} bytes, more than the {limit} that are read")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ValueError(f"not UTF-8 at byte {exc.start}") from exc
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_finite,
            parse_constant=_refuse_constant,
        )
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key[:80]!r} is given twice")
        found[key] = value
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"number {text[:40]} is too large")
    return value


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")
