"""The vector version of the environment `LayerSplitEnvironment`: all episodes in one set of arrays."""

from typing import Any

import gymnasium
import numpy as np

from agents.layer_split.environment import observation_space, problem_of
from agents.layer_split.losses import LossModel
from agents.layer_split.problem import DRAWS, LayerSplit, States
from agents.layer_split.setting import MENDED, LayerSplitSetting
from agents.learning.seeded_vector import SeededVector
from agents.learning.training.state import TrainingState, assign, generators_data, restored_generators
from emulator.core.arrays import Flags, Float32s, Floats, Ints


class LayerSplitVector(SeededVector):
    """Environment i equals the scalar one after a reset with seed + i, step by step."""

    def __init__(self, num_envs: int, problem: LayerSplit) -> None:
        actions = gymnasium.spaces.Discrete(problem.targets.shape[1])
        super().__init__(num_envs, observation_space(problem), actions)
        self.problem = problem
        self._states = _empty(num_envs, problem.setting.steps)

    def step(self, actions: Ints) -> tuple[Float32s, Floats, Flags, Flags, dict[str, Any]]:
        """Move every split, or start the next episode. Raises ValueError for an invalid action, before any environment
        changes."""
        actions, choices = np.asarray(actions, dtype=np.int64), self.problem.targets.shape[1]
        if actions.shape != (self.num_envs,) or np.any((actions < 0) | (actions >= choices)):
            raise ValueError(f"actions={actions}: must be {self.num_envs} numbers in 0..{choices - 1}")
        over = self._states.step == self.problem.setting.steps
        rewards = np.zeros(self.num_envs)
        going = np.flatnonzero(~over)
        if len(going):
            states, rewards[going] = self.problem.steps(_rows(self._states, going), actions[going])
            self._set(going, states)
        self._start(over)
        observations, info = self._observed()
        ended = self._states.step == self.problem.setting.steps
        return observations, rewards, ended, np.zeros(self.num_envs, np.bool_), info

    def _start_all(self) -> tuple[Float32s, dict[str, Any]]:
        self._start(np.ones(self.num_envs, np.bool_))
        return self._observed()

    def state(self) -> TrainingState:
        """Return the episodes' state, from which a training goes on."""
        arrays = {name: column.copy() for name, column in self._states._asdict().items()}
        return TrainingState(arrays, {"generators": generators_data(self._generators)})

    def restore(self, state: TrainingState) -> None:
        """Go on from a state. Raises KeyError or ValueError for one of other environments."""
        for name, column in self._states._asdict().items():
            assign(column, state.arrays[name])
        self._generators = restored_generators(state.data["generators"])

    def _start(self, chosen: Flags) -> None:
        indices = np.flatnonzero(chosen)
        if len(indices):
            draws = np.array([self._generators[index].random(DRAWS) for index in indices])
            self._set(indices, self.problem.starts(draws, self._states.last[indices]))

    def _set(self, indices: Ints, states: States) -> None:
        for column, values in zip(self._states, states, strict=True):
            column[indices] = values

    def _observed(self) -> tuple[Float32s, dict[str, Any]]:
        info = {"level": self._states.level.copy(), "_level": np.ones(self.num_envs, np.bool_)}
        return self.problem.observe(self._states), info


def _empty(count: int, steps: int) -> States:
    """Return states of episodes that are over, and before which none was."""
    floats, ints = np.zeros(count), np.zeros(count, np.int64)
    return States(
        floats, floats.copy(), ints, ints.copy(), floats.copy(), np.full(count, -np.inf), np.full(count, steps)
    )


def _rows(states: States, indices: Ints) -> States:
    return States._make(column[indices] for column in states)


def make(
    num_envs: int, channel: str = "scalars", setting: LayerSplitSetting = MENDED, loss_model: LossModel | None = None
) -> LayerSplitVector:
    """Entry point of `gymnasium.make_vec(LAYER_SPLIT, num_envs, channel="packets")`."""
    return LayerSplitVector(num_envs, problem_of(channel, setting, loss_model))
