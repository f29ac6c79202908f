"""The Gymnasium environment `airsplit/LayerSplit-v0`."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from agents.layer_split.channels import channel_of
from agents.layer_split.losses import LossModel, shipped_losses
from agents.layer_split.problem import DRAWS, LayerSplit, States
from agents.layer_split.setting import MENDED, LayerSplitSetting
from emulator.core.arrays import Float32s, is_integer


class LayerSplitEnvironment(gymnasium.Env[Float32s, np.int64]):
    """Each step moves the split of one episode (see `agents.layer_split.problem`).

    Observation: float32, shape (3,) or (5,), see `LayerSplit.observe`. Action: a row of the setting's actions. The
    episode terminates after the setting's steps. `info["level"]`: share that is lost, or power of the noise.
    `reset(options={"draws": (u, v, w)})` starts at given uniform draws of level, scale and split.
    """

    def __init__(self, problem: LayerSplit) -> None:
        self.metadata = {"render_modes": []}
        self.problem = problem
        self.observation_space = observation_space(problem)
        self.action_space = gymnasium.spaces.Discrete(problem.targets.shape[1])
        self._states: States | None = None
        self._last = np.full(1, -np.inf)

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Float32s, dict[str, Any]]:
        """Start an episode. Raises ValueError for draws that are not three numbers from 0 to below 1, and for other
        options."""
        if set(options or ()) - {"draws"}:
            raise ValueError(f"options={options}: must be {{'draws': {DRAWS} numbers}}")
        super().reset(seed=seed)
        draws = np.asarray((options or {}).get("draws", self.np_random.random(DRAWS)), dtype=np.float64)
        if draws.shape != (DRAWS,) or not np.all((draws >= 0) & (draws < 1)):
            raise ValueError(f"draws={draws}: must be {DRAWS} numbers from 0 to below 1")
        self._states = self.problem.starts(draws[None], self._last)
        return self._observed(self._states)

    def step(self, action: np.int64 | int) -> tuple[Float32s, float, bool, bool, dict[str, Any]]:
        """Move the split. Raises ValueError for an invalid action."""
        if not (is_integer(action) and 0 <= action < self.problem.targets.shape[1]):
            raise ValueError(f"action={action}: must be in 0..{self.problem.targets.shape[1] - 1}")
        if self._states is None or self._states.step[0] == self.problem.setting.steps:
            raise gymnasium.error.ResetNeeded("the episode is over: call reset first")
        self._states, rewards = self.problem.steps(self._states, np.array([action]))
        self._last = self._states.last
        observation, info = self._observed(self._states)
        return observation, float(rewards[0]), bool(self._states.step[0] == self.problem.setting.steps), False, info

    def _observed(self, states: States) -> tuple[Float32s, dict[str, Any]]:
        return self.problem.observe(states)[0], {"level": float(states.level[0])}


def observation_space(problem: LayerSplit) -> "gymnasium.Space[Float32s]":
    """Return the space of what is observed."""
    low, high = problem.observation_bounds
    return gymnasium.spaces.Box[np.float32](low, high, dtype=np.float32)


def problem_of(
    channel: str = "scalars", setting: LayerSplitSetting = MENDED, loss_model: LossModel | None = None
) -> LayerSplit:
    """Return the problem over a channel of `agents.layer_split.channels`, by default with the measured losses of
    SmolLM2-135M. Raises ValueError (one line) for an unknown channel, or a level that was not measured."""
    found = channel_of(channel)
    losses = shipped_losses(found.delivery) if loss_model is None else loss_model
    problem = LayerSplit(setting, found.impairment, losses)
    if loss_model is None:
        problem.losses(np.full(2, setting.reached_level), np.array([1, setting.max_split]))
    return problem


def make(
    channel: str = "scalars", setting: LayerSplitSetting = MENDED, loss_model: LossModel | None = None
) -> LayerSplitEnvironment:
    """Entry point of `gymnasium.make(LAYER_SPLIT, channel="packets")`."""
    return LayerSplitEnvironment(problem_of(channel, setting, loss_model))
