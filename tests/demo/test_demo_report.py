"""What a demo with the reference pack tells people of what it found."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.cli.demo_report import Outcome, tell, to_json
from edge.demo.show import Shown
from edge.demo.verdict import DeedFinding, PersonFinding, Verdict

Said = pytest.CaptureFixture[str]
NEAR = PersonFinding("boris", False, ("unknown",), 0.12345678, True)
IN_TIME = DeedFinding("intrusion yard", "boris", 1.0, 1.25)
EARLY = DeedFinding("intrusion yard", "boris", 1.0, 11 / 12)
MISSED_PLACE = DeedFinding("intrusion yard", "boris", 1.0, None)
MISSED_ACT = DeedFinding("run", "boris", 1.0, None)


def outcome(*deeds: DeedFinding, far: tuple[str, ...] = (), note: str = "") -> Outcome:
    verdict = Verdict(people=(NEAR,), far=far, deeds=deeds, named_wrongly=(), more=())
    return Outcome(
        broker="none",
        note=note,
        committed=2,
        received=None,
        latencies=(0.01693155700195348, 0.02),
        shown=Shown(begun={0: 0.0, 1: 0.1}, seconds=0.3),
        verdict=verdict,
    )


def test_strangers_who_stay_far_are_counted_apart(capsys: Said) -> None:
    tell(Path("out"), outcome(IN_TIME, far=("eve", "mallory")), 1.0)
    assert "1 of 1 strangers who came near; 2 stayed too far" in capsys.readouterr().out
    tell(Path("out"), outcome(IN_TIME), 1.0)
    assert "too far" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("deed", "early", "missed"),
    [
        (IN_TIME, False, False),
        (EARLY, True, False),
        (MISSED_ACT, False, True),
        (MISSED_PLACE, False, False),
    ],
)
def test_what_looks_wrong_is_explained(deed: DeedFinding, early: bool, missed: bool) -> None:
    notes = " ".join(to_json(Path("out"), outcome(deed), 1.0)["notes"])
    assert ("Told before it begins" in notes, "Not told" in notes) == (early, missed)


def test_a_long_note_stands_below_the_tables_in_lines_of_its_own(capsys: Said) -> None:
    tell(Path("out"), outcome(IN_TIME, note="a long word " * 40), 1.0)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) < 90
    assert lines.index(next(line for line in lines if line.startswith("all in all"))) < lines.index(
        next(line for line in lines if line.startswith("a long word"))
    )


def test_programs_get_no_more_digits_than_mean_something() -> None:
    told = to_json(Path("out"), outcome(EARLY), 1.23456)
    assert told["latency_s"]["p50"] == 0.0185
    assert told["people"][0]["similarity"] == 0.1235
    assert told["deeds"][0]["told"] == 0.917
    assert told["seconds"] == 1.23


def test_the_command_that_goes_on_may_be_pasted(capsys: Said) -> None:
    tell(Path("my demo"), outcome(IN_TIME), 1.0)
    assert "edgewarden run --config 'my demo/site.toml'" in capsys.readouterr().out
