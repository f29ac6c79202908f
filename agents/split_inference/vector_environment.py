"""The vector version of the environment `SplitInference`: one table, stepped by one compiled loop."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.utils.seeding import np_random

from agents.learning.seeded_vector import SeededVector
from agents.learning.training.state import TrainingState, assign
from agents.split_inference.environment import EPISODE_ORDERS, episodes_of, observation_space
from agents.split_inference.episodes import Episodes
from emulator.core.arrays import Flags, Float32s, Ints
from emulator.core.compiled import compiled
from emulator.core.draws import uniform

Float64s = npt.NDArray[np.float64]

# Columns of the state: key of the seed, number of started episodes, row in the table, remaining steps.
ORDER_KEY, EPISODE_COUNT, TABLE_ROW, STEPS_LEFT = 0, 1, 2, 3


class SplitInferenceVector(SeededVector):
    """Environment i equals the scalar one after a reset with seed + i, step by step.

    The autoreset mode is NEXT_STEP, Gymnasium's default: the step after a truncation ignores its action, has reward 0
    and returns the next episode's first observation. Returned arrays belong to the caller, except the constant ones
    (terminations and masks of infos), which are read-only.
    """

    def __init__(self, num_envs: int, episodes: Episodes) -> None:
        super().__init__(num_envs, observation_space(episodes), gymnasium.spaces.Discrete(episodes.layout.choices))
        self.episodes = episodes
        self._table = episodes.table()
        self._steps = episodes.settings.steps
        self._state = np.zeros((num_envs, 4), dtype=np.int64)
        self._all, self._none = np.ones(num_envs, dtype=np.bool_), np.zeros(num_envs, dtype=np.bool_)
        self._all.flags.writeable = self._none.flags.writeable = False

    def _seed(self, seeds: Sequence[int | None]) -> None:
        """Draw the order of episodes of each environment that is seeded anew."""
        for state, each in zip(self._state, seeds, strict=True):
            if each is not None or not self._has_begun:
                state[ORDER_KEY], state[EPISODE_COUNT] = np_random(each)[0].integers(EPISODE_ORDERS), 0

    def _start_all(self) -> tuple[Float32s, dict[str, Any]]:
        """Start the next episode in every environment."""
        self._state[:, STEPS_LEFT] = 0
        observations, _, _, _, info = self.step(np.zeros(self.num_envs, dtype=np.int64))
        return observations, info

    def step(self, actions: Ints) -> tuple[Float32s, Float64s, Flags, Flags, dict[str, Any]]:
        """Place one task in each environment, or start its next episode. Raises ValueError for an invalid action,
        before any environment changes, and ResetNeeded before the first reset."""
        chosen = self._checked(actions)
        count, choices = self.num_envs, self._table.masks.shape[1]
        observations = np.empty((count, self._table.observations.shape[1]), dtype=np.float32)
        rewards = np.empty(count, dtype=np.float64)
        truncations = np.empty(count, dtype=np.bool_)
        masks = np.empty((count, choices), dtype=np.bool_)
        sojourns_ns = np.empty(count, dtype=np.int64)
        step_all(chosen, self._state, self._steps, *self._table, observations, masks, rewards, sojourns_ns, truncations)
        info = {
            "action_mask": masks,
            "_action_mask": self._all,
            "sojourn_ns": sojourns_ns,
            "_sojourn_ns": self._all,
        }
        return observations, rewards, self._none, truncations, info

    def action_masks(self) -> Flags:
        """Return which choices are candidates of each observed task, shape (num_envs, choices)."""
        masks: Flags = self._table.masks[self._state[:, TABLE_ROW]]
        return masks

    def state(self) -> TrainingState:
        """Return the episodes' state, from which a training goes on."""
        return TrainingState({"episodes": self._state.copy()}, {})

    def restore(self, state: TrainingState) -> None:
        """Go on from a state. Raises KeyError or ValueError for one of other environments."""
        assign(self._state, state.arrays["episodes"])
        self._has_begun = True


@compiled
def step_all(
    actions: Ints, state: Ints, steps: int,
    all_observations: Float32s, all_masks: Flags, all_rewards: Float64s, all_sojourns_ns: Ints,
    observations: Float32s, masks: Flags, rewards: Float64s, sojourns_ns: Ints, truncations: Flags,
) -> None:  # fmt: skip
    """Step every environment into the last five arrays."""
    episodes = len(all_observations) // (steps + 1)
    for i in range(len(state)):
        row = state[i, TABLE_ROW]
        if state[i, STEPS_LEFT] == 0:
            row = int(uniform(state[i, ORDER_KEY], state[i, EPISODE_COUNT], 0, 0) * episodes) * (steps + 1)
            state[i, EPISODE_COUNT] += 1
            state[i, STEPS_LEFT] = steps
            rewards[i] = 0.0
            sojourns_ns[i] = 0
            truncations[i] = False
        else:
            rewards[i] = all_rewards[row, actions[i]]
            sojourns_ns[i] = all_sojourns_ns[row, actions[i]]
            row += 1
            state[i, STEPS_LEFT] -= 1
            truncations[i] = state[i, STEPS_LEFT] == 0
        state[i, TABLE_ROW] = row
        for j in range(observations.shape[1]):
            observations[i, j] = all_observations[row, j]
        for j in range(masks.shape[1]):
            masks[i, j] = all_masks[row, j]


def make(num_envs: int, scenario: str, episodes: int = 64, steps: int = 32, seed: int = 0) -> SplitInferenceVector:
    """Entry point of `gymnasium.make_vec("airsplit/SplitInference-v0", num_envs, scenario=...)`."""
    return SplitInferenceVector(num_envs, episodes_of(scenario, episodes, steps, seed))
