"""Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347) in the vector environment."""

from dataclasses import asdict
from typing import Any, NamedTuple

import torch
from torch import nn

from agents.learning.actor_critic import (
    ActorCritic,
    Diagnostics,
    checkpoint_of,
    curve_point,
    entropy,
    explained_variance,
    one_thread,
    sample,
)
from agents.learning.settings import PpoSettings
from agents.split_inference.checkpoint import Checkpoint
from agents.split_inference.episodes import Episodes
from agents.split_inference.vector_environment import SplitInferenceVector
from emulator.core.progress import Progress


def train(
    episodes: Episodes, settings: PpoSettings, seed: int, progress: Progress = lambda done, total: None
) -> tuple[Checkpoint, list[dict[str, Any]]]:
    """Train one agent. Return its checkpoint and its learning curve, a `curve_point` for each rollout.

    Calls `progress(done, total)` with counts of environment steps. The same episodes, settings and seed give the
    same checkpoint on machines where torch rounds equally.
    """
    with one_thread():
        return _train(episodes, settings, seed, progress)


def _train(
    episodes: Episodes, settings: PpoSettings, seed: int, progress: Progress
) -> tuple[Checkpoint, list[dict[str, Any]]]:
    rng = torch.Generator().manual_seed(seed)
    T, N = settings.num_steps, settings.num_envs
    environment = SplitInferenceVector(N, episodes)
    features, choices = episodes.layout.features, episodes.layout.choices
    model = ActorCritic(features, choices, settings.hidden, rng)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, eps=1e-5)

    observations = torch.zeros((T, N, features))
    masks = torch.zeros((T, N, choices), dtype=torch.bool)
    actions = torch.zeros((T, N), dtype=torch.int64)
    log_probabilities = torch.zeros((T, N))
    values = torch.zeros((T + 1, N))
    rewards = torch.zeros((T, N))
    ends = torch.zeros((T, N), dtype=torch.bool)
    resets = torch.zeros((T, N), dtype=torch.bool)  # steps that only started an episode: not learned from

    seen, info = environment.reset(seed=seed)
    ended = torch.zeros(N, dtype=torch.bool)
    curve = []
    updates = max(1, settings.total_timesteps // (T * N))
    for update in range(updates):
        left = 1 - update / updates
        optimizer.param_groups[0]["lr"] = settings.learning_rate * left

        for t in range(T):
            observations[t] = torch.from_numpy(seen)
            masks[t] = torch.from_numpy(info["action_mask"])
            resets[t] = ended
            with torch.no_grad():
                log_p, values[t] = model(observations[t], masks[t])  # (N, choices), (N,)
            actions[t] = sample(log_p, rng)
            log_probabilities[t] = log_p.gather(1, actions[t, :, None]).squeeze(1)
            seen, reward, terminated, truncated, info = environment.step(actions[t].numpy())
            rewards[t] = torch.from_numpy(reward)
            ends[t] = ended = torch.from_numpy(terminated | truncated)
        with torch.no_grad():
            _, values[T] = model(torch.from_numpy(seen), torch.from_numpy(info["action_mask"]))
        advantages = advantages_of(rewards, values, ends, settings.gamma, settings.gae_lambda)  # (T, N)

        learn = ~resets.flatten()
        batch = [tensor.flatten(0, 1)[learn] for tensor in (observations, masks, actions, log_probabilities)]
        returns = (advantages + values[:-1]).flatten()[learn]
        batch += [advantages.flatten()[learn], returns]
        clipfracs = []
        for _ in range(settings.update_epochs):
            for index in torch.randperm(len(batch[0]), generator=rng).chunk(settings.num_minibatches):
                loss = _loss(model, settings, left, *(tensor[index] for tensor in batch))
                clipfracs.append(loss.clipfrac)
                optimizer.zero_grad()
                torch.autograd.backward(loss.total)
                nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
                optimizer.step()

        done = (update + 1) * T * N
        reward_mean = rewards.flatten()[learn].mean().item()
        diagnostics = Diagnostics(
            loss.entropy,
            loss.value_loss,
            explained_variance(values[:-1].flatten()[learn], returns),
            loss.approx_kl,
            sum(clipfracs) / len(clipfracs),
        )
        curve.append(curve_point("ppo", seed, done, episodes, reward_mean, diagnostics))
        progress(done, updates * T * N)
    return checkpoint_of(model, episodes, "ppo", seed, asdict(settings)), curve


class MinibatchLoss(NamedTuple):
    """The loss to minimise, and statistics of the minibatch. `entropy`: mean, in nats. `approx_kl`: estimate of the
    divergence from the policy that sampled the actions. `clipfrac`: share of probability ratios that were clipped."""

    total: torch.Tensor
    entropy: float
    value_loss: float
    approx_kl: float
    clipfrac: float


def _loss(
    model: ActorCritic, settings: PpoSettings, left: float,
    observations: torch.Tensor, masks: torch.Tensor, actions: torch.Tensor,
    old_log_probabilities: torch.Tensor, advantages: torch.Tensor, returns: torch.Tensor,
) -> MinibatchLoss:  # fmt: skip
    """Return the loss of the clipped objective for one minibatch. `left`: remaining share of the training, 1 to 0."""
    log_p, values = model(observations, masks)
    log_ratio = log_p.gather(1, actions[:, None]).squeeze(1) - old_log_probabilities
    ratio = log_ratio.exp()
    scaled = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    clipped = ratio.clamp(1 - settings.clip_coef, 1 + settings.clip_coef)
    policy_loss = -torch.min(ratio * scaled, clipped * scaled).mean()
    value_loss = (returns - values).square().mean() / 2
    entropy_mean = entropy(log_p).mean()
    loss = policy_loss + settings.vf_coef * value_loss - settings.ent_coef * left * entropy_mean
    with torch.no_grad():
        approx_kl = ((ratio - 1) - log_ratio).mean().item()
        clipfrac = ((ratio - 1).abs() > settings.clip_coef).float().mean().item()
    return MinibatchLoss(loss, entropy_mean.item(), value_loss.item(), approx_kl, clipfrac)


def advantages_of(
    rewards: torch.Tensor, values: torch.Tensor, ends: torch.Tensor, gamma: float, gae_lambda: float
) -> torch.Tensor:
    """Return generalised advantage estimates (Schulman et al. 2016, arXiv 1506.02438), shape (T, N).

    `values` has one more row than `rewards` and `ends`. Every end is a truncation: the value after it is that of
    the truncated state, and the sum stops there.
    """
    advantages = torch.zeros_like(rewards)
    running = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        error = rewards[t] + gamma * values[t + 1] - values[t]
        running = error + gamma * gae_lambda * torch.where(ends[t], 0.0, running)
        advantages[t] = running
    return advantages
