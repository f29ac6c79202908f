"""Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347) in a vector environment."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from agents.learning.curve import Curve, Diagnostics, curve_point, explained_variance
from agents.learning.heads import HeadedEnvironment, MakeEnvironment
from agents.learning.networks import (
    ActorCritic,
    MakeNetwork,
    SeparateNetworks,
    entropy,
    joint,
    one_thread,
)
from agents.learning.rollout import Collector, Rollout
from agents.learning.settings import PpoSettings
from agents.learning.weights import Weights, require_finite
from emulator.core.progress import Progress


def train(
    environments: MakeEnvironment,
    settings: PpoSettings,
    seed: int,
    progress: Progress = lambda done, total: None,
    network: MakeNetwork = SeparateNetworks,
) -> tuple[Weights, Curve]:
    """Train one agent. Return its parameters by name and its learning curve, a `curve_point` for each rollout.

    Calls `progress(done, total)` with counts of environment steps. The same environments, settings and seed give the
    same parameters on machines where torch rounds equally. Raises ValueError for an environment with other spaces
    than `HeadedEnvironment` takes, and if a trained parameter is not finite.
    """
    with one_thread():
        return _train(HeadedEnvironment(environments(settings.num_envs)), settings, seed, progress, network)


def _train(
    environment: HeadedEnvironment, settings: PpoSettings, seed: int, progress: Progress, network: MakeNetwork
) -> tuple[Weights, Curve]:
    rng = torch.Generator().manual_seed(seed)
    model = network(environment.shape, settings.hidden, rng)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, eps=1e-5)
    collector = Collector(environment, seed, rng)
    curve = []
    steps = settings.num_steps * settings.num_envs
    updates = max(1, settings.total_timesteps // steps)
    for update in range(updates):
        left = 1 - update / updates
        optimizer.param_groups[0]["lr"] = settings.learning_rate * left
        rollout = collector.collect(model, settings.num_steps)
        batch = batch_of(rollout, settings)
        clipfracs = []
        for _ in range(settings.update_epochs):
            for index in torch.randperm(len(batch.values), generator=rng).chunk(settings.num_minibatches):
                loss = minibatch_loss(model, settings, left, Batch(*(tensor[index] for tensor in batch)))
                clipfracs.append(loss.clipfrac)
                optimizer.zero_grad()
                torch.autograd.backward(loss.total)
                nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
                optimizer.step()

        done = (update + 1) * steps
        diagnostics = Diagnostics(
            loss.entropy,
            loss.value_loss,
            explained_variance(batch.values.numpy(), batch.returns.numpy()),
            loss.approx_kl,
            sum(clipfracs) / len(clipfracs),
        )
        reward_mean = rollout.rewards[~rollout.resets].mean().item()
        episode_return = float(np.mean(rollout.returns)) if rollout.returns else float("nan")
        curve.append(curve_point("ppo", seed, done, reward_mean, episode_return, diagnostics))
        progress(done, updates * steps)
    weights = model.weights()
    require_finite("ppo", weights)
    return weights, curve


class Batch(NamedTuple):
    """The steps of a rollout to learn from, all at once or some of them."""

    observations: Tensor  # (batch, features)
    masks: Tensor  # (batch, M, K)
    actions: Tensor  # (batch, M)
    log_probabilities: Tensor  # (batch,), under the policy that sampled the actions
    advantages: Tensor  # (batch,)
    returns: Tensor  # (batch,), estimates that values learn
    values: Tensor  # (batch,), before the update


def batch_of(rollout: Rollout, settings: PpoSettings) -> Batch:
    """Return the steps of a rollout that are not resets, with advantages and returns."""
    advantages = advantages_of(
        rollout.rewards, rollout.values, rollout.terminated, rollout.ended, settings.gamma, settings.gae_lambda
    )
    values = rollout.values[:-1]
    columns = (rollout.observations[:-1], rollout.masks[:-1], rollout.actions, rollout.log_probabilities)
    learn = ~rollout.resets
    return Batch(*(tensor[learn] for tensor in (*columns, advantages, advantages + values, values)))


class MinibatchLoss(NamedTuple):
    """The loss to minimise, and statistics of the minibatch. `entropy`: mean, in nats. `approx_kl`: estimate of the
    divergence from the policy that sampled the actions. `clipfrac`: share of probability ratios that were clipped."""

    total: Tensor
    entropy: float
    value_loss: float
    approx_kl: float
    clipfrac: float


def minibatch_loss(model: ActorCritic, settings: PpoSettings, left: float, batch: Batch) -> MinibatchLoss:
    """Return the loss of the clipped objective for one minibatch. `left`: remaining share of the training, 1 to 0."""
    log_p, values = model(batch.observations, batch.masks)
    log_ratio = joint(log_p, batch.actions) - batch.log_probabilities
    ratio = log_ratio.exp()
    scaled = (batch.advantages - batch.advantages.mean()) / (batch.advantages.std() + 1e-8)
    clipped = ratio.clamp(1 - settings.clip_coef, 1 + settings.clip_coef)
    policy_loss = -torch.min(ratio * scaled, clipped * scaled).mean()
    value_loss = (batch.returns - values).square().mean() / 2
    entropy_mean = entropy(log_p).mean()
    loss = policy_loss + settings.vf_coef * value_loss - settings.ent_coef * left * entropy_mean
    with torch.no_grad():
        approx_kl = ((ratio - 1) - log_ratio).mean().item()
        clipfrac = ((ratio - 1).abs() > settings.clip_coef).float().mean().item()
    return MinibatchLoss(loss, entropy_mean.item(), value_loss.item(), approx_kl, clipfrac)


def advantages_of(
    rewards: Tensor, values: Tensor, terminated: Tensor, ended: Tensor, gamma: float, gae_lambda: float
) -> Tensor:
    """Return generalised advantage estimates (Schulman et al. 2016, arXiv 1506.02438), shape (T, N).

    `values` has one more row than the others; row t + 1 is of the state after step t. The sum stops where an episode
    `ended`. The value after it is 0 if it `terminated`, otherwise that of the truncated state.
    """
    advantages = torch.zeros_like(rewards)
    running = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        after = torch.where(terminated[t], 0.0, values[t + 1])
        error = rewards[t] + gamma * after - values[t]
        running = error + gamma * gae_lambda * torch.where(ended[t], 0.0, running)
        advantages[t] = running
    return advantages
