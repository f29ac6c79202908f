"""The gradient of advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783) from n-step returns."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from agents.learning.networks import ActorCritic, entropy, joint
from agents.learning.rollout import Rollout
from agents.learning.settings import A2cSettings
from agents.learning.training.curve import Diagnostics, UpdateReport, explained_variance


class Gradient(NamedTuple):
    """The gradient of a rollout's loss, by parameter, and statistics of the rollout."""

    values: list[Tensor]
    report: UpdateReport


def gradient_of(model: ActorCritic, rollout: Rollout, settings: A2cSettings, left: float) -> Gradient:
    """Return the gradient of a rollout's loss, clipped to `max_grad_norm`. `left`: remaining share of the training, 1
    to 0."""
    loss, diagnostics = loss_of(model, rollout, settings, left)
    model.zero_grad()
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    reward_mean = rollout.rewards[rollout.learned].mean().item()
    return Gradient(gradients, UpdateReport(reward_mean, rollout.returns, diagnostics))


def loss_of(model: ActorCritic, rollout: Rollout, settings: A2cSettings, left: float) -> tuple[Tensor, Diagnostics]:
    """Return the loss to minimise. With M heads it is the mean of the heads' losses plus the critic's: the multi-task
    loss of MT-A3C (Li et al., IEEE TMC 23(10), 2024)."""
    observations, masks = rollout.observations[:-1], rollout.masks[:-1]
    values, last_value = rollout.values[:-1], rollout.values[-1]
    discounts = rollout.discounts(settings.gamma)
    settled, learn = rollout.settled, rollout.learned
    returns = returns_of(rollout.rewards, values, last_value, rollout.terminated, rollout.ended, settled, discounts)
    log_p, values = model(observations[learn], masks[learn])  # (batch, M, K), (batch,)
    advantages = returns[learn] - values.detach()
    entropy_mean = entropy(log_p).mean()
    value_loss = (returns[learn] - values).square().mean() / 2
    policy_loss = -(joint(log_p, rollout.actions[learn]) * advantages).mean() - settings.ent_coef * left * entropy_mean
    loss = policy_loss / model.shape.heads + settings.vf_coef * value_loss
    explained = explained_variance(values.detach().numpy(), returns[learn].numpy())
    return loss, Diagnostics(entropy_mean.item(), value_loss.item(), explained)


def returns_of(
    rewards: Tensor,
    values: Tensor,
    last_value: Tensor,
    terminated: Tensor,
    ended: Tensor,
    settled: Tensor,
    discounts: Tensor,
) -> Tensor:
    """Return n-step returns, shape (T, N): the rewards up to the end of the rollout or of the episode, then the value
    of the state there. `last_value`: (N,), of the state after the rollout. The value after an episode that
    `terminated` is 0; the row after one that was truncated is that of the truncated state. The return of a step whose
    reward is not `settled` is its value. `discounts`: (T, N), of what follows each step."""
    returns = torch.zeros_like(rewards)
    running = last_value
    for t in reversed(range(len(rewards))):
        after = values[t + 1] if t + 1 < len(values) else last_value
        running = torch.where(ended[t], after, running)
        running = rewards[t] + discounts[t] * torch.where(terminated[t], 0.0, running)
        running = torch.where(settled[t], running, values[t])
        returns[t] = running
    return returns
