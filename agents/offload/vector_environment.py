"""The vector environment `airsplit/Offload-v0`: many running systems, stepped in compiled code."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from agents.learning.credit import Credits
from agents.learning.seeded_vector import SeededVector
from agents.learning.training.state import TrainingState, assign, joined
from agents.offload.episode_log import EpisodeLog
from agents.offload.episodes import OffloadSettings, coupled_layout_of, episodes_of
from agents.offload.features import feature_tables, write_features
from agents.split_inference.encoding import LIMIT, Encoder, Layout
from emulator.core.arrays import Flags, Float32s, Ints, is_integer
from emulator.core.draws import uniform
from emulator.core.units import NS_PER_S
from emulator.stepping.systems import SteppedSystems
from emulator.system import System
from emulator.workload import Stream

EPISODE_ORDERS = 2**62  # the seed chooses one of as many


class OffloadVector(SeededVector):
    """Each step places one task in each of many running systems, and runs the system until its next task arrives.

    Observation: the features of `Layout` (float32) as the deciding node knows them, with their age. Action: the number
    of a choice; `info["action_mask"]` marks the candidates of the observed task, and a task with any other choice fails
    at once. Reward: minus the cost in seconds (`Cost.of`) of the tasks that ended since the decision before, which was
    `info["elapsed_s"]` ago; `credits` has these costs by the steps that placed the tasks. An episode is
    truncated at the first arrival that is not before the systems' duration; this last task is observed and not placed.
    """

    def __init__(self, num_envs: int, systems: Sequence[System], settings: OffloadSettings) -> None:
        self.layout = coupled_layout_of(systems[0])
        box = gymnasium.spaces.Box[np.float32](-LIMIT, LIMIT, (self.layout.features,), np.float32)
        super().__init__(num_envs, box, gymnasium.spaces.Discrete(self.layout.choices))
        self.runs = SteppedSystems(systems, episodes_of(systems, settings), num_envs, settings.decision_ns)
        self._features = feature_tables(self.runs, self.layout)
        self._plans, self._masks = _choices(self.runs, self.layout)
        self._keys = np.zeros(num_envs, np.int64)
        self._counts = np.zeros(num_envs, np.int64)  # of episodes that began
        self._log = EpisodeLog(self.runs)
        self._all = np.ones(num_envs, dtype=np.bool_)

    def step(self, actions: Ints) -> tuple[Float32s, npt.NDArray[np.float64], Flags, Flags, dict[str, Any]]:
        """Place one task in each system, or begin its next episode. Raises ValueError for an invalid action, before
        any system changes."""
        chosen = self._checked(actions)
        decisions = self.runs.decisions
        plans = self._plans[decisions["stream"], chosen]
        for run in np.flatnonzero(decisions["is_over"]):
            self._begin(int(run), self._next_episode(int(run)))
        return self._step(plans)

    def credits(self) -> Credits:
        """Return the rewards of the last step, one for each task, with the steps that placed the tasks."""
        runs, charges = self.runs.charges()
        return Credits(runs, charges["steps_ago"], -charges["cost_s"])

    def action_masks(self) -> Flags:
        """Return which choices are candidates of each observed task, shape (num_envs, choices)."""
        masks: Flags = self._masks[self.runs.decisions["stream"]]
        return masks

    def observed(self, run: int) -> tuple[Stream, int]:
        """Return the stream and the number of a system's observed task."""
        decision = self.runs.decisions[run]
        return self.runs.streams[decision["stream"]], int(decision["number"])

    def start(self, episodes: Sequence[int]) -> tuple[Float32s, dict[str, Any]]:
        """Start an episode in each system, which has been seeded. Each counts as the next one in the order of the seed.
        Raises ValueError for a number that none has."""
        for episode in episodes:
            if not (is_integer(episode) and 0 <= episode < len(self.runs.episodes)):
                raise ValueError(f"episode={episode}: must be in 0..{len(self.runs.episodes) - 1}")
        for run, episode in enumerate(episodes):
            self._begin(run, episode)
        observations, _, _, _, info = self._step(np.zeros(self.num_envs, np.int64))
        return observations, info

    def outstanding_s(self, run: int) -> float:
        """Return the cost of the tasks of a system that have not ended. Its episode is over then."""
        return self.runs.outstanding_s(run)

    def state(self) -> TrainingState:
        """Return the order of the episodes and what happened in the running ones, from which a training goes on."""
        order = TrainingState({"keys": self._keys.copy(), "counts": self._counts.copy()}, {})
        return joined(order=order, log=self._log.state())

    def restore(self, state: TrainingState) -> None:
        """Go on from a state. Raises KeyError or ValueError for one of other environments."""
        order = state.part("order").arrays
        assign(self._keys, order["keys"])
        assign(self._counts, order["counts"])
        self._log.restore(state.part("log"))
        self._has_begun = True

    def _seed(self, seeds: Sequence[int | None]) -> None:
        super()._seed(seeds)
        for run, seed in enumerate(seeds):
            if seed is not None or self._keys[run] == 0:
                self._keys[run], self._counts[run] = self._generators[run].integers(1, EPISODE_ORDERS), 0

    def _start_all(self) -> tuple[Float32s, dict[str, Any]]:
        return self.start([self._next_episode(run) for run in range(self.num_envs)])

    def _next_episode(self, run: int) -> int:
        draw = uniform(int(self._keys[run]), int(self._counts[run]), 0, 0)
        return int(draw * len(self.runs.episodes))

    def _begin(self, run: int, episode: int) -> None:
        self.runs.begin(run, episode)
        self._log.begin(run, episode)
        self._counts[run] += 1

    def _step(self, plans: Ints) -> tuple[Float32s, npt.NDArray[np.float64], Flags, Flags, dict[str, Any]]:
        self._log.add(plans)
        self.runs.step(plans)
        return self._observe()

    def _observe(self) -> tuple[Float32s, npt.NDArray[np.float64], Flags, Flags, dict[str, Any]]:
        decisions = self.runs.decisions
        observations = np.empty((self.num_envs, self.layout.features), np.float32)
        write_features(self.runs.tables, self.runs.ordered_ns, self._features, decisions, observations)
        info = {
            "action_mask": self.action_masks(),
            "_action_mask": self._all,
            "elapsed_s": decisions["elapsed_ns"] / NS_PER_S,
            "_elapsed_s": self._all,
        }
        return observations, -decisions["cost_s"], ~self._all, decisions["is_over"].copy(), info


def _choices(runs: SteppedSystems, layout: Layout) -> tuple[Ints, Flags]:
    """Return the plan of each choice of each stream's tasks, -1 where it is no candidate, and the mask of candidates,
    shape (streams, choices) each."""
    encoder, system = Encoder(layout), runs.network.system
    plans = np.full((len(runs.streams), layout.choices), -1)
    for index, stream in enumerate(runs.streams):
        candidates = system.placements[stream.source, stream.kind.name]
        plan_of = {placement: runs.first_plan[index] + place for place, placement in enumerate(candidates)}
        placements, _ = encoder.choices(stream.source, stream.kind.name, candidates)
        plans[index, : len(placements)] = [plan_of.get(placement, -1) for placement in placements]
    return plans, plans >= 0
