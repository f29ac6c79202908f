"""The Gymnasium environment `airsplit/Offload-v0`: a running system, one decision a step."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import gymnasium
import numpy as np

from agents.offload.episodes import OffloadSettings
from agents.offload.vector_environment import OffloadVector
from agents.split_inference.environment import TrainingSource
from emulator.core.arrays import Flags, Float32s
from emulator.core.cache import user_cache
from emulator.core.units import ns_from_ms
from emulator.system import System
from emulator.workload import Stream
from topologies.build import training_systems

KEPT_SYSTEMS = 4  # of the last scenarios, for further environments of the same contents


class Offload(gymnasium.Env[Float32s, np.int64]):
    """One system of `OffloadVector`: see there. `reset(options={"episode": n})` selects an episode."""

    def __init__(self, systems: Sequence[System], settings: OffloadSettings) -> None:
        self.metadata = {"render_modes": []}
        self._vector = OffloadVector(1, systems, settings)
        self.observation_space = self._vector.single_observation_space
        self.action_space = self._vector.single_action_space
        self.layout = self._vector.layout

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Float32s, dict[str, Any]]:
        """Start the next episode. Raises ValueError for an episode that does not exist, and for other options."""
        if set(options or ()) - {"episode"}:
            raise ValueError(f"options={options}: must be {{'episode': 0..{len(self._vector.runs.episodes) - 1}}}")
        super().reset(seed=seed)
        if options:
            self._vector.seed(seed)
            observations, info = self._vector.start([options["episode"]])
        else:
            observations, info = self._vector.reset(seed=seed)
        return observations[0], _of_first(info)

    def step(self, action: np.int64 | int) -> tuple[Float32s, float, bool, bool, dict[str, Any]]:
        """Place the observed task. Raises ValueError for an invalid action, ResetNeeded after the episode's end."""
        if self._vector.runs.decisions["is_over"][0]:
            raise gymnasium.error.ResetNeeded("the episode is over: call reset first")
        observations, rewards, _, truncations, info = self._vector.step(np.array([action]))
        return observations[0], float(rewards[0]), False, bool(truncations[0]), _of_first(info)

    def action_masks(self) -> Flags:
        """Return which choices are candidates of the observed task, shape (choices,): the method that MaskablePPO of
        sb3-contrib asks for."""
        masks: Flags = self._vector.action_masks()[0]
        return masks

    def observed(self) -> tuple[Stream, int]:
        """Return the stream and the number of the observed task."""
        return self._vector.observed(0)

    def outstanding_s(self) -> float:
        """Return the cost of the tasks that have not ended, which is due after the episode's end; the episode is over
        then. The rewards of an episode and this cost are those of a run of `airsplit run`."""
        return self._vector.outstanding_s(0)


def _of_first(info: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[0] for name, values in info.items() if not name.startswith("_")}


def systems_of(scenario: str) -> tuple[System, ...]:
    """Return the training systems of a scenario file; those of equal contents are made once in a process."""
    return _systems_of(TrainingSource.of(scenario))


@lru_cache(maxsize=KEPT_SYSTEMS)
def _systems_of(source: TrainingSource) -> tuple[System, ...]:
    return tuple(training_systems(source.scenario, source.folder, user_cache()))


def make(scenario: str, episodes: int = 64, seed: int = 0, decision_ms: float = 0.0) -> Offload:
    """Entry point of `gymnasium.make("airsplit/Offload-v0", scenario="topologies/quickstart.yaml")`."""
    return Offload(systems_of(scenario), OffloadSettings(episodes, seed, ns_from_ms(decision_ms)))


def make_vector(
    num_envs: int, scenario: str, episodes: int = 64, seed: int = 0, decision_ms: float = 0.0
) -> OffloadVector:
    """Entry point of `gymnasium.make_vec("airsplit/Offload-v0", num_envs, scenario=...)`."""
    return OffloadVector(num_envs, systems_of(scenario), OffloadSettings(episodes, seed, ns_from_ms(decision_ms)))
