"""The vector version of the environment `BlockPlacementEnvironment`."""

from typing import Any

import numpy as np

from agents.block_placement.environment import action_space, observation_space, problem_of
from agents.block_placement.forms import slots_at
from agents.block_placement.problem import BlockPlacement
from agents.learning.seeded_vector import SeededVector
from agents.learning.training.state import Arrays, TrainingState, assign, generators_data, restored_generators
from emulator.core.arrays import Flags, Float32s, Floats, Ints


class BlockPlacementVector(SeededVector):
    """Environment i equals the scalar one after a reset with seed + i, step by step. All episodes have as many slots,
    so that they end together."""

    def __init__(self, num_envs: int, problem: BlockPlacement) -> None:
        super().__init__(num_envs, observation_space(problem), action_space(problem))
        self.problem = problem
        self._slot = problem.settings.slots
        self._carried = problem.fresh(num_envs)

    def step(self, actions: Ints) -> tuple[Float32s, Floats, Flags, Flags, dict[str, Any]]:
        """Place the blocks of one slot in each environment, or start the next episodes. Raises ValueError for an
        invalid action, before any environment changes."""
        placements = self._checked(actions)
        none = np.zeros(self.num_envs, dtype=np.bool_)
        if self._slot == self.problem.settings.slots:
            observations, info = self._start_all()
            return observations, np.zeros(self.num_envs), none, none.copy(), info
        outcome = self.problem.form.outcome(self._slots, self._carried, placements)
        self._carried = outcome.after
        self._slot += 1
        observations, info = self._observed(outcome.failed)
        truncated = np.full(self.num_envs, self._slot == self.problem.settings.slots)
        return observations, -outcome.costs_s.sum(axis=1), none, truncated, info

    def state(self) -> TrainingState:
        """Return the episodes' state, from which a training goes on."""
        arrays = {name: column.copy() for name, column in self._columns().items()}
        return TrainingState(arrays, {"generators": generators_data(self._generators), "slot": self._slot})

    def restore(self, state: TrainingState) -> None:
        """Go on from a state. Raises KeyError or ValueError for one of other environments."""
        for name, column in self._columns().items():
            assign(column, state.arrays[name])
        self._generators = restored_generators(state.data["generators"])
        self._has_begun = True
        self._slot = int(state.data["slot"])
        self._features = self.problem.slot_features(self._episode)
        self._slots = slots_at(self._episode, self._slot)

    def _columns(self) -> Arrays:
        return self._episode._asdict() | self._carried._asdict()

    def _start_all(self) -> tuple[Float32s, dict[str, Any]]:
        self._episode = self.problem.draw(self._generators)
        self._features = self.problem.slot_features(self._episode)
        self._carried = self.problem.fresh(self.num_envs)
        self._slot = 0
        return self._observed(np.zeros(self.num_envs, dtype=np.bool_))

    def _observed(self, failed: Flags) -> tuple[Float32s, dict[str, Any]]:
        self._slots = slots_at(self._episode, self._slot)
        every = np.ones(self.num_envs, dtype=np.bool_)
        info = {"tasks": self._slots.tasks.copy(), "_tasks": every, "failed": failed, "_failed": every.copy()}
        return self.problem.observe_carried(self._features[self._slot], self._carried), info


def make(num_envs: int, form: str = "mended", **settings: Any) -> BlockPlacementVector:
    """Entry point of `gymnasium.make_vec(BLOCK_PLACEMENT, num_envs, form="printed")`."""
    return BlockPlacementVector(num_envs, problem_of(form, **settings))
