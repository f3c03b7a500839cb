"""The pack that ships: its people, its models and its clip keep what the demo promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from edge.pack import contents
from tests.brokers import free_port

_WATCHED = ("intrusion", "line_crossing", "loitering")


@pytest.fixture(scope="module")
def shipped() -> set[str]:
    """The names of the bundles that ship."""
    names = set(contents().bundles)
    missing = {"world-face", "world-recogniser"} - names
    if missing:
        pytest.skip(f"the pack lacks {missing}: edgewarden reference bundle makes them")
    return names


def test_the_demo_keeps_its_promise(
    shipped: set[str],
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
    if "world-person" in shipped:
        assert came >= set(_WATCHED), told["deeds"]
    if "world-behaviour" in shipped:
        assert len(came - set(_WATCHED)) >= 2, told["deeds"]
