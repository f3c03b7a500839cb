"""Who is who in a site's own footage, without anybody saying so.

Faces of one track are one person. Two tracks that are seen in the same frames are two people.
Tracks of different videos, or that are never seen together, prove nothing: they may be one person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from calibration.pairs import Comparisons, genuine_halves, impostors_seen
from calibration.threshold import Threshold, choose_threshold
from edge.capture.file import FileSource
from edge.enrol import require_recogniser
from edge.gallery.shots import Shot, ShotSettings, agreeing, fuse
from edge.geometry import iou_matrix
from edge.pipeline import Followed, Models, Pipeline, PipelineSettings, Scene
from edge.types import FloatArray, Frame
from edge.vision.quality import face_quality
from edge.vision.recogniser import Recogniser

# Frames in which two tracks are both good before they are held to be two people.
TOGETHER_FRAMES = 10
# Tracks that are never seen together are held to be one person where they are more alike than so
# many of those that are two people.
_ALIKE = 0.99
_SHOTS = ShotSettings()


@dataclass(frozen=True, slots=True)
class FilmedTrack:
    """One face followed through one video: its best shots, oldest first."""

    video: str
    track_id: int
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class Footage:
    """The faces of one video. together: in how many frames two tracks, by id, the lower first, were
    both good enough to recognise and apart from each other."""

    tracks: tuple[FilmedTrack, ...]
    together: dict[tuple[int, int], int]
    frames: int


def film(models: Models, path: Path, *, watch: Callable[[Scene], None] | None = None) -> Footage:
    """Follow the faces of a video as the camera does, looking at every frame.

    watch: is shown what was seen in every frame. Raises MediaError where it cannot be opened,
    StreamBrokenError where it breaks off, InferenceError where a model fails, UsageError without a
    recogniser.
    """
    recogniser = require_recogniser(models)
    pipeline = Pipeline(models, settings=PipelineSettings(look_every=1))
    together: Counter[tuple[int, int]] = Counter()
    ended: list[Followed] = []
    last: Frame | None = None
    frames = 0
    with FileSource(path, camera="calibrate", start=0.0) as source:
        for frame in source:
            last, frames = frame, frames + 1
            for scene in pipeline.step([frame]):
                together.update(_seen_apart(scene, recogniser))
                ended += scene.ended
                if watch is not None:
                    watch(scene)
    assert last is not None  # a source without frames does not open
    ended += pipeline.end(last).ended
    tracks = (
        FilmedTrack(str(path), one.track.id, one.subject.shots)
        for one in ended
        if one.subject is not None and one.subject.shots
    )
    return Footage(tuple(tracks), dict(together), frames)


def _seen_apart(scene: Scene, recogniser: Recogniser) -> list[tuple[int, int]]:
    """Which tracks this frame shows side by side, both good. Two boxes that touch may be two finds
    of one face."""
    good = [one for one in scene.active if _is_good(one, scene, recogniser)]
    good.sort(key=lambda one: one.track.id)
    boxes = np.asarray([one.track.box for one in good], np.float32).reshape(-1, 4)
    apart = iou_matrix(boxes, boxes) == 0
    return [
        (good[i].track.id, good[j].track.id)
        for i, j in combinations(range(len(good)), 2)
        if apart[i, j]
    ]


def _is_good(one: Followed, scene: Scene, recogniser: Recogniser) -> bool:
    row = one.track.detection
    if row is None or one.subject is None or one.landmarks is None:
        return False
    box, score = scene.detections.boxes[row], float(scene.detections.scores[row])
    try:
        crop = recogniser.align(scene.frame.image, one.landmarks)
    except ValueError:  # landmarks in one place: nothing to align
        return False
    quality = face_quality(crop, box, one.landmarks, score)
    return quality.score >= _SHOTS.min_quality and quality.face_px >= _SHOTS.min_face_px


@dataclass(frozen=True, slots=True)
class SeenPair:
    """Two tracks of one video that are two people, and how alike they are."""

    video: str
    track: int
    other: int
    frames: int
    similarity: float


class TrackEvidence:
    """What footage proves about who is who.

    Each track is one vector, fused as on the camera; one without enough views that agree is left
    out, for the camera would not name it either.
    """

    def __init__(self, footage: Sequence[Footage]) -> None:
        self._tracks = [track for one in footage for track in one.tracks]
        place = {(t.video, t.track_id): index for index, t in enumerate(self._tracks)}
        self._apart: dict[tuple[int, int], int] = {}
        for one in footage:
            if not one.tracks:
                continue
            video = one.tracks[0].video
            for (low, high), frames in one.together.items():
                first, second = place.get((video, low)), place.get((video, high))
                if first is not None and second is not None and frames >= TOGETHER_FRAMES:
                    self._apart[first, second] = frames
        self._identity = self._identities()

    @property
    def tracks(self) -> int:
        """How many tracks have enough views to be recognised."""
        return len(self._vectors(0.0))

    @property
    def identities(self) -> int:
        """How many people these tracks are at least: those who are alike are held to be one."""
        return len({self._identity[index] for index in self._vectors(0.0)})

    def seen_pairs(self, level: float) -> list[SeenPair]:
        """Every two tracks that are two people, the most alike first."""
        found = [
            SeenPair(
                self._tracks[i].video,
                self._tracks[i].track_id,
                self._tracks[j].track_id,
                self._apart[i, j],
                similarity,
            )
            for i, j, similarity in self._similarities(level)
        ]
        return sorted(found, key=lambda pair: -pair.similarity)

    def impostors(self, level: float) -> Comparisons:
        """Tracks seen together, one unit for two people however often they are. level: from which
        cosine on two views of a track count as one face, and are fused."""
        return impostors_seen(self._similarities(level), self._identity)

    def genuine(self, level: float) -> Comparisons:
        """The earlier views of a track against its later ones, one unit a person.

        Optimistic: seconds lie between them, not the weeks between enrolment and a visit.
        """
        pairs = []
        for index, track in enumerate(self._tracks):
            middle = len(track.shots) // 2
            parts = track.shots[:middle], track.shots[middle:]
            halves = [track_vector(part, level) for part in parts]
            if halves[0] is not None and halves[1] is not None:
                pairs.append((self._identity[index], float(halves[0] @ halves[1])))
        return genuine_halves(pairs)

    def _similarities(self, level: float) -> list[tuple[int, int, float]]:
        vectors = self._vectors(level)
        return [
            (i, j, float(vectors[i] @ vectors[j]))
            for i, j in self._apart
            if i in vectors and j in vectors
        ]

    def _vectors(self, level: float) -> dict[int, FloatArray]:
        fused = {i: track_vector(track.shots, level) for i, track in enumerate(self._tracks)}
        return {i: vector for i, vector in fused.items() if vector is not None}

    def _identities(self) -> list[int]:
        """Whose each track is held to be, so that whoever comes by every day counts once.

        Tracks are joined by average linkage while they are more alike than nearly all of those
        known to be two people; two that were seen together never are. That joins strangers too
        readily, and costs next to nothing: two pairs become one only where both ends are joined.
        """
        identity = list(range(len(self._tracks)))
        proven = [similarity for _, _, similarity in self._similarities(0.0)]
        vectors = self._vectors(0.0)
        if not proven or len(vectors) < 2:
            return identity
        from sklearn.cluster import AgglomerativeClustering

        rows = list(vectors)
        stacked = np.stack([vectors[row] for row in rows]).astype(np.float64)
        distance = 1 - stacked @ stacked.T
        place = {row: index for index, row in enumerate(rows)}
        for i, j in self._apart:
            if i in place and j in place:
                # So far apart that no mean with others comes below the limit.
                distance[place[i], place[j]] = distance[place[j], place[i]] = 1e9
        np.fill_diagonal(distance, 0)
        groups = AgglomerativeClustering(
            n_clusters=None,
            metric="precomputed",
            linkage="average",
            distance_threshold=1 - float(np.quantile(proven, _ALIKE)),
        ).fit_predict(np.maximum(distance, 0))
        for row, group in zip(rows, groups, strict=True):
            identity[row] = len(self._tracks) + int(group)
        return identity


def track_vector(shots: Sequence[Shot], level: float) -> FloatArray | None:
    """The views that agree, as one vector; None where they are too few to name anybody.

    level: from which cosine on two views count as one face.
    """
    group = agreeing(shots, level)
    return fuse(group)[0].vector if len(group) >= _SHOTS.enough else None


def calibrate_tracks(evidence: TrackEvidence, *, wanted: float, source: str) -> Threshold:
    """The threshold for a wanted false match rate, from a site's own footage.

    Which views of a track are fused depends on the threshold; so it is chosen over all views first
    and then over those that agree at what was chosen. Raises what ``choose_threshold`` raises.
    """
    level, chosen = 0.0, None
    for _ in range(2):
        chosen = choose_threshold(
            evidence.impostors(level), evidence.genuine(level), wanted=wanted, source=source
        )
        level = chosen.value
    assert chosen is not None
    return chosen
