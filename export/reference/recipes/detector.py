"""A detector of faces with landmarks and of people: one trunk, learned together, two networks.

Each becomes a bundle of its own that reads as a family that the runtime knows: faces as YuNet's,
people as YOLOX's.
"""

# mypy: disallow-subclassing-any=False
from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW

from calibration.detection import average_precision, match
from edge.geometry import nms
from edge.manifest import YoloxDecoder, YunetDecoder
from edge.types import ByteImage, Detections, FloatArray
from edge.vision.heads.base import Head, grid_of
from edge.vision.heads.yolox import YoloxHead
from edge.vision.heads.yunet import YunetHead
from export.reference.recipes.data import Batches, digest, gather, to_tensor
from export.reference.recipes.layers import Residual, conv
from export.reference.recipes.learner import Arrays, Learner, State
from export.reference.recipes.losses import box_loss, focal_loss, generalised_iou, landmark_loss
from export.reference.recipes.pictures import grid
from export.reference.recipes.settings import FULL, TOY, DetectorSettings, RecipeSettings
from export.reference.recipes.targets import STRIDES, Targets, assign
from export.reference.world.baselines import Kind, wanted_boxes
from export.reference.world.samples import DetectorSample, detector_samples

_SAMPLES, _SHOWN = 4, 12
_EACH = 6  # frames of a scene
_HELD_OUT = 1 << 40  # from this seed on: never learned from
_FLOOR, _IOU = 0.05, 0.45
_RARE = -math.log((1 - 0.01) / 0.01)  # at first nearly every cell says no
_FACES, _PEOPLE = 10, 0  # values of landmarks


class Trunk(nn.Module):
    """Pictures ``[N, 3, H, W]`` RGB of −1..1 to features at strides 8, 16 and 32, of one width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.low = nn.Sequential(
            conv(3, width, stride=2),
            conv(width, 2 * width, stride=2),
            conv(2 * width, 2 * width),
            conv(2 * width, 4 * width, stride=2),
            Residual(4 * width),
        )
        self.middle = nn.Sequential(conv(4 * width, 4 * width, stride=2), Residual(4 * width))
        self.high = nn.Sequential(conv(4 * width, 4 * width, stride=2), Residual(4 * width))
        self.join = nn.ModuleList(conv(4 * width, 4 * width) for _ in range(2))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Fine features have seen the coarse ones."""
        low = self.low(picture)
        middle = self.middle(low)
        high = self.high(middle)
        middle = self.join[0](middle + functional.interpolate(high, scale_factor=2))
        low = self.join[1](low + functional.interpolate(middle, scale_factor=2))
        return low, middle, high


class Heads(nn.Module):
    """Of each stride class and objectness logits, box, landmarks: ``[N, cells, 6 + points]``."""

    def __init__(self, width: int, points: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(conv(4 * width, 4 * width), nn.Conv2d(4 * width, 6 + points, 3, 1, 1))
            for _ in STRIDES
        )
        for layer in self.layers:
            nn.init.constant_(layer[1].bias[:2], _RARE)

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """The values of every cell, row by row."""
        pairs = zip(self.layers, levels, strict=True)
        return [layer(level).flatten(2).transpose(1, 2) for layer, level in pairs]


class Faces(nn.Module):
    """The network of faces, with YuNet's twelve outputs."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.trunk, self.heads = Trunk(width), Heads(width, _FACES)

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        """cls, obj ``[N, cells, 1]`` of 0..1, bbox ``[.., 4]``, kps ``[.., 10]`` of each stride."""
        levels = list(zip(STRIDES, self.heads(self.trunk(picture)), strict=True))
        found = {f"cls_{stride}": level[..., :1].sigmoid() for stride, level in levels}
        found |= {f"obj_{stride}": level[..., 1:2].sigmoid() for stride, level in levels}
        found |= {f"bbox_{stride}": level[..., 2:6] for stride, level in levels}
        return found | {f"kps_{stride}": level[..., 6:] for stride, level in levels}


class People(nn.Module):
    """The network of people, with YOLOX's one output."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.trunk, self.heads = Trunk(width), Heads(width, _PEOPLE)

    def forward(self, picture: Tensor) -> Tensor:
        """Box, objectness and class of every cell, ``[N, cells, 6]``."""
        whole = torch.cat(self.heads(self.trunk(picture)), dim=1)
        score = whole[..., :2].sigmoid()
        return torch.cat([whole[..., 2:6], score[..., 1:], score[..., :1]], dim=2)


def _width(settings: RecipeSettings) -> int:
    assert isinstance(settings, DetectorSettings)
    return settings.width


def faces(settings: RecipeSettings = FULL["detector"]) -> nn.Module:
    """The faces' network, for ``edgewarden export --factory``; of the full recipe if none is
    named."""
    return Faces(_width(settings))


def people(settings: RecipeSettings = FULL["detector"]) -> nn.Module:
    """The people's network, likewise."""
    return People(_width(settings))


def toy_faces() -> nn.Module:
    """The faces' network of the toy recipe."""
    return faces(TOY["detector"])


def toy_people() -> nn.Module:
    """The people's network of the toy recipe."""
    return people(TOY["detector"])


class DetectorLearner(Learner):
    """Focal loss of faces and people, IoU for objectness, GIoU of boxes, smooth L1 of landmarks."""

    exported = "faces"

    def __init__(self, settings: DetectorSettings, device: str) -> None:
        self._settings, self._device = settings, device
        self._known = _rendered(settings.scenes, settings.size, settings.seed * 1_000_000)
        self._asked = _rendered(settings.held_out, settings.size, _HELD_OUT)
        self.data = digest(np.stack([sample.image for sample in self._known]))
        self._batches = Batches(len(self._known), settings.batch, seed=settings.seed)
        # Channels last: nearly twice as fast on a CPU.
        face, person = (
            network.to(device, memory_format=torch.channels_last)
            for network in (Faces(settings.width), People(settings.width))
        )
        person.trunk = face.trunk  # one trunk, seen by both
        self.networks = {"faces": face, "people": person}
        weights = [*face.parameters(), *person.heads.parameters()]
        self.optimisers = {"all": AdamW(weights, settings.rate, weight_decay=0.01)}
        cells = grid_of(settings.size, STRIDES)
        self._corners = torch.from_numpy(cells.corners.copy()).to(device)
        self._strides = torch.from_numpy(cells.strides.copy()).to(device)

    def weights(self) -> State:
        """Of both networks, by name; the export finds those that fit."""
        return {
            name: {key: value.detach().cpu() for key, value in network.state_dict().items()}
            for name, network in self.networks.items()
        }

    def step(self, number: int) -> dict[str, Tensor]:
        """One step on a batch of frames, mirrored or not."""
        settings, optimiser = self._settings, self.optimisers["all"]
        chosen = [self._known[int(index)] for index in self._batches.at(number)]
        if float(torch.rand(())) < 0.5:
            chosen = [mirrored(sample) for sample in chosen]
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * (1 + math.cos(math.pi * number / settings.steps)) / 2
        picture = to_tensor(np.stack([sample.image for sample in chosen]), self._device)
        picture = picture.contiguous(memory_format=torch.channels_last)
        face, person = self.networks["faces"], self.networks["people"]
        levels = face.trunk(picture)
        losses = {
            f"{name} {part}": loss
            for name, network, boxes in (
                ("face", face, [sample.faces for sample in chosen]),
                ("person", person, [sample.people for sample in chosen]),
            )
            for part, loss in self._losses(network.heads(levels), boxes, chosen).items()
        }
        optimiser.zero_grad(set_to_none=True)
        sum(losses.values(), torch.zeros((), device=self._device)).backward()
        optimiser.step()
        return losses

    def _losses(
        self,
        levels: Sequence[Tensor],
        boxes: Sequence[FloatArray],
        samples: Sequence[DetectorSample],
    ) -> dict[str, Tensor]:
        found = torch.cat(list(levels), dim=1)
        targets = [
            assign(wanted, sample.ignored, self._settings.size)
            for wanted, sample in zip(boxes, samples, strict=True)
        ]
        owner = torch.from_numpy(np.stack([target.owner for target in targets])).to(self._device)
        counted = torch.from_numpy(np.stack([each.counted for each in targets])).to(self._device)
        there = owner >= 0
        cell = there.nonzero()[:, 1]
        rows, strides, corners = found[there], self._strides[cell], self._corners[cell]
        wanted = self._owned(boxes, targets)
        centre, half = rows[:, 2:4] + corners, rows[:, 4:6].clamp(max=6).exp() / 2
        made = torch.cat([centre - half, centre + half], dim=1) * strides
        truth = torch.zeros_like(found[..., 1])
        truth[there] = generalised_iou(made.detach(), wanted).clamp(min=0)
        sure = functional.binary_cross_entropy_with_logits(
            found[..., 1][counted], truth[counted], reduction="sum"
        )
        count = there.sum().clamp(min=1)
        losses = {
            "class": focal_loss(found[..., 0][counted], there[counted].float()),
            "objectness": sure / count,
            "box": 2 * box_loss(made, wanted),
        }
        if found.shape[2] > 6:
            points = (self._owned([s.landmarks for s in samples], targets) / strides[:, None]) - (
                corners[:, None]
            )
            seen = torch.ones(len(points), 5, device=self._device)
            losses["landmarks"] = landmark_loss(rows[:, 6:].unflatten(1, (5, 2)), points, seen)
        return losses

    def _owned(self, values: Sequence[FloatArray], targets: Sequence[Targets]) -> Tensor:
        """The value that belongs to the box of every cell that has one, picture after picture."""
        parts = [
            value[target.owner[target.owner >= 0]]
            for value, target in zip(values, targets, strict=True)
        ]
        return torch.from_numpy(np.concatenate(parts)).to(self._device)

    def detect(self, pictures: ByteImage, *, name: str) -> list[Detections]:
        """Faces or people of each picture, by the runtime's own decoder, the best of each spot."""
        network, found = self.networks[name], []
        for start in range(0, len(pictures), 16):
            part = to_tensor(pictures[start : start + 16], self._device)
            outputs = network(part)
            tensors = list(outputs.values()) if isinstance(outputs, dict) else [outputs]
            arrays = [value.cpu().numpy() for value in tensors]
            for each in _head(name).decode(
                arrays, size=self._settings.size, pictures=len(part), floor=_FLOOR
            ):
                found.append(each[nms(each.boxes, each.scores, _IOU)])
        return found

    def sheet(self) -> ByteImage:
        """Frames with the faces and people that were found in them."""
        pictures = np.stack([sample.image for sample in self._asked[:_SHOWN]])
        for name, color in (("people", (60, 180, 60)), ("faces", (40, 120, 250))):
            for picture, found in zip(pictures, self.detect(pictures, name=name), strict=True):
                for box, score in zip(found.boxes, found.scores, strict=True):
                    if score >= 0.5:
                        x1, y1, x2, y2 = (round(float(value)) for value in box)
                        cv2.rectangle(picture, (x1, y1), (x2, y2), color, 1)
        return grid(pictures, columns=3)

    def measure(self) -> dict[str, float]:
        """Average precision at an IoU of 0.5 of faces and of people."""
        pictures = np.stack([sample.image for sample in self._asked])
        figures: dict[str, float] = {}
        kinds: tuple[Kind, ...] = ("faces", "people")
        for name in kinds:
            truth = [wanted_boxes(sample, name) for sample in self._asked]
            found = self.detect(pictures, name=name)
            figures[name] = float(sum(len(getattr(sample, name)) for sample in self._asked))
            if figures[name]:
                figures[f"{name}_ap50"] = average_precision(match(found, truth))
        return figures

    def samples(self) -> Arrays:
        """The frames with most faces, and the faces' outputs."""
        crowded = sorted(self._asked, key=lambda sample: -len(sample.faces))[:_SAMPLES]
        pictures = np.stack([sample.image for sample in crowded])
        picture = to_tensor(pictures, self._device)
        outputs = {
            key: value.cpu().numpy() for key, value in self.networks["faces"](picture).items()
        }
        return {"input": picture.cpu().numpy(), **outputs}


def mirrored(sample: DetectorSample) -> DetectorSample:
    """The frame and its truth in a mirror; the picture's left eye is then what was its right."""
    width = sample.image.shape[1]

    def turned(boxes: FloatArray) -> FloatArray:
        return np.stack(
            [width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1
        )

    landmarks = sample.landmarks[:, [1, 0, 2, 4, 3]]
    landmarks = np.stack([width - landmarks[..., 0], landmarks[..., 1]], axis=2)
    return DetectorSample(
        np.ascontiguousarray(sample.image[:, ::-1]),
        turned(sample.people),
        turned(sample.faces),
        landmarks,
        turned(sample.ignored),
    )


def _rendered(scenes: int, size: tuple[int, int], seed: int) -> list[DetectorSample]:
    found = gather(partial(_of_scene, size=size, seed=seed), scenes, "scenes")
    return [sample for scene in found for sample in scene]


def _of_scene(index: int, *, size: tuple[int, int], seed: int) -> list[DetectorSample]:
    return list(detector_samples(seed=seed + index, count=_EACH, size=size, each=_EACH))


def _head(name: str) -> Head:
    if name == "faces":
        return YunetHead(YunetDecoder(name="yunet", score=_FLOOR, nms_iou=_IOU, strides=STRIDES))
    return YoloxHead(YoloxDecoder(name="yolox", score=_FLOOR, nms_iou=_IOU, strides=STRIDES))
