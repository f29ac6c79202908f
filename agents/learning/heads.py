"""Vector environments as the learners see them: actions of M heads with K outcomes each, always with a mask."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv

from agents.learning.credit import Credits
from agents.learning.training.state import Resumable, TrainingState
from emulator.core.arrays import Flags, Float32s, Ints

MakeEnvironment = Callable[[int], "VectorEnv[Any, Any, Any]"]  # of so many environments


class Shape(NamedTuple):
    """Sizes of a problem: features of an observation, heads (M) of an action, outcomes (K) of a head."""

    features: int
    heads: int
    outcomes: int


class Step(NamedTuple):
    """What a step of all N environments returns."""

    observations: Float32s  # (N, features)
    masks: Flags  # (N, M, K), true where an outcome is allowed
    rewards: npt.NDArray[Any]  # (N,)
    terminated: Flags  # (N,)
    truncated: Flags  # (N,)
    times: npt.NDArray[Any]  # (N,): units of time that the step took
    credits: Credits | None = None  # where an environment says which steps earned the rewards


class HeadedEnvironment:
    """Wraps a Gymnasium vector environment with observations `Box(features,)`, actions `Discrete(K)` or
    `MultiDiscrete([K] * M)`, autoreset mode NEXT_STEP, and perhaps `info["action_mask"]`, (N, K) or (N, M, K), and
    `info["elapsed_s"]`, (N,). With the latter the unit of time, over which rewards are discounted, is a second (a
    semi-Markov decision process: Bradtke and Duff, "Reinforcement learning methods for continuous-time Markov decision
    problems", NIPS 1994), otherwise a step. If the environment has a method `credits`, learners take the
    `Credits` that it returns after each step in the place of the step's rewards.

    Raises ValueError for an environment of another form.
    """

    def __init__(self, environment: "VectorEnv[Any, Any, Any]") -> None:
        self._environment = environment
        self.num_envs = environment.num_envs
        if environment.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP) != AutoresetMode.NEXT_STEP:
            raise ValueError("environment: autoreset mode must be NEXT_STEP")
        self._credits = getattr(environment.unwrapped, "credits", None)
        self.has_credits = self._credits is not None
        self._actions = environment.single_action_space
        self.shape = shape_of(environment.single_observation_space, self._actions)
        self._mask_shape = (self.num_envs, self.shape.heads, self.shape.outcomes)
        self._all_allowed = np.ones(self._mask_shape, dtype=np.bool_)
        self._one_each = np.ones(self.num_envs)

    def reset(self, seed: int) -> Step:
        """Start the first episodes."""
        observations, info = self._environment.reset(seed=seed)
        none = np.zeros(self.num_envs, dtype=np.bool_)
        return Step(
            self._features(observations), self._masks(info), np.zeros(self.num_envs), none, none, self._one_each
        )

    def step(self, actions: Ints) -> Step:
        """Take actions, shape (N, M)."""
        taken = actions[:, 0] if isinstance(self._actions, gymnasium.spaces.Discrete) else actions
        observations, rewards, terminated, truncated, info = self._environment.step(taken)
        times, credited = info.get("elapsed_s", self._one_each), None if self._credits is None else self._credits()
        return Step(self._features(observations), self._masks(info), rewards, terminated, truncated, times, credited)

    def state(self) -> TrainingState:
        """Return the state of the environments. Raises ValueError if they are not `Resumable`."""
        return self._resumable().state()

    def restore(self, state: TrainingState) -> None:
        """Go on from a state. Raises ValueError if the environments are not `Resumable`."""
        self._resumable().restore(state)

    def _resumable(self) -> Resumable:
        environment: object = self._environment.unwrapped
        if not isinstance(environment, Resumable):
            raise ValueError(f"{type(environment).__name__}: must have state() and restore() to be resumed")
        return environment

    def _features(self, observations: npt.NDArray[Any]) -> Float32s:
        return np.asarray(observations, dtype=np.float32)

    def _masks(self, info: Mapping[str, Any]) -> Flags:
        if "action_mask" not in info:
            return self._all_allowed
        masks: Flags = np.asarray(info["action_mask"], dtype=np.bool_).reshape(self._mask_shape)
        return masks


def environment_seed(training_seed: int, index: int = 0) -> int:
    """Return the seed of an environment, counted over all workers of a training. Trainings of different seeds share
    none if each has at most 1,000 environments."""
    return training_seed * 1_000 + index


def step_state(step: Step) -> TrainingState:
    """Return the arrays of a step as a state. Its credits are not needed any more."""
    arrays = step._replace(credits=None)._asdict()
    return TrainingState({name: np.array(values) for name, values in arrays.items() if values is not None}, {})


def restored_step(state: TrainingState) -> Step:
    """Return the step of a state. Raises KeyError if it is none."""
    arrays = state.arrays
    return Step(
        arrays["observations"],
        arrays["masks"],
        arrays["rewards"],
        arrays["terminated"],
        arrays["truncated"],
        arrays["times"],
    )


def shape_of(observations: "gymnasium.Space[Any]", actions: "gymnasium.Space[Any]") -> Shape:
    """Return the sizes of a problem with these spaces. Raises ValueError for other spaces, and for values of actions
    that do not begin at 0."""
    if not isinstance(observations, gymnasium.spaces.Box) or len(observations.shape) != 1:
        raise ValueError(f"observation_space={observations}: must be a Box of one dimension")
    features = observations.shape[0]
    if isinstance(actions, gymnasium.spaces.Discrete) and actions.start == 0:
        return Shape(features, 1, int(actions.n))
    if isinstance(actions, gymnasium.spaces.MultiDiscrete) and actions.nvec.ndim == 1 and not actions.start.any():
        first, *others = actions.nvec.tolist()
        if all(each == first for each in others):
            return Shape(features, 1 + len(others), first)
    raise ValueError(f"action_space={actions}: must be Discrete(K) or MultiDiscrete([K] * M), from 0")
