"""A reporter over an outbox in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timezone
from itertools import count

import pytest

from edge.config import Rule
from edge.events.payloads import ModelReference
from edge.reporter import Reporter
from edge.rules.acts import ActSettings
from edge.rules.engine import RuleEngine
from edge.store.fake import FakeOutbox

MakeReporter = Callable[..., tuple[Reporter, FakeOutbox]]


def models_of(*roles: str) -> dict[str, ModelReference]:
    """What events say of the models with these roles."""
    return {role: ModelReference(bundle=role, variant="fp32", sha256="a" * 64) for role in roles}


def new_reporter(
    *rules: Rule,
    roles: Sequence[str] = ("detector", "recogniser", "person"),
    threshold: float | None = 0.49,
    acts: ActSettings | None = None,
) -> tuple[Reporter, FakeOutbox]:
    """Of the node hq/gate. roles: of the models that it names. Ids are id-1, id-2 …"""
    ids = count(1)
    outbox = FakeOutbox(lambda: f"id-{next(ids)}")
    outbox.open()
    reporter = Reporter(
        site="hq",
        node="gate",
        outbox=outbox,
        rules=RuleEngine(rules, timezone=timezone.utc),
        threshold=threshold,
        models=models_of(*roles),
        timezone=timezone.utc,
        acts=acts,
    )
    return reporter, outbox


@pytest.fixture
def make() -> MakeReporter:
    return new_reporter
