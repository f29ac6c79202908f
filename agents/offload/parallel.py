"""The multi-agent form of `airsplit/Offload-v0`, for PettingZoo (optional: `airsplit[multi-agent]`)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from pettingzoo import ParallelEnv

from agents.offload.environment import systems_of
from agents.offload.episodes import OffloadSettings
from agents.offload.vector_environment import OffloadVector
from agents.split_inference.encoding import LIMIT
from emulator.core.arrays import Float32s
from emulator.core.units import ns_from_ms
from emulator.system import System

Steps = tuple[dict[str, Float32s], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]


class OffloadParallel(ParallelEnv):  # type: ignore[misc]  # a class of an extra, which mypy does not read
    """A running system in which each UE places its own tasks: see `OffloadVector` for tasks, choices and episodes.

    A step is an arrival. The UE whose task is observed places it. Each other UE has nothing to place: it sees zeros,
    its `info["action_mask"]` allows action 0 alone, and whatever it does changes nothing. Observation: what the UE
    itself knows, its own device's backlog at once, rates and other backlogs with the age of the scenario's `control`.
    Reward: minus the cost in seconds of the UE's own tasks that ended since the arrival before, which was
    `info["elapsed_s"]` ago. All UEs are truncated together.
    """

    def __init__(self, systems: Sequence[System], settings: OffloadSettings) -> None:
        own = [replace(system, control=replace(system.control, node=None)) for system in systems]
        self._vector = OffloadVector(1, own, settings)
        self._sources = np.array([stream.source for stream in systems[0].streams])
        self.metadata = {"name": "airsplit/Offload-v0", "render_modes": []}
        self.layout = self._vector.layout
        self.possible_agents: list[str] = list(dict.fromkeys(self._sources.tolist()))
        self.agents: list[str] = []
        box = gymnasium.spaces.Box[np.float32]
        self.observation_spaces = {
            agent: box(-LIMIT, LIMIT, (self.layout.features,), np.float32) for agent in self.possible_agents
        }
        self.action_spaces = {agent: gymnasium.spaces.Discrete(self.layout.choices) for agent in self.possible_agents}

    def observation_space(self, agent: str) -> "gymnasium.Space[Float32s]":
        """Return the space of a UE's observations."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gymnasium.spaces.Discrete:
        """Return the space of a UE's actions."""
        return self.action_spaces[agent]

    @property
    def observed(self) -> str:
        """The UE whose task is observed."""
        return str(self._sources[self._vector.runs.decisions["stream"][0]])

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Float32s], dict[str, dict[str, Any]]]:
        """Start the next episode, or the one of `options={"episode": n}`; other options are for other environments.
        Raises ValueError for an episode that does not exist."""
        self._vector.seed(seed)
        if options and "episode" in options:
            observations, info = self._vector.start([options["episode"]])
        else:
            observations, info = self._vector.reset()
        self.agents = list(self.possible_agents)
        return self._seen(observations), self._infos(info)

    def step(self, actions: Mapping[str, np.int64 | int]) -> Steps:
        """Place the observed task. Raises ValueError for an invalid action of its UE, ResetNeeded after the episode's
        end."""
        if not self.agents:
            raise gymnasium.error.ResetNeeded("the episode is over: call reset first")
        if self.observed not in actions:
            raise ValueError(f"actions={dict(actions)}: must have one of {self.observed}")
        observations, _, _, truncations, info = self._vector.step(np.array([actions[self.observed]]))
        result = (
            self._seen(observations),
            self._rewards(),
            dict.fromkeys(self.agents, False),
            dict.fromkeys(self.agents, bool(truncations[0])),
            self._infos(info),
        )
        if truncations[0]:
            self.agents = []
        return result

    def outstanding_s(self) -> dict[str, float]:
        """Return the cost of the tasks of each UE that have not ended, which is due after the episode's end; the
        episode is over then."""
        self._vector.outstanding_s(0)
        self.agents = []
        return {agent: -reward for agent, reward in self._rewards().items()}

    def _rewards(self) -> dict[str, float]:
        due_s = self._vector.runs.due_s[0]
        return {agent: -float(due_s[self._sources == agent].sum()) for agent in self.possible_agents}

    def _seen(self, observations: Float32s) -> dict[str, Float32s]:
        seen = {agent: np.zeros(self.layout.features, np.float32) for agent in self.agents}
        return seen | {self.observed: observations[0]}

    def _infos(self, info: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return mask and time of the step for each UE. Masks are int8, as gymnasium samples actions with them."""
        masks = np.zeros((len(self.agents), self.layout.choices), np.int8)
        masks[:, 0] = 1
        masks[self.agents.index(self.observed)] = info["action_mask"][0]
        elapsed_s = float(info["elapsed_s"][0])
        return {
            agent: {"action_mask": mask, "elapsed_s": elapsed_s} for agent, mask in zip(self.agents, masks, strict=True)
        }


def parallel_env(scenario: str, episodes: int = 64, seed: int = 0, decision_ms: float = 0.0) -> OffloadParallel:
    """Return the environment over the training systems of a scenario file."""
    return OffloadParallel(systems_of(scenario), OffloadSettings(episodes, seed, ns_from_ms(decision_ms)))
