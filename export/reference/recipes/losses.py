"""What the recipes minimise, as functions of tensors: scalars out, in the mean over the batch.

Scores of a discriminator are logits throughout: a sigmoid followed by a logarithm loses what it
is sure of, while log σ(x) = −softplus(−x) does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from torch import Tensor, nn, no_grad, where
from torch.nn import functional

_TINY = 1e-7


@contextmanager
def frozen(network: nn.Module) -> Iterator[nn.Module]:
    """The network with weights that gather no gradient, while gradients flow through it."""
    wanted = [(weight, weight.requires_grad) for weight in network.parameters()]
    for weight, _ in wanted:
        weight.requires_grad_(False)
    try:
        yield network
    finally:
        for weight, before in wanted:
            weight.requires_grad_(before)


def discriminator_loss(real: Tensor, generated: Tensor) -> Tensor:
    """−E[log D(x)] − E[log(1 − D(G(z)))] of logits of any shape.

    Goodfellow et al., "Generative adversarial nets", NeurIPS 2014, equation 1.
    """
    return functional.softplus(-real).mean() + functional.softplus(generated).mean()


def generator_loss(generated: Tensor) -> Tensor:
    """−E[log D(G(z))] of logits: the non-saturating form, section 3 of the same."""
    return functional.softplus(-generated).mean()


def conditional_discriminator_loss(real: Tensor, generated: Tensor, mismatched: Tensor) -> Tensor:
    """The discriminator's loss where real pictures under a wrong condition count as generated.

    mismatched: logits of D(x, c') with c' not the condition of x. Half of what is false is
    generated and half mismatched, after Reed et al., "Generative adversarial text to image
    synthesis", ICML 2016, algorithm 1: else D may learn to look past the condition.
    """
    false = (functional.softplus(generated).mean() + functional.softplus(mismatched).mean()) / 2
    return functional.softplus(-real).mean() + false


def category_surprise(logits: Tensor, category: Tensor) -> Tensor:
    """−E[log Q(c|x)] of a categorical code. logits: ``[N, K]``; category: int64 ``[N]``."""
    return functional.cross_entropy(logits, category)


def code_surprise(mean: Tensor, log_variance: Tensor, code: Tensor) -> Tensor:
    """−E[log Q(c|x)] of Gaussian codes, summed over them: all ``[N, C]``, in nats."""
    squared = (code - mean).square() * (-log_variance).exp()
    return ((squared + log_variance + math.log(2 * math.pi)) / 2).sum(dim=1).mean()


def information_bound(
    categories: int, codes: int, *, category_surprise: float, code_surprise: float
) -> float:
    """L ≤ I(c; G(z, c)) in nats: H(c) less what Q does not know of it.

    H(c) = log K for one of K categories and log 2 for each code of U(−1, 1). Chen et al.,
    "InfoGAN", NeurIPS 2016, equation 4.
    """
    entropy = math.log(categories) + codes * math.log(2)
    return entropy - category_surprise - code_surprise


def reparameterise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = μ + σ·ε with ε of N(0, I), so that gradients reach μ and σ. All of one shape."""
    return mean + (log_variance / 2).exp() * noise


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, I)), summed over the latent ``[N, D]``, in nats."""
    return ((mean.square() + log_variance.exp() - 1 - log_variance) / 2).sum(dim=1).mean()


class VaeLoss(NamedTuple):
    """What a VAE minimises, and its parts, without β."""

    total: Tensor
    reconstruction: Tensor
    divergence: Tensor


def vae_loss(
    picture: Tensor, rebuilt: Tensor, mean: Tensor, log_variance: Tensor, *, beta: float
) -> VaeLoss:
    """Reconstruction + β·KL.

    picture, rebuilt: ``[N, …]``. The reconstruction is half the squared error summed over a
    picture: the negative logarithm of a Gaussian of variance 1, but for a constant. Kingma and
    Welling, "Auto-encoding variational Bayes", ICLR 2014; β: Higgins et al., ICLR 2017.
    """
    error = (picture - rebuilt).square().flatten(1).sum(dim=1).mean() / 2
    apart = divergence(mean, log_variance)
    return VaeLoss(error + beta * apart, error, apart)


def angular_margin_loss(
    vectors: Tensor,
    centres: Tensor,
    identity: Tensor,
    *,
    scale: float,
    angle: float = 0.0,
    cosine: float = 0.0,
) -> Tensor:
    """Cross-entropy of s·(cos(θ + angle) − cosine) for the own identity and s·cos θ for others.

    vectors: ``[N, D]``; centres: ``[P, D]``, one for each identity, neither of unit length;
    identity: int64 ``[N]``. angle: ArcFace's margin (Deng et al., CVPR 2019); cosine: CosFace's
    (Wang et al., CVPR 2018). Past θ = π − angle, where cos(θ + angle) would rise again, the
    straight line cos θ − angle·sin(angle) goes on falling, as in ArcFace's own code.
    """
    near = functional.normalize(vectors) @ functional.normalize(centres).T
    # The root's slope is infinite at cos θ = ±1.
    near = near.clamp(-1 + _TINY, 1 - _TINY)
    own = near.gather(1, identity[:, None])
    sine = (1 - own.square()).sqrt()
    turned = own * math.cos(angle) - sine * math.sin(angle)
    past = own - angle * math.sin(angle)
    wanted = where(own > math.cos(math.pi - angle), turned, past) - cosine
    return functional.cross_entropy(scale * near.scatter(1, identity[:, None], wanted), identity)


def focal_loss(
    logits: Tensor, wanted: Tensor, *, alpha: float = 0.25, gamma: float = 2.0
) -> Tensor:
    """−α(1 − p)^γ·log p for what is there and −(1 − α)p^γ·log(1 − p) for what is not.

    logits, wanted: one shape, wanted in {0, 1}. Summed and divided by how many are there (at least
    1): Lin et al., "Focal loss for dense object detection", ICCV 2017, equation 5.
    """
    sign = 2 * wanted - 1
    away = (-sign * logits).sigmoid()  # 1 − p of what is true
    weight = alpha * wanted + (1 - alpha) * (1 - wanted)
    loss = weight * away.pow(gamma) * functional.softplus(-sign * logits)
    return loss.sum() / wanted.sum().clamp(min=1)


def generalised_iou(first: Tensor, second: Tensor) -> Tensor:
    """GIoU of boxes ``[N, 4]`` as x1, y1, x2, y2, row by row: ``[N]``, −1..1.

    IoU less the share of the box around both that neither fills: Rezatofighi et al., CVPR 2019.
    """

    def area(low: Tensor, high: Tensor) -> Tensor:
        return (high - low).clamp(min=0).prod(dim=1)

    inner = area(first[:, :2].maximum(second[:, :2]), first[:, 2:].minimum(second[:, 2:]))
    whole = area(first[:, :2], first[:, 2:]) + area(second[:, :2], second[:, 2:]) - inner
    around = area(first[:, :2].minimum(second[:, :2]), first[:, 2:].maximum(second[:, 2:]))
    whole, around = whole.clamp(min=_TINY), around.clamp(min=_TINY)
    return inner / whole - (around - whole) / around


def box_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """1 − GIoU in the mean over boxes ``[N, 4]``; 0 without boxes, with a gradient of 0."""
    return (1 - generalised_iou(found, wanted)).sum() / max(len(wanted), 1)


def landmark_loss(found: Tensor, wanted: Tensor, seen: Tensor) -> Tensor:
    """Smooth L1 between points ``[N, K, 2]``, in the mean over those that are ``seen`` ``[N, K]``.

    Girshick, "Fast R-CNN", ICCV 2015, equation 3.
    """
    apart = functional.smooth_l1_loss(found, wanted, reduction="none").mean(dim=2)
    return (apart * seen).sum() / seen.sum().clamp(min=1)


@no_grad()  # type: ignore[untyped-decorator]  # torch is not looked into
def follow(average: nn.Module, network: nn.Module, *, keep: float) -> None:
    """Move ``average`` towards ``network``: weights by 1 − keep, batch statistics all the way."""
    for mean, weight in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(weight, 1 - keep)
    for mean, value in zip(average.buffers(), network.buffers(), strict=True):
        mean.copy_(value)
