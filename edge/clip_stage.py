"""What people do, told from clips of them: of all cameras together, so that models take batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge.scene import Scene
from edge.types import Frame, Verdict
from edge.vision.behaviour import ClipClassifier
from edge.vision.clips import DueClip, TrackClips


class ClipStage:
    """Keeps the clips of every camera's people and classifies those that are due."""

    def __init__(self, classifier: ClipClassifier) -> None:
        self._classifier = classifier
        self._clips: dict[str, TrackClips] = {}
        self._due: list[tuple[Frame, DueClip]] = []

    @property
    def is_due(self) -> bool:
        """Whether there is anything to classify."""
        return bool(self._due)

    def look(self, scene: Scene, looked: int) -> None:
        """Take in a frame of a camera. looked: index of the last frame in which people were looked
        for; until the next they are taken to be where they were."""
        frame, people = scene.frame, scene.people or ()
        clips = self._clips.setdefault(frame.camera, TrackClips(self._classifier.form))
        clips.retain(track.id for track in people)
        due = clips.look(frame, [track for track in people if track.last_index == looked])
        self._due += [(frame, clip) for clip in due]

    def forget(self, camera: str) -> None:
        """Let go of a camera: its tracks have ended, and others may have their ids."""
        self._clips.pop(camera, None)

    def judge(self, scenes: Sequence[Scene]) -> list[Scene]:
        """The scenes with what the clips that end with their frames show.

        Raises what ``ClipClassifier.classify`` raises.
        """
        due, self._due = self._due, []
        found: dict[int, tuple[Verdict, ...]] = {}
        verdicts = self._classifier.classify([clip for _, clip in due])
        for (frame, _), verdict in zip(due, verdicts, strict=True):
            if verdict is not None:
                found[id(frame)] = (*found.get(id(frame), ()), verdict)
        return [replace(scene, verdicts=found.get(id(scene.frame), ())) for scene in scenes]
