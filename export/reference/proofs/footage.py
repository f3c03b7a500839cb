"""Videos of the world as a site has them, and whose the tracks in them are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.rates import Counts
from calibration.tracks import FilmedTrack, Footage, film, track_vector
from edge.geometry import iou_matrix
from edge.media import VideoWriter
from edge.pipeline import Models
from edge.pipeline import Scene as Seen
from edge.types import FloatArray
from export.reference.world.scene import Scene
from export.reference.world.truth import FrameTruth

_SAME_FACE = 0.3  # IoU of a track's box and a face's true one


@dataclass(frozen=True, slots=True)
class Known:
    """A track, the person whose face it followed most, and the number of its scene."""

    track: FilmedTrack
    identity: int
    scene: int


def write_video(path: Path, scene: Scene) -> list[FrameTruth]:
    """Render a scene into a video file; the truth of its frames. Raises OutputError."""
    truths = []
    with VideoWriter(path, size=scene.settings.size, fps=scene.settings.fps) as video:
        for image, truth in scene:
            video.write(image)
            truths.append(truth)
    return truths


def film_known(models: Models, path: Path, truths: Sequence[FrameTruth]) -> tuple[Footage, Counts]:
    """Follow the faces of a video of which the truth is known.

    Footage as ``calibration.tracks.film`` gives it; for each of its tracks the identity that it
    followed in most frames, -1 where it followed nobody's face. Raises what filming raises.
    """
    votes: dict[int, Counter[int]] = {}

    def watch(seen: Seen) -> None:
        faces = _faces(truths[seen.frame.index])
        boxes = np.asarray([box for box, _ in faces], np.float32).reshape(-1, 4)
        for one in seen.active:
            overlaps = iou_matrix(one.track.box[None], boxes)[0]
            if len(overlaps) and overlaps.max() >= _SAME_FACE:
                identity = faces[int(overlaps.argmax())][1]
                votes.setdefault(one.track.id, Counter())[identity] += 1

    footage = film(models, path, watch=watch)
    return footage, np.asarray(
        [_most(votes.get(track.track_id)) for track in footage.tracks], np.int64
    )


def vectors_of(known: Sequence[Known], level: float) -> tuple[FloatArray, Counts, Counts]:
    """What a camera with threshold ``level`` would compare: vectors ``[S, D]`` of the tracks with
    enough views that agree, and for each its identity and its scene: ``[S]``."""
    fused = [(one, track_vector(one.track.shots, level)) for one in known]
    kept = [(one, vector) for one, vector in fused if vector is not None]
    if not kept:
        return np.zeros((0, 1), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64)
    return (
        np.stack([vector for _, vector in kept]),
        np.asarray([one.identity for one, _ in kept], np.int64),
        np.asarray([one.scene for one, _ in kept], np.int64),
    )


def _faces(truth: FrameTruth) -> list[tuple[FloatArray, int]]:
    return [(one.face.box, one.identity) for one in truth.people if one.face is not None]


def _most(votes: Counter[int] | None) -> int:
    return votes.most_common(1)[0][0] if votes else -1
