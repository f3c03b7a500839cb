"""From scenes to events about what people do, and what the rules are shown of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from edge.camera_view import CameraView
from edge.events.build import Place, behaviour_event
from edge.events.names import source_of
from edge.events.payloads import ModelReference
from edge.pipeline import Scene
from edge.rules.behaviours import BehaviourWatch, Conduct, Look, Mover
from edge.rules.engine import RuleEngine, Sighting
from edge.rules.undo import UndoLog
from edge.rules.zones import zones_of
from edge.types import Event, EventDraft, Phase


@dataclass(slots=True)
class _Watched:
    """One camera. told: the latest event of what goes on, by behaviour and track."""

    watch: BehaviourWatch
    told: dict[tuple[str, int], Event] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """What one scene told: drafts stand for conducts, one each."""

    look: Look
    conducts: Sequence[Conduct]
    drafts: Sequence[EventDraft]


class BehaviourReporter:
    """Makes events of what people do, camera by camera.

    Everybody whom ``models.person`` follows is looked at; without that model, every face. models:
    by role, those that follow people and those that follow faces. timezone: of schedules.
    """

    def __init__(
        self,
        *,
        site: str,
        node: str,
        timezone: tzinfo | None,
        person_models: Mapping[str, ModelReference],
        face_models: Mapping[str, ModelReference],
        synthetic: bool,
    ) -> None:
        self._site = site
        self._node = node
        self._timezone = timezone
        self._models = {"person": person_models, "face": face_models}
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
            movers=_movers(scene) if camera.behaviours else (),
        )
        if not camera.behaviours:
            return Observed(look, (), ())
        conducts = self._watched(camera).watch.observe(look)
        return Observed(look, conducts, [self._draft(c, look, camera) for c in conducts])

    def show(
        self, observed: Observed, events: Sequence[Event], camera: CameraView, rules: RuleEngine
    ) -> Iterable[tuple[Place, Sighting, Event]]:
        """What the rules are to see, with the event that each sighting is about: what has just been
        told, then what goes on. events: those of ``observed``, committed."""
        if not camera.behaviours:
            return
        told, look = self._watched(camera).told, observed.look
        spoken = set()
        for conduct, event in zip(observed.conducts, events, strict=True):
            key = (conduct.behaviour.id, conduct.mover.track.id)
            spoken.add(key)
            goes_on = conduct.phase in (Phase.STARTED, Phase.UPDATED)
            self._log.put(told, key, event if goes_on else None)
            yield _shown(event, conduct.mover, look, camera)
        movers = {mover.track.id: mover for mover in look.movers}
        for key in sorted(told):  # what was undone changed their order
            if key not in spoken:
                yield _shown(told[key], movers[key[1]], look, camera)
        for track_id in self._followed.get(camera.id, frozenset()) - set(movers):
            rules.forget(camera.rules_as, track_id, [b.id for b in camera.behaviours])
        self._log.put(self._followed, camera.id, frozenset(movers))

    def keep(self) -> None:
        """What was observed is committed."""
        self._log.keep()
        for watched in self._cameras.values():
            watched.watch.keep()

    def undo(self) -> None:
        """Forget what was observed since the last ``keep``."""
        self._log.undo()
        for watched in self._cameras.values():
            watched.watch.undo()

    def _watched(self, camera: CameraView) -> _Watched:
        known = self._cameras.get(camera.id)
        if known is None:
            watch = BehaviourWatch(camera.behaviours, camera.zones, timezone=self._timezone)
            known = self._cameras[camera.id] = _Watched(watch)
        return known

    def _draft(self, conduct: Conduct, look: Look, camera: CameraView) -> EventDraft:
        track = conduct.mover.track
        gone = all(track.id != mover.track.id for mover in look.movers)
        return behaviour_event(
            conduct,
            source=source_of(self._site, self._node, camera.id),
            time=look.time,
            frame_index=track.last_index if gone else look.index,
            frame_size=look.size,
            zones=_zones(conduct.mover, look, camera),
            models=self._models[conduct.mover.kind],
            synthetic=self._synthetic,
        )


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
    zone, person = event.data["zone"], event.data["person"]
    sighting = Sighting(
        camera=camera.rules_as,
        event=f"{family}.{name}",
        trigger=event.id,
        phase=Phase(event.data["phase"]),
        time=look.time,
        person=None if person is None else str(person),
        track_id=mover.track.id,
        zones=standing if zone is None else (str(zone),),
        behaviour=str(event.data["behaviour"]),
    )
    return place, sighting, event


def _zones(mover: Mover, look: Look, camera: CameraView) -> tuple[str, ...]:
    return zones_of(mover.track.box, look.size, camera.zones, kind=mover.kind)
