"""What the recipes minimise, against values worked out by hand or by NumPy alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="needs PyTorch: run scripts/test-frameworks")
import torch

from export.reference.recipes import losses

Values = NDArray[np.float64]
RANDOM = np.random.default_rng(5)


def tensor(values: Any, *, learned: bool = False) -> Any:
    return torch.tensor(np.asarray(values, np.float64), requires_grad=learned)


def sigmoid(x: Values) -> Values:
    return np.asarray(1 / (1 + np.exp(-x)), np.float64)


def slope(function: Callable[[Values], float], at: Values, step: float = 1e-6) -> Values:
    """The gradient by central differences."""
    found = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[place] += step
        down[place] -= step
        found[place] = (function(up) - function(down)) / (2 * step)
    return found


def require_gradient(loss: Callable[[Any], Any], at: Values) -> None:
    """PyTorch's gradient against differences of the value."""
    learned = tensor(at, learned=True)
    loss(learned).backward()
    wanted = slope(lambda x: float(loss(tensor(x))), at)
    np.testing.assert_allclose(learned.grad.numpy(), wanted, rtol=1e-4, atol=1e-6)


def test_discriminator_is_binary_cross_entropy_of_probabilities() -> None:
    real, made = RANDOM.normal(0, 2, (6, 1)), RANDOM.normal(0, 2, (4, 1))
    wanted = -np.log(sigmoid(real)).mean() - np.log(1 - sigmoid(made)).mean()
    found = losses.discriminator_loss(tensor(real), tensor(made))
    assert float(found) == pytest.approx(wanted, rel=1e-9)
    assert float(losses.discriminator_loss(tensor([0.0]), tensor([0.0]))) == pytest.approx(
        2 * math.log(2)
    )
    require_gradient(lambda x: losses.discriminator_loss(x, tensor(made)), real)
    require_gradient(lambda x: losses.discriminator_loss(tensor(real), x), made)


def test_generator_is_pulled_towards_real_hardest_where_it_fails() -> None:
    made = np.asarray([[-8.0], [0.0], [8.0]])
    learned = tensor(made, learned=True)
    loss = losses.generator_loss(learned)
    assert float(loss.detach()) == pytest.approx(-np.log(sigmoid(made)).mean(), rel=1e-9)
    loss.backward()
    # d(−log σ(x))/dx = −(1 − σ(x)): larger logits are always better, those lowest most of all.
    np.testing.assert_allclose(learned.grad.numpy(), -(1 - sigmoid(made)) / 3, rtol=1e-9)
    assert learned.grad[0] < learned.grad[1] < learned.grad[2] < 0


def test_logits_that_are_sure_lose_nothing() -> None:
    far = torch.tensor([[-200.0]], requires_grad=True)
    loss = losses.generator_loss(far)
    loss.backward()
    assert float(loss.detach()) == 200.0
    assert float(far.grad) == -1.0  # a sigmoid and a logarithm would give infinity or 0


def test_a_wrong_condition_counts_as_half_of_what_is_false() -> None:
    zero, sure = tensor([0.0]), tensor([20.0])
    all_unsure = losses.conditional_discriminator_loss(zero, zero, zero)
    assert float(all_unsure) == pytest.approx(2 * math.log(2))
    # Blind to the condition, and right in everything else: x = 20 for a pair that does not fit.
    blind = losses.conditional_discriminator_loss(sure, -sure, sure)
    assert float(blind) == pytest.approx(10.0, abs=1e-6)


def test_gradients_reach_the_generator_through_a_frozen_discriminator() -> None:
    maker, critic = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
    before = critic.weight.clone()
    with losses.frozen(critic):
        losses.generator_loss(critic(maker(torch.randn(4, 2)))).backward()
    assert maker.weight.grad is not None
    assert float(maker.weight.grad.abs().sum()) > 0
    assert critic.weight.grad is None
    assert critic.weight.requires_grad
    assert torch.equal(critic.weight, before)


def test_freezing_ends_when_the_step_fails() -> None:
    critic = torch.nn.Linear(3, 1)
    critic.bias.requires_grad_(False)
    seen = []

    def fail() -> None:
        seen.append(critic.weight.requires_grad)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"), losses.frozen(critic):
        fail()
    assert seen == [False]
    assert critic.weight.requires_grad
    assert not critic.bias.requires_grad


def test_surprise_of_a_category_is_what_its_probability_says() -> None:
    logits = np.log([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    found = losses.category_surprise(tensor(logits), torch.tensor([0, 2]))
    assert float(found) == pytest.approx(-(math.log(0.7) + math.log(0.5)) / 2)


def test_surprise_of_a_code_is_the_gaussians_negative_log_density() -> None:
    # N(1; 0, 4) = exp(−1/8)/√(8π) and N(0.5; 0.5, 1) = 1/√(2π), in one row.
    found = losses.code_surprise(
        tensor([[0.0, 0.5]]), tensor([[math.log(4), 0.0]]), tensor([[1.0, 0.5]])
    )
    wanted = -math.log(math.exp(-1 / 8) / math.sqrt(8 * math.pi)) + math.log(2 * math.pi) / 2
    assert float(found) == pytest.approx(wanted)
    mean, code = RANDOM.normal(size=(3, 2)), tensor(RANDOM.normal(size=(3, 2)))
    require_gradient(lambda x: losses.code_surprise(x, tensor(mean * 0.3), code), mean)
    require_gradient(lambda x: losses.code_surprise(tensor(mean), x, code), mean * 0.3)


def test_the_bound_is_all_the_entropy_where_q_knows_the_codes_and_none_where_it_guesses() -> None:
    knows = losses.information_bound(8, 0, category_surprise=0.0, code_surprise=0.0)
    assert knows == pytest.approx(math.log(8))
    guess = float(losses.category_surprise(tensor(np.zeros((5, 8))), torch.arange(5)))
    assert losses.information_bound(8, 0, category_surprise=guess, code_surprise=0.0) == (
        pytest.approx(0.0)
    )
    # A Gaussian of variance 1/3 is the best guess at U(−1, 1): it knows a little less than nothing.
    code = tensor(np.linspace(-1, 1, 20001)[:, None])
    surprise = losses.code_surprise(code * 0, code * 0 + math.log(1 / 3), code)
    bound = losses.information_bound(1, 1, category_surprise=0.0, code_surprise=float(surprise))
    assert bound == pytest.approx(math.log(2) - 0.5 * math.log(2 * math.pi * math.e / 3), abs=1e-4)


def test_a_latent_is_sampled_around_its_mean_and_gradients_pass() -> None:
    mean, log_variance = tensor([[1.0, -2.0]], learned=True), tensor([[0.0, 2.0]], learned=True)
    z = losses.reparameterise(mean, log_variance, tensor([[0.5, -1.0]]))
    np.testing.assert_allclose(z.detach().numpy(), [[1.5, -2.0 - math.e]])
    z.sum().backward()
    np.testing.assert_allclose(mean.grad.numpy(), [[1.0, 1.0]])
    np.testing.assert_allclose(log_variance.grad.numpy(), [[0.25, -math.e / 2]])


def test_divergence_is_the_integral_of_its_definition() -> None:
    mean, variance = 0.7, 0.3
    x = np.linspace(-12, 12, 200001)
    log_q = -((x - mean) ** 2) / (2 * variance) - 0.5 * math.log(2 * math.pi * variance)
    log_p = -(x**2) / 2 - 0.5 * math.log(2 * math.pi)
    wanted = float(np.trapezoid(np.exp(log_q) * (log_q - log_p), x))
    row = [mean, 0.0], [math.log(variance), 0.0]
    assert float(losses.divergence(tensor([row[0]]), tensor([row[1]]))) == pytest.approx(wanted)
    assert float(losses.divergence(tensor([[0.0] * 3]), tensor([[0.0] * 3]))) == 0.0


def test_a_vae_pays_for_its_latent_by_beta() -> None:
    picture, rebuilt = tensor([[[1.0, 0.0]], [[0.5, 0.5]]]), tensor([[[0.0, 0.0]], [[0.5, 0.0]]])
    mean, log_variance = tensor([[2.0], [0.0]], learned=True), tensor([[0.0], [0.0]])
    # Halves of squared errors 1 and 0.25; KL 2 and 0.
    none, some = (
        losses.vae_loss(picture, rebuilt, mean, log_variance, beta=beta) for beta in (0.0, 3.0)
    )
    assert float(none.total.detach()) == pytest.approx(0.3125)
    assert [float(value.detach()) for value in some] == pytest.approx([3.3125, 0.3125, 1.0])
    some.total.backward()
    np.testing.assert_allclose(mean.grad.numpy(), [[3.0], [0.0]])  # β·μ over the batch of 2


def margin(vectors: Values, centres: Values, identity: Values, **how: float) -> float:
    """The loss by angles, as the papers have it."""
    unit, middle = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (vectors, centres))
    angles = np.arccos(unit @ middle.T)
    logits = np.cos(angles)
    for row, own in enumerate(identity.astype(int)):
        logits[row, own] = math.cos(angles[row, own] + how["angle"]) - how["cosine"]
    logits = how["scale"] * logits
    own = logits[np.arange(len(identity)), identity.astype(int)]
    return float((np.log(np.exp(logits).sum(axis=1)) - own).mean())


@pytest.mark.parametrize(("angle", "cosine"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.35), (0.2, 0.1)])
def test_a_margin_is_taken_from_the_own_angle(angle: float, cosine: float) -> None:
    vectors, centres = RANDOM.normal(size=(5, 6)), RANDOM.normal(size=(4, 6))
    identity = np.asarray([0, 3, 1, 1, 2])
    how = {"scale": 8.0, "angle": angle, "cosine": cosine}

    def loss(x: Any) -> Any:
        return losses.angular_margin_loss(x, tensor(centres), torch.tensor(identity), **how)

    assert float(loss(tensor(vectors))) == pytest.approx(margin(vectors, centres, identity, **how))
    require_gradient(loss, vectors)


def test_the_worst_angle_has_a_finite_slope_and_the_largest_loss() -> None:
    centres = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    found = []
    for degrees in (0, 90, 150, 160, 170, 179, 180):
        turn = math.radians(degrees)
        vector = torch.tensor([[math.cos(turn), math.sin(turn)]], requires_grad=True)
        loss = losses.angular_margin_loss(vector, centres, torch.tensor([0]), scale=30.0, angle=0.5)
        loss.backward()
        assert torch.isfinite(vector.grad).all()
        # What the own similarity alone contributes, since the other one changes as well.
        own = math.cos(turn + 0.5) if turn < math.pi - 0.5 else math.cos(turn) - 0.5 * math.sin(0.5)
        other = math.sin(turn)
        wanted = math.log(math.exp(30 * own) + math.exp(30 * other)) - 30 * own
        assert float(loss.detach()) == pytest.approx(wanted, rel=1e-3, abs=1e-6)
        found.append(own)
    assert found == sorted(found, reverse=True)


def test_focal_loss_of_known_probabilities() -> None:
    p = np.asarray([0.9, 0.2, 0.3])
    wanted = (
        0.25 * 0.1**2 * -math.log(0.9)
        + 0.25 * 0.8**2 * -math.log(0.2)
        + 0.75 * 0.3**2 * -math.log(0.7)
    ) / 2
    logits, there = np.log(p / (1 - p)), tensor([1.0, 1.0, 0.0])
    assert float(losses.focal_loss(tensor(logits), there)) == pytest.approx(wanted)
    require_gradient(lambda x: losses.focal_loss(x, there), logits)
    plain = losses.focal_loss(tensor(logits), there, alpha=0.5, gamma=0.0)
    assert float(plain) == pytest.approx(-np.log([0.9, 0.2, 0.7]).sum() / 4)
    assert float(losses.focal_loss(tensor([-9.0]), tensor([0.0]))) < 1e-9


BOXES = [
    ([0, 0, 2, 2], [0, 0, 2, 2], 1.0),
    ([0, 0, 2, 2], [1, 1, 3, 3], 1 / 7 - 2 / 9),  # 7 filled of the 9 around both
    ([0, 0, 1, 1], [2, 0, 3, 1], 0 - 1 / 3),  # apart: 2 filled of 3
    ([0, 0, 4, 4], [1, 1, 3, 3], 4 / 16),  # within: nothing is left over
]


@pytest.mark.parametrize(("first", "second", "wanted"), BOXES)
def test_generalised_iou_counted_in_squares(
    first: list[float], second: list[float], wanted: float
) -> None:
    found = losses.generalised_iou(tensor([first]), tensor([second]))
    assert float(found) == pytest.approx(wanted, abs=1e-6)
    assert float(losses.box_loss(tensor([first]), tensor([second]))) == pytest.approx(
        1 - wanted, abs=1e-6
    )


def test_boxes_that_do_not_meet_are_still_drawn_together() -> None:
    first = np.asarray([[0.0, 0.0, 1.0, 1.0], [5.0, 5.0, 8.0, 9.0]])
    second = tensor([[3.0, 0.2, 4.5, 1.1], [6.0, 4.0, 9.0, 8.0]])
    require_gradient(lambda x: losses.box_loss(x, second), first)
    assert float(losses.box_loss(tensor(np.zeros((0, 4))), tensor(np.zeros((0, 4))))) == 0.0


def test_only_landmarks_that_are_seen_count() -> None:
    found = tensor([[[0.0, 0.0], [5.0, 5.0]]], learned=True)
    wanted, seen = tensor([[[0.5, 2.0], [0.0, 0.0]]]), tensor([[1.0, 0.0]])
    loss = losses.landmark_loss(found, wanted, seen)
    assert float(loss.detach()) == pytest.approx((0.125 + 1.5) / 2)  # x²/2 below 1, |x| − ½ above
    loss.backward()
    assert float(found.grad[0, 1].abs().sum()) == 0.0
    assert float(losses.landmark_loss(found, wanted, seen * 0).detach()) == 0.0


def test_an_average_moves_by_what_it_does_not_keep() -> None:
    average, network = torch.nn.BatchNorm1d(1), torch.nn.BatchNorm1d(1)
    with torch.no_grad():
        average.weight.fill_(1.0)
        network.weight.fill_(3.0)
    network.running_mean.fill_(7.0)
    losses.follow(average, network, keep=0.75)
    assert float(average.weight.detach()) == pytest.approx(1.5)
    assert float(average.running_mean) == 7.0
    assert float(network.weight.detach()) == 3.0
