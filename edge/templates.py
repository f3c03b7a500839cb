"""What is known beforehand of the model families that a bundle can be made from.

A template is the part of a manifest that follows from the family: role, decoder, preprocessing,
labels, operating point. The rest (files, hashes, golden outputs, exact shapes) comes from the model
itself. Sources: the authors' own preprocessing code and model cards, named at each template.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from edge.errors import UsageError

# Corners of the eyes' centres, nose tip and mouth corners in a 112 × 112 crop (InsightFace).
_ARCFACE_112 = [
    [38.2946, 51.6963],
    [73.5318, 51.5014],
    [56.0252, 71.7366],
    [41.5493, 92.3655],
    [70.7299, 92.2041],
]
# Fractions of the crop, from the Open Model Zoo's description of its face re-identification models.
_OMZ = [[0.3156, 0.4616], [0.6827, 0.4616], [0.5003, 0.6405], [0.3495, 0.8247], [0.6534, 0.8247]]

# The 80 classes of COCO 2017, in the order that detectors trained on it use.
_COCO = (  # noqa: SIM905  # eighty quoted words would say no more
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire "
    "hydrant, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, "
    "zebra, giraffe, backpack, umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, sports "
    "ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket, bottle, wine "
    "glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot "
    "dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, "
    "mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, "
    "clock, vase, scissors, teddy bear, hair drier, toothbrush"
).split(", ")


def _axis(low: int, opt: int, high: int) -> dict[str, int]:
    return {"min": low, "opt": opt, "max": high}


def _image(
    color: str, mean: float, scale: float, resize: Mapping[str, Any], height: Any, width: Any
) -> dict[str, Any]:
    channels = 1 if color == "GRAY" else 3
    return {
        "name": "input",
        "layout": "NCHW",
        "dtype": "float32",
        "color": color,
        "mean": [mean] * channels,
        "scale": [scale] * channels,
        "resize": dict(resize),
        "shape": [_axis(1, 1, 8), channels, height, width],
    }


def _liveness(factor: float) -> dict[str, Any]:
    return {
        "role": "liveness",
        "decoder": {"name": "logits", "activation": "softmax", "positive": "live"},
        "input": _image("BGR", 0, 1, {"mode": "crop", "factor": factor}, 80, 80),
        "labels": ["spoof-2d", "live", "spoof-3d"],
    }


def _picture(low: float, high: float) -> list[dict[str, Any]]:
    return [{"name": "output", "range": [low, high]}]


def _aligned(color: str, mean: float, scale: float, points: Any, side: int) -> dict[str, Any]:
    return _image(color, mean, scale, {"mode": "align", "template": points}, side, side)


_LETTERBOX = {"mode": "letterbox", "pad": 0, "multiple_of": 32}
_WHOLE = {"mode": "letterbox", "pad": 0, "multiple_of": 1}
_GREY_BOX = {"mode": "letterbox", "pad": 114, "multiple_of": 32}
_WORLD_FRAME = (_axis(32, 192, 1088), _axis(32, 320, 1920))
_FREE = (_axis(1, 480, 1088), _axis(1, 640, 1920))

# Plain words for the command line, which does not load the manifest's own.
ROLES = (
    *("detector", "recogniser", "landmarks", "liveness", "anonymiser"),
    *("enhancer", "anomaly", "synthesiser", "behaviour"),
)

TEMPLATES: dict[str, dict[str, Any]] = {
    # ShiqiYu/libfacedetection.train: BGR 0..255 as it is.
    "yunet": {
        "role": "detector",
        "decoder": {"name": "yunet", "score": 0.6, "nms_iou": 0.3, "strides": [8, 16, 32]},
        "input": _image("BGR", 0, 1, _LETTERBOX, _axis(32, 480, 1088), _axis(32, 640, 1920)),
        "labels": ["face"],
    },
    # InsightFace's detectors: RGB, (x − 127.5) / 128.
    "scrfd": {
        "role": "detector",
        "decoder": {
            "name": "scrfd",
            "score": 0.5,
            "nms_iou": 0.4,
            "strides": [8, 16, 32],
            "anchors": 2,
        },
        "input": _image(
            "RGB", 127.5, 1 / 128, _LETTERBOX, _axis(32, 640, 1088), _axis(32, 640, 1920)
        ),
        "labels": ["face"],
    },
    # Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB: RGB, (x − 127) / 128, stretched.
    "ultraface": {
        "role": "detector",
        "decoder": {"name": "ultraface", "score": 0.7, "nms_iou": 0.3},
        "input": _image("RGB", 127, 1 / 128, {"mode": "stretch"}, 240, 320),
        "labels": ["face"],
    },
    # Megvii-BaseDetection/YOLOX from 0.2 on: BGR 0..255 as it is, padded with 114.
    "yolox": {
        "role": "detector",
        "decoder": {"name": "yolox", "score": 0.4, "nms_iou": 0.45, "strides": [8, 16, 32]},
        "input": _image("BGR", 0, 1, _GREY_BOX, _axis(32, 416, 1088), _axis(32, 416, 1920)),
        "labels": list(_COCO),
    },
    # InsightFace's recognisers: RGB, (x − 127.5) / 127.5. No threshold: it depends on the weights.
    "arcface-rgb": {
        "role": "recogniser",
        "decoder": {"name": "embedding"},
        "input": _aligned("RGB", 127.5, 1 / 127.5, _ARCFACE_112, 112),
    },
    # AdaFace and others after ArcFace that were trained on BGR.
    "arcface-bgr": {
        "role": "recogniser",
        "decoder": {"name": "embedding"},
        "input": _aligned("BGR", 127.5, 1 / 127.5, _ARCFACE_112, 112),
    },
    # Open Model Zoo face-reidentification-retail-0095: BGR 0..255 as it is.
    "reid-0095": {
        "role": "recogniser",
        "decoder": {"name": "embedding"},
        "input": _aligned("BGR", 0, 1, [[x * 128, y * 128] for x, y in _OMZ], 128),
        "thresholds": [
            {
                "metric": "cosine",
                "value": 0.49,
                "fmr": 0.01,
                "fnmr": 0.066,
                "ci": None,
                "data": "cross-clip face pairs of a few sample videos, single views, YuNet faces",
            }
        ],
    },
    # The detectors of the reference world: RGB, (x − 127.5) / 127.5. Its people fight and walk side
    # by side, so boxes that overlap by half are kept.
    "world-face": {
        "role": "detector",
        "decoder": {"name": "yunet", "score": 0.5, "nms_iou": 0.4, "strides": [8, 16, 32]},
        "input": _image("RGB", 127.5, 1 / 127.5, _GREY_BOX, *_WORLD_FRAME),
        "labels": ["face"],
    },
    "world-person": {
        "role": "detector",
        "decoder": {"name": "yolox", "score": 0.4, "nms_iou": 0.65, "strides": [8, 16, 32]},
        "input": _image("RGB", 127.5, 1 / 127.5, _GREY_BOX, *_WORLD_FRAME),
        "labels": ["person"],
    },
    # The recogniser of the reference world: (x − 127.5) / 127.5 and ArcFace's points on 64 pixels.
    "world-recogniser": {
        "role": "recogniser",
        "decoder": {"name": "embedding"},
        "input": _aligned(
            "RGB", 127.5, 1 / 127.5, [[x * 64 / 112, y * 64 / 112] for x, y in _ARCFACE_112], 64
        ),
    },
    # OpenCV's zoo, SFace: RGB 0..255 as it is. No threshold: a benchmark's does not fit a camera.
    "sface": {
        "role": "recogniser",
        "decoder": {"name": "embedding"},
        "input": _aligned("RGB", 0, 1, _ARCFACE_112, 112),
    },
    # Open Model Zoo landmarks-regression-retail-0009: BGR 0..255, the face box stretched.
    "landmarks-0009": {
        "role": "landmarks",
        "decoder": {"name": "regression"},
        "input": _image("BGR", 0, 1, {"mode": "crop", "factor": 1.0}, 48, 48),
    },
    # minivision-ai/Silent-Face-Anti-Spoofing: BGR 0..255, the face box times the model's factor.
    "minifasnet-2.7": _liveness(2.7),
    "minifasnet-4.0": _liveness(4.0),
    # onnx/tutorials, sub-pixel super-resolution: luma 0..1, three times the size.
    "subpixel-x3": {
        "role": "enhancer",
        "decoder": {"name": "image"},
        "input": _image("GRAY", 0, 1 / 255, _WHOLE, *_FREE),
        "outputs": _picture(0, 1),
    },
    # The rest are no one model's: what most of their kind are trained on, to be corrected by what
    # the user says. Generators of every family; tanh gives -1..1.
    "generator": {
        "role": "synthesiser",
        "decoder": {"name": "image"},
        "latent": {"name": "latent", "dim": 1, "distribution": "normal"},
        "outputs": _picture(-1, 1),
    },
    # One picture to another of the same kind.
    "image-to-image": {
        "role": "enhancer",
        "decoder": {"name": "image"},
        "input": _image("RGB", 127.5, 1 / 127.5, _WHOLE, *_FREE),
        "outputs": _picture(-1, 1),
    },
    # The picture as an autoencoder remembers it; what differs is odd.
    "autoencoder": {
        "role": "anomaly",
        "decoder": {"name": "image"},
        "input": _image("RGB", 0, 1 / 255, {"mode": "stretch"}, *_FREE),
        "outputs": _picture(0, 1),
    },
    # A VAE's encoder: the mean of the latent, and its variance or the logarithm of that.
    "encoder": {
        "role": "anomaly",
        "decoder": {"name": "regression"},
        "input": _image("RGB", 0, 1 / 255, {"mode": "stretch"}, *_FREE),
    },
    # A GAN's discriminator kept as a score: one logit, the larger the more like its training data.
    "discriminator": {
        "role": "anomaly",
        "decoder": {"name": "logits", "activation": "sigmoid"},
        "input": _image("RGB", 127.5, 1 / 127.5, {"mode": "stretch"}, *_FREE),
        "labels": ["real"],
    },
    # Classifiers of single pictures trained with ImageNet's mean and deviation.
    "frame-classifier": {
        "role": "behaviour",
        "decoder": {"name": "logits", "activation": "softmax"},
        "input": {
            **_image("RGB", 0, 1, {"mode": "stretch"}, 224, 224),
            "mean": [123.675, 116.28, 103.53],
            "scale": [1 / 58.395, 1 / 57.12, 1 / 57.375],
        },
    },
    # Classifiers of what a tracked person does in two seconds, as the reference world's.
    "clip-classifier": {
        "role": "behaviour",
        "decoder": {"name": "clip_logits"},
        "input": {
            **_image("RGB", 127.5, 1 / 127.5, {"mode": "follow", "factor": 1.25}, 48, 48),
            "layout": "NTCHW",
            "shape": [_axis(1, 1, 8), 16, 3, 48, 48],
            "fps": 8.0,
        },
    },
}


def template(name: str) -> dict[str, Any]:
    """A copy of the named template. Raises UsageError for a name that is not one."""
    if name not in TEMPLATES:
        raise UsageError("no such template", expected=", ".join(TEMPLATES), found=name)
    return copy.deepcopy(TEMPLATES[name])
