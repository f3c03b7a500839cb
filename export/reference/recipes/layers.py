"""Blocks that the networks are made of: operators that ONNX and TensorRT take and INT8 fuses."""

# mypy: disallow-subclassing-any=False
from __future__ import annotations

from torch import Tensor, nn


def conv(
    wide_in: int, wide_out: int, *, side: int = 3, stride: int = 1, groups: int = 1
) -> nn.Module:
    """Convolution that keeps the size but for its stride, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(wide_in, wide_out, side, stride, side // 2, groups=groups, bias=False),
        nn.BatchNorm2d(wide_out),
        nn.ReLU(inplace=True),
    )


def grow(wide_in: int, wide_out: int) -> nn.Module:
    """Twice the height and width: a transposed convolution, batch normalisation, ReLU.

    A kernel of twice the stride covers every pixel equally often, so no chequerboard comes of it.
    """
    return nn.Sequential(
        nn.ConvTranspose2d(wide_in, wide_out, 4, 2, 1, bias=False),
        nn.BatchNorm2d(wide_out),
        nn.ReLU(inplace=True),
    )


def shrink(wide_in: int, wide_out: int, *, normalised: bool = True) -> nn.Module:
    """Half the height and width, with a leaky ReLU, as discriminators have it."""
    layers: list[nn.Module] = [nn.Conv2d(wide_in, wide_out, 4, 2, 1, bias=not normalised)]
    if normalised:
        layers.append(nn.BatchNorm2d(wide_out))
    return nn.Sequential(*layers, nn.LeakyReLU(0.2, inplace=True))


class Inverted(nn.Module):
    """MobileNetV2's block with ReLU: widen, filter each channel alone, narrow; add where it fits.

    Sandler et al., "MobileNetV2: Inverted residuals and linear bottlenecks", CVPR 2018.
    """

    def __init__(self, wide_in: int, wide_out: int, *, stride: int = 1, factor: int = 2) -> None:
        super().__init__()
        inner = wide_in * factor
        self.layers = nn.Sequential(
            conv(wide_in, inner, side=1),
            conv(inner, inner, stride=stride, groups=inner),
            nn.Conv2d(inner, wide_out, 1, bias=False),
            nn.BatchNorm2d(wide_out),
        )
        self.adds = stride == 1 and wide_in == wide_out

    def forward(self, x: Tensor) -> Tensor:
        """``[N, wide_in, H, W]`` to ``[N, wide_out, H/stride, W/stride]``."""
        return x + self.layers(x) if self.adds else self.layers(x)


def begin_small(network: nn.Module) -> None:
    """Weights of N(0, 0.02²), scales of N(1, 0.02²): Radford et al., "Unsupervised representation
    learning with deep convolutional generative adversarial networks", ICLR 2016."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.normal_(layer.weight, 1.0, 0.02)


class Residual(nn.Module):
    """Two convolutions added to what goes in, which keeps its size and width.

    He et al., "Deep residual learning for image recognition", CVPR 2016.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv(width, width), nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        )
        self.last = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, width, H, W]`` to the same."""
        return self.last(x + self.layers(x))
