"""The pages of ``evaluate verification`` and ``open-set``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from calibration.plots import Curve, curves
from calibration.report import Plot, Section, Table, render_page

if TYPE_CHECKING:
    from calibration.bootstrap import Interval
    from calibration.metrics import Verification
    from calibration.open_set import OpenSet

_PEOPLE = (
    "Every person and every pair of people weighs the same, however many pictures there are of "
    "them. Low and high bound a figure with 95 % confidence, by drawing people anew."
)


def verification_page(facts: Mapping[str, object], found: Verification) -> bytes:
    """ROC, DET and the spread of similarities."""
    curve, spread = found.curve, found.spread
    seen = (curve.fmr > 0) & (curve.fnmr > 1e-9)
    peak = float(max(spread.genuine.max(), spread.impostor.max()))
    # One above the other, so that the names of near ones can be read.
    marks = {
        f"FMR {at.fmr:g}": (at.threshold, peak * (0.1 + 0.08 * place))
        for place, at in enumerate(found.at)
        if at.threshold is not None
    }
    middles = (spread.edges[1:] + spread.edges[:-1]) / 2
    shares = [
        Curve(name="one person", x=middles, y=spread.genuine),
        Curve(name="two people", x=middles, y=spread.impostor),
    ]
    some = curve.fmr > 0
    roc = Curve(name="", x=curve.fmr[some], y=1 - curve.fnmr[some])
    sections = [
        Section(
            title="Figures",
            text=_PEOPLE,
            blocks=[
                _figures({"AUC": found.auc}),
                Table(
                    headings=["FMR", "threshold", "FNMR", "low", "high"],
                    rows=[[at.fmr, at.threshold, *_parts(at.fnmr)] for at in found.at],
                    caption="A dash: there are too few pairs of people to show so low a rate.",
                ),
            ],
        ),
        Section(
            title="Similarities",
            text="The further apart the two are, the more room a threshold has.",
            blocks=[
                Plot(
                    svg=curves(shares, x="similarity", y="share of the comparisons", marks=marks),
                    alt="shares of genuine and impostor comparisons by similarity",
                )
            ],
        ),
        Section(
            title="ROC",
            text="How much is recognised, over how much is mistaken, on a logarithmic axis.",
            blocks=[Plot(svg=curves([roc], x="FMR", y="1 − FNMR", log_x=True), alt="ROC")],
        ),
    ]
    if seen.any():
        det = Curve(name="", x=curve.fmr[seen], y=curve.fnmr[seen])
        plot = Plot(svg=curves([det], x="FMR", y="FNMR", log_x=True, log_y=True), alt="DET")
        text = "Both errors, on logarithmic axes; where either is zero there is no curve."
        sections.append(Section(title="DET", text=text, blocks=[plot]))
    lead = f"AUC {found.auc.value:.4f} over {found.pairs} pairs of people"
    return render_page("Verification", lead=lead, facts=facts, sections=sections)


def open_set_page(facts: Mapping[str, object], found: OpenSet) -> bytes:
    """DIR over FAR."""
    line = Curve(name="", x=found.far, y=found.dir)
    sections = [
        Section(
            title="Figures",
            text=f"{_PEOPLE} {found.enrolled} people were enrolled with one picture each, "
            f"{found.strangers} were not.",
            blocks=[
                _figures({"right person nearest": found.rank1}),
                Table(
                    headings=["FAR", "threshold", "DIR", "low", "high"],
                    rows=[[at.far, at.threshold, *_parts(at.dir)] for at in found.at],
                    caption="A dash: there are too few strangers to show so low a rate.",
                ),
            ],
        ),
        Section(
            title="DIR at FAR",
            text="How many of the enrolled are found, by the right name, over how many strangers "
            "are taken for one of them.",
            blocks=[Plot(svg=curves([line], x="FAR", y="DIR"), alt="DIR over FAR")],
        ),
    ]
    lead = f"{found.rank1.value:.1%} of the enrolled are nearest to themselves"
    return render_page("Open-set identification", lead=lead, facts=facts, sections=sections)


def _figures(figures: Mapping[str, Interval]) -> Table:
    rows = [[name, *_parts(one)] for name, one in figures.items()]
    return Table(headings=["figure", "value", "low", "high"], rows=rows)


def _parts(one: Interval | None) -> list[float | None]:
    if one is None:
        return [None, None, None]
    return [None if np.isnan(value) else value for value in (one.value, one.low, one.high)]
