"""``evaluate verification`` and ``evaluate open-set`` on labelled folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.calibration.conftest import Run
from tests.small_world import World


def test_verification_states_its_figures_and_what_it_cannot_resolve(
    lone: World, labelled: Path, run: Run, capsys: Any
) -> None:
    words = ["evaluate", "verification", "--config", lone.site, "--labelled", labelled]
    assert run(*words, "--fmr", "1e-2", "1e-4") == 0
    text = capsys.readouterr().out
    assert "1.0000 (1.0000 to 1.0000)" in text
    assert "0.0000 (0.0000 to 0.0451)" in text  # nobody of eighty
    assert "not resolvable: needs 29956 pairs of people" in text
    assert run(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert (found["people"], found["pairs"], found["skipped"]) == (80, 3160, 0)
    assert found["auc"]["value"] == 1.0
    assert [one["fmr"] for one in found["at"]] == [0.1, 0.01, 0.001]
    assert found["curve"]["fmr"][0] == 0
    assert found["curve"]["threshold"][0] is None  # above every similarity


def test_open_set_states_its_figures_and_what_it_cannot_resolve(
    lone: World, labelled: Path, run: Run, capsys: Any
) -> None:
    words = ["evaluate", "open-set", "--config", lone.site, "--labelled", labelled]
    assert run(*words) == 0
    text = capsys.readouterr().out
    assert "not resolvable: needs 299 strangers" in text
    assert run(*words, "--json", "--far", "0.1", "--seed", "3") == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert (found["enrolled"], found["strangers"], found["probes"]) == (40, 40, 120)
    assert found["rank1"]["value"] == found["at"][0]["dir"]["value"] == 1.0


@pytest.mark.parametrize("action", ["verification", "open-set"])
def test_one_picture_of_each_person_is_refused(
    lone: World, labelled: Path, tmp_path: Path, run: Run, capsys: Any, action: str
) -> None:
    for person in ("person-01", "person-02"):
        (tmp_path / "faces" / person).mkdir(parents=True)
        shutil.copy(labelled / person / "a.png", tmp_path / "faces" / person)
    words = ["evaluate", action, "--config", lone.site, "--labelled", tmp_path / "faces"]
    assert run(*words) == 2
    said = capsys.readouterr()
    assert "found 2 usable pictures of 2 people" in said.err
    assert "Add a second picture" in said.err
    assert said.out == ""


def test_few_people_give_figures_without_an_interval(
    lone: World, labelled: Path, tmp_path: Path, run: Run, capsys: Any
) -> None:
    for person in ("person-01", "person-02"):
        shutil.copytree(labelled / person, tmp_path / "faces" / person)
    words = ["evaluate", "verification", "--config", lone.site, "--labelled", tmp_path / "faces"]
    assert run(*words) == 0
    assert "1.0000 (too few people for an interval)" in capsys.readouterr().out
    assert run(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["auc"]["low"] is None


@pytest.mark.parametrize("rate", ["0", "1", "nan", "many"])
def test_rates_lie_between_none_and_all(
    lone: World, labelled: Path, run: Run, capsys: Any, rate: str
) -> None:
    words = ["evaluate", "verification", "--config", lone.site, "--labelled", labelled]
    assert run(*words, "--fmr", rate) == 2
    assert "expected a rate between 0 and 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("verification", ("AUC 1.0000 over 3160 pairs of people", "ROC", "one person")),
        ("open-set", ("100.0% of the enrolled are nearest to themselves", "DIR at FAR")),
    ],
)
def test_a_report_is_one_page_with_plots_and_replaces_nothing(
    lone: World,
    labelled: Path,
    tmp_path: Path,
    run: Run,
    capsys: Any,
    action: str,
    said: tuple[str, ...],
) -> None:
    page = tmp_path / "report.html"
    words = ["--config", lone.site, "--labelled", labelled, "--report", page]
    assert run("evaluate", action, *words) == 0
    text = page.read_text()
    assert all(words in text for words in (*said, "recogniser-bundle, fp32"))
    assert text.count("<svg") >= 1
    assert run("evaluate", action, *words) == 2
    assert "expected a path that is not taken" in capsys.readouterr().err
    assert page.read_text() == text
