"""Figures, the page that shows them, and the command that writes both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.bootstrap import Interval
from calibration.report import Plot, Sheet, Table
from edge.cli import main
from edge.errors import BundleError, UsageError
from edge.pack import PACK, contents
from export.reference.evaluation.docs import (
    BEGIN,
    END,
    FIGURES,
    block,
    read_figures,
    record,
    write_docs,
)
from export.reference.evaluation.figures import Figure, Measured, Used, figure
from export.reference.evaluation.page import goal_text, write_page
from export.reference.evaluation.run import Evaluation
from export.reference.recipes.settings import (
    FULL,
    BehaviourSettings,
    DcganSettings,
    DetectorSettings,
    RecogniserSettings,
    VaeSettings,
)
from export.reference.world.truth import BEHAVIOURS

DOCS = Path(__file__).resolve().parents[3] / "docs" / "reference-models.md"
_MOST_PICTURE, _MOST_PICTURES = 120_000, 600_000


def measured(name: str, value: float) -> Measured:
    return Measured(
        name=name,
        title=name.title(),
        data="12 frames",
        bundles=(
            Used(
                name=f"world-{name}",
                version="1",
                variant="fp32",
                sha256="a" * 64,
                recipe=name,
                recipe_sha256="b" * 64,
                data_sha256="c" * 64,
            ),
        ),
        figures=(
            Figure(name="AUROC", value=value, low=0.5, high=0.99, at_least=0.95),
            Figure(name="frames", value=12),
        ),
        tables=(Table(headings=("kind", "F1"), rows=[("smoke", 0.123456)], caption="Each"),),
        plots={f"{name}-roc": Plot(svg="<svg/>", alt="A curve")},
        sheets={f"{name}-seen": Sheet(picture=np.zeros((8, 8, 3), np.uint8), alt="A scene")},
    )


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        ({}, None),
        ({"at_least": 0.9}, True),
        ({"at_least": 0.91}, False),
        ({"at_most": 0.9}, True),
        ({"at_most": 0.89}, False),
        ({"at_least": 0.8, "surely": True}, True),
        ({"at_least": 0.85, "surely": True}, False),
        ({"at_most": 0.94, "surely": True}, False),
    ],
)
def test_a_goal_is_held_against_the_value_or_surely_against_the_interval(
    goal: dict[str, Any], met: bool | None
) -> None:
    assert Figure(name="x", value=0.9, low=0.8, high=0.95, **goal).met is met


def test_what_is_no_number_reaches_no_goal() -> None:
    nothing = figure("x", Interval(float("nan"), float("nan"), float("nan"), 0.95), at_least=0.5)
    assert nothing.met is False
    assert nothing.to_json()["value"] is None
    assert nothing.low is None
    assert goal_text(nothing) == "≥ 0.5"


def test_figures_of_several_runs_are_kept_together(tmp_path: Path) -> None:
    record(Evaluation((measured("vae", 0.9), measured("dcgan", 0.8)), quick=False), tmp_path)
    kept = record(Evaluation((measured("vae", 0.97),), quick=False), tmp_path)
    assert list(kept) == ["dcgan", "vae"]
    assert read_figures(tmp_path) == kept
    assert kept["vae"]["figures"][0]["value"] == 0.97
    assert kept["vae"]["met"] is True
    assert kept["dcgan"]["met"] is False


def test_damaged_figures_are_refused(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"models": []}', "{}"):
        (tmp_path / FIGURES).write_text(text)
        with pytest.raises(BundleError, match="holds no figures"):
            read_figures(tmp_path)


def test_a_page_is_given_figures_and_pictures_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "models.md"
    page.write_text(f"# Models\n{BEGIN}\nold\n{END}\nThe end.\n", encoding="utf-8")
    evaluation = Evaluation((measured("vae", 0.9),), quick=False)
    figures = record(evaluation, tmp_path)
    write_docs(page, figures, evaluation)
    text = page.read_text(encoding="utf-8")
    assert text == f"# Models\n{BEGIN}{block(figures, 'models')}{END}\nThe end.\n"
    assert "| Vae | AUROC | 0.9 | 0.5 to 0.99 | ≥ 0.95 | **not met** |" in text
    assert "| `world-vae` | vae | fp32 | `aaaaaaaaaaaa` | `bbbbbbbbbbbb` |" in text
    assert "| smoke | 0.1235 |" in text
    assert "![A curve](models/vae-roc.svg)" in text
    assert (tmp_path / "models" / "vae-roc.svg").read_text() == "<svg/>"
    assert (tmp_path / "models" / "vae-seen.jpg").read_bytes().startswith(b"\xff\xd8")


def test_a_page_without_marks_is_refused_before_the_work(tmp_path: Path) -> None:
    page = tmp_path / "models.md"
    page.write_text(f"{END} {BEGIN}")
    with pytest.raises(UsageError, match="no place for figures"):
        write_docs(page, {}, Evaluation((), quick=False))
    command = ["reference", "evaluate", "--pack", str(tmp_path), "--write-docs", str(page)]
    assert main(command) == 2
    assert main([*command[:-1], str(tmp_path / "none.md")]) == 2


def test_quick_figures_are_not_for_the_documentation(tmp_path: Path) -> None:
    page = tmp_path / "models.md"
    page.write_text(f"{BEGIN}{END}")
    assert main(["reference", "evaluate", "--quick", "--write-docs", str(page)]) == 2


def test_a_model_that_is_none_is_refused() -> None:
    assert main(["reference", "evaluate", "infogan"]) == 2


def test_a_page_says_what_was_not_met(tmp_path: Path) -> None:
    evaluation = Evaluation((measured("vae", 0.9), measured("dcgan", 0.96)), quick=True)
    text = write_page(evaluation, tmp_path).read_text(encoding="utf-8")
    assert "Goals not met by: Vae." in text
    assert "too little to prove" in text
    assert "nobody else" in text
    assert 'class="sheet"' in text
    assert (tmp_path / "vae-seen.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_measures_writes_and_ends_with_1(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["reference", "evaluate", "recogniser", "--quick", "--pack", str(folder)]
    assert main([*command, "--out", str(out), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["met"] is False
    assert told["quick"] is True
    assert list(told["models"]) == ["recogniser"]
    assert json.loads((out / FIGURES).read_text(encoding="utf-8")) == told
    assert {path.name for path in out.iterdir()} == {
        *("index.html", "roc.svg", "neighbours.png", FIGURES)
    }


def test_the_documentation_shows_the_figures_that_ship() -> None:
    figures = read_figures(PACK)
    text = DOCS.read_text(encoding="utf-8")
    between = text.partition(BEGIN)[2].partition(END)[0]
    assert between == block(figures, DOCS.stem)
    files = {path.name: path.stat().st_size for path in DOCS.with_suffix("").glob("*")}
    shown = {f"{name}.svg" for model in figures.values() for name in model["plots"]}
    shown |= {f"{name}.jpg" for model in figures.values() for name in model["sheets"]}
    assert set(files) == shown
    assert max(files.values(), default=0) <= _MOST_PICTURE
    assert sum(files.values()) <= _MOST_PICTURES


def test_the_documentation_says_what_was_learned_from() -> None:
    detector, recogniser, behaviour = FULL["detector"], FULL["recogniser"], FULL["behaviour"]
    faces, scenes = FULL["dcgan"], FULL["vae"]
    assert isinstance(detector, DetectorSettings)
    assert isinstance(recogniser, RecogniserSettings)
    assert isinstance(behaviour, BehaviourSettings)
    assert isinstance(faces, DcganSettings)
    assert isinstance(scenes, VaeSettings)
    text = DOCS.read_text(encoding="utf-8")
    seen = recogniser.people * recogniser.views
    for part in (
        f"{detector.scenes * 6:,} frames of {detector.scenes} scenes",
        f"{seen:,} faces of {recogniser.people:,} people",
        f"{behaviour.each * len(BEHAVIOURS):,} rendered clips",
        f"{faces.people:,} faces, one of each person",
        f"{scenes.scenes * scenes.each:,} frames of",
    ):
        assert f"| {part}" in text


def test_the_figures_that_ship_are_of_the_bundles_that_ship() -> None:
    packed = contents().bundles
    for model in read_figures(PACK).values():
        for used in model["bundles"]:
            assert used["sha256"] == packed[used["name"]].sha256, used["name"]
