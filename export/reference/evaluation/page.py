"""What was measured, as a page with its pictures, for people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calibration.report import Block, Section, Table, render_page
from edge.durable import make_folder, replace_file
from export.reference.evaluation.figures import Figure, Measured
from export.reference.evaluation.run import Evaluation
from export.reference.recipes.pictures import write_png

PAGE = "index.html"
HEADINGS = ("measure", "value", "95 % interval", "goal", "")
_STATES = {True: "good", False: "bad", None: ""}
_WORDS = {True: "met", False: "not met", None: ""}
NOTE = (
    "These models know the synthetic people and places of the reference world and nobody else: "
    "nothing here says anything of real people."
)


def write_page(evaluation: Evaluation, out: Path) -> Path:
    """Write the page and every picture to the folder ``out``; the page's path.

    Raises OutputError, StoreFullError, and ImportError without what pages need.
    """
    make_folder(out)
    for model in evaluation.models:
        for name, sheet in model.sheets.items():
            write_png(out / f"{name}.png", sheet.picture)
        for name, plot in model.plots.items():
            replace_file(out / f"{name}.svg", plot.svg.encode())
    page = out / PAGE
    replace_file(page, _render(evaluation))
    return page


def row(figure: Figure) -> tuple[str, float, str, str, str]:
    """A figure under HEADINGS."""
    met = _WORDS[figure.met]
    return (figure.name, figure.value, interval_text(figure), goal_text(figure), met)


def interval_text(figure: Figure) -> str:
    """From where to where, or nothing."""
    if figure.low is None or figure.high is None:
        return ""
    return f"{figure.low:.4g} to {figure.high:.4g}"


def goal_text(figure: Figure) -> str:
    """What is to be reached, or nothing."""
    if figure.at_least is None and figure.at_most is None:
        return ""
    sign, goal = ("≥", figure.at_least) if figure.at_most is None else ("≤", figure.at_most)
    return f"{sign} {goal:.4g}" + (", all of the interval" if figure.surely else "")


def _render(evaluation: Evaluation) -> bytes:
    short = [model.title for model in evaluation.models if not model.met]
    lead = f"Goals not met by: {', '.join(short)}." if short else "Every goal is met."
    if evaluation.quick:
        lead += " Measured quickly, on too little to prove anything."
    bundles = {
        used.name: f"{used.variant}, version {used.version}, sha256 {used.sha256[:16]}"
        for model in evaluation.models
        for used in model.bundles
    }
    return render_page(
        "The reference models, measured",
        lead=f"{lead} {NOTE}",
        facts=bundles,
        sections=[_section(model) for model in evaluation.models],
    )


def _section(model: Measured) -> Section:
    blocks: list[Block] = [
        Table(
            headings=HEADINGS,
            rows=[row(figure) for figure in model.figures],
            states=[_STATES[figure.met] for figure in model.figures],
        )
    ]
    blocks += model.tables
    blocks += [replace(one, caption=one.alt) for one in model.plots.values()]
    blocks += [replace(one, caption=one.alt) for one in model.sheets.values()]
    return Section(title=model.title, text=f"On {model.data}.", blocks=blocks)
