"""From pictures to tensors and back: placement, layouts, colours, dtypes, normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.manifest import Input
from edge.types import ByteImage, Detections
from edge.vision.preprocess import Placement, place, place_in_tensor, to_tensor

STRETCH = {"mode": "stretch"}


def letterbox(pad: int = 0, multiple_of: int = 32) -> dict[str, Any]:
    return {"mode": "letterbox", "pad": pad, "multiple_of": multiple_of}


def axis(low: int, opt: int, high: int) -> dict[str, int]:
    return {"min": low, "opt": opt, "max": high}


FREE = [axis(1, 1, 8), 3, axis(32, 480, 1088), axis(32, 640, 1920)]


def spec(**changes: Any) -> Input:
    values = {
        "name": "input",
        "layout": "NCHW",
        "dtype": "float32",
        "color": "BGR",
        "mean": [0, 0, 0],
        "scale": [1, 1, 1],
        "resize": letterbox(),
        "shape": FREE,
    }
    return Input.model_validate({**values, **changes})


def noise(width: int, height: int, seed: int = 0) -> ByteImage:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("picture", "scaled", "tensor"),
    [
        ((640, 480), (640, 480), (640, 480)),  # the working size itself
        ((320, 240), (320, 240), (320, 256)),  # smaller: kept, padded to the next multiple of 32
        ((100, 33), (100, 33), (128, 64)),
        ((1, 1), (1, 1), (32, 32)),  # padded to the least
        ((640, 1), (640, 1), (640, 32)),
        ((1280, 720), (640, 360), (640, 384)),  # larger: half, 360 to the next multiple
        ((480, 640), (360, 480), (384, 480)),  # upright: the height of 480 decides
        ((1920, 1080), (640, 360), (640, 384)),
        ((4000, 10), (640, 2), (640, 32)),
        ((30000, 1), (640, 1), (640, 32)),  # no side shrinks to nothing
    ],
)
def test_a_free_size_takes_pictures_up_to_the_working_size_and_never_enlarges(
    picture: tuple[int, int], scaled: tuple[int, int], tensor: tuple[int, int]
) -> None:
    assert place(picture, spec()) == Placement(picture, scaled, tensor)


@pytest.mark.parametrize(
    ("picture", "scaled"),
    [
        ((640, 480), (320, 240)),
        ((80, 60), (320, 240)),  # enlarged
        ((60, 80), (240, 320)),
        ((320, 320), (320, 320)),
        ((1000, 10), (320, 3)),
    ],
)
def test_a_fixed_size_is_filled_by_scaling_up_or_down(
    picture: tuple[int, int], scaled: tuple[int, int]
) -> None:
    fixed = spec(shape=[1, 3, 320, 320])
    assert place(picture, fixed) == Placement(picture, scaled, (320, 320))


def test_limits_and_multiples_of_a_free_size_hold() -> None:
    narrow = spec(shape=[1, 3, axis(96, 240, 240), axis(192, 288, 960)], resize=letterbox(0, 48))
    assert place((50, 20), narrow).tensor == (192, 96)
    assert place((200, 100), narrow).tensor == (240, 144)
    assert place((1000, 1000), narrow) == Placement((1000, 1000), (240, 240), (240, 240))
    for width in range(1, 400, 7):
        for height in range(1, 400, 13):
            found = place((width, height), narrow)
            assert found.scaled[0] <= found.tensor[0]
            assert found.scaled[1] <= found.tensor[1]
            assert found.tensor[0] % 48 == found.tensor[1] % 48 == 0
            assert 192 <= found.tensor[0] <= 288
            assert 96 <= found.tensor[1] <= 240


def test_one_free_axis_is_scaled_as_the_fixed_one_asks() -> None:
    tall = spec(shape=[1, 3, 256, axis(32, 640, 1920)])
    assert place((100, 64), tall) == Placement((100, 64), (400, 256), (416, 256))


def test_stretching_fills_the_tensor_and_loses_proportions() -> None:
    stretched = spec(shape=[1, 3, 240, 320], resize=STRETCH)
    assert place((50, 90), stretched) == Placement((50, 90), (320, 240), (320, 240))
    picture = np.full((90, 50, 3), 77, np.uint8)
    placed = place_in_tensor(picture, place((50, 90), stretched), stretched)
    assert placed.shape == (240, 320, 3)
    assert (placed == 77).all()


@pytest.mark.parametrize("pad", [0, 114])
@pytest.mark.parametrize("size", [(1280, 720), (300, 200), (640, 480)])
def test_the_picture_lies_at_the_top_left_and_the_rest_is_padding(
    size: tuple[int, int], pad: int
) -> None:
    padded = spec(resize=letterbox(pad))
    placement = place(size, padded)
    picture = np.full((size[1], size[0], 3), 200, np.uint8)
    placed = place_in_tensor(picture, placement, padded)
    width, height = placement.scaled
    assert placed.shape == (placement.tensor[1], placement.tensor[0], 3)
    assert (placed[:height, :width] == 200).all()
    assert (placed[height:] == pad).all()
    assert (placed[:, width:] == pad).all()


def bright_from_to(line: NDArray[np.float64]) -> tuple[float, float]:
    """Where one bright stretch begins and ends, to a part of a pixel."""
    centre = float((np.arange(len(line)) + 0.5) @ line / line.sum())
    half = float(line.sum() / line.max()) / 2
    return centre - half, centre + half


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shape": [1, 3, 320, 320]},
        {"shape": [1, 3, 960, 960]},
        {"shape": [1, 3, 240, 320], "resize": STRETCH},
    ],
)
@pytest.mark.parametrize("size", [(1280, 720), (333, 777), (64, 64)])
def test_what_is_seen_in_the_tensor_is_found_again_in_the_picture(
    size: tuple[int, int], changes: dict[str, Any]
) -> None:
    wanted = spec(**changes)
    width, height = size
    box = [round(width * 0.25), round(height * 0.5), round(width * 0.75), round(height * 0.875)]
    picture = np.zeros((height, width, 3), np.uint8)
    picture[box[1] : box[3], box[0] : box[2]] = 255
    placement = place(size, wanted)
    grey = place_in_tensor(picture, placement, wanted)[..., 0].astype(np.float64) / 255
    x1, x2 = bright_from_to(grey.max(axis=0))
    y1, y2 = bright_from_to(grey.max(axis=1))
    seen = [x1, y1, x2, y2]
    points = np.asarray([[seen[:2], seen[2:], seen[:2], seen[2:], seen[:2]]], np.float32)
    found = placement.to_picture(
        Detections(
            np.asarray([seen], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64), points
        )
    )
    # Half a pixel of the coarser of the two.
    close = 0.5 * max(1.0, width / placement.scaled[0], height / placement.scaled[1])
    np.testing.assert_allclose(found.boxes[0], box, atol=close)
    assert found.landmarks is not None
    np.testing.assert_allclose(found.landmarks[0, 1], box[2:], atol=close)


def test_nothing_found_maps_to_nothing() -> None:
    placement = place((1280, 720), spec())
    assert placement.to_picture(Detections.empty()).landmarks is None
    mapped = placement.to_picture(Detections.empty(landmarks=True))
    assert mapped.boxes.shape == (0, 4)
    assert mapped.landmarks is not None
    assert mapped.landmarks.shape == (0, 5, 2)


PLANAR = ("NCHW", (0, 3, 1, 2))
INTERLEAVED = ("NHWC", (0, 1, 2, 3))


def batch_of(layout: str, size: tuple[int, int], channels: int = 3) -> list[object]:
    width, height = size
    return [4, channels, height, width] if layout == "NCHW" else [4, height, width, channels]


@pytest.mark.parametrize(("layout", "axes"), [PLANAR, INTERLEAVED])
@pytest.mark.parametrize("color", ["BGR", "RGB"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_layout_colour_and_dtype(
    layout: str, axes: tuple[int, ...], color: str, dtype: str
) -> None:
    pictures = [noise(9, 6, seed) for seed in range(3)]
    wanted = spec(
        layout=layout, color=color, dtype=dtype, resize=STRETCH, shape=batch_of(layout, (9, 6))
    )
    found = to_tensor(pictures, wanted)
    stacked = np.stack(pictures)
    ordered = stacked if color == "BGR" else stacked[..., ::-1]
    assert found.dtype == dtype
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, ordered.transpose(axes))


@pytest.mark.parametrize(("layout", "axes"), [PLANAR, INTERLEAVED])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-6), ("float16", 1e-3)], ids=["float32", "float16"]
)
@pytest.mark.parametrize("color", ["BGR", "RGB"])
def test_mean_and_scale_are_taken_channel_by_channel_in_the_order_of_the_colours(
    layout: str, axes: tuple[int, ...], dtype: str, tolerance: float, color: str
) -> None:
    mean, scale = [127.5, 104.0, 0.0], [1 / 128, 0.25, 1.0]
    wanted = spec(
        layout=layout,
        color=color,
        dtype=dtype,
        mean=mean,
        scale=scale,
        resize=STRETCH,
        shape=batch_of(layout, (16, 16)),
    )
    pictures = [noise(16, 16, seed) for seed in range(2)]
    stacked = np.stack(pictures).astype(np.float64)
    ordered = stacked if color == "BGR" else stacked[..., ::-1]
    expected = ((ordered - mean) * scale).transpose(axes)
    found = to_tensor(pictures, wanted)
    assert found.dtype == dtype
    np.testing.assert_allclose(np.asarray(found, np.float64), expected, rtol=tolerance, atol=1e-6)


@pytest.mark.parametrize(("layout", "axes"), [PLANAR, INTERLEAVED])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_grey_has_one_channel_with_the_weights_of_luma(
    layout: str, axes: tuple[int, ...], dtype: str
) -> None:
    # ITU-R BT.601: 0.114 blue, 0.587 green, 0.299 red.
    pictures = [noise(9, 6, seed) for seed in range(3)]
    wanted = spec(
        layout=layout,
        color="GRAY",
        dtype=dtype,
        mean=[0],
        scale=[1],
        resize=STRETCH,
        shape=batch_of(layout, (9, 6), 1),
    )
    luma: NDArray[np.float64] = np.stack(pictures) @ np.asarray([0.114, 0.587, 0.299])
    found = to_tensor(pictures, wanted)
    assert found.dtype == dtype
    np.testing.assert_allclose(
        np.asarray(found, np.float64), luma[..., None].transpose(axes), atol=1
    )


def test_the_pictures_are_not_changed() -> None:
    picture = noise(640, 480)
    before = picture.copy()
    wanted = spec(mean=[1, 2, 3], color="RGB")
    placement = place((640, 480), wanted)
    to_tensor([place_in_tensor(picture, placement, wanted)], wanted)
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("size", [(1, 1), (1, 480), (640, 1)])
@pytest.mark.parametrize("shape", [FREE, [1, 3, 320, 320]])
def test_a_picture_one_pixel_high_or_wide_becomes_a_tensor(
    size: tuple[int, int], shape: list[Any]
) -> None:
    wanted = spec(shape=shape)
    placement = place(size, wanted)
    picture = np.full((size[1], size[0], 3), 9, np.uint8)
    tensor = to_tensor([place_in_tensor(picture, placement, wanted)], wanted)
    assert tensor.shape == (1, 3, placement.tensor[1], placement.tensor[0])
    assert np.asarray(tensor, np.float32).max() == 9


def test_a_picture_that_is_a_view_with_gaps_is_read_right() -> None:
    whole = noise(40, 30)
    view = whole[::2, 4:36]
    wanted = spec(shape=[1, 3, 15, 32], resize=STRETCH)
    placement = place((32, 15), wanted)
    found = to_tensor([place_in_tensor(view, placement, wanted)], wanted)
    np.testing.assert_array_equal(found[0], view.transpose(2, 0, 1))


def test_clips_keep_their_frames_in_order() -> None:
    clips = spec(
        layout="NTCHW",
        color="RGB",
        mean=[127.5] * 3,
        scale=[1 / 127.5] * 3,
        shape=[axis(1, 1, 8), 3, 3, 4, 5],
        resize={"mode": "follow", "factor": 1.25},
        fps=8.0,
    )
    pictures = np.random.default_rng(1).integers(0, 256, (2, 3, 4, 5, 3), np.uint8)
    tensor = to_tensor(list(pictures), clips)
    wanted = (pictures[..., ::-1].astype(np.float32) - 127.5) / 127.5
    assert tensor.dtype == np.float32
    assert tensor.shape == (2, 3, 3, 4, 5)
    assert float(np.abs(np.asarray(tensor, np.float32) - np.moveaxis(wanted, -1, -3)).max()) < 1e-6
