"""People who show no face: followed by their bodies, and told apart from those who only blink."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edge.track.bytetrack import ByteTracker
from edge.types import Detections, FloatArray, Track

# Smoothing leaves the upper side of a box that is cut off a little below the frame's edge.
_EDGE = 0.03


@dataclass(frozen=True, slots=True)
class Faceless:
    """What changed at one look. started: show no face, as of now. ended: show one now, or left."""

    started: list[Track]
    ended: list[Track]


@dataclass(slots=True)
class _Person:
    track: Track
    sightings: int = 0


@dataclass(slots=True)
class FacelessWatch:
    """Follows the people of one camera and says who of them shows no face.

    sightings: how often, one after another, somebody has to be seen without a face.
    """

    tracker: ByteTracker
    sightings: int
    _people: dict[int, _Person] = field(default_factory=dict)

    @property
    def present(self) -> list[Track]:
        """Those who show no face, as of the last look."""
        return [p.track for p in self._people.values() if self._is_faceless(p)]

    @property
    def everybody(self) -> list[Track]:
        """All who are followed, faces or not, as of the last look."""
        return [person.track for person in self._people.values()]

    def is_settled(self, frames: int) -> bool:
        """Whether little would be missed by not looking at the next ``frames`` frames."""
        return self.tracker.is_settled(frames)

    def look(self, people: Detections, frame_index: int, faces: FloatArray) -> Faceless:
        """Take in one frame.

        faces: boxes ``[N, 4]``, in pixels like those of ``people``, of all faces that are followed;
        somebody whose box holds the centre of one shows it. Somebody whose head is above the frame,
        or who reaches in with an arm, hides nothing and is not counted.
        """
        active, gone = self.tracker.update(people, frame_index)
        ended = self._retire(gone)
        started = []
        for track in active:
            person = self._people.setdefault(track.id, _Person(track))
            person.track = track
            was = self._is_faceless(person)
            if _holds_one(track.box, faces):
                person.sightings = 0
                if was:
                    ended.append(track)
            elif track.detection is not None and not _head_is_cut_off(track.box):
                person.sightings += 1
                if not was and self._is_faceless(person):
                    started.append(track)
        return Faceless(started, ended)

    def flush(self) -> list[Track]:
        """End every track; those who showed no face come back."""
        return self._retire(self.tracker.flush())

    def _retire(self, gone: list[Track]) -> list[Track]:
        known = [(track, self._people.pop(track.id, None)) for track in gone]
        return [track for track, person in known if person and self._is_faceless(person)]

    def _is_faceless(self, person: _Person) -> bool:
        return person.sightings >= self.sightings


def _head_is_cut_off(person: FloatArray) -> bool:
    """Whether a person's box begins at the upper edge of the frame."""
    return bool(person[1] <= _EDGE * (person[3] - person[1]))


def _holds_one(person: FloatArray, faces: FloatArray) -> bool:
    """Whether the centre of any face lies in a person's box."""
    centres = (faces[:, :2] + faces[:, 2:]) / 2
    inside = (person[:2] <= centres) & (centres <= person[2:])
    return bool(np.any(inside.all(axis=1)))
