"""The lowest threshold that keeps a wanted false match rate, and what it costs.

The false match rate here is the probability that two people, drawn at random from those whom such
cameras or folders show, are as similar as the threshold, each seen once: in one track, or in one
picture. Of G enrolled people a stranger is so taken for somebody about G times as often.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.pairs import Comparisons
from calibration.rates import CONFIDENCE, Rate, Values, trials_needed
from edge.errors import UsageError

# Thresholds have four decimals; looking at so many of them is enough.
_GRID = 10_000
_MOST_LOOKS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A match is a cosine of ``value`` or more. fmr: the false match rate there, of which the upper
    end is at most ``wanted``. fnmr: the false non-match rate there, None where nothing tells."""

    value: float
    wanted: float
    fmr: Rate
    fnmr: Rate | None


def choose_threshold(
    impostors: Comparisons, genuine: Comparisons, *, wanted: float, source: str
) -> Threshold:
    """The lowest threshold at which the false match rate is shown to be at most ``wanted``.

    From the highest similarity downwards, the upper end of the rate is looked at wherever one more
    comparison matches, until it passes ``wanted``; for independent pairs this is Wilks's tolerance
    limit (Ann. Math. Statist. 12, 1941), which the true rate keeps with CONFIDENCE. impostors: with
    at least ``wanted`` of them complete. source: what they are from, for messages.

    Raises UsageError where there are fewer pairs of people than 3/n asks for, or where the
    recogniser takes different people for one whatever the threshold.
    """
    require_evidence(impostors, wanted=wanted, source=source)
    value = None
    for candidate in _candidates(impostors, wanted):
        if impostors.false_matches(candidate).high > wanted:
            break
        value = float(candidate)
    if value is None or value > 1:
        raise UsageError(
            "the recogniser does not tell these people apart",
            expected="two people with a similarity below 1",
            found=f"a similarity of {impostors.similarity.max():.4f} between two of them",
            remedy="Check that no folder or screen shows one person twice, or the recogniser with: "
            "edgewarden bundle verify",
        )
    return Threshold(
        value=value,
        wanted=wanted,
        fmr=impostors.false_matches(value),
        fnmr=genuine.false_non_matches(value) if len(genuine) else None,
    )


def require_evidence(impostors: Comparisons, *, wanted: float, source: str) -> None:
    """Raise UsageError where so few pairs of people cannot show so low a rate, even without one
    false match: the rule of three."""
    needed, found = trials_needed(wanted), len(impostors)
    if found >= needed:
        return
    people = f"{found} pair{'' if found == 1 else 's'} of {impostors.identities} people"
    reach = 1 - (1 - CONFIDENCE) ** (1 / found) if found else 1.0
    shows = f", which show a rate of {reach:.2g} at best" if found else ""
    raise UsageError(
        f"there is too little to show a false match rate of {wanted:g} with",
        expected=f"{needed} or more pairs of people known to be different "
        f"(3/n: no false match among n pairs shows a rate of 3/n, at {CONFIDENCE:.0%})",
        found=f"{people} in {source}{shows}",
        remedy="Give more footage in which several people are seen at once, or folders of more "
        "people with --labelled, or ask for a higher --fmr. More frames of the same people do not "
        "help.",
    )


def _candidates(impostors: Comparisons, wanted: float) -> Values:
    """Thresholds just above one similarity each, from the highest down, for as long as the rate
    itself is at most ``wanted``; some of them where they are many."""
    order = np.argsort(-impostors.similarity, kind="stable")
    passed = np.cumsum(1 / impostors.sizes[impostors.unit[order]]) / len(impostors)
    similarity = impostors.similarity[order].astype(np.float64)
    # The similarity at a place is no match at its own threshold, those before it are.
    last = int(np.searchsorted(passed, wanted, side="right"))
    # A cosine of 0 says nothing, and no threshold may be that low.
    steps = np.floor(np.maximum(similarity[: last + 1], 0) * _GRID) + 1
    values: Values = np.unique(steps)[::-1] / _GRID
    if len(values) <= _MOST_LOOKS:
        return values
    return values[np.linspace(0, len(values) - 1, _MOST_LOOKS).astype(np.int64)]
