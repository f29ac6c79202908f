"""Asynchronous advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783), with workers in turns or in threads."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from threading import Lock
from typing import Any

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
from agents.learning.settings import A3cSettings
from agents.split_inference.checkpoint import Checkpoint
from agents.split_inference.episodes import Episodes
from agents.split_inference.vector_environment import SplitInferenceVector
from emulator.core.progress import Progress

MAX_CURVE_POINTS = 50  # about as many points in a learning curve


def train(
    episodes: Episodes, settings: A3cSettings, seed: int, progress: Progress = lambda done, total: None
) -> tuple[Checkpoint, list[dict[str, Any]]]:
    """Train one agent. Return its checkpoint and its learning curve of about 50 points, the last one at the end.

    Calls `progress(done, total)` with counts of environment steps. The same episodes, settings and seed give the
    same checkpoint on machines where torch rounds equally, unless workers are `asynchronous`.
    """
    with one_thread():
        shared = _Shared(episodes, settings, seed, progress)
        workers = [_Worker(shared, episodes, settings, seed, number) for number in range(settings.workers)]
        turns = shared.updates // settings.workers
        if settings.asynchronous:
            with ThreadPoolExecutor(settings.workers) as pool:
                list(pool.map(lambda worker: [worker.turn() for _ in range(turns)], workers))
        else:
            for _ in range(turns):
                for worker in workers:
                    worker.turn()
        return checkpoint_of(shared.model, episodes, "a3c", seed, asdict(settings)), shared.curve


class _Shared:
    """What all workers share: the parameters, the optimiser's state and the learning curve."""

    def __init__(self, episodes: Episodes, settings: A3cSettings, seed: int, progress: Progress) -> None:
        self.settings = settings
        self.seed = seed
        self.episodes = episodes
        rng = torch.Generator().manual_seed(seed)
        self.model = ActorCritic(episodes.layout.features, episodes.layout.choices, settings.hidden, rng)
        self.optimizer = torch.optim.RMSprop(
            self.model.parameters(), lr=settings.learning_rate, alpha=settings.decay, eps=1e-5
        )
        self.steps_per_update = settings.num_envs * settings.num_steps
        self.updates = max(settings.workers, settings.total_timesteps // self.steps_per_update)
        self.updates -= self.updates % settings.workers
        self.done = 0
        self.curve: list[dict[str, Any]] = []
        self.lock = Lock()
        self.recent: list[tuple[float, ...]] = []
        self.progress = progress

    @property
    def left(self) -> float:
        """Remaining share of the training, 1 to 0."""
        return 1 - self.done / self.updates

    def apply(self, gradients: list[torch.Tensor | None], reward_mean: float, measured: Diagnostics) -> None:
        """Take one optimiser step with a worker's gradients, and record a point of the curve at intervals."""
        with self.lock:  # workers compute gradients outside the lock; the optimiser's state needs it
            for parameter, gradient in zip(self.model.parameters(), gradients, strict=True):
                parameter.grad = gradient
            self.optimizer.param_groups[0]["lr"] = self.settings.learning_rate * self.left
            self.optimizer.step()
            self.done += 1
            self.recent.append((reward_mean, measured.entropy, measured.value_loss, measured.explained_variance))
            if self.done % max(1, self.updates // MAX_CURVE_POINTS) == 0 or self.done == self.updates:
                reward, *means = (sum(column) / len(column) for column in zip(*self.recent, strict=True))
                step = self.done * self.steps_per_update
                self.curve.append(curve_point("a3c", self.seed, step, self.episodes, reward, Diagnostics(*means)))
                self.recent.clear()
                self.progress(step, self.updates * self.steps_per_update)


class _Worker:
    """A worker with its own copy of the parameters, its own environments and its own random generator."""

    def __init__(self, shared: _Shared, episodes: Episodes, settings: A3cSettings, seed: int, number: int) -> None:
        self.shared, self.settings = shared, settings
        self.rng = torch.Generator().manual_seed(seed * 1_000 + number + 1)
        self.model = ActorCritic(episodes.layout.features, episodes.layout.choices, settings.hidden, self.rng)
        self.model.load_state_dict(shared.model.state_dict())
        self.environment = SplitInferenceVector(settings.num_envs, episodes)
        self.seen, self.info = self.environment.reset(seed=seed * 1_000 + number * settings.num_envs)
        self.ended = torch.zeros(settings.num_envs, dtype=torch.bool)

    def turn(self) -> None:
        """Sample a rollout, compute its gradient, update the shared parameters and copy them."""
        observations, masks, actions, rewards, ends, resets = self.rollout()
        with torch.no_grad():
            _, last_value = self.model(torch.from_numpy(self.seen), torch.from_numpy(self.info["action_mask"]))
            _, values = self.model(observations, masks)  # (T, N)
        returns = returns_of(rewards, values, last_value, ends, self.settings.gamma)
        learn = ~resets
        log_p, values = self.model(observations[learn], masks[learn])  # (batch, choices), (batch,)
        advantages = returns[learn] - values.detach()
        chosen = log_p.gather(1, actions[learn][:, None]).squeeze(1)
        entropy_mean = entropy(log_p).mean()
        value_loss = (returns[learn] - values).square().mean() / 2
        loss = -(chosen * advantages).mean() - self.settings.ent_coef * self.shared.left * entropy_mean
        self.model.zero_grad()
        torch.autograd.backward(loss + self.settings.vf_coef * value_loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.max_grad_norm)
        gradients = [parameter.grad for parameter in self.model.parameters()]
        explained = explained_variance(values.detach(), returns[learn])
        measured = Diagnostics(entropy_mean.item(), value_loss.item(), explained)
        self.shared.apply(gradients, rewards[learn].mean().item(), measured)
        self.model.load_state_dict(self.shared.model.state_dict())

    def rollout(self) -> tuple[torch.Tensor, ...]:
        """Take T steps in all N environments. Return observations (T, N, features), masks (T, N, choices), and
        actions, rewards, ends and resets (T, N); a reset is a step that only started an episode."""
        columns: list[tuple[torch.Tensor, ...]] = []
        for _ in range(self.settings.num_steps):
            observations, masks = torch.from_numpy(self.seen), torch.from_numpy(self.info["action_mask"])
            with torch.no_grad():
                log_p, _ = self.model(observations, masks)
            actions = sample(log_p, self.rng)
            self.seen, reward, terminated, truncated, self.info = self.environment.step(actions.numpy())
            ends, resets = torch.from_numpy(terminated | truncated), self.ended
            columns.append((observations, masks, actions, torch.from_numpy(reward).float(), ends, resets))
            self.ended = ends
        return tuple(torch.stack(column) for column in zip(*columns, strict=True))


def returns_of(
    rewards: torch.Tensor, values: torch.Tensor, last_value: torch.Tensor, ends: torch.Tensor, gamma: float
) -> torch.Tensor:
    """Return n-step returns, shape (T, N): the rewards up to the end of the rollout or of the episode, then the value
    of the state there. `last_value`: (N,), of the state after the rollout. Every end is a truncation; the next row
    is that of the truncated state."""
    returns = torch.zeros_like(rewards)
    running = last_value
    for t in reversed(range(len(rewards))):
        after = values[t + 1] if t + 1 < len(values) else last_value
        running = rewards[t] + gamma * torch.where(ends[t], after, running)
        returns[t] = running
    return returns
