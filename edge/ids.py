"""The id rule: how sites, nodes, cameras, zones, rules and people are named.

Ids stand in topics, file names and event sources, so they are plain and short.
"""

from __future__ import annotations

import re
from collections.abc import Container

from edge.errors import UsageError

ID_RULE = "^[a-z0-9][a-z0-9_-]{0,63}$"
MAX_ID_LENGTH = 64

# Stand where a camera id stands in events that no camera saw; the rule keeps them free.
NODE_CAMERA = "_node"
SELFTEST_CAMERA = "_selftest"

_ID = re.compile(ID_RULE)
_FOREIGN = re.compile(r"[^a-z0-9_-]+")


def require_id(text: str, what: str) -> str:
    """Return ``text`` if it keeps the id rule; ``what`` names it in the message.

    Raises UsageError otherwise.
    """
    if _ID.fullmatch(text):
        return text
    if text in (NODE_CAMERA, SELFTEST_CAMERA):
        remedy = f"{text!r} is reserved for events of Edgewarden itself"
    else:
        remedy = f"{fit_id(text)!r} would do" if _FOREIGN.sub("", text.lower()) else ""
    raise UsageError(
        f"{what} does not keep the id rule",
        expected=f"an id: {ID_RULE}",
        found=repr(text if len(text) <= 80 else text[:77] + "..."),
        remedy=remedy,
    )


def fit_id(text: str, *, taken: Container[str] = (), fallback: str = "unnamed") -> str:
    """The id nearest to any text, such as a file's stem; with ``-2``, ``-3`` … if it is taken.

    A text with nothing usable in it becomes ``fallback``.
    """
    base = _FOREIGN.sub("-", text.lower()).lstrip("_-")[:MAX_ID_LENGTH].rstrip("-") or fallback
    candidate, number = base, 1
    while candidate in taken:
        number += 1
        suffix = f"-{number}"
        candidate = base[: MAX_ID_LENGTH - len(suffix)] + suffix
    return candidate
