"""From scenes to committed events: one ``started`` a track, ``updated`` as its identity changes,
one ``ended``, and the alerts that the rules make of them.

Everything about one frame, with the alerts that follow from it, is committed to the outbox in one
transaction, before anything else happens to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from typing import Literal

from edge.behaviour_reporter import BehaviourReporter
from edge.camera_view import CameraView
from edge.errors import EdgewardenError
from edge.events.build import Place, SystemName, alert_event, face_event, system_event
from edge.events.names import source_of
from edge.events.payloads import ModelReference, Scalar
from edge.pipeline import Followed, Scene
from edge.rules.acts import ActSettings
from edge.rules.engine import RuleEngine, Sighting
from edge.rules.zones import zones_of
from edge.store.base import Outbox
from edge.types import Event, EventDraft, Identity, Outcome, Phase

__all__ = ["CameraView", "Reporter"]

# The roles that have a part in a face event, in one about a person who shows no face, and in one
# about what somebody does.
_FACE_ROLES = ("detector", "landmarks", "recogniser")
_PERSON_ROLES = ("detector", "person")
_ACT_ROLES = ("person", "behaviour")


class Reporter:
    """Writes what the pipeline sees to the outbox.

    threshold: the recogniser's, stated in every face event; None without one. models: by role.
    timezone: of the behaviours' schedules; None is the system's. acts: what is told of what people
    are recognised to do; None where nothing is.
    """

    def __init__(
        self,
        *,
        site: str,
        node: str,
        outbox: Outbox,
        rules: RuleEngine,
        threshold: float | None,
        models: Mapping[str, ModelReference],
        synthetic: bool = False,
        timezone: tzinfo | None = None,
        acts: ActSettings | None = None,
    ) -> None:
        self._site = site
        self._node = node
        self._outbox = outbox
        self._rules = rules
        self._threshold = threshold
        self._face_models = {role: models[role] for role in _FACE_ROLES if role in models}
        self._person_models = {role: models[role] for role in _PERSON_ROLES if role in models}
        self._synthetic = synthetic
        self._told: dict[tuple[str, int], Event] = {}
        self._behaviours = BehaviourReporter(
            site=site,
            node=node,
            timezone=timezone,
            person_models={role: models[role] for role in ("person",) if role in models},
            face_models=self._face_models,
            act_models={role: models[role] for role in _ACT_ROLES if role in models},
            acts=acts,
            synthetic=synthetic,
        )

    def report(self, scene: Scene, camera: CameraView) -> list[Event]:
        """Commit the events of one scene and the alerts they raise, all or none, in order.

        Raises the outbox's errors; nothing has happened then, and the same scene may be reported
        again.
        """
        drafts = self._drafts(scene, camera)

        with self._all_or_nothing():
            observed = self._behaviours.observe(scene, camera)

            def alerts(events: Sequence[Event]) -> list[EventDraft]:
                faces, behaviours = events[: len(drafts)], events[len(drafts) :]
                return [
                    *self._alerts(self._sightings(scene, camera, drafts, faces)),
                    *self._alerts(self._behaviours.show(observed, behaviours, camera, self._rules)),
                ]

            told = [*(draft for _, draft in drafts), *observed.drafts]
            if told:
                return self._outbox.append(told, follow=alerts)
            return self._outbox.append(alerts(()))

    def _alerts(self, shown: Iterable[tuple[Place, Sighting, Event]]) -> list[EventDraft]:
        return [
            alert_event(trigger, rule=raised.rule, severity=raised.severity, place=place)
            for place, sighting, trigger in shown
            for raised in self._rules.observe(sighting)
        ]

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """What is remembered of the scene stands only if its events were committed."""
        told = dict(self._told)
        try:
            yield
        except EdgewardenError:
            self._told = told
            self._rules.undo()
            self._behaviours.undo()
            raise
        self._rules.keep()
        self._behaviours.keep()

    def system(
        self,
        name: SystemName,
        *,
        camera: str,
        time: float,
        reason: str | None = None,
        detail: Mapping[str, Scalar] | None = None,
        phase: Phase = Phase.ONCE,
    ) -> list[Event]:
        """Commit an event about a camera, or about the device itself (camera ``_node``), and the
        alerts it raises. That something is over (``ended``) raises none.

        Raises the outbox's errors.
        """
        source = source_of(self._site, self._node, camera)
        draft = system_event(
            name,
            source=source,
            time=time,
            reason=reason,
            detail=detail,
            phase=phase,
            synthetic=self._synthetic,
        )

        def alerts(events: Sequence[Event]) -> list[EventDraft]:
            if phase is Phase.ENDED:
                return []
            (event,) = events
            sighting = Sighting(
                camera=camera, event=f"system.{name}", trigger=event.id, phase=Phase.ONCE, time=time
            )
            return [
                alert_event(event, rule=raised.rule, severity=raised.severity)
                for raised in self._rules.observe(sighting)
            ]

        with self._all_or_nothing():
            return self._outbox.append([draft], follow=alerts)

    def _drafts(self, scene: Scene, camera: CameraView) -> list[tuple[Followed, EventDraft]]:
        drafts = []
        for followed in scene.active:
            if followed.track.id in scene.changed:
                known = (camera.id, followed.track.id) in self._told
                phase = Phase.UPDATED if known else Phase.STARTED
                drafts.append((followed, self._draft(followed, phase, scene, camera)))
        for followed in scene.ended:
            if (camera.id, followed.track.id) not in self._told:
                started = self._draft(followed, Phase.STARTED, scene, camera)
                drafts.append((followed, started))
            drafts.append((followed, self._draft(followed, Phase.ENDED, scene, camera)))
        return drafts

    def _draft(
        self, followed: Followed, phase: Phase, scene: Scene, camera: CameraView
    ) -> EventDraft:
        identity = followed.identity
        assert identity is not None  # changed and ended tracks have one
        person = identity.outcome is Outcome.PERSON_WITHOUT_FACE
        return face_event(
            identity,
            source=source_of(self._site, self._node, camera.id),
            time=scene.frame.time,
            phase=phase,
            track_id=followed.track.id,
            track_frames=followed.frames,
            frame_index=scene.frame.index
            if phase is not Phase.ENDED
            else followed.track.last_index,
            frame_size=scene.frame.size,
            box=followed.track.box,
            zones=_zones(followed, identity, scene, camera),
            face_px=followed.face_px,
            threshold=None if person else self._threshold,
            models=self._person_models if person else self._face_models,
            synthetic=self._synthetic,
        )

    def _sightings(
        self,
        scene: Scene,
        camera: CameraView,
        drafts: Sequence[tuple[Followed, EventDraft]],
        events: Sequence[Event],
    ) -> list[tuple[Place, Sighting, Event]]:
        """What the rules are shown: every new event, then everyone else who is in the frame."""
        found = []
        spoken = set()
        for (followed, _), event in zip(drafts, events, strict=True):
            key = (camera.id, followed.track.id)
            spoken.add(key)
            if event.data["phase"] == Phase.ENDED.value:
                self._told.pop(key, None)
            else:
                self._told[key] = event
            found.append(_shown(followed, event, scene, camera))
        for followed in scene.active:
            key = (camera.id, followed.track.id)
            told = self._told.get(key)
            if told is not None and key not in spoken:
                found.append(_shown(followed, told, scene, camera))
        return found


def _shown(
    followed: Followed, event: Event, scene: Scene, camera: CameraView
) -> tuple[Place, Sighting, Event]:
    _, family, name, _ = event.type.split(".")
    identity = followed.identity
    assert identity is not None
    zones = _zones(followed, identity, scene, camera)
    sighting = Sighting(
        camera=camera.rules_as,
        event=f"{family}.{name}",
        trigger=event.id,
        phase=Phase(event.data["phase"]),
        time=scene.frame.time,
        person=identity.person,
        track_id=followed.track.id,
        zones=zones,
    )
    place = Place(
        time=scene.frame.time,
        frame_index=scene.frame.index,
        box=followed.track.box,
        zones=zones,
    )
    return place, sighting, event


def _zones(
    followed: Followed, identity: Identity, scene: Scene, camera: CameraView
) -> tuple[str, ...]:
    person = identity.outcome is Outcome.PERSON_WITHOUT_FACE
    kind: Literal["face", "person"] = "person" if person else "face"
    return zones_of(followed.track.box, scene.frame.size, camera.zones, kind=kind)
