"""The values that travel through the loop. All are frozen, checked once at construction.

Pixel coordinates are x to the right, y down, in the frame as captured; boxes are
``[x1, y1, x2, y2]`` with x2 and y2 exclusive. Times are seconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
ByteImage = NDArray[np.uint8]


def _require(array: NDArray[np.generic], shape: tuple[int | None, ...], name: str) -> None:
    fits = array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name}: expected shape {shape}, found {array.shape}")


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one camera.

    image: uint8 ``[H, W, 3]``, BGR. index counts decoded frames from 0. time is the capture time.
    """

    camera: str
    index: int
    time: float
    image: ByteImage

    def __post_init__(self) -> None:
        _require(self.image, (None, None, 3), "Frame.image")
        if self.image.dtype != np.uint8:
            raise ValueError(f"Frame.image: expected uint8, found {self.image.dtype}")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]


@dataclass(frozen=True, slots=True)
class Detections:
    """What a detector saw in one frame.

    boxes: float32 ``[N, 4]`` pixels. scores: float32 ``[N]`` in 0..1. labels: int64 ``[N]``,
    indices into the bundle's labels. landmarks: float32 ``[N, 5, 2]`` pixels, eye on the image's
    left first, then other eye, nose, mouth corners; None where the detector has none.
    """

    boxes: FloatArray
    scores: FloatArray
    labels: NDArray[np.int64]
    landmarks: FloatArray | None = None

    def __post_init__(self) -> None:
        n = len(self.boxes)
        _require(self.boxes, (None, 4), "Detections.boxes")
        _require(self.scores, (n,), "Detections.scores")
        _require(self.labels, (n,), "Detections.labels")
        if self.landmarks is not None:
            _require(self.landmarks, (n, 5, 2), "Detections.landmarks")

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, keep: NDArray[np.generic] | slice) -> Detections:
        """The detections that ``keep`` (indices, a mask or a slice) selects, in that order."""
        return Detections(
            self.boxes[keep],
            self.scores[keep],
            self.labels[keep],
            None if self.landmarks is None else self.landmarks[keep],
        )

    @classmethod
    def empty(cls, *, landmarks: bool = False) -> Detections:
        """No detections at all."""
        return cls(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.int64),
            np.zeros((0, 5, 2), np.float32) if landmarks else None,
        )


@dataclass(frozen=True, slots=True)
class Track:
    """The state of one followed object after one frame.

    box: float32 ``[4]`` pixels, as smoothed by the motion model. detection: the row of this
    frame's detections that it was matched to; None while it is only predicted. hits: frames in
    which it was seen. first_index and last_index: frame indices of its first and last sighting.
    """

    id: int
    box: FloatArray
    score: float
    detection: int | None
    hits: int
    first_index: int
    last_index: int

    def __post_init__(self) -> None:
        _require(self.box, (4,), "Track.box")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a clip of a track most likely shows. confidence: the probability of the label, 0..1."""

    track_id: int
    label: str
    confidence: float


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """How far a face can be trusted for recognition. Each part and the whole lie in 0..1.

    face_px: the shorter side of the face box, pixels.
    """

    score: float
    size: float
    sharpness: float
    frontality: float
    detector: float
    face_px: float


@dataclass(frozen=True, slots=True)
class Embedding:
    """A unit vector, float32 ``[D]``, tagged with the embedding space of the model it is from."""

    vector: FloatArray = field(repr=False)  # biometric data stays out of logs
    space: str

    def __post_init__(self) -> None:
        _require(self.vector, (None,), "Embedding.vector")
        norm = float(np.linalg.norm(self.vector))
        if not abs(norm - 1.0) < 1e-3:
            raise ValueError(f"Embedding.vector: expected unit length, found {norm:.4f}")


@dataclass(frozen=True, slots=True)
class Template:
    """One enrolled embedding of one person."""

    person: str
    embedding: Embedding


@dataclass(frozen=True, slots=True)
class Match:
    """The nearest person of a gallery, before any threshold.

    similarity: cosine to the nearest person, None for an empty gallery. margin: similarity less
    that to the second nearest person; with only one person enrolled, less 0.
    """

    person: str | None
    similarity: float | None
    margin: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """A match needs similarity ≥ threshold and margin ≥ margin. source: who set the threshold."""

    threshold: float
    margin: float
    source: str = "stated"


class Outcome(str, Enum):
    """What recognition says of a track; the value is the event name."""

    RECOGNISED = "recognised"
    UNKNOWN = "unknown"
    LOW_QUALITY = "low_quality"
    PERSON_WITHOUT_FACE = "person_without_face"


class Phase(str, Enum):
    """Where in the life of its subject an event stands."""

    STARTED = "started"
    UPDATED = "updated"
    ENDED = "ended"
    ONCE = "once"


Severity = Literal["info", "warning", "alert"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a track is held to be, and why."""

    outcome: Outcome
    person: str | None = None
    similarity: float | None = None
    margin: float | None = None
    quality: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event before the outbox has it: no id, and no sequence numbers in its data."""

    source: str
    type: str
    subject: str | None
    time: float
    data: dict[str, object] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvents 1.0 event whose ``id`` and sequence numbers are fixed: it is in the outbox.

    type: ``edgewarden.<family>.<name>.v1``. data: the JSON payload, with both sequence numbers.
    """

    id: str
    source: str
    type: str
    subject: str | None
    time: float
    data: dict[str, object] = field(hash=False)

    @property
    def sequence(self) -> int:
        """Its number among the events of its source, from 1."""
        return cast(int, self.data["sequence"])

    @property
    def node_sequence(self) -> int:
        """Its number among all events of this device, from 1."""
        return cast(int, self.data["node_sequence"])
