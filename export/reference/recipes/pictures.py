"""PNG files that show how a training went: its losses, and a grid of what it makes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.plots import BLUE, GREEN, GREY, ORANGE, RED
from edge.durable import replace_file
from edge.types import ByteImage

_GAP = 2
_SMOOTHED_OVER = 25
_COLORS = (BLUE, RED, GREEN, ORANGE, GREY, "#cc79a7", "#56b4e9")


def grid(pictures: ByteImage, *, columns: int, scale: int = 1) -> ByteImage:
    """Pictures ``[N, H, W, 3]`` row by row on white, each ``scale`` times its size."""
    count, height, width = pictures.shape[:3]
    rows = -(-count // columns)
    height, width = height * scale, width * scale
    sheet = np.full(
        (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), 255, np.uint8
    )
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        top, left = _GAP + row * (height + _GAP), _GAP + column * (width + _GAP)
        sheet[top : top + height, left : left + width] = picture.repeat(scale, 0).repeat(scale, 1)
    return sheet


def write_png(path: Path, picture: ByteImage) -> None:
    """A BGR picture as a PNG file, whole or not at all. Raises OutputError."""
    _, data = cv2.imencode(".png", picture)
    replace_file(path, data.tobytes())


def write_losses(
    path: Path, steps: Sequence[int], losses: Mapping[str, NDArray[np.float64]], *, title: str
) -> None:
    """The course of every loss over the steps, faint, and its running mean. Raises OutputError."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.0), layout="constrained", dpi=110)
    axes = figure.subplots()
    for number, (name, values) in enumerate(losses.items()):
        color = _COLORS[number % len(_COLORS)]
        axes.plot(steps, values, color=color, alpha=0.25, linewidth=0.8)
        axes.plot(steps, _running_mean(values), color=color, linewidth=1.6, label=name)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.grid(visible=True, color="#e6e9ec")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    replace_file(path, buffer.getvalue())


def _running_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each value and up to 24 before it."""
    whole = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(1, len(values) + 1)
    start = np.maximum(end - _SMOOTHED_OVER, 0)
    return np.asarray((whole[end] - whole[start]) / (end - start), np.float64)
