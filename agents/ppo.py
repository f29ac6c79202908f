"""Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347) on the vector environment."""

from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from agents.actor_critic import ActorCritic, Progress, checkpoint_of, curve_point, entropy, one_thread, sample
from agents.checkpoint import Checkpoint
from agents.episodes import Episodes
from agents.settings import PpoSettings
from agents.vector_environment import SplitInferenceVector


def train(
    episodes: Episodes, settings: PpoSettings, seed: int, progress: Progress = lambda done, total: None
) -> tuple[Checkpoint, list[dict[str, Any]]]:
    """Train one agent; `progress(done, total)` hears of environment steps.

    Returns the checkpoint and the learning curve, a `curve_point` for each rollout. The same episodes,
    settings and seed give the same checkpoint wherever torch rounds alike.
    """
    with one_thread():
        return _train(episodes, settings, seed, progress)


def _train(
    episodes: Episodes, settings: PpoSettings, seed: int, progress: Progress
) -> tuple[Checkpoint, list[dict[str, Any]]]:
    rng = torch.Generator().manual_seed(seed)
    T, N = settings.rollout_steps, settings.environments
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
    resets = torch.zeros((T, N), dtype=torch.bool)  # steps that only began an episode: nothing to learn from

    seen, info = environment.reset(seed=seed)
    ended = torch.zeros(N, dtype=torch.bool)
    curve = []
    updates = max(1, settings.total_steps // (T * N))
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
        batch += [advantages.flatten()[learn], (advantages + values[:-1]).flatten()[learn]]
        for _ in range(settings.epochs):
            for index in torch.randperm(len(batch[0]), generator=rng).chunk(settings.minibatches):
                loss, entropy_mean, value_loss = _loss(model, settings, left, *(tensor[index] for tensor in batch))
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_norm)
                optimizer.step()

        done = (update + 1) * T * N
        reward_mean = rewards.flatten()[learn].mean().item()
        curve.append(curve_point("ppo", seed, done, episodes, reward_mean, entropy_mean, value_loss))
        progress(done, updates * T * N)
    return checkpoint_of(model, episodes, "ppo", seed, asdict(settings)), curve


def _loss(
    model: ActorCritic, settings: PpoSettings, left: float,
    observations: torch.Tensor, masks: torch.Tensor, actions: torch.Tensor,
    old_log_probabilities: torch.Tensor, advantages: torch.Tensor, returns: torch.Tensor,
) -> tuple[torch.Tensor, float, float]:  # fmt: skip
    """The clipped objective's loss, the mean entropy and the value loss of one minibatch; `left` is the
    part of the training that is still to come."""
    log_p, values = model(observations, masks)
    ratio = (log_p.gather(1, actions[:, None]).squeeze(1) - old_log_probabilities).exp()
    scaled = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    clipped = ratio.clamp(1 - settings.clip, 1 + settings.clip)
    policy_loss = -torch.min(ratio * scaled, clipped * scaled).mean()
    value_loss = (returns - values).square().mean() / 2
    entropy_mean = entropy(log_p).mean()
    loss = policy_loss + settings.value_weight * value_loss - settings.entropy_weight * left * entropy_mean
    return loss, entropy_mean.item(), value_loss.item()


def advantages_of(
    rewards: torch.Tensor, values: torch.Tensor, ends: torch.Tensor, gamma: float, gae_lambda: float
) -> torch.Tensor:
    """Generalised advantage estimates (Schulman et al. 2016, arXiv 1506.02438), shape (T, N).

    `values` has one row more than `rewards` and `ends`. An end is a truncation: the value after it is
    the truncated state's own, and the sum stops there.
    """
    advantages = torch.zeros_like(rewards)
    running = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        error = rewards[t] + gamma * values[t + 1] - values[t]
        running = error + gamma * gae_lambda * torch.where(ends[t], 0.0, running)
        advantages[t] = running
    return advantages
