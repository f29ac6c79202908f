"""Tasks that are alone, as a problem that agents are trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.learning.settings import DEFAULTS, LearnerSettings
from agents.split_inference.encoding import Layout
from agents.split_inference.episodes import Episodes, EpisodeSettings
from agents.split_inference.learned import actor_logits
from agents.split_inference.vector_environment import SplitInferenceVector
from emulator.core.arrays import Float32s
from emulator.core.progress import StepProgress
from emulator.system import System


@dataclass(frozen=True)
class IsolatedTasks:
    """The `TrainingProblem` of `airsplit/SplitInference-v0`: all episodes have as many steps."""

    episodes: Episodes

    @property
    def systems(self) -> tuple[System, ...]:
        """The systems of the episodes."""
        return self.episodes.systems

    @property
    def layout(self) -> Layout:
        """The meaning of observations and actions."""
        return self.episodes.layout

    @property
    def defaults(self) -> Mapping[str, LearnerSettings]:
        """Settings without a later reward."""
        return DEFAULTS

    @property
    def description(self) -> Mapping[str, Any]:
        """Number and length of the episodes, and the seed of their draws."""
        settings = self.episodes.settings
        return {"episodes": settings.episodes, "steps": settings.steps, "draws": settings.seed}

    def environments(self, num_envs: int) -> SplitInferenceVector:
        """Return so many environments side by side."""
        return SplitInferenceVector(num_envs, self.episodes)

    def episode_return(self, point: Mapping[str, Any]) -> float:
        """Return the mean return of an episode by a point of a learning curve. It is that of the rewards of all steps,
        which are more than those of the episodes that ended."""
        return float(point["reward_mean"]) * self.episodes.settings.steps

    def mean_return(self, weights: Mapping[str, Float32s]) -> float:
        """Return what an actor that takes its best choices earns in an episode, on average over all of them."""
        table, steps = self.episodes.table(), self.episodes.settings.steps
        placed = np.arange(len(table.masks)) % (steps + 1) != steps  # an episode's last task is not placed
        best = actor_logits(weights, table.observations[placed], table.masks[placed]).argmax(axis=1)
        return float(table.rewards[placed, best].mean()) * steps


def prepare_episodes(
    systems: Sequence[System], settings: EpisodeSettings, progress: StepProgress, step: str = "episodes"
) -> IsolatedTasks:
    """Compute the rows of all episodes, and report each to `progress`."""
    episodes = Episodes(systems, settings)
    for number in range(len(episodes)):
        episodes.rows(number)
        progress(step, number + 1, len(episodes))
    return IsolatedTasks(episodes)
