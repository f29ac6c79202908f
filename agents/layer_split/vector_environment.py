"""The vector version of the environment `LayerSplitEnvironment`: all episodes in one set of arrays."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from agents.layer_split.environment import observation_space, problem_of
from agents.layer_split.losses import LossModel
from agents.layer_split.problem import DRAWS, LayerSplit, States
from agents.layer_split.setting import MENDED, LayerSplitSetting
from agents.learning.seeded_vector import SeededVector
from agents.learning.training.state import Arrays, TrainingState, assign, generators_data, restored_generators
from emulator.core.arrays import Flags, Float32s, Floats, Ints

EPISODES_AHEAD = 16  # whose draws are made in one call of each generator, which takes longer than the draws


class LayerSplitVector(SeededVector):
    """Environment i equals the scalar one after a reset with seed + i, step by step. All episodes are at the same step,
    as they are equally long."""

    def __init__(self, num_envs: int, problem: LayerSplit) -> None:
        actions = gymnasium.spaces.Discrete(problem.targets.shape[1])
        super().__init__(num_envs, observation_space(problem), actions)
        self.problem = problem
        self._states = _ended(num_envs, problem.setting.steps)
        self._draws, self._used = np.zeros((num_envs, EPISODES_AHEAD, DRAWS)), np.full(num_envs, EPISODES_AHEAD)

    def step(self, actions: Ints) -> tuple[Float32s, Floats, Flags, Flags, dict[str, Any]]:
        """Move every split, or start the next episodes. Raises ValueError for an invalid action, before any environment
        changes."""
        actions = self._checked(actions)
        rewards = np.zeros(self.num_envs)
        if self._states.step[0] == self.problem.setting.steps:
            self._start()
        else:
            self._states, rewards = self.problem.steps(self._states, actions)
        observations, info = self._observed()
        ended = self._states.step == self.problem.setting.steps
        return observations, rewards, ended, np.zeros(self.num_envs, np.bool_), info

    def _start_all(self) -> tuple[Float32s, dict[str, Any]]:
        self._start()
        return self._observed()

    def state(self) -> TrainingState:
        """Return the episodes' state, from which a training goes on."""
        arrays = {name: column.copy() for name, column in self._kept().items()}
        return TrainingState(arrays, {"generators": generators_data(self._generators)})

    def restore(self, state: TrainingState) -> None:
        """Go on from a state. Raises KeyError or ValueError for one of other environments."""
        self._states = _ended(self.num_envs, self.problem.setting.steps)
        for name, column in self._kept().items():
            assign(column, state.arrays[name])
        self._generators = restored_generators(state.data["generators"])
        self._has_begun = True

    def _kept(self) -> Arrays:
        return {**self._states._asdict(), "draws": self._draws, "used": self._used}

    def _seed(self, seeds: Sequence[int | None]) -> None:
        super()._seed(seeds)
        self._used[[each is not None for each in seeds]] = EPISODES_AHEAD

    def _start(self) -> None:
        for index in np.flatnonzero(self._used == EPISODES_AHEAD):
            self._generators[index].random(out=self._draws[index])
            self._used[index] = 0
        self._states = self.problem.starts(self._draws[np.arange(self.num_envs), self._used], self._states.last)
        self._used += 1

    def _observed(self) -> tuple[Float32s, dict[str, Any]]:
        info = {"level": self._states.level.copy(), "_level": np.ones(self.num_envs, np.bool_)}
        return self.problem.observe(self._states), info


def _ended(count: int, steps: int) -> States:
    """Return states of episodes that are over, and before which none was."""
    floats, ints = np.zeros(count), np.zeros(count, np.int64)
    return States(
        floats, floats.copy(), ints, ints.copy(), floats.copy(), np.full(count, -np.inf), np.full(count, steps)
    )


def make(
    num_envs: int, channel: str = "scalars", setting: LayerSplitSetting = MENDED, loss_model: LossModel | None = None
) -> LayerSplitVector:
    """Entry point of `gymnasium.make_vec(LAYER_SPLIT, num_envs, channel="packets")`."""
    return LayerSplitVector(num_envs, problem_of(channel, setting, loss_model))
