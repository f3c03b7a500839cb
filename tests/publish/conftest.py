from __future__ import annotations

from collections.abc import Callable

import pytest

from edge.events.build import system_event
from edge.store.base import numbered
from edge.types import Event

Maker = Callable[..., Event]


@pytest.fixture
def event() -> Maker:
    def make(number: int, *, reason: str = "") -> Event:
        draft = system_event(
            "degraded", source="edgewarden/hq/gate-01/_node", time=number / 10, reason=reason
        )
        id = f"019be1c7-6a3b-7123-8123-{number:012d}"
        return numbered(draft, id=id, sequence=number, node_sequence=number)

    return make
