"""Drawing what was seen on a copy of the frame, for people to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge.types import ByteImage, FloatArray, Identity, Outcome

Colour = tuple[int, int, int]

# BGR. Apart for the colour-blind too: green is the lightest, grey has no hue.
_COLOURS: dict[Outcome | None, Colour] = {
    Outcome.RECOGNISED: (96, 200, 60),
    Outcome.UNKNOWN: (30, 140, 255),
    Outcome.LOW_QUALITY: (160, 160, 160),
    Outcome.PERSON_WITHOUT_FACE: (210, 120, 60),
    None: (220, 220, 220),
}
_ZONE: Colour = (200, 180, 60)
_INK: Colour = (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_DUPLEX


@dataclass(frozen=True, slots=True)
class Mark:
    """One subject to draw. box: ``[4]`` pixels. landmarks: ``[5, 2]`` pixels or None. predicted: it
    was not seen in this frame, only expected there. body: it is somebody's whole body, of whom no
    more is to be said than ``doing``: what they do, empty for nothing special."""

    track_id: int
    box: FloatArray
    identity: Identity | None
    landmarks: FloatArray | None = None
    predicted: bool = False
    body: bool = False
    doing: str = ""


def annotate(
    picture: ByteImage,
    marks: Iterable[Mark],
    *,
    zones: Iterable[Sequence[tuple[float, float]]] = (),
    caption: str = "",
) -> ByteImage:
    """A copy of the picture with boxes, track ids, names and scores.

    picture: uint8 ``[H, W, 3]`` BGR. zones: polygons in fractions of the frame.
    """
    canvas = picture.copy()
    height, width = canvas.shape[:2]
    scale = max(0.35, min(height, width) / 1000)
    for zone in zones:
        corners = np.asarray(zone, np.float64) * (width, height)
        cv2.polylines(canvas, [corners.astype(np.int32)], True, _ZONE, 1, cv2.LINE_AA)
    for mark in marks:
        _draw(canvas, mark, scale)
    if caption:
        _plate(canvas, caption, (0, height), scale * 0.9, (40, 40, 40))
    return canvas


def tile(pictures: Sequence[ByteImage], *, columns: int) -> ByteImage:
    """Pictures of one size, uint8 ``[H, W, 3]``, in rows of so many; what stays free is black.

    Raises ValueError for none at all.
    """
    if not pictures:
        raise ValueError("expected a picture, found none")
    empty = np.zeros_like(pictures[0])
    missing = -len(pictures) % columns if len(pictures) > columns else 0
    cells = [*pictures, *([empty] * missing)]
    rows = [np.hstack(cells[first : first + columns]) for first in range(0, len(cells), columns)]
    return np.asarray(np.vstack(rows), np.uint8)


def fit_canvas(picture: ByteImage, size: tuple[int, int]) -> ByteImage:
    """The picture at ``size`` (width, height), proportions kept, black around it."""
    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    factor = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * factor)), max(1, round(height * factor)))
    canvas: ByteImage = np.zeros((size[1], size[0], 3), np.uint8)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(picture, inner)
    return canvas


def _draw(canvas: ByteImage, mark: Mark, scale: float) -> None:
    outcome = mark.identity.outcome if mark.identity else None
    colour = _COLOURS[Outcome.PERSON_WITHOUT_FACE if mark.body else outcome]
    x1, y1, x2, y2 = (round(float(side)) for side in mark.box)
    thickness = 1 if mark.predicted or mark.body else max(2, round(2.2 * scale))
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, thickness, cv2.LINE_AA)
    if mark.landmarks is not None and not mark.predicted:
        for x, y in mark.landmarks:
            centre = (round(float(x)), round(float(y)))
            cv2.circle(canvas, centre, max(1, round(1.6 * scale)), colour, -1, cv2.LINE_AA)
    if mark.doing or not mark.body:
        # Of a body at its feet: the plate of its face is above it.
        _plate(canvas, _label(mark), (x1 - thickness // 2, y2 if mark.body else y1), scale, colour)


def _label(mark: Mark) -> str:
    words, identity = [f"#{mark.track_id}"], mark.identity
    # That a face is missing is no news of somebody of whom there is more to say.
    faceless = identity is not None and identity.outcome is Outcome.PERSON_WITHOUT_FACE
    if identity is not None and not (faceless and mark.doing):
        words.append(identity.person or _word(identity.outcome))
        if identity.similarity is not None:
            words.append(f"{identity.similarity:.2f}")
    return " ".join([*words, mark.doing]).rstrip()


def _word(outcome: Outcome) -> str:
    return outcome.value.replace("_", " ")


def _plate(
    canvas: ByteImage, text: str, corner: tuple[int, int], scale: float, colour: Colour
) -> None:
    """Text on a filled plate whose lower left is ``corner``, moved inside the picture."""
    (width, height), base = cv2.getTextSize(text, _FONT, scale, 1)
    pad = max(2, round(6 * scale))
    left = max(0, min(corner[0], canvas.shape[1] - width - 2 * pad))
    bottom = max(height + base + pad, min(corner[1], canvas.shape[0]))
    top = bottom - height - base - pad
    cv2.rectangle(canvas, (left, top), (left + width + 2 * pad, bottom), colour, -1)
    ink = _INK if sum(colour) < 500 else (20, 20, 20)
    place = (left + pad, bottom - base - pad // 2 + 1)
    cv2.putText(canvas, text, place, _FONT, scale, ink, 1, cv2.LINE_AA)
