"""The vector version of the environment `BlockPlacementEnvironment`."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from agents.block_placement.environment import action_space, checked_placements, observation_space, problem_of
from agents.block_placement.forms import SlotBatch, slots_at
from agents.block_placement.problem import BlockPlacement
from emulator.core.arrays import Flags, Float32s, Floats, Ints


class BlockPlacementVector(gymnasium.vector.VectorEnv[Float32s, Ints, npt.NDArray[Any]]):
    """Environment i equals the scalar one after a reset with seed + i, step by step.

    The autoreset mode is NEXT_STEP, Gymnasium's default: the step after a truncation ignores its action, has reward 0
    and returns the next episode's first observation. All episodes have as many slots, so that they end together.
    Returned arrays belong to the caller.
    """

    def __init__(self, num_envs: int, problem: BlockPlacement) -> None:
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}
        self.num_envs = num_envs
        self.problem = problem
        self.single_observation_space = observation_space(problem)
        self.single_action_space = action_space(problem)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._generators: list[np.random.Generator] = []
        self._slot = problem.settings.slots
        self._carried = problem.fresh(num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Float32s, dict[str, Any]]:
        """Start the next episode in every environment. Raises ValueError for options, as there are none."""
        if options:
            raise ValueError(f"options={dict(options)}: must be empty")
        seeds = seed if isinstance(seed, list) else [None if seed is None else seed + i for i in range(self.num_envs)]
        before = self._generators
        self._generators = [
            np_random(each)[0] if each is not None or not before else before[index] for index, each in enumerate(seeds)
        ]
        return self._start()

    def step(self, actions: Ints) -> tuple[Float32s, Floats, Flags, Flags, dict[str, Any]]:
        """Place the blocks of one slot in each environment, or start the next episodes. Raises ValueError for an
        invalid action, before any environment changes."""
        placements = checked_placements(self.problem, actions, self.num_envs)
        none = np.zeros(self.num_envs, dtype=np.bool_)
        if self._slot == self.problem.settings.slots:
            observations, info = self._start()
            return observations, np.zeros(self.num_envs), none, none.copy(), info
        outcome = self.problem.form.outcome(self._observed_slots(), self._carried, placements)
        self._carried = outcome.after
        self._slot += 1
        observations, info = self._observed(outcome.failed)
        truncated = np.full(self.num_envs, self._slot == self.problem.settings.slots)
        return observations, -outcome.costs_s.sum(axis=1), none, truncated, info

    def _start(self) -> tuple[Float32s, dict[str, Any]]:
        self._episode = self.problem.draw(self._generators)
        self._carried = self.problem.fresh(self.num_envs)
        self._slot = 0
        return self._observed(np.zeros(self.num_envs, dtype=np.bool_))

    def _observed_slots(self) -> SlotBatch:
        return slots_at(self._episode, self._slot)

    def _observed(self, failed: Flags) -> tuple[Float32s, dict[str, Any]]:
        slots = self._observed_slots()
        every = np.ones(self.num_envs, dtype=np.bool_)
        info = {"tasks": slots.tasks.copy(), "_tasks": every, "failed": failed, "_failed": every.copy()}
        return self.problem.observe(slots, self._carried), info


def make(num_envs: int, form: str = "mended", **settings: Any) -> BlockPlacementVector:
    """Entry point of `gymnasium.make_vec(BLOCK_PLACEMENT, num_envs, form="printed")`."""
    return BlockPlacementVector(num_envs, problem_of(form, **settings))
