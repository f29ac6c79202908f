"""The Gymnasium environment `airsplit/SplitInference-v0` of uncoupled tasks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import gymnasium
import numpy as np

from agents.split_inference.encoding import LIMIT
from agents.split_inference.episodes import Episodes, EpisodeSettings
from emulator.core.arrays import Flags, Float32s, is_integer
from emulator.core.cache import user_cache
from emulator.core.draws import uniform
from topologies.build import training_systems
from topologies.loading.contents import contents_sha256
from topologies.loading.loader import load
from topologies.schema.scenario import Scenario

EPISODE_ORDERS = 2**62  # the seed chooses one of as many
KEPT_EPISODES = 4  # the last that were made, for further environments of the same contents


class SplitInference(gymnasium.Env[Float32s, np.int64]):
    """Each step places one task that is alone on an idle system (see `agents.split_inference.episodes`).

    Observation: the features of `agents.split_inference.encoding.Layout`, float32. Action: the number of a choice;
    `info["action_mask"]` marks the current candidates, and any other choice earns the reward of a failed task. Reward:
    minus the task's cost divided by its deadline. `info["sojourn_ns"]`: the task's sojourn (-1 for a choice that is no
    candidate, 0 after a reset). After `steps` tasks the episode is truncated; the last observation is of a task that is
    not placed. `reset(seed=...)` fixes the order of the following episodes; `options={"episode": n}` selects one.
    """

    def __init__(self, episodes: Episodes) -> None:
        self.metadata = {"render_modes": []}
        self.episodes = episodes
        self.observation_space = observation_space(episodes)
        self.action_space = gymnasium.spaces.Discrete(episodes.layout.choices)
        self._key: int | None = None
        self._count = 0
        self._rows = episodes.rows(0)
        self._step = episodes.settings.steps

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Float32s, dict[str, Any]]:
        """Start the next episode. Raises ValueError for an episode that there is not, and for other options."""
        chosen = (options or {}).get("episode", 0)
        known = set(options or ()) <= {"episode"} and is_integer(chosen)
        if not (known and 0 <= chosen < len(self.episodes)):
            raise ValueError(f"options={options}: must be {{'episode': 0..{len(self.episodes) - 1}}}")
        super().reset(seed=seed)
        if seed is not None or self._key is None:
            self._key, self._count = int(self.np_random.integers(EPISODE_ORDERS)), 0
        number = int(uniform(self._key, self._count, 0, 0) * len(self.episodes))
        self._count += 1
        self._rows = self.episodes.rows((options or {}).get("episode", number))
        self._step = 0
        return self._observe(0)

    def step(self, action: np.int64 | int) -> tuple[Float32s, float, bool, bool, dict[str, Any]]:
        """Place the observed task. Raises ValueError for an invalid action."""
        if not (is_integer(action) and 0 <= action < self.episodes.layout.choices):
            raise ValueError(f"action={action}: must be in 0..{self.episodes.layout.choices - 1}")
        if self._step == self.episodes.settings.steps:
            raise gymnasium.error.ResetNeeded("the episode is over: call reset first")
        reward = float(self._rows.rewards[self._step, action])
        sojourn_ns = int(self._rows.sojourns_ns[self._step, action])
        self._step += 1
        observation, info = self._observe(sojourn_ns)
        return observation, reward, False, self._step == self.episodes.settings.steps, info

    def action_masks(self) -> Flags:
        """Return which choices are candidates of the observed task, shape (choices,): the method that MaskablePPO of
        sb3-contrib asks for."""
        masks: Flags = self._rows.masks[self._step].copy()
        return masks

    def _observe(self, sojourn_ns: int) -> tuple[Float32s, dict[str, Any]]:
        info = {"action_mask": self.action_masks(), "sojourn_ns": sojourn_ns}
        return self._rows.observations[self._step].copy(), info


def observation_space(episodes: Episodes) -> "gymnasium.Space[Float32s]":
    """Return the space of features within their limit."""
    return gymnasium.spaces.Box[np.float32](-LIMIT, LIMIT, (episodes.layout.features,), np.float32)


@dataclass(frozen=True)
class TrainingSource:
    """A scenario to train on. Two are equal if scenario and files have the same contents, wherever they lie."""

    sha256: str
    scenario: Scenario = field(compare=False)
    folder: Path = field(compare=False)

    @classmethod
    def of(cls, file: str) -> Self:
        """Return the scenario of a file."""
        path = Path(file)
        loaded = load(path)
        return cls(contents_sha256(loaded, path.parent), loaded, path.parent)


def episodes_of(scenario: str, episodes: int, steps: int, seed: int) -> Episodes:
    """Return episodes on the training systems of a scenario file. Environments of equal contents share them: the
    channels are generated once in a process, and kept for later ones (see `emulator.core.cache`)."""
    return _episodes_of(TrainingSource.of(scenario), EpisodeSettings(episodes, steps, seed))


@lru_cache(maxsize=KEPT_EPISODES)
def _episodes_of(source: TrainingSource, settings: EpisodeSettings) -> Episodes:
    return Episodes(training_systems(source.scenario, source.folder, user_cache()), settings)


def make(scenario: str, episodes: int = 64, steps: int = 32, seed: int = 0) -> SplitInference:
    """Entry point of `gymnasium.make(SPLIT_INFERENCE, scenario="topologies/quickstart.yaml")`."""
    return SplitInference(episodes_of(scenario, episodes, steps, seed))
