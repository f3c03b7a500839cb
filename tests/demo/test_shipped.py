"""The pack that ships: its people, its models and its clip keep what the demo promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.brokers import free_port

_WATCHED = ("intrusion", "line_crossing", "loitering")


def test_the_demo_keeps_its_promise(
    demo: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.cli.demo_pack._PORT", free_port())
    code = demo("--json")
    said = capsys.readouterr()
    told: dict[str, Any] = json.loads(said.out)
    assert code == 0, said
    assert told["right"]
    assert not told["named_wrongly"]
    assert told["committed"] == told["received"] > 20
    known = {person["person"]: person["said"] for person in told["people"] if person["enrolled"]}
    assert known == {name: [name] for name in ("ada", "ben", "chidi")}
    came = {deed["what"].split()[0] for deed in told["deeds"] if deed["told"] is not None}
    assert came >= set(_WATCHED), told["deeds"]
    assert len(came - set(_WATCHED)) >= 2, told["deeds"]
