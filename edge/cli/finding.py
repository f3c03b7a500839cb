"""What ``edgewarden doctor`` says of one thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.errors import EdgewardenError

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. remedy: the command or step that mends it, empty where nothing is
    wrong. facts: what programs may want of it; people are not shown them."""

    name: str
    state: State
    found: str
    remedy: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)


def failure(name: str, error: EdgewardenError) -> Finding:
    """What an error says, its remedy apart from the rest."""
    detail = "; ".join(part for part in (error.message, error.found) if part)
    return Finding(name, "failed", detail, error.remedy)
