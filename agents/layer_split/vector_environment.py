"""The vector version of the environment `LayerSplitEnvironment`: all episodes in one set of arrays."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from agents.layer_split.environment import observation_space, problem_of
from agents.layer_split.losses import LossModel
from agents.layer_split.problem import DRAWS, LayerSplit, States
from agents.layer_split.setting import MENDED, LayerSplitSetting
from emulator.core.arrays import Flags, Float32s, Floats, Ints


class LayerSplitVector(gymnasium.vector.VectorEnv[Float32s, Ints, npt.NDArray[Any]]):
    """Environment i equals the scalar one after a reset with seed + i, step by step.

    The autoreset mode is NEXT_STEP, Gymnasium's default: the step after an end ignores its action, has reward 0 and
    returns the next episode's first observation. Returned arrays belong to the caller.
    """

    def __init__(self, num_envs: int, problem: LayerSplit) -> None:
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}
        self.num_envs = num_envs
        self.problem = problem
        self.single_observation_space = observation_space(problem)
        self.single_action_space = gymnasium.spaces.Discrete(problem.targets.shape[1])
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._generators: list[np.random.Generator] = []
        self._states = _empty(num_envs, problem.setting.steps)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Float32s, dict[str, Any]]:
        """Start the next episode in every environment. Raises ValueError for options, as there are none."""
        if options:
            raise ValueError(f"options={dict(options)}: must be empty")
        seeds = seed if isinstance(seed, list) else [None if seed is None else seed + i for i in range(self.num_envs)]
        self._generators = self._generators or [np.random.default_rng() for _ in seeds]
        for index, each in enumerate(seeds):
            if each is not None:
                self._generators[index] = np_random(each)[0]
        self._start(np.ones(self.num_envs, np.bool_))
        return self._observed()

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
