"""Rewards at the steps that earned them, where an environment says later which these are."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agents.learning.training.state import TrainingState, assign
from emulator.core.arrays import Flags, Float32s, Ints


class Credits(NamedTuple):
    """Rewards that became known in a step: of each, the environment, and how many steps before it was earned there (0:
    by this step). Each step earns one; that of an episode's last steps may never become known. Shape (k,) each."""

    environments: Ints
    steps_ago: Ints
    rewards: npt.NDArray[np.float64]


class EarnedRewards:
    """Rewards of the last `waiting` + T steps of N environments, one row a step.

    A step is settled when its reward is known: at once, or with the `Credits` that name it. It is then learned from, in
    the rollout in which that happened. A reward that is known more than `waiting` steps after the rollout of its step
    is lost, and so is the step.
    """

    def __init__(self, waiting: int, T: int, N: int) -> None:
        self.rewards: Float32s = np.zeros((waiting + T, N), dtype=np.float32)
        self.settled: Flags = np.zeros((waiting + T, N), dtype=np.bool_)
        self._unlearned: Flags = np.zeros((waiting + T, N), dtype=np.bool_)
        self._T = T

    def begin_rollout(self) -> None:
        """Forget the first T rows, and make room for T steps behind the others."""
        for each in (self.rewards, self.settled, self._unlearned):
            forget_rows(each, self._T)
            each[-self._T :] = False

    def add(self, row: int, rewards: npt.NDArray[np.floating], credited: Credits | None, resets: Flags) -> None:
        """Take the rewards of a step, (N,), or the credits that became known in it. Nothing is learned from `resets`,
        (N,)."""
        self._unlearned[row] = ~resets
        if credited is None:
            self.rewards[row], self.settled[row] = rewards, True
            return
        rows, environments, earned = row - credited.steps_ago, credited.environments, credited.rewards
        known = rows >= 0
        self.rewards[rows[known], environments[known]] = earned[known]
        self.settled[rows[known], environments[known]] = True

    def take_settled(self) -> Flags:
        """Return the steps to learn from now, shape (waiting + T, N): those that are settled, each once."""
        found: Flags = self.settled & self._unlearned
        self._unlearned &= ~found
        return found

    def state(self) -> TrainingState:
        """Return a copy of all rows."""
        arrays = {"rewards": self.rewards, "settled": self.settled, "unlearned": self._unlearned}
        return TrainingState({name: each.copy() for name, each in arrays.items()}, {})

    def restore(self, state: TrainingState) -> None:
        """Go on from a state."""
        for name, each in (("rewards", self.rewards), ("settled", self.settled), ("unlearned", self._unlearned)):
            assign(each, state.arrays[name])


def forget_rows(table: npt.NDArray[np.generic], T: int) -> None:
    """Move all but the first T rows to the front; the last T rows stay as they were."""
    table[:-T] = table[T:]
