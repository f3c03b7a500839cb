"""Which alerts follow from what a camera sees.

The loop shows the engine every live subject in every analysed frame, as a ``Sighting``: what the
subject's latest event says of it, and the zones in which it stands now. An alert has an *occasion*

- when the subject has a new event (``started``, ``updated`` or ``once``) while the rule matches;
- when the rule begins to match between two events: the subject walks into one of the rule's zones,
  or the schedule opens while it stands there.

The ``ended`` event only restates what is known, so it is no occasion, unless it states another
identity than the subject's event before it, or is its first. An occasion in a cooldown is
silenced for good, not put off. A cooldown runs from the last alert of the rule for the same person
(or track, while unknown) and zone; the zone is that of one camera, the whole frame where the rule
names none. A subject that stands in several zones of a rule raises one alert which names those
that are not silenced.

Time is the time of the sighting, never a clock's. Where it steps back, no cooldown holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo

from edge.config import ANYONE, Rule
from edge.rules.undo import UndoLog
from edge.types import Phase, Severity

_WHOLE_FRAME = ""
_SWEEP_FROM = 1024

# A person's id, or the camera and id of a track without a name; and the behaviour, if it is one.
Subject = tuple[str | tuple[str, int | None], str | None]
# Camera, track and behaviour.
Story = tuple[str, int, str | None]
# Rule, camera and zone.
Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One subject in one frame.

    camera: the id under which the site file knows it. event: family and name of the subject's
    latest event, such as ``face.unknown``. trigger: that event's id; the engine only compares it.
    phase: that event's. track_id: None for events without a track. zones: where it stands in this
    frame; of a behaviour in a zone, that zone. time: of this frame, seconds since the epoch.
    behaviour: id of the behaviour that the event is about; None of any other event. What a track
    does and who it is are told apart, and so are two things that it does. label: what it is
    recognised to do; None of any other event.
    """

    camera: str
    event: str
    trigger: str
    phase: Phase
    time: float
    person: str | None = None
    track_id: int | None = None
    zones: tuple[str, ...] = ()
    behaviour: str | None = None
    label: str | None = None

    @property
    def subject(self) -> Subject:
        """Whose cooldowns count."""
        return self.person or (self.camera, self.track_id), self.behaviour


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """One alert. zones: those of the rule's that caused it; none where the rule names none."""

    rule: str
    severity: Severity
    zones: tuple[str, ...]
    sighting: Sighting


@dataclass(frozen=True, slots=True)
class _Stay:
    """What was last seen of one track: its event, and where which rules matched."""

    event: str
    person: str | None
    trigger: str
    places: frozenset[Place]


class RuleEngine:
    """The rules of one site, with the memory that cooldowns need.

    timezone: of the schedules; None is the system's. One engine serves all cameras; a replayed
    file gets its own. Its memory holds live tracks, and people whose cooldowns may still run.
    """

    def __init__(self, rules: Iterable[Rule], *, timezone: tzinfo | None = None) -> None:
        self._rules = tuple(rules)
        self._cooldowns = {rule.id: rule.cooldown_s for rule in self._rules}
        self._timezone = timezone
        self._index: dict[tuple[str, str], tuple[Rule, ...]] = {}
        self._stays: dict[Story, _Stay] = {}
        self._last: dict[Subject, dict[Place, float]] = {}
        self._log = UndoLog()
        self._now = 0.0
        self._sweep_at = _SWEEP_FROM

    def observe(self, sighting: Sighting) -> list[Raised]:
        """The alerts that this sighting raises, in the order of the rules.

        A sighting whose phase is ``ended`` is the last of its track, which is then forgotten. What
        is observed stands once ``keep`` is called; until then ``undo`` takes it back.
        """
        if not self._rules:
            return []
        self._now = sighting.time
        rules = self._rules_for(sighting.camera, sighting.event)
        story = _story(sighting)
        before = None if story is None else self._stays.get(story)
        known = before if before is not None and before.trigger == sighting.trigger else None
        if sighting.phase is Phase.ENDED and _restates(before, sighting):
            rules = ()
        raised = []
        matched: list[Place] = []
        for rule in rules:
            places = self._matching(rule, sighting)
            matched += places
            fresh = [p for p in places if known is None or p not in known.places]
            zones = self._not_silenced(rule, sighting, fresh)
            if zones:
                raised.append(
                    Raised(
                        rule=rule.id,
                        severity=rule.severity,
                        zones=() if rule.zones is None else zones,
                        sighting=sighting,
                    )
                )
        if story is not None:
            self._remember(story, sighting, frozenset(matched))
        return raised

    def forget(self, camera: str, track_id: int, behaviours: Iterable[str]) -> None:
        """The track is followed no more: another may have its id, and is not silenced by it."""
        for behaviour in behaviours:
            self._log.put(self._last, ((camera, track_id), behaviour), None)

    def keep(self) -> None:
        """What was observed counts: the alerts are committed."""
        self._log.keep()
        if len(self._last) > self._sweep_at:
            self._sweep(self._now)

    def undo(self) -> None:
        """Forget what was observed since the last ``keep``: the alerts could not be committed, and
        the same sightings will be shown again."""
        self._log.undo()

    def _rules_for(self, camera: str, event: str) -> tuple[Rule, ...]:
        rules = self._index.get((camera, event))
        if rules is None:
            rules = self._index[camera, event] = tuple(
                rule
                for rule in self._rules
                if event in rule.on and (rule.cameras is None or camera in rule.cameras)
            )
        return rules

    def _matching(self, rule: Rule, sighting: Sighting) -> list[Place]:
        """Where the rule matches, whatever its cooldown says."""
        if ANYONE not in rule.people and sighting.person not in rule.people:
            return []
        if rule.labels and sighting.label is not None and sighting.label not in rule.labels:
            return []
        zones: Iterable[str] = (_WHOLE_FRAME,)
        if rule.zones is not None:
            zones = [zone for zone in sighting.zones if zone in rule.zones]
        places = [(rule.id, sighting.camera, zone) for zone in zones]
        if not places or rule.schedule is None:
            return places
        return places if rule.schedule.contains(sighting.time, self._timezone) else []

    def _not_silenced(
        self, rule: Rule, sighting: Sighting, places: Iterable[Place]
    ) -> tuple[str, ...]:
        """The zones of those places where no cooldown runs; from now on one does."""
        last = self._last.get(sighting.subject, {})
        loud = [
            place
            for place in places
            if place not in last or not 0 <= sighting.time - last[place] < rule.cooldown_s
        ]
        if loud and rule.cooldown_s > 0:
            since = {**last, **dict.fromkeys(loud, sighting.time)}
            self._log.put(self._last, sighting.subject, since)
        return tuple(zone for _, _, zone in loud)

    def _remember(self, story: Story, sighting: Sighting, matched: frozenset[Place]) -> None:
        if sighting.phase is Phase.ENDED:
            camera, track_id, behaviour = story
            self._log.put(self._stays, story, None)
            if behaviour is None:  # who walks out and in again is the same track as before
                self._log.put(self._last, ((camera, track_id), None), None)
            return
        stay = _Stay(sighting.event, sighting.person, sighting.trigger, matched)
        self._log.put(self._stays, story, stay)

    def _sweep(self, now: float) -> None:
        """Forget the subjects whose every cooldown has run out."""
        for subject, last in list(self._last.items()):
            if all(now - time >= self._cooldowns[rule] for (rule, _, _), time in last.items()):
                del self._last[subject]
        self._sweep_at = max(_SWEEP_FROM, 2 * len(self._last))


def _story(sighting: Sighting) -> Story | None:
    """What later sightings may go on about; None of what is over at once."""
    if sighting.track_id is None:
        return None
    if sighting.behaviour is not None and sighting.phase is Phase.ONCE:
        return None
    return sighting.camera, sighting.track_id, sighting.behaviour


def _restates(before: _Stay | None, sighting: Sighting) -> bool:
    if before is None:
        return False
    return (before.event, before.person) == (sighting.event, sighting.person)
