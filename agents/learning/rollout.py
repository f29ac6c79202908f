"""Rollouts: steps of N environments under the current policy."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from agents.learning.credit import EarnedRewards, forget_rows
from agents.learning.heads import HeadedEnvironment, restored_step, step_state
from agents.learning.networks import ActorCritic, joint, sample
from agents.learning.settings import LearnerSettings
from agents.learning.training.state import Arrays, TrainingState, assign, joined


class Rollout(NamedTuple):
    """Tensors of R steps, the last T of which are new. Row R of the first two and of `values` is the state after the
    rollout.

    An environment whose episode `ended` at t shows the episode's last state at t + 1; that step only starts the next
    episode, and nothing is learned from it. Where an environment credits rewards to steps, older steps come first, some
    of which are learned from now that their rewards are known (`EarnedRewards`).
    """

    observations: Tensor  # (R + 1, N, features)
    masks: Tensor  # (R + 1, N, M, K)
    values: Tensor  # (R + 1, N), as they were when the step was taken
    actions: Tensor  # (R, N, M)
    log_probabilities: Tensor  # (R, N), of the actions
    rewards: Tensor  # (R, N)
    terminated: Tensor  # (R, N): nothing follows, so the last state's value is 0
    ended: Tensor  # (R, N): terminated or truncated
    settled: Tensor  # (R, N): the reward is known
    learned: Tensor  # (R, N): to learn from
    times: Tensor  # (R, N): units of time that each step took
    returns: list[float]  # of the episodes that ended

    def discounts(self, gamma: float) -> Tensor:
        """Return the discounts of what follows each step, shape (R, N)."""
        return (gamma**self.times).to(self.rewards.dtype)


class Collector:
    """Steps an environment, and goes on where the last rollout stopped."""

    def __init__(
        self, environment: HeadedEnvironment, seed: int, rng: torch.Generator, settings: LearnerSettings
    ) -> None:
        self._environment, self._rng = environment, rng
        self._state = environment.reset(seed)
        self._return = np.zeros(environment.num_envs)  # of each episode, so far
        (features, M, K), N, self._T = environment.shape, environment.num_envs, settings.num_steps
        waiting = settings.credit_steps if environment.has_credits else 0
        R = waiting + self._T
        self._earned = EarnedRewards(waiting, self._T, N)
        self._rollout = Rollout(
            observations=torch.zeros((R + 1, N, features)),
            masks=torch.ones((R + 1, N, M, K), dtype=torch.bool),
            values=torch.zeros((R + 1, N)),
            actions=torch.zeros((R, N, M), dtype=torch.int64),
            log_probabilities=torch.zeros((R, N)),
            rewards=torch.from_numpy(self._earned.rewards),
            terminated=torch.zeros((R, N), dtype=torch.bool),
            ended=torch.zeros((R, N), dtype=torch.bool),
            settled=torch.from_numpy(self._earned.settled),
            learned=torch.zeros((R, N), dtype=torch.bool),
            times=torch.zeros((R, N), dtype=torch.float64),
            returns=[],
        )

    def collect(self, model: ActorCritic) -> Rollout:
        """Take T steps in all environments, and further T until there are steps to learn from. The next call overwrites
        the rollout."""
        returns: list[float] = []
        while True:
            self._step(model, returns)
            learned = self._earned.take_settled()
            if learned.any():
                return self._rollout._replace(learned=torch.from_numpy(learned), returns=returns)

    @torch.no_grad()
    def _step(self, model: ActorCritic, returns: list[float]) -> None:
        """Take T steps, and add the returns of the episodes that end."""
        rollout = self._rollout
        self._earned.begin_rollout()
        for table in self._kept().values():
            forget_rows(table, self._T)
        first, last = len(rollout.actions) - self._T, len(rollout.actions)
        for t in range(first, last):
            log_p = self._look(model, rollout, t)
            resets = self._state.terminated | self._state.truncated
            rollout.actions[t] = sample(log_p, self._rng)
            rollout.log_probabilities[t] = joint(log_p, rollout.actions[t])
            self._state = self._environment.step(rollout.actions[t].numpy())
            ended = self._state.terminated | self._state.truncated
            self._earned.add(t, self._state.rewards, self._state.credits, resets)
            rollout.terminated[t] = torch.tensor(self._state.terminated)  # a copy: it may be read-only
            rollout.ended[t] = torch.from_numpy(ended)
            rollout.times[t] = torch.tensor(self._state.times)
            self._return += self._state.rewards
            returns.extend(self._return[ended].tolist())
            self._return[ended] = 0
        self._look(model, rollout, last)

    def state(self) -> TrainingState:
        """Return the observed step, the rollout, the returns of the running episodes, and the environments."""
        here = TrainingState({"returns": self._return.copy()}, {})
        rows = TrainingState({name: table.copy() for name, table in self._kept().items()}, {})
        earned, step = self._earned.state(), step_state(self._state)
        return joined(here=here, rows=rows, earned=earned, step=step, environments=self._environment.state())

    def restore(self, state: TrainingState) -> None:
        """Go on from a state."""
        assign(self._return, state.part("here").arrays["returns"])
        for name, table in self._kept().items():
            assign(table, state.part("rows").arrays[name])
        self._earned.restore(state.part("earned"))
        self._state = restored_step(state.part("step"))
        self._environment.restore(state.part("environments"))

    def _kept(self) -> Arrays:
        """Return the tables of the rollout that are not in `EarnedRewards`, by name."""
        tensors = self._rollout._asdict()
        for name in ("rewards", "settled", "learned", "returns"):
            del tensors[name]
        return {name: tensor.numpy() for name, tensor in tensors.items()}

    def _look(self, model: ActorCritic, rollout: Rollout, t: int) -> Tensor:
        """Store the observed state and its value. Return the log probabilities of its outcomes."""
        rollout.observations[t] = torch.from_numpy(self._state.observations)
        rollout.masks[t] = torch.tensor(self._state.masks)
        log_p, rollout.values[t] = model(rollout.observations[t], rollout.masks[t])  # (N, M, K), (N,)
        return log_p
