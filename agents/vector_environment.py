"""Many environments at once: `agents.environment.SplitInference` over one table, stepped by one compiled loop."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from agents.environment import KEYS, episodes_of, observation_space
from agents.episodes import Episodes
from emulator.core.arrays import Flags, Float32s, Ints
from emulator.core.compiled import compiled
from emulator.core.draws import uniform

Float64s = npt.NDArray[np.float64]

KEY, COUNT, ROW, LEFT = 0, 1, 2, 3  # columns of the state: the seed's key, episodes begun, row in the table, steps left


class SplitInferenceVector(gymnasium.vector.VectorEnv[Float32s, Ints, npt.NDArray[Any]]):
    """Environment i behaves as the scalar one that was reset with seed + i, step by step.

    Autoreset is NEXT_STEP, Gymnasium's default: the step after a truncation ignores its action, earns
    0 and returns the next episode's first observation. Returned arrays are the caller's, but for those
    that never change (no environment terminates, each has its infos), which are read-only.
    """

    def __init__(self, num_envs: int, episodes: Episodes) -> None:
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}
        self.num_envs = num_envs
        self.episodes = episodes
        self.single_observation_space = observation_space(episodes)
        self.single_action_space = gymnasium.spaces.Discrete(episodes.layout.choices)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._table = episodes.table()
        self._steps = episodes.settings.steps
        self._state = np.zeros((num_envs, 4), dtype=np.int64)
        self._seeded = False
        self._all, self._none = np.ones(num_envs, dtype=np.bool_), np.zeros(num_envs, dtype=np.bool_)
        self._all.flags.writeable = self._none.flags.writeable = False

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Float32s, dict[str, Any]]:
        """Begin the next episode in every environment. Raises ValueError when given options: there are none."""
        if options:
            raise ValueError(f"options={dict(options)}: must be empty")
        seeds = seed if isinstance(seed, list) else [None if seed is None else seed + i for i in range(self.num_envs)]
        for state, each in zip(self._state, seeds, strict=True):
            if each is not None or not self._seeded:
                state[KEY], state[COUNT] = np_random(each)[0].integers(KEYS), 0
        self._seeded = True
        self._state[:, LEFT] = 0
        observations, _, _, _, info = self.step(np.zeros(self.num_envs, dtype=np.int64))
        return observations, info

    def step(self, actions: Ints) -> tuple[Float32s, Float64s, Flags, Flags, dict[str, Any]]:
        """Place one task in each environment, or begin its next episode. Raises ValueError, before any
        environment has moved, for a number that is no action."""
        count, choices = self.num_envs, self._table.masks.shape[1]
        observations = np.empty((count, self._table.observations.shape[1]), dtype=np.float32)
        rewards = np.empty(count, dtype=np.float64)
        truncations = np.empty(count, dtype=np.bool_)
        masks = np.empty((count, choices), dtype=np.bool_)
        sojourns_ns = np.empty(count, dtype=np.int64)
        valid = step_all(
            np.asarray(actions, dtype=np.int64), self._state, self._steps, *self._table,
            observations, masks, rewards, sojourns_ns, truncations,
        )  # fmt: skip
        if not valid:
            raise ValueError(f"actions={actions}: must be {count} numbers in 0..{choices - 1}")
        info = {
            "action_mask": masks,
            "_action_mask": self._all,
            "sojourn_ns": sojourns_ns,
            "_sojourn_ns": self._all,
        }
        return observations, rewards, self._none, truncations, info


@compiled
def step_all(
    actions: Ints, state: Ints, steps: int,
    all_observations: Float32s, all_masks: Flags, all_rewards: Float64s, all_sojourns_ns: Ints,
    observations: Float32s, masks: Flags, rewards: Float64s, sojourns_ns: Ints, truncations: Flags,
) -> bool:  # fmt: skip
    """One step of every environment into the last five arrays; False, and nothing moved, when an action is none."""
    if len(actions) != len(state):
        return False
    for action in actions:
        if action < 0 or action >= all_masks.shape[1]:
            return False
    episodes = len(all_observations) // (steps + 1)
    for i in range(len(state)):
        row = state[i, ROW]
        if state[i, LEFT] == 0:
            row = int(uniform(state[i, KEY], state[i, COUNT], 0, 0) * episodes) * (steps + 1)
            state[i, COUNT] += 1
            state[i, LEFT] = steps
            rewards[i] = 0.0
            sojourns_ns[i] = 0
            truncations[i] = False
        else:
            rewards[i] = all_rewards[row, actions[i]]
            sojourns_ns[i] = all_sojourns_ns[row, actions[i]]
            row += 1
            state[i, LEFT] -= 1
            truncations[i] = state[i, LEFT] == 0
        state[i, ROW] = row
        for j in range(observations.shape[1]):
            observations[i, j] = all_observations[row, j]
        for j in range(masks.shape[1]):
            masks[i, j] = all_masks[row, j]
    return True


def make(num_envs: int, scenario: str, episodes: int = 64, steps: int = 32, seed: int = 0) -> SplitInferenceVector:
    """What `gymnasium.make_vec("airsplit/SplitInference-v0", num_envs, scenario=...)` returns."""
    return SplitInferenceVector(num_envs, episodes_of(scenario, episodes, steps, seed))
