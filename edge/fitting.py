"""A template brought together with a model's own inputs and outputs, and with what the user says.

A template knows the family; the model knows its tensors: names, dtypes and fixed axes. Where the
two contradict each other the model is not of the family, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from edge.errors import DecoderMismatchError, UsageError
from edge.manifest import Input
from edge.runner.base import Signature, TensorSpec

_IN_PIXELS = "align"
_ONE_OUTPUT = ("embedding", "logits", "clip_logits")
_CLASSIFIERS = ("logits", "clip_logits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user says of a model beyond its template; None and empty leave the template's.

    role: another role with the same decoder. size: (width, height), the working size of free axes.
    labels: of a classifier's outputs. color, mean, scale: of the input; mean and scale are one
    value, or one for each channel. output_range: black and white of a picture that the model
    gives, and of the one it takes unless mean or scale are given. latent, condition: names of a
    generator's inputs, which have to be said only where they cannot be told apart. distribution:
    of the latent. condition_labels: what a generator can be told to make, in the model's order.
    """

    role: str | None = None
    size: tuple[int, int] | None = None
    labels: tuple[str, ...] = ()
    color: str | None = None
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    output_range: tuple[float, float] | None = None
    latent: str | None = None
    distribution: str | None = None
    condition: str | None = None
    condition_labels: tuple[str, ...] = ()


def fit(values: Mapping[str, Any], signature: Signature, wishes: Wishes) -> dict[str, Any]:
    """The manifest values of ``values`` (a template's) for the model of ``signature``.

    Raises DecoderMismatchError where the model takes something else than the template says,
    UsageError where what the user says does not fit the model.
    """
    fitted = dict(values)
    if wishes.role is not None:
        fitted["role"] = wishes.role
    if "latent" in values:
        fitted.update(_fit_generator(values["latent"], signature, wishes))
    else:
        _refuse_for_pictures(wishes)
        wanted = _with_colour(values["input"], wishes)
        if wishes.output_range and values["decoder"]["name"] == "image":
            wanted = _with_range(wanted, wishes)
        fitted["input"] = fit_input(wanted, signature, wishes.size)
    fitted["outputs"] = _outputs(values, signature, wishes.output_range)
    if values["decoder"]["name"] in _ONE_OUTPUT and len(signature.outputs) != 1:
        names = ", ".join(spec.name for spec in signature.outputs[:4])
        raise DecoderMismatchError(
            "the model has another number of outputs than the template reads",
            expected=f"one output, for decoder {values['decoder']['name']}",
            found=f"{len(signature.outputs)}: {names}{', …' * (len(signature.outputs) > 4)}",
            remedy="Choose the template that the model was trained with.",
        )
    if wishes.labels:
        fitted["labels"] = list(wishes.labels)
    elif values["decoder"]["name"] in _CLASSIFIERS and not values.get("labels"):
        raise UsageError(
            "the classes of this model have no names yet",
            expected="--labels with one name for each class, in the model's order",
            found="none",
        )
    return fitted


def fit_input(
    wanted: Mapping[str, Any], signature: Signature, size: tuple[int, int] | None
) -> dict[str, Any]:
    """The template's input with the model's own name, dtype, layout and fixed axes.

    size: the working (width, height) of axes that the model leaves free. Raises
    DecoderMismatchError where the model takes something else than one picture tensor, UsageError
    where it fixes an axis at another size.
    """
    spec = _only_picture(signature, wanted["layout"])
    *front, channels, tall, wide = wanted["shape"]
    sides = [tall, wide]
    layout = _layout(spec, wanted["layout"], channels)
    fixed = [spec.shape[layout.index(axis)] for axis in wanted["layout"]]
    resize = dict(wanted["resize"])
    if resize["mode"] == _IN_PIXELS:
        _require_template_side(resize, fixed[-2:], sides, spec)
    if size is not None:
        _require_size(fixed[-2:], size)
        sides = [_with_opt(sides[0], size[1]), _with_opt(sides[1], size[0])]
    shape = [
        axis if side is None else side
        for axis, side in zip([*front, channels, *sides], fixed, strict=True)
    ]
    if resize["mode"] == "letterbox" and any(
        isinstance(axis, int) and axis % resize["multiple_of"] for axis in shape[-2:]
    ):
        resize["multiple_of"] = 1  # a fixed input sets its own size
    return {
        **wanted,
        "name": spec.name,
        "layout": layout,
        "dtype": spec.dtype.name,
        "shape": [shape[wanted["layout"].index(axis)] for axis in layout],
        "resize": resize,
    }


def input_part(values: Mapping[str, Any]) -> Input:
    """The checked input of fitted values. Raises UsageError where they contradict themselves."""
    try:
        return Input.model_validate(values)
    except ValidationError as exc:
        raise UsageError(
            "the template does not fit this model and size",
            found="; ".join(error["msg"] for error in exc.errors()[:3]),
            remedy="Choose another --template or --size.",
        ) from exc


def _refuse_for_pictures(wishes: Wishes) -> None:
    if wishes.latent or wishes.distribution or wishes.condition or wishes.condition_labels:
        raise UsageError(
            "a latent and a condition are a generator's",
            expected="--latent and --condition only with --template generator",
            found="a template whose model takes a picture",
        )


def _with_colour(wanted: Mapping[str, Any], wishes: Wishes) -> dict[str, Any]:
    color = wishes.color or wanted["color"]
    channels = 1 if color == "GRAY" else 3
    *front, _, tall, wide = wanted["shape"]
    return {
        **wanted,
        "color": color,
        "shape": [*front, channels, tall, wide],
        "mean": _per_channel(wishes.mean or wanted["mean"], channels),
        "scale": _per_channel(wishes.scale or wanted["scale"], channels),
    }


def _per_channel(values: Sequence[float], channels: int) -> list[float]:
    """One value stands for every channel; a template's three are cut for grey pictures."""
    return [float(values[0])] * channels if len(values) == 1 else [*map(float, values[:channels])]


def _with_range(wanted: dict[str, Any], wishes: Wishes) -> dict[str, Any]:
    if wishes.mean or wishes.scale or wishes.output_range is None:
        return wanted
    low, high = wishes.output_range
    channels = len(wanted["mean"])
    scale = (high - low) / 255
    return {**wanted, "mean": [-low / scale + 0.0] * channels, "scale": [scale] * channels}


def _outputs(
    values: Mapping[str, Any], signature: Signature, limits: tuple[float, float] | None
) -> list[Any]:
    """The model's outputs; the first is the picture where the template says so."""
    names: list[Any] = [spec.name for spec in signature.outputs]
    if "outputs" in values and names:
        names[0] = {"name": names[0], "range": list(limits or values["outputs"][0]["range"])}
    elif limits is not None:
        raise UsageError(
            "only a picture has a range",
            expected="--range with a template whose model gives a picture",
            found=f"decoder {values['decoder']['name']}",
        )
    return names


def _only_picture(signature: Signature, layout: str) -> TensorSpec:
    if len(signature.inputs) != 1 or len(signature.inputs[0].shape) != len(layout):
        clips = "T" in layout
        raise DecoderMismatchError(
            f"the model does not take one {'clip' if clips else 'picture'} tensor",
            expected=f"one input [{', '.join(layout.replace('C', '3'))}]",
            found=", ".join(map(str, signature.inputs)) or "no input",
        )
    picture = signature.inputs[0]
    if picture.name in (spec.name for spec in signature.outputs):
        raise DecoderMismatchError(
            "the model gives back the picture that it takes",
            expected="outputs under names of their own",
            found=str(picture),
            remedy="Export the model without this output.",
        )
    return picture


def _layout(spec: TensorSpec, wanted: str, channels: int) -> str:
    """The template's layout, or of single pictures that with the channels last."""
    legal = (wanted,) if "T" in wanted else (wanted, "NHWC")
    for layout in legal:
        axis = spec.shape[layout.index("C")]
        if axis == channels or (axis is None and layout == wanted):
            return layout
    raise DecoderMismatchError(
        "the model takes another kind of picture than the template",
        expected=" or ".join(f"[{', '.join(name)}]" for name in legal).replace("C", f"{channels}"),
        found=str(spec),
        remedy="Choose the template that fits the model, or its colours with --color.",
    )


def _require_template_side(
    resize: Mapping[str, Any], fixed: Sequence[int | None], sides: Sequence[Any], spec: TensorSpec
) -> None:
    """A face template is in pixels of one size: on another it would cut out another part."""
    if any(own not in (None, side) for own, side in zip(fixed, sides, strict=True)):
        raise DecoderMismatchError(
            "the template aligns faces to another size than the model takes",
            expected=f"a model for pictures of {sides[1]} x {sides[0]}",
            found=str(spec),
            remedy="Choose the template that the model was trained with.",
        )


def _require_size(fixed: Sequence[int | None], size: tuple[int, int]) -> None:
    names = {"width": fixed[1], "height": fixed[0]}
    if any(axis not in (None, side) for axis, side in zip(names.values(), size, strict=True)):
        raise UsageError(
            "the model's size is fixed",
            expected=" and ".join(f"{name} {axis}" for name, axis in names.items() if axis),
            found=f"{size[0]}x{size[1]}",
            remedy="Leave out --size, or export the model with free axes.",
        )


def _with_opt(axis: Any, opt: int) -> Any:
    if isinstance(axis, int):
        return opt
    return {"min": min(axis["min"], opt), "opt": opt, "max": max(axis["max"], opt)}


def _fit_generator(
    wanted: Mapping[str, Any], signature: Signature, wishes: Wishes
) -> dict[str, Any]:
    """``latent`` and ``condition`` of a generator, told apart by dtype, width and name."""
    condition = _condition(signature, wishes)
    left = [spec for spec in signature.inputs if condition is None or spec != condition]
    latent = _named(left, wishes.latent) if wishes.latent else None
    if latent is None and len(left) == 1:
        latent = left[0]
    if latent is None or len(left) > 1:
        raise UsageError(
            "it is not clear which input is the latent and which the condition",
            expected="one latent input, and at most one condition, named with --latent and "
            "--condition",
            found=", ".join(map(str, signature.inputs)) or "no input",
        )
    fitted: dict[str, Any] = {
        "latent": {
            "name": latent.name,
            "dim": _dim(latent),
            "distribution": wishes.distribution or wanted["distribution"],
        }
    }
    if condition is not None:
        fitted["condition"] = _condition_part(condition, wishes.condition_labels)
    return fitted


def _condition(signature: Signature, wishes: Wishes) -> TensorSpec | None:
    specs = [spec for spec in signature.inputs if spec.name != wishes.latent]
    if wishes.condition is not None:
        return _named(specs, wishes.condition)
    if len(signature.inputs) < 2:
        if wishes.condition_labels:
            raise UsageError(
                "the model takes no condition",
                expected="a second input, or no --condition",
                found=", ".join(map(str, signature.inputs)) or "no input",
            )
        return None
    whole = [spec for spec in specs if np.issubdtype(spec.dtype, np.integer)]
    if len(whole) == 1:
        return whole[0]
    return specs[0] if wishes.latent and len(specs) == 1 else None


def _named(specs: Sequence[TensorSpec], name: str) -> TensorSpec:
    for spec in specs:
        if spec.name == name:
            return spec
    raise UsageError(
        "the model has no such input",
        expected=f"one of {', '.join(map(str, specs))}",
        found=name,
    )


def _dim(spec: TensorSpec) -> int:
    if (
        len(spec.shape) < 2
        or spec.shape[1] is None
        or any(axis not in (None, 1) for axis in spec.shape[2:])
        or not np.issubdtype(spec.dtype, np.floating)
    ):
        raise DecoderMismatchError(
            "the model does not start from a latent vector",
            expected="one floating point input [N, dim] or [N, dim, 1, 1]",
            found=str(spec),
            remedy="Export the generator alone, with the width of its latent fixed.",
        )
    return spec.shape[1]


def _condition_part(spec: TensorSpec, labels: Sequence[str]) -> dict[str, Any]:
    index = np.issubdtype(spec.dtype, np.integer)
    width = None if index or len(spec.shape) < 2 else spec.shape[1]
    if not labels or width not in (None, len(labels)):
        raise UsageError(
            f"the labels of condition {spec.name!r} are not known",
            expected=f"--condition {spec.name}=A,B with one name for each value"
            + ("" if width is None else f", {width} of them"),
            found=", ".join(labels) or "none",
        )
    return {
        "name": spec.name,
        "labels": list(labels),
        "encoding": "index" if index else "one_hot",
    }
