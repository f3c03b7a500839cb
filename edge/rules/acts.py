"""What people are recognised to do, decided from several clips of each of them.

A classifier errs on single clips, and the next clip shows mostly the same frames. So something is
told once ``SEEN`` of the last ``CLIPS`` clips of a track show it, and is over once none of them
does, or the track has ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from edge.rules.behaviours import Look, Mover
from edge.rules.undo import UndoLog
from edge.types import Phase, Verdict

CLIPS, SEEN = 4, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ActSettings:
    """labels: what is told; a clip shows one of them from ``confidence`` on, a probability."""

    labels: tuple[str, ...]
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """That somebody begins to do something, or does it no more.

    confidence: the mean of the clips that show it; of those that did, where it is over. clips: how
    many have shown it so far. seconds: from the first of these clips to the last.
    """

    label: str
    mover: Mover
    phase: Phase
    confidence: float
    clips: int
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class _Shown:
    """Since when, until when and in how many clips a track was seen to do something."""

    since: float
    last: float
    clips: int
    confidence: float
    told: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    """One track; mover as last seen. clips: the last verdicts, None for one that shows nothing to
    tell. shown: by label."""

    mover: Mover
    clips: tuple[Verdict | None, ...] = ()
    shown: dict[str, _Shown] = field(default_factory=dict, hash=False)


class ActWatch:
    """Decides what the people of one camera do."""

    def __init__(self, settings: ActSettings) -> None:
        self._settings = settings
        self._known: dict[int, _Known] = {}
        self._log = UndoLog()

    def observe(self, look: Look, verdicts: Iterable[Verdict]) -> list[Act]:
        """What there is to tell after this frame. verdicts: those of the clips that end with it.

        What is observed stands once ``keep`` is called; until then ``undo`` takes it back.
        """
        movers = {mover.track.id: mover for mover in look.movers}
        found = list(self._gone(movers))
        for track_id in self._known:
            now = replace(self._known[track_id], mover=movers[track_id])
            self._log.put(self._known, track_id, now)
        for verdict in verdicts:
            if verdict.track_id in movers:
                found += self._judge(movers[verdict.track_id], verdict, look.time)
        return found

    def keep(self) -> None:
        """What was observed counts."""
        self._log.keep()

    def undo(self) -> None:
        """Forget what was observed since the last ``keep``."""
        self._log.undo()

    def _gone(self, followed: Collection[int]) -> Iterator[Act]:
        for track_id in sorted(self._known):
            if track_id in followed:
                continue
            known = self._known[track_id]
            self._log.put(self._known, track_id, None)
            for label, shown in sorted(known.shown.items()):
                if shown.told:
                    yield _act(label, known.mover, shown, Phase.ENDED, "is followed no more")

    def _judge(self, mover: Mover, verdict: Verdict, time: float) -> Iterator[Act]:
        settings = self._settings
        known = self._known.get(mover.track.id, _Known(mover))
        counts = verdict.label in settings.labels and verdict.confidence >= settings.confidence
        clips = (*known.clips, verdict if counts else None)[-CLIPS:]
        shown = dict(known.shown)
        if counts:
            before = shown.get(verdict.label, _Shown(time, time, 0, 0.0))
            shown[verdict.label] = replace(before, last=time, clips=before.clips + 1)
        for label in sorted(shown):
            seen = [one.confidence for one in clips if one is not None and one.label == label]
            if not seen:
                over = shown.pop(label)
                if over.told:
                    reason = f"was not seen in the last {len(clips)} clips"
                    yield _act(label, mover, over, Phase.ENDED, reason)
                continue
            now = replace(shown[label], confidence=sum(seen) / len(seen))
            if not now.told and len(seen) >= SEEN:
                now = replace(now, told=True)
                reason = f"was seen in {len(seen)} of the last {len(clips)} clips"
                yield _act(label, mover, now, Phase.STARTED, reason)
            shown[label] = now
        self._log.put(self._known, mover.track.id, _Known(mover, clips, shown))


def _act(label: str, mover: Mover, shown: _Shown, phase: Phase, reason: str) -> Act:
    return Act(
        label=label,
        mover=mover,
        phase=phase,
        confidence=shown.confidence,
        clips=shown.clips,
        seconds=max(0.0, shown.last - shown.since),
        reason=reason,
    )
