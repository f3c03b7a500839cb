"""What goes into a model and what its outputs mean: the manifest's decoder, input and outputs.

Each part is frozen and checked at construction.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, Strict, model_validator

from edge.manifest_parts import Fraction, Part, Real, TensorName, Text, Whole


class YunetDecoder(Part):
    """YuNet: ``cls``, ``obj``, ``bbox`` and ``kps`` for each stride. Scores and IoU in 0..1."""

    name: Literal["yunet"]
    score: Fraction
    nms_iou: Fraction
    strides: Annotated[tuple[Whole, ...], Field(min_length=1)]


class ScrfdDecoder(Part):
    """SCRFD: scores, distances and points for each stride; ``anchors`` in each cell."""

    name: Literal["scrfd"]
    score: Fraction
    nms_iou: Fraction
    strides: Annotated[tuple[Whole, ...], Field(min_length=1)]
    anchors: Whole = 2


class UltrafaceDecoder(Part):
    """UltraFace: scores and boxes already decoded, as fractions of the input."""

    name: Literal["ultraface"]
    score: Fraction
    nms_iou: Fraction


class YoloxDecoder(Part):
    """YOLOX: one output of box, objectness and class scores for every cell of every stride."""

    name: Literal["yolox"]
    score: Fraction
    nms_iou: Fraction
    strides: Annotated[tuple[Whole, ...], Field(min_length=1)]


class EmbeddingDecoder(Part):
    """One vector a picture; its direction is what counts."""

    name: Literal["embedding"]


class LogitsDecoder(Part):
    """One value for each of the bundle's labels.

    activation: what turns the values into scores in 0..1; ``none`` where the model has done it.
    positive: the label that the role asks about, ``live`` for liveness.
    """

    name: Literal["logits"]
    activation: Literal["softmax", "sigmoid", "none"] = "softmax"
    positive: Text | None = Field(default=None, exclude_if=lambda value: value is None)


class RegressionDecoder(Part):
    """Values that are used as they are, such as landmarks as fractions of the input."""

    name: Literal["regression"]


class ImageDecoder(Part):
    """One picture; the output's ``range`` says which values are black and white."""

    name: Literal["image"]


class ClipLogitsDecoder(Part):
    """One value for each of the bundle's labels, for a run of frames."""

    name: Literal["clip_logits"]


DetectorDecoder = YunetDecoder | ScrfdDecoder | UltrafaceDecoder | YoloxDecoder
Decoder = (
    YunetDecoder
    | ScrfdDecoder
    | UltrafaceDecoder
    | YoloxDecoder
    | EmbeddingDecoder
    | LogitsDecoder
    | RegressionDecoder
    | ImageDecoder
    | ClipLogitsDecoder
)


class LetterboxResize(Part):
    """Scaled with its proportions kept, at the top left; the rest filled with ``pad``.

    pad: grey level 0..255. multiple_of: what height and width have to be divisible by.
    """

    mode: Literal["letterbox"]
    pad: Annotated[int, Strict(), Field(ge=0, le=255)] = 0
    multiple_of: Whole = 1


class StretchResize(Part):
    """Scaled to the input's height and width, proportions lost."""

    mode: Literal["stretch"]


_Point = tuple[Real, Real]


class AlignResize(Part):
    """A face turned and scaled so that its landmarks fall on ``template``.

    template: 5 × (x, y) in pixels of the input; eye on the image's left, other eye, nose, mouth
    corner on the image's left, other corner.
    """

    mode: Literal["align"]
    template: tuple[_Point, _Point, _Point, _Point, _Point]


class CropResize(Part):
    """The box, its sides times ``factor`` about its centre, scaled to the input."""

    mode: Literal["crop"]
    factor: Annotated[float, Strict(), Field(gt=0, le=16)]


class FollowResize(Part):
    """A square that follows a box through a clip, scaled to the input; one scale for all frames.

    Its side is ``factor`` times the longest side of the clip's boxes; its middle is that of the
    box, in the mean of five frames.
    """

    mode: Literal["follow"]
    factor: Annotated[float, Strict(), Field(gt=0, le=16)]


Resize = LetterboxResize | StretchResize | AlignResize | CropResize | FollowResize


class Axis(Part):
    """The sizes that one axis of a tensor may take; ``opt`` is the one to build and measure for."""

    min: Whole
    opt: Whole
    max: Whole

    @model_validator(mode="after")
    def _ordered(self) -> Axis:
        if not self.min <= self.opt <= self.max:
            raise ValueError(
                f"expected min ≤ opt ≤ max, found {self.min}, {self.opt} and {self.max}"
            )
        return self

    @property
    def fixed(self) -> bool:
        """Whether there is only one size."""
        return self.min == self.max


def _axis_from_json(value: object) -> object:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return {"min": value, "opt": value, "max": value} if whole else value


def _json_from_axis(axis: Axis) -> object:
    return axis.min if axis.fixed else {"min": axis.min, "opt": axis.opt, "max": axis.max}


_JsonAxis = Annotated[Axis, BeforeValidator(_axis_from_json), PlainSerializer(_json_from_axis)]


class Input(Part):
    """The picture tensor that a model takes, and how one is made: (x − mean) · scale, x in 0..255.

    shape: the axes in the order of ``layout``; ``NTCHW`` takes clips of a fixed number T of frames.
    mean and scale: one value a channel, in the order of ``color``. fps: of clips alone, how many of
    their frames make a second.
    """

    name: TensorName
    layout: Literal["NCHW", "NHWC", "NTCHW"]
    dtype: Literal["float32", "float16", "uint8"]
    color: Literal["BGR", "RGB", "GRAY"]
    mean: tuple[Real, ...]
    scale: tuple[Real, ...]
    resize: Annotated[Resize, Field(discriminator="mode")]
    shape: Annotated[tuple[_JsonAxis, ...], Field(min_length=4, max_length=5)]
    fps: Annotated[float, Strict(), Field(gt=0, le=240)] | None = Field(
        default=None, exclude_if=lambda value: value is None
    )

    @property
    def batch(self) -> Axis:
        """Pictures, or clips, in one call."""
        return self.shape[0]

    @property
    def frames(self) -> int | None:
        """Pictures in a clip; None for a model of single pictures."""
        return self.shape[1].opt if self.layout == "NTCHW" else None

    @property
    def height(self) -> Axis:
        """Rows."""
        return self.shape[self.layout.index("H")]

    @property
    def width(self) -> Axis:
        """Columns."""
        return self.shape[self.layout.index("W")]

    @property
    def channels(self) -> int:
        """3, or 1 for grey pictures."""
        return 1 if self.color == "GRAY" else 3

    @model_validator(mode="after")
    def _consistent(self) -> Input:
        if len(self.shape) != len(self.layout):
            raise ValueError(
                f"expected {len(self.layout)} axes for {self.layout}, found {len(self.shape)}"
            )
        axis = self.shape[self.layout.index("C")]
        if not axis.min == axis.max == self.channels:
            raise ValueError(
                f"expected {self.channels} channels for {self.color} in {self.layout}, "
                f"found {_json_from_axis(axis)}"
            )
        if not len(self.mean) == len(self.scale) == self.channels:
            raise ValueError(
                f"expected {self.channels} values each for mean and scale, found "
                f"{len(self.mean)} and {len(self.scale)}"
            )
        if 0 in self.scale:
            raise ValueError("expected a scale other than 0: it would blank the picture")
        if self.dtype == "uint8" and (any(self.mean) or set(self.scale) != {1}):
            raise ValueError("expected mean 0 and scale 1 for dtype uint8: it takes pixels as is")
        self._check_clip()
        self._check_resize()
        return self

    def _check_clip(self) -> None:
        if (self.frames is None) != (self.fps is None):
            raise ValueError("expected fps for layout NTCHW, and for no other")
        if (self.frames is None) == isinstance(self.resize, FollowResize):
            raise ValueError("expected resize mode follow for layout NTCHW, and for no other")
        if self.frames is not None and not self.shape[1].fixed:
            raise ValueError("expected a fixed number of frames in a clip")

    def _check_resize(self) -> None:
        if isinstance(self.resize, LetterboxResize):
            step = self.resize.multiple_of
            for name, axis in (("height", self.height), ("width", self.width)):
                odd = [n for n in (axis.min, axis.opt, axis.max) if n % step]
                if odd:
                    raise ValueError(f"expected a {name} divisible by {step}, found {odd[0]}")
        if isinstance(self.resize, AlignResize):
            if not (self.height.fixed and self.width.fixed):
                raise ValueError("expected a fixed height and width: the template is in pixels")
            width, height = self.width.max, self.height.max
            if any(not (0 <= x <= width and 0 <= y <= height) for x, y in self.resize.template):
                raise ValueError(f"expected template points within {width} × {height} pixels")
            if len(set(self.resize.template)) < 5:
                raise ValueError("expected five different template points")


class Latent(Part):
    """The noise that a generator starts from: ``dim`` values of one distribution."""

    name: TensorName
    dim: Whole
    distribution: Literal["normal", "uniform"]


class Condition(Part):
    """What a generator is told to make: one of ``labels``."""

    name: TensorName
    labels: Annotated[tuple[Text, ...], Field(min_length=1)]
    encoding: Literal["index", "one_hot"]


class Output(Part):
    """One output tensor. range: the values of black and white, for pictures."""

    name: TensorName
    range: tuple[Real, Real] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Output:
        if self.range is not None and not self.range[0] < self.range[1]:
            raise ValueError(f"expected a range from low to high, found {list(self.range)}")
        return self


def _output_from_json(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _json_from_output(output: Output) -> object:
    plain = output.range is None
    return output.name if plain else {"name": output.name, "range": list(output.range or ())}


JsonOutput = Annotated[
    Output, BeforeValidator(_output_from_json), PlainSerializer(_json_from_output)
]
