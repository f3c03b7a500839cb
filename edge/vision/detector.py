"""A detector: preprocess → forward → decode → suppress, over a batch of pictures of any size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.errors import DecoderMismatchError
from edge.geometry import area, clip_boxes, nms
from edge.manifest import DetectorDecoder, Input, Manifest
from edge.runner.base import Runner
from edge.types import ByteImage, Detections
from edge.vision.forward import forward
from edge.vision.heads import head_for
from edge.vision.preprocess import Placement, place, place_in_tensor


class Detector:
    """Finds objects in pictures with the model behind ``runner``, as its manifest says.

    floor: the lowest score to report; the manifest's own where that is lower, or floor is None. A
    tracker asks for less than the manifest does, to keep hold of a face that is half hidden.
    labels: report only these of the bundle's labels; all where None.

    Raises DecoderMismatchError where the manifest is no detector's or lacks a label asked for.
    """

    def __init__(
        self,
        runner: Runner,
        manifest: Manifest,
        *,
        floor: float | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        if manifest.input is None or not isinstance(manifest.decoder, DetectorDecoder):
            raise DecoderMismatchError(
                f"bundle {manifest.name} is no detector",
                expected="a bundle with role detector",
                found=f"role {manifest.role} with decoder {manifest.decoder.name}",
            )
        self._runner = runner
        self._outputs = manifest.output_names
        self._input: Input = manifest.input
        self._decoder = manifest.decoder
        self._head = head_for(manifest.decoder)
        score = manifest.decoder.score
        self._floor = score if floor is None else min(floor, score)
        self._labels = None if labels is None else _indices(manifest, labels)

    @property
    def score(self) -> float:
        """The manifest's own operating point: a detection at or above it is meant to be real."""
        return self._decoder.score

    def detect(self, pictures: Sequence[ByteImage]) -> list[Detections]:
        """What is in each picture (uint8 ``[H, W, 3]`` BGR), in its own pixels, best score first.

        Boxes are cut at the picture's edges. Raises InferenceError where the model fails,
        DecoderMismatchError where its outputs do not fit the decoder.
        """
        placements = [place((p.shape[1], p.shape[0]), self._input) for p in pictures]
        by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, placement in enumerate(placements):
            by_size[placement.tensor].append(index)
        found: list[Detections] = [Detections.empty()] * len(pictures)
        for size, members in by_size.items():
            batch = [place_in_tensor(pictures[i], placements[i], self._input) for i in members]
            outputs = forward(self._runner, self._input, batch, self._outputs)
            decoded = self._head.decode(
                outputs, size=size, pictures=len(members), floor=self._floor
            )
            for index, raw in zip(members, decoded, strict=True):
                found[index] = self._finish(raw, placements[index])
        return found

    def _finish(self, raw: Detections, placement: Placement) -> Detections:
        if self._labels is not None:
            raw = raw[np.isin(raw.labels, self._labels)]
        mapped = placement.to_picture(raw)
        inside = Detections(
            clip_boxes(mapped.boxes, placement.picture),
            mapped.scores,
            mapped.labels,
            mapped.landmarks,
        )
        visible = inside[area(inside.boxes) >= 1]  # the padding is no place for a face
        return visible[_suppress(visible, self._decoder.nms_iou)]


def _suppress(found: Detections, iou: float) -> NDArray[np.intp]:
    """Indices kept by suppression within each label, best score first."""
    kept = [
        members[nms(found.boxes[members], found.scores[members], iou)]
        for members in (np.flatnonzero(found.labels == label) for label in np.unique(found.labels))
    ]
    if not kept:
        return np.zeros(0, np.intp)
    joined = np.concatenate(kept)
    order: NDArray[np.intp] = joined[np.argsort(-found.scores[joined], kind="stable")]
    return order


def _indices(manifest: Manifest, labels: Sequence[str]) -> list[int]:
    missing = [label for label in labels if label not in manifest.labels]
    if missing:
        raise DecoderMismatchError(
            f"bundle {manifest.name} does not know {missing[0]!r}",
            expected=f"labels with {', '.join(labels)}",
            found=", ".join(manifest.labels[:10]) or "no labels",
            remedy="Build the bundle with the labels that the model was trained on.",
        )
    return [manifest.labels.index(label) for label in labels]
