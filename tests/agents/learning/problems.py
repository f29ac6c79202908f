"""Small problems with known optima, as Gymnasium vector environments."""

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from agents.learning.credit import Credits
from agents.learning.training.state import TrainingState, assign, generators_data, restored_generators
from emulator.core.arrays import Flags, Float32s, Ints

STAY, MOVE = 0, 1


class TwoStates(gymnasium.vector.VectorEnv[Float32s, Ints, npt.NDArray[Any]]):
    """Two states; `MOVE` changes to the other, in which `STAY` earns 1, while in the first it earns 0.2.

    Moving costs 0.5, so with discount 0.9 it is worth it from state 0, and staying is right in state 1; without
    foresight staying is right everywhere. An episode begins in either state. After `length` steps it is truncated, or
    terminated if `terminates`.
    """

    def __init__(self, num_envs: int, length: int = 20, terminates: bool = False) -> None:
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
        self.num_envs, self.length, self.terminates = num_envs, length, terminates
        self.single_observation_space = gymnasium.spaces.Box(0, 1, (2,), np.float32)
        self.single_action_space = gymnasium.spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Float32s, dict[str, Any]]:
        self.rng = np.random.default_rng(seed)
        self.states = self.rng.integers(2, size=self.num_envs)
        self.steps = np.zeros(self.num_envs, dtype=np.int64)
        return self.observe(), {}

    def state(self) -> TrainingState:
        arrays = {"states": self.states.copy(), "steps": self.steps.copy()}
        return TrainingState(arrays, {"rng": generators_data([self.rng])})

    def restore(self, state: TrainingState) -> None:
        assign(self.states, state.arrays["states"])
        assign(self.steps, state.arrays["steps"])
        (self.rng,) = restored_generators(state.data["rng"])

    def observe(self) -> Float32s:
        return np.eye(2, dtype=np.float32)[self.states]

    def step(self, actions: Ints) -> tuple[Float32s, npt.NDArray[Any], Flags, Flags, dict[str, Any]]:
        over = self.steps == self.length
        earned = np.where(actions == STAY, np.where(self.states == 1, 1.0, 0.2), -0.5)
        begun = self.rng.integers(2, size=self.num_envs)
        self.states = np.where(over, begun, np.where(actions == MOVE, 1 - self.states, self.states))
        self.steps = np.where(over, 0, self.steps + 1)
        ended, none = self.steps == self.length, np.zeros(self.num_envs, dtype=np.bool_)
        return (
            self.observe(),
            np.where(over, 0.0, earned),
            ended if self.terminates else none,
            none if self.terminates else ended,
            {},
        )


class TimedStates(TwoStates):
    """`TwoStates` whose steps take time: staying a second, moving `move_s`."""

    def __init__(self, num_envs: int, move_s: float) -> None:
        super().__init__(num_envs)
        self.move_s = move_s

    def step(self, actions: Ints) -> tuple[Float32s, npt.NDArray[Any], Flags, Flags, dict[str, Any]]:
        observations, rewards, terminated, truncated, _ = super().step(actions)
        return observations, rewards, terminated, truncated, {"elapsed_s": np.where(actions == MOVE, self.move_s, 1.0)}


class LateStates(TwoStates):
    """`TwoStates` whose rewards become known 0 to 3 steps after the steps that earned them. Those that the episode's
    end overtakes never do."""

    def __init__(self, num_envs: int) -> None:
        super().__init__(num_envs)
        self.late: list[tuple[int, int, int, float]] = []  # environment, steps until known, steps ago, reward

    def step(self, actions: Ints) -> tuple[Float32s, npt.NDArray[Any], Flags, Flags, dict[str, Any]]:
        over = self.steps == self.length
        observations, rewards, terminated, truncated, _ = super().step(actions)
        self.late = [(n, left - 1, ago + 1, reward) for n, left, ago, reward in self.late if not over[n]]
        delays = self.rng.integers(4, size=self.num_envs)
        self.late += [(n, int(delays[n]), 0, float(rewards[n])) for n in np.flatnonzero(~over).tolist()]
        known = [each for each in self.late if each[1] == 0]
        self.late = [each for each in self.late if each[1] > 0]
        environments, steps_ago = (np.array([each[column] for each in known], np.int64) for column in (0, 2))
        self.known = Credits(environments, steps_ago, np.array([each[3] for each in known], np.float64))
        return observations, np.bincount(environments, self.known.rewards, self.num_envs), terminated, truncated, {}

    def credits(self) -> Credits:
        return self.known


def optimal_values(gamma: float) -> tuple[float, float]:
    """Return the values of both states of `TwoStates` that never ends, for a `gamma` with which moving pays."""
    there = 1 / (1 - gamma)
    return -0.5 + gamma * there, there


class Matching(gymnasium.vector.VectorEnv[Float32s, Ints, npt.NDArray[Any]]):
    """An action of M heads earns the share of heads that match the observed number of each; every step is an episode
    that terminates. `info["action_mask"]` forbids one wrong outcome of every head."""

    def __init__(self, num_envs: int, heads: int = 3, outcomes: int = 4) -> None:
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
        self.num_envs, self.heads, self.outcomes = num_envs, heads, outcomes
        self.single_observation_space = gymnasium.spaces.Box(0, 1, (heads * outcomes,), np.float32)
        self.single_action_space = gymnasium.spaces.MultiDiscrete([outcomes] * heads)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Float32s, dict[str, Any]]:
        self.rng = np.random.default_rng(seed)
        self.over = np.zeros(self.num_envs, dtype=np.bool_)
        return self.draw()

    def state(self) -> TrainingState:
        arrays = {"over": self.over.copy(), "wanted": self.wanted.copy(), "allowed": self.allowed.copy()}
        return TrainingState(arrays, {"rng": generators_data([self.rng])})

    def restore(self, state: TrainingState) -> None:
        for name, values in state.arrays.items():
            assign(getattr(self, name), values)
        (self.rng,) = restored_generators(state.data["rng"])

    def draw(self) -> tuple[Float32s, dict[str, Any]]:
        self.wanted = self.rng.integers(self.outcomes, size=(self.num_envs, self.heads))
        self.allowed = np.arange(self.outcomes) != ((self.wanted + 1) % self.outcomes)[..., None]
        observations = np.eye(self.outcomes, dtype=np.float32)[self.wanted].reshape(self.num_envs, -1)
        return observations, {"action_mask": self.allowed}

    def step(self, actions: Ints) -> tuple[Float32s, npt.NDArray[Any], Flags, Flags, dict[str, Any]]:
        earned = np.where(self.over, 0.0, (actions == self.wanted).mean(axis=1))
        allowed = np.take_along_axis(self.allowed, actions[..., None], -1).all()
        if not allowed:
            raise ValueError("a masked outcome was chosen")
        self.over = ~self.over
        observations, info = self.draw()
        return observations, earned, self.over.copy(), np.zeros(self.num_envs, dtype=np.bool_), info
