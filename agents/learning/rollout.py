"""Rollouts: T steps of N environments under the current policy."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from agents.learning.heads import HeadedEnvironment, restored_step, step_state
from agents.learning.networks import ActorCritic, joint, sample
from agents.learning.training.state import TrainingState, assign, joined


class Rollout(NamedTuple):
    """Tensors of T steps. Row T of the first two and of `values` is the state after the rollout.

    An environment whose episode `ended` at t shows the episode's last state at t + 1; that step is a `reset`: it only
    starts the next episode, and nothing is learned from it.
    """

    observations: Tensor  # (T + 1, N, features)
    masks: Tensor  # (T + 1, N, M, K)
    values: Tensor  # (T + 1, N)
    actions: Tensor  # (T, N, M)
    log_probabilities: Tensor  # (T, N), of the actions
    rewards: Tensor  # (T, N)
    terminated: Tensor  # (T, N): nothing follows, so the last state's value is 0
    ended: Tensor  # (T, N): terminated or truncated
    times: Tensor  # (T, N): units of time that each step took
    resets: Tensor  # (T, N)
    returns: list[float]  # of the episodes that ended

    def discounts(self, gamma: float) -> Tensor:
        """Return the discounts of what follows each step, shape (T, N)."""
        return (gamma**self.times).to(self.rewards.dtype)


class Collector:
    """Steps an environment, and goes on where the last rollout stopped."""

    def __init__(self, environment: HeadedEnvironment, seed: int, rng: torch.Generator) -> None:
        self._environment, self._rng = environment, rng
        self._state = environment.reset(seed)
        self._return = np.zeros(environment.num_envs)  # of each episode, so far

    @torch.no_grad()
    def collect(self, model: ActorCritic, T: int) -> Rollout:
        """Take T steps in all environments."""
        (features, M, K), N = self._environment.shape, self._environment.num_envs
        rollout = Rollout(
            observations=torch.zeros((T + 1, N, features)),
            masks=torch.zeros((T + 1, N, M, K), dtype=torch.bool),
            values=torch.zeros((T + 1, N)),
            actions=torch.zeros((T, N, M), dtype=torch.int64),
            log_probabilities=torch.zeros((T, N)),
            rewards=torch.zeros((T, N)),
            terminated=torch.zeros((T, N), dtype=torch.bool),
            ended=torch.zeros((T, N), dtype=torch.bool),
            times=torch.zeros((T, N), dtype=torch.float64),
            resets=torch.zeros((T, N), dtype=torch.bool),
            returns=[],
        )
        for t in range(T):
            log_p = self._look(model, rollout, t)
            rollout.resets[t] = torch.from_numpy(self._state.terminated | self._state.truncated)
            rollout.actions[t] = sample(log_p, self._rng)
            rollout.log_probabilities[t] = joint(log_p, rollout.actions[t])
            self._state = self._environment.step(rollout.actions[t].numpy())
            ended = self._state.terminated | self._state.truncated
            rollout.rewards[t] = torch.from_numpy(self._state.rewards)
            rollout.terminated[t] = torch.tensor(self._state.terminated)  # a copy: it may be read-only
            rollout.ended[t] = torch.from_numpy(ended)
            rollout.times[t] = torch.tensor(self._state.times)
            self._return += self._state.rewards
            rollout.returns.extend(self._return[ended].tolist())
            self._return[ended] = 0
        self._look(model, rollout, T)
        return rollout

    def state(self) -> TrainingState:
        """Return the observed step, the returns of the running episodes, and the environments."""
        here = TrainingState({"returns": self._return.copy()}, {})
        return joined(here=here, step=step_state(self._state), environments=self._environment.state())

    def restore(self, state: TrainingState) -> None:
        """Go on from a state."""
        assign(self._return, state.part("here").arrays["returns"])
        self._state = restored_step(state.part("step"))
        self._environment.restore(state.part("environments"))

    def _look(self, model: ActorCritic, rollout: Rollout, t: int) -> Tensor:
        """Store the observed state and its value. Return the log probabilities of its outcomes."""
        rollout.observations[t] = torch.from_numpy(self._state.observations)
        rollout.masks[t] = torch.tensor(self._state.masks)
        log_p, rollout.values[t] = model(rollout.observations[t], rollout.masks[t])  # (N, M, K), (N,)
        return log_p
