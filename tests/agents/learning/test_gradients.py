"""Gradients of all losses against finite differences, in double precision."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from agents.learning import fast_ppo, kernels, n_step, ppo
from agents.learning.flat_networks import SEPARATE, SHARED, FlatNetworks
from agents.learning.heads import HeadedEnvironment, MakeEnvironment, Shape
from agents.learning.networks import ActorCritic, MakeNetwork, SeparateNetworks, SharedTrunk
from agents.learning.rollout import Collector, Rollout
from agents.learning.settings import A2cSettings, PpoSettings
from emulator.core.arrays import Floats
from tests.agents.learning.problems import Matching, TwoStates

HIDDEN, STEP, CHECKED = 5, 1e-6, 20
PPO = PpoSettings(gamma=0.9, ent_coef=0.3)
A2C = A2cSettings(gamma=0.9, ent_coef=0.3)
PROBLEMS: dict[str, MakeEnvironment] = {
    "heads and masks": Matching,
    "terminated": partial(TwoStates, length=3, terminates=True),
}


def rolled_out(problem: str, network: MakeNetwork) -> tuple[ActorCritic, Rollout]:
    """Return a network and a rollout of it, both in double precision."""
    environment = HeadedEnvironment(PROBLEMS[problem](3))
    rng = torch.Generator().manual_seed(5)
    model = network(environment.shape, HIDDEN, rng)
    with torch.no_grad():
        for parameter in model.parameters():  # so that logits differ
            parameter.add_(torch.randn(parameter.shape, generator=rng) / 2)
    rollout = Collector(environment, 1, rng, A2C).collect(model)
    names = ("observations", "values", "log_probabilities", "rewards")
    return model.double(), rollout._replace(**{name: getattr(rollout, name).double() for name in names})


def moved_away(batch: ppo.Batch) -> ppo.Batch:
    """Return the batch with other old probabilities: some ratios then are clipped."""
    rng = torch.Generator().manual_seed(6)
    away = torch.randn(len(batch.values), generator=rng).double() / 3
    return batch._replace(log_probabilities=batch.log_probabilities + away)


def check(loss: Callable[[], float], values: Floats, gradient: Floats) -> None:
    """Compare with central differences for some of the values, which are changed in place."""
    assert np.abs(gradient).max() > 1e-3
    rng = np.random.default_rng(7)
    for i in rng.choice(len(values), min(CHECKED, len(values)), replace=False):
        before = values[i]
        losses = []
        for each in (before + STEP, before - STEP):
            values[i] = each
            with torch.no_grad():
                losses.append(loss())
        values[i] = before
        assert gradient[i] == pytest.approx((losses[0] - losses[1]) / (2 * STEP), rel=1e-4, abs=1e-7)


def check_model(model: ActorCritic, loss: Callable[[], torch.Tensor]) -> None:
    """Compare with central differences for each parameter of a network in torch."""
    model.zero_grad()
    torch.autograd.backward(loss())
    for parameter in model.parameters():
        if parameter.grad is not None and parameter.grad.abs().max() > 1e-3:
            values, gradient = parameter.detach().view(-1).numpy(), parameter.grad.view(-1).numpy()
            check(lambda: loss().item(), values, gradient)


@pytest.mark.parametrize("network", [SeparateNetworks, SharedTrunk])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_gradient_of_ppo(problem: str, network: MakeNetwork) -> None:
    model, rollout = rolled_out(problem, network)
    batch = moved_away(ppo.batch_of(rollout, PPO))
    assert 0 < ppo.minibatch_loss(model, PPO, 0.5, batch).clipfrac < 1
    check_model(model, lambda: ppo.minibatch_loss(model, PPO, 0.5, batch).total)


@pytest.mark.parametrize("network", [SeparateNetworks, SharedTrunk])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_gradient_of_a2c_and_a3c(problem: str, network: MakeNetwork) -> None:
    """Returns and advantages are constants of the loss, so they are held while parameters move."""
    model, rollout = rolled_out(problem, network)
    with torch.no_grad():
        _, values = model(rollout.observations, rollout.masks)
    discounts = rollout.discounts(A2C.gamma)
    last, settled = values[-1], rollout.settled
    n_steps = n_step.returns_of(
        rollout.rewards, values[:-1], last, rollout.terminated, rollout.ended, settled, discounts
    )
    learn, M = rollout.learned, model.shape.heads

    def written_out() -> torch.Tensor:
        """The mean over heads of -(log pi_i A + beta H_i), and the critic's squared error."""
        log_p, now = model(rollout.observations[:-1][learn], rollout.masks[:-1][learn])
        advantages = (n_steps - values[:-1])[learn]
        total = torch.zeros((), dtype=torch.float64)
        for head in range(M):
            chosen = log_p[:, head].gather(1, rollout.actions[learn][:, head, None])[:, 0]
            entropy = -torch.where(torch.isneginf(log_p[:, head]), 0.0, log_p[:, head].exp() * log_p[:, head]).sum(-1)
            total = total - (chosen * advantages + A2C.ent_coef * 0.5 * entropy).mean() / M
        return total + A2C.vf_coef * (n_steps[learn] - now).square().mean() / 2

    loss, _ = n_step.loss_of(model, rollout, A2C, 0.5)
    torch.testing.assert_close(loss, written_out())
    model.zero_grad()
    torch.autograd.backward(loss)
    for parameter in model.parameters():
        assert parameter.grad is not None
        if parameter.grad.abs().max() > 1e-3:
            values_now, gradient = parameter.detach().view(-1).numpy(), parameter.grad.view(-1).numpy()
            check(lambda: written_out().item(), values_now, gradient)


@pytest.mark.parametrize(("network", "trunks"), [(SeparateNetworks, SEPARATE), (SharedTrunk, SHARED)])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_gradient_of_fast_ppo(problem: str, network: MakeNetwork, trunks: int) -> None:
    """Against differences of its own loss, and against the loss and gradient in torch."""
    model, rollout = rolled_out(problem, network)
    batch = moved_away(ppo.batch_of(rollout, PPO))
    rows = kernels.Rows(*(each.numpy() for each in batch[:6]))
    networks = FlatNetworks(Shape(*model.shape), HIDDEN, len(rows.returns), np.float64, trunks)
    networks.parameters.set({name: each.detach().numpy() for name, each in model.named_parameters()})
    loss, *_ = fast_ppo.gradient_of(networks, rows, PPO, 0.5)
    expected = ppo.minibatch_loss(model, PPO, 0.5, batch)
    assert loss == pytest.approx(expected.total.item())
    torch.autograd.backward(expected.total)
    gradient = networks.gradient.flat.copy()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        np.testing.assert_allclose(networks.gradient.named()[name], parameter.grad.numpy(), rtol=1e-7, atol=1e-10)
    check(lambda: fast_ppo.gradient_of(networks, rows, PPO, 0.5)[0], networks.parameters.flat, gradient)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_first_ratio_is_one(problem: str) -> None:
    model, rollout = rolled_out(problem, SeparateNetworks)
    batch = ppo.batch_of(rollout, PPO)
    loss = ppo.minibatch_loss(model, PPO, 1.0, batch)
    assert loss.approx_kl == pytest.approx(0, abs=1e-6)
    assert loss.clipfrac == 0
    assert float((batch.returns - batch.values - batch.advantages).abs().max()) < 1e-6
