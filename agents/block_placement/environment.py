"""The Gymnasium environment `airsplit/BlockPlacement-v0`."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from agents.block_placement.forms import MendedForm, PlacementForm, PrintedForm, SlotBatch, slots_at
from agents.block_placement.problem import FEATURE_LIMIT, BlockPlacement
from agents.block_placement.settings import BlockPlacementSettings
from emulator.core.arrays import Float32s, Ints

FORMS: Mapping[str, type[PlacementForm]] = {"mended": MendedForm, "printed": PrintedForm}


class BlockPlacementEnvironment(gymnasium.Env[Float32s, Ints]):
    """Each step places the M blocks of the tasks of one slot (see `agents.block_placement.forms`).

    Observation: float32, shape (features,), see `BlockPlacement.observe`. Action: the place of each block, 0 for the
    device, n for server n. Reward: minus the mean cost of the slot's tasks in seconds. The episode is truncated after T
    slots; the last observation is of a slot that is not decided. `info["tasks"]`: how many tasks arrive in the observed
    slot. `info["failed"]`: whether those of the last slot failed.
    """

    def __init__(self, problem: BlockPlacement) -> None:
        self.metadata = {"render_modes": []}
        self.problem = problem
        self.observation_space = observation_space(problem)
        self.action_space = action_space(problem)
        self._slot = problem.settings.slots

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Float32s, dict[str, Any]]:
        """Start an episode with empty queues and a full battery. Raises ValueError for options, as there are none."""
        super().reset(seed=seed)
        if options:
            raise ValueError(f"options={dict(options)}: must be empty")
        self._episode = self.problem.draw([self.np_random])
        self._carried = self.problem.fresh(1)
        self._slot = 0
        return self._observed(False)

    def step(self, action: Ints) -> tuple[Float32s, float, bool, bool, dict[str, Any]]:
        """Place the blocks of the observed slot. Raises ValueError for an invalid action."""
        placements = checked_placement(self.problem, action)[None]
        if self._slot == self.problem.settings.slots:
            raise gymnasium.error.ResetNeeded("the episode is over: call reset first")
        outcome = self.problem.form.outcome(self._observed_slots(), self._carried, placements)
        self._carried = outcome.after
        self._slot += 1
        observation, info = self._observed(bool(outcome.failed[0]))
        reward = -float(outcome.costs_s.sum(axis=1)[0])
        return observation, reward, False, self._slot == self.problem.settings.slots, info

    def _observed_slots(self) -> SlotBatch:
        return slots_at(self._episode, self._slot)

    def _observed(self, failed: bool) -> tuple[Float32s, dict[str, Any]]:
        slots = self._observed_slots()
        info = {"tasks": int(slots.tasks[0]), "failed": failed}
        return self.problem.observe(slots, self._carried)[0], info


def checked_placement(problem: BlockPlacement, action: Ints) -> Ints:
    """Return an action as a placement, shape (M,). Raises ValueError (one line) for an invalid one."""
    placement = np.asarray(action)
    fits = placement.shape == (problem.settings.blocks,) and np.issubdtype(placement.dtype, np.integer)
    if not fits or placement.min() < 0 or placement.max() >= problem.places:
        rule = f"{problem.settings.blocks} numbers in 0..{problem.places - 1}"
        raise ValueError(f"action={placement.tolist()}: must be {rule}")
    return placement.astype(np.int64, copy=False)


def observation_space(problem: BlockPlacement) -> "gymnasium.Space[Float32s]":
    """Return the space of features within their limit."""
    return gymnasium.spaces.Box[np.float32](-FEATURE_LIMIT, FEATURE_LIMIT, (problem.features,), np.float32)


def action_space(problem: BlockPlacement) -> "gymnasium.spaces.MultiDiscrete":
    """Return the space of placements."""
    return gymnasium.spaces.MultiDiscrete([problem.places] * problem.settings.blocks)


def problem_of(form: str = "mended", **settings: Any) -> BlockPlacement:
    """Return the problem in a form, `mended` or `printed`, with some settings of `BlockPlacementSettings` replaced.

    Raises ValueError (one line) for another form, and for settings out of range.
    """
    if form not in FORMS:
        raise ValueError(f"form={form}: must be one of {', '.join(FORMS)}")
    return BlockPlacement(FORMS[form](BlockPlacementSettings(**settings)))


def make(form: str = "mended", **settings: Any) -> BlockPlacementEnvironment:
    """Entry point of `gymnasium.make(BLOCK_PLACEMENT, form="printed", servers=2)`."""
    return BlockPlacementEnvironment(problem_of(form, **settings))
