"""What a demo with the reference pack found, for people and for programs."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.cli.console import table

if TYPE_CHECKING:
    from edge.demo.show import Shown
    from edge.demo.verdict import Verdict

_WIDTH = 79
_BEFORE = (
    "Told before it begins: where somebody stands is judged by the box that was found, and that is "
    "not where the rendered feet are to the pixel."
)
_NOT_TOLD = (
    "Not told: what people do is judged from two seconds of somebody in one piece. The pack's "
    "person detector loses who runs past others, and who lies; docs/reference-models.md says what "
    "it is worth."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that a demo found. broker: where events went; note: what else is to be said of it.
    received: None without a broker. latencies: seconds from a frame's handing over to the arrival
    of what it decided."""

    broker: str
    note: str
    committed: int
    received: int | None
    latencies: tuple[float, ...]
    shown: Shown
    verdict: Verdict

    @property
    def right(self) -> bool:
        """Whether the demo showed what it should."""
        return self.verdict.right and self.received in (None, self.committed)


def to_json(out: Path, outcome: Outcome, seconds: float) -> dict[str, Any]:
    """For programs. seconds: how long all of it took."""
    from edge.demo.verdict import rounded

    p50, p99 = (rounded(value, 4) for value in _quantiles(outcome.latencies))
    return {
        "right": outcome.right,
        "synthetic": True,
        "out": str(out),
        "broker": outcome.broker,
        "notes": list(_notes(outcome)),
        "committed": outcome.committed,
        "received": outcome.received,
        "frames": outcome.shown.frames,
        "frames_per_second": round(outcome.shown.frames / outcome.shown.seconds, 1),
        "latency_s": {"decisions": len(outcome.latencies), "p50": p50, "p99": p99},
        "seconds": round(seconds, 2),
        **{key: value for key, value in outcome.verdict.to_json().items() if key != "right"},
    }


def tell(out: Path, outcome: Outcome, seconds: float) -> None:
    """Print it for people. seconds: how long all of it took."""
    verdict = outcome.verdict
    rows = [
        [
            person.person,
            "enrolled" if person.enrolled else "stranger",
            ", ".join(person.said) or "nothing",
            person.similarity,
            "" if person.right else "WRONG",
        ]
        for person in verdict.people
    ]
    print("The people are synthetic, and these models know no real ones.\n")
    print(table(["at the door", "is", "was said to be", "similarity", ""], rows))
    deeds = [
        [deed.what.replace("_", " "), deed.person, f"{deed.at:.1f} s", _moment(deed.told)]
        for deed in verdict.deeds
    ]
    print("\n" + table(["what happens", "who", "begins", "told"], deeds))
    print("\n" + table(["figure", "value"], _figures(outcome, seconds)))
    for name in verdict.named_wrongly:
        print(f"WRONG name, {name}")
    if verdict.more:
        print(f"told besides: {', '.join(verdict.more)}")
    for note in _notes(outcome):
        print("\n" + textwrap.fill(note, _WIDTH))
    print(
        f"\nEverything is in {out}: seen.mp4 and seen.jpg show what was seen,\n"
        "events.jsonl is what arrived. The daemon goes on with the clip, over and over, by\n"
        f"edgewarden run --config {shlex.quote(str(out / 'site.toml'))}"
    )


def _moment(told: float | None) -> str:
    return "not told" if told is None else f"{told:.1f} s"


def _figures(outcome: Outcome, seconds: float) -> list[list[object]]:
    verdict, shown = outcome.verdict, outcome.shown
    recognised = sum(person.enrolled and person.right for person in verdict.people)
    enrolled = sum(person.enrolled for person in verdict.people)
    told = sum(deed.told is not None for deed in verdict.deeds)
    strangers = [person for person in verdict.people if not person.enrolled]
    unknown = f"{sum(person.right for person in strangers)} of {len(strangers)} strangers"
    if verdict.far:
        unknown += f" who came near; {len(verdict.far)} stayed too far to be recognised"
    arrived = "to a file" if outcome.received is None else f"{outcome.received} received"
    p50, p99 = _quantiles(outcome.latencies)
    rate = shown.frames / shown.seconds
    speed = f"{rate:.0f} ({shown.frames} frames, as fast as they are analysed)"
    delay = "-" if p50 is None or p99 is None else f"p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms"
    return [
        ["recognised", f"{recognised} of {enrolled} enrolled"],
        ["left unknown", unknown],
        ["behaviours", f"{told} of {len(verdict.deeds)}, and {len(verdict.more)} more"],
        ["events", f"{outcome.committed} committed, {arrived}"],
        ["broker", outcome.broker],
        ["frames/s", speed],
        ["frame to arrival", delay],
        ["all in all", f"{seconds:.1f} s"],
    ]


def _notes(outcome: Outcome) -> Iterator[str]:
    """What the tables do not explain themselves."""
    if outcome.note:
        yield outcome.note
    deeds = outcome.verdict.deeds
    if any(deed.told is not None and deed.told < deed.at for deed in deeds):
        yield _BEFORE
    # What is told of a place has its name after a space; of the others a clip is judged.
    if any(deed.told is None and " " not in deed.what for deed in deeds):
        yield _NOT_TOLD


def _quantiles(latencies: Sequence[float]) -> tuple[float | None, float | None]:
    import numpy as np

    if not latencies:
        return None, None
    p50, p99 = np.percentile(latencies, [50, 99])
    return float(p50), float(p99)
