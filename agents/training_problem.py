"""What an agent can be trained on."""

from collections.abc import Mapping
from typing import Any, Protocol

from gymnasium.vector import VectorEnv

from agents.learning.settings import LearnerSettings
from agents.split_inference.encoding import Layout
from emulator.core.arrays import Float32s
from emulator.system import System


class TrainingProblem(Protocol):
    """Episodes over systems, stepped side by side in a vector environment. It pickles, for asynchronous workers."""

    @property
    def systems(self) -> tuple[System, ...]:
        """The systems whose channels the episodes have."""

    @property
    def layout(self) -> Layout:
        """The meaning of observations and actions."""

    @property
    def defaults(self) -> Mapping[str, LearnerSettings]:
        """The settings of each type of agent that suit the problem."""

    @property
    def description(self) -> Mapping[str, Any]:
        """What distinguishes the episodes from others over the same systems, as plain data."""

    def environments(self, num_envs: int) -> "VectorEnv[Any, Any, Any]":
        """Return so many environments side by side."""

    def episode_return(self, point: Mapping[str, Any]) -> float:
        """Return the mean return of an episode by a point of a learning curve (`agents.learning.training.curve`)."""

    def mean_return(self, weights: Mapping[str, Float32s]) -> float:
        """Return what an actor that takes its best choices earns in an episode, on average over all of them."""
