from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge.config import Behaviour, LineCrossing
from edge.events.build import act_event, behaviour_event, face_event
from edge.events.payloads import ModelReference
from edge.rules.acts import Act
from edge.rules.behaviours import Conduct, Mover
from edge.types import Event, EventDraft, Identity, Outcome, Phase, Track

Drafter = Callable[..., EventDraft]
DraftConduct = Callable[[Behaviour], EventDraft]
Committer = Callable[..., Event]

RECOGNISED = Identity(Outcome.RECOGNISED, "a", 0.71, 0.33, 0.82)


@pytest.fixture
def face() -> Drafter:
    """A draft of the face event of the contract, with whatever else is given."""

    def make(identity: Identity = RECOGNISED, **changes: Any) -> EventDraft:
        settings: dict[str, Any] = {
            "source": "edgewarden/hq/gate-01/door",
            "time": 1795255200.123,
            "phase": Phase.STARTED,
            "track_id": 17,
            "track_frames": 40,
            "frame_index": 230,
            "frame_size": (640, 480),
            "box": np.array([310.04, 88.46, 371.2, 160], np.float32),
            "zones": [],
            "face_px": 61.16,
            "threshold": 0.49,
            "models": {
                "detector": ModelReference(bundle="yunet-n", variant="fp32", sha256="a" * 64)
            },
        }
        return face_event(identity, **{**settings, **changes})

    return make


@pytest.fixture
def conduct() -> DraftConduct:
    """A draft of the event about a behaviour, of a person at the right edge of the frame."""

    def make(behaviour: Behaviour) -> EventDraft:
        is_line = isinstance(behaviour, LineCrossing)
        box = np.array([600.04, 100, 680.2, 460], np.float32)
        told = Conduct(
            behaviour=behaviour,
            mover=Mover(track=Track(17, box, 0.91234, 0, 20, 210, 230), kind="person"),
            phase=Phase.ONCE if is_line else Phase.STARTED,
            point=(1.0, 0.95833),
            reason="is in a zone where nobody may be",
            seconds=None if is_line else 61.23456,
            direction="left_to_right" if is_line else None,
        )
        return behaviour_event(
            told,
            source="edgewarden/hq/gate-01/door",
            time=1795255200.123,
            frame_index=230,
            frame_size=(640, 480),
            zones=["yard"],
            models={"person": ModelReference(bundle="yolox-nano", variant="fp32", sha256="a" * 64)},
        )

    return make


@pytest.fixture
def act() -> EventDraft:
    """A draft of the event about what somebody is recognised to do."""
    box = np.array([600.04, 100, 680.2, 460], np.float32)
    return act_event(
        Act(
            label="fall",
            mover=Mover(track=Track(17, box, 0.91234, 0, 20, 210, 230), kind="person"),
            phase=Phase.STARTED,
            confidence=0.912345,
            clips=2,
            seconds=0.5004,
            reason="was seen in 2 of the last 3 clips",
        ),
        source="edgewarden/hq/gate-01/door",
        time=1795255200.123,
        frame_index=230,
        frame_size=(640, 480),
        zones=["yard"],
        models={"behaviour": ModelReference(bundle="acts", variant="fp32", sha256="a" * 64)},
    )


@pytest.fixture
def committed() -> Committer:
    """What an outbox makes of a draft, as its first event."""

    def make(draft: EventDraft, *, sequence: int = 42, node_sequence: int = 97) -> Event:
        return Event(
            "019be1c7-6a3b-7123-8123-0123456789ab",
            draft.source,
            draft.type,
            draft.subject,
            draft.time,
            {"sequence": sequence, "node_sequence": node_sequence, **draft.data},
        )

    return make
