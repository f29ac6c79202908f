"""Tasks that meet in running systems, as a problem that agents are trained on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from agents.learning.settings import COUPLED_DEFAULTS, LearnerSettings
from agents.offload.episodes import OffloadSettings, coupled_layout_of
from agents.offload.vector_environment import OffloadVector
from agents.split_inference.encoding import Layout
from agents.split_inference.learned import actor_logits
from agents.split_inference.sampling import Sampler
from emulator.core.arrays import Float32s
from emulator.system import System


@dataclass(frozen=True)
class CoupledTasks:
    """The `TrainingProblem` of `airsplit/Offload-v0`: episodes end at the systems' duration, after any number of
    steps."""

    systems: tuple[System, ...]
    settings: OffloadSettings

    @cached_property
    def layout(self) -> Layout:
        """The meaning of observations and actions."""
        return coupled_layout_of(self.systems[0])

    @property
    def defaults(self) -> Mapping[str, LearnerSettings]:
        """Settings with later rewards."""
        return COUPLED_DEFAULTS

    @property
    def description(self) -> Mapping[str, Any]:
        """The environment and its settings."""
        return {"environment": "offload", **asdict(self.settings)}

    def environments(self, num_envs: int) -> OffloadVector:
        """Return so many environments side by side."""
        return OffloadVector(num_envs, self.systems, self.settings)

    def episode_return(self, point: Mapping[str, Any]) -> float:
        """Return the mean return of the episodes that ended before a point of a learning curve, NaN if none did."""
        return float(point["episode_return"])

    def mean_return(self, weights: Mapping[str, Float32s]) -> float:
        """Return minus the cost of all tasks of an episode in which the actor decides as in a run, in seconds, on
        average over all episodes. Tasks that end after the episode count too."""
        count, vector = self.settings.episodes, self._all_episodes
        samplers = [Sampler(episode.seed) for episode in vector.runs.episodes]
        earned, is_over = np.zeros(count), np.zeros(count, np.bool_)
        vector.seed(0)
        observations, info = vector.start(range(count))
        while not is_over.all():
            logits = actor_logits(weights, observations, info["action_mask"])
            actions = np.zeros(count, np.int64)
            for run in np.flatnonzero(~is_over).tolist():
                stream, number = vector.observed(run)
                actions[run] = samplers[run].choose(stream.source, stream.kind.name, number, logits[run])
            observations, rewards, _, truncated, info = vector.step(actions)
            earned[~is_over] += rewards[~is_over]
            ended = truncated & ~is_over
            earned[ended] -= [vector.outstanding_s(int(episode)) for episode in np.flatnonzero(ended)]
            is_over |= ended
        return float(earned.mean())

    @cached_property
    def _all_episodes(self) -> OffloadVector:
        """An environment for each episode."""
        return self.environments(self.settings.episodes)
