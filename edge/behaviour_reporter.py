"""From scenes to events about what people do, and what the rules are shown of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from edge.camera_view import CameraView
from edge.events.build import Place, act_event, behaviour_event
from edge.events.names import source_of
from edge.events.payloads import ModelReference
from edge.pipeline import Scene
from edge.rules.acts import Act, ActSettings, ActWatch
from edge.rules.behaviours import BehaviourWatch, Conduct, Look, Mover
from edge.rules.engine import RuleEngine, Sighting
from edge.rules.undo import UndoLog
from edge.rules.zones import zones_of
from edge.types import Event, EventDraft, Phase


@dataclass(slots=True)
class _Watched:
    """One camera. acts: None where nothing is recognised. told: the latest event of what goes on,
    by behaviour and track."""

    watch: BehaviourWatch
    acts: ActWatch | None
    told: dict[tuple[str, int], Event] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """What one scene told: drafts stand for conducts, one each."""

    look: Look
    conducts: Sequence[Conduct | Act]
    drafts: Sequence[EventDraft]


class BehaviourReporter:
    """Makes events of what people do, camera by camera.

    Everybody whom ``models.person`` follows is looked at; without that model, every face. models:
    by role, those that follow people, those that follow faces and those that recognise what people
    do. timezone: of schedules. acts: what is told of that; None where nothing is recognised.
    """

    def __init__(
        self,
        *,
        site: str,
        node: str,
        timezone: tzinfo | None,
        person_models: Mapping[str, ModelReference],
        face_models: Mapping[str, ModelReference],
        act_models: Mapping[str, ModelReference],
        acts: ActSettings | None,
        synthetic: bool,
    ) -> None:
        self._site = site
        self._node = node
        self._timezone = timezone
        self._models = {"person": person_models, "face": face_models}
        self._act_models, self._acts = act_models, acts
        self._synthetic = synthetic
        self._cameras: dict[str, _Watched] = {}
        self._followed: dict[str, frozenset[int]] = {}
        self._log = UndoLog()

    def observe(self, scene: Scene, camera: CameraView) -> Observed:
        """The events of one scene, not yet committed; nothing where nothing is looked for."""
        look = Look(
            index=scene.frame.index,
            time=scene.frame.time,
            size=scene.frame.size,
            movers=_movers(scene) if self._watches(camera) else (),
        )
        if not self._watches(camera):
            return Observed(look, (), ())
        watched = self._watched(camera)
        conducts: list[Conduct | Act] = [*watched.watch.observe(look)]
        if watched.acts is not None:
            conducts += watched.acts.observe(look, scene.verdicts)
        return Observed(look, conducts, [self._draft(c, look, camera) for c in conducts])

    def show(
        self, observed: Observed, events: Sequence[Event], camera: CameraView, rules: RuleEngine
    ) -> Iterable[tuple[Place, Sighting, Event]]:
        """What the rules are to see, with the event that each sighting is about: what has just been
        told, then what goes on. events: those of ``observed``, committed."""
        if not self._watches(camera):
            return
        told, look = self._watched(camera).told, observed.look
        spoken = set()
        for conduct, event in zip(observed.conducts, events, strict=True):
            key = (_name(conduct), conduct.mover.track.id)
            spoken.add(key)
            goes_on = conduct.phase in (Phase.STARTED, Phase.UPDATED)
            self._log.put(told, key, event if goes_on else None)
            yield _shown(event, conduct.mover, look, camera)
        movers = {mover.track.id: mover for mover in look.movers}
        for key in sorted(told):  # what was undone changed their order
            if key not in spoken:
                yield _shown(told[key], movers[key[1]], look, camera)
        for track_id in self._followed.get(camera.id, frozenset()) - set(movers):
            rules.forget(camera.rules_as, track_id, self._names(camera))
        self._log.put(self._followed, camera.id, frozenset(movers))

    def keep(self) -> None:
        """What was observed is committed."""
        self._log.keep()
        for watched in self._cameras.values():
            watched.watch.keep()
            if watched.acts is not None:
                watched.acts.keep()

    def undo(self) -> None:
        """Forget what was observed since the last ``keep``."""
        self._log.undo()
        for watched in self._cameras.values():
            watched.watch.undo()
            if watched.acts is not None:
                watched.acts.undo()

    def _watches(self, camera: CameraView) -> bool:
        return bool(camera.behaviours) or self._acts is not None

    def _names(self, camera: CameraView) -> list[str]:
        """What rules may have been shown of a track of this camera."""
        labels = self._acts.labels if self._acts else ()
        return [*(behaviour.id for behaviour in camera.behaviours), *map(_act_name, labels)]

    def _watched(self, camera: CameraView) -> _Watched:
        known = self._cameras.get(camera.id)
        if known is None:
            watch = BehaviourWatch(camera.behaviours, camera.zones, timezone=self._timezone)
            acts = None if self._acts is None else ActWatch(self._acts)
            known = self._cameras[camera.id] = _Watched(watch, acts)
        return known

    def _draft(self, conduct: Conduct | Act, look: Look, camera: CameraView) -> EventDraft:
        track = conduct.mover.track
        gone = all(track.id != mover.track.id for mover in look.movers)
        source = source_of(self._site, self._node, camera.id)
        frame_index = track.last_index if gone else look.index
        zones = _zones(conduct.mover, look, camera)
        if isinstance(conduct, Act):
            return act_event(
                conduct,
                source=source,
                time=look.time,
                frame_index=frame_index,
                frame_size=look.size,
                zones=zones,
                models=self._act_models,
                synthetic=self._synthetic,
            )
        return behaviour_event(
            conduct,
            source=source,
            time=look.time,
            frame_index=frame_index,
            frame_size=look.size,
            zones=zones,
            models=self._models[conduct.mover.kind],
            synthetic=self._synthetic,
        )


def _act_name(label: str) -> str:
    return f"recognised:{label}"  # never the id of a behaviour: those have no colon


def _name(conduct: Conduct | Act) -> str:
    return _act_name(conduct.label) if isinstance(conduct, Act) else conduct.behaviour.id


def _movers(scene: Scene) -> list[Mover]:
    if scene.people is not None:
        return [Mover(track=track, kind="person") for track in scene.people]
    return [
        Mover(
            track=followed.track,
            kind="face",
            person=followed.identity.person if followed.identity else None,
        )
        for followed in scene.active
    ]


def _shown(
    event: Event, mover: Mover, look: Look, camera: CameraView
) -> tuple[Place, Sighting, Event]:
    standing = _zones(mover, look, camera)
    place = Place(time=look.time, frame_index=look.index, box=mover.track.box, zones=standing)
    _, family, name, _ = event.type.split(".")
    zone, person, label = (_text(event, key) for key in ("zone", "person", "label"))
    sighting = Sighting(
        camera=camera.rules_as,
        event=f"{family}.{name}",
        trigger=event.id,
        phase=Phase(event.data["phase"]),
        time=look.time,
        person=person,
        track_id=mover.track.id,
        zones=standing if zone is None else (zone,),
        behaviour=_act_name(label) if label else _text(event, "behaviour"),
        label=label,
    )
    return place, sighting, event


def _text(event: Event, key: str) -> str | None:
    """What the event says under this key, if it has it."""
    value = event.data.get(key)
    return None if value is None else str(value)


def _zones(mover: Mover, look: Look, camera: CameraView) -> tuple[str, ...]:
    return zones_of(mover.track.box, look.size, camera.zones, kind=mover.kind)
