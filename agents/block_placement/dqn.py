"""The problem decided block by block, and DQN on it from Stable-Baselines3 (optional: `airsplit[baselines]`).

DQN has one output for each action, so that it cannot place M blocks at once: it sees which block is next and where the
block before runs, and chooses one of N + 1 places.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import torch

from agents.block_placement.forms import Carried, SlotBatch, slots_at
from agents.block_placement.policies import Choose, Situation
from agents.block_placement.problem import FEATURE_LIMIT, BlockPlacement
from agents.learning.heads import environment_seed
from agents.learning.networks import one_thread
from agents.learning.seeded_vector import SeededVector
from emulator.core.arrays import Flags, Float32s, Floats, Ints
from emulator.core.errors import MissingDependency

if TYPE_CHECKING:
    from stable_baselines3 import DQN

ENVIRONMENTS = 32
SETTINGS: Mapping[str, Any] = {
    "gamma": 0.95,  # published; so are the final exploration of 0.01 and batches of 32, which are too noisy here
    "learning_rate": 1e-3,
    "learning_starts": 1_000,
    "batch_size": 256,
    "train_freq": 1,  # of all environments
    "gradient_steps": 4,
    "target_update_interval": 1_000,
    "exploration_fraction": 0.5,
    "exploration_final_eps": 0.01,
}


class BlockByBlock(SeededVector):
    """Each step places one block of a slot in every environment. Observation: that of the slot, the block's number and
    the place of the block before, each as indicators. Reward: minus the block's cost, given the blocks placed so far;
    what later blocks add to it (in the queues of the mended form) is in the reward of the slot's last block, so that a
    slot's rewards add up to its own. All episodes end together."""

    def __init__(self, num_envs: int, problem: BlockPlacement) -> None:
        features = problem.features + problem.settings.blocks + problem.places
        observations = gymnasium.spaces.Box[np.float32](-FEATURE_LIMIT, FEATURE_LIMIT, (features,), np.float32)
        super().__init__(num_envs, observations, gymnasium.spaces.Discrete(problem.places))
        self.problem = problem
        self._slot = problem.settings.slots
        self._carried = problem.fresh(num_envs)

    def step(self, actions: Ints) -> tuple[Float32s, Floats, Flags, Flags, dict[str, Any]]:
        """Place the next block."""
        none = np.zeros(self.num_envs, dtype=np.bool_)
        if self._slot == self.problem.settings.slots:
            observations, info = self._start_all()
            return observations, np.zeros(self.num_envs), none, none.copy(), info
        self._placements[:, self._block :] = np.asarray(actions)[:, None]  # a run on one place adds no transfer
        outcome = self.problem.form.outcome(self._slots, self._carried, self._placements)
        costs_s = outcome.costs_s[:, self._block].copy()
        self._block += 1
        if self._block == self.problem.settings.blocks:
            costs_s = outcome.costs_s.sum(axis=1) - self._given_s
            self._carried = outcome.after
            self._slot += 1
            self._begin_slot()
        else:
            self._given_s += costs_s
        truncated = np.full(self.num_envs, self._slot == self.problem.settings.slots)
        return self._observed(), -costs_s, none, truncated, {}

    def _start_all(self) -> tuple[Float32s, dict[str, Any]]:
        self._episode = self.problem.draw(self._generators)
        self._carried = self.problem.fresh(self.num_envs)
        self._slot = 0
        self._begin_slot()
        return self._observed(), {}

    def _begin_slot(self) -> None:
        self._slots: SlotBatch = slots_at(self._episode, self._slot)
        self._placements = np.zeros((self.num_envs, self.problem.settings.blocks), dtype=np.int64)
        self._block, self._given_s = 0, np.zeros(self.num_envs)

    def _observed(self) -> Float32s:
        previous = self._placements[:, self._block - 1] if self._block else np.zeros(self.num_envs, dtype=np.int64)
        return block_features(self.problem, self._slots, self._carried, self._block, previous)


def block_features(problem: BlockPlacement, slots: SlotBatch, carried: Carried, block: int, previous: Ints) -> Float32s:
    """Return what is observed before a block is placed, shape (B, features); `previous` (B,): place of the last."""
    number = np.zeros((len(previous), problem.settings.blocks), dtype=np.float32)
    number[:, block] = 1
    place = np.eye(problem.places, dtype=np.float32)[previous]
    features: Float32s = np.concatenate([problem.observe(slots, carried), number, place], axis=1, dtype=np.float32)
    return features


def learn(problem: BlockPlacement, steps: int, seed: int) -> Choose:
    """Train DQN for some slots. Raises MissingDependency without Stable-Baselines3."""
    try:
        from stable_baselines3 import DQN

        from agents.learning.stable_baselines import OfStableBaselines
    except ImportError as error:
        raise MissingDependency("stable-baselines3: must be installed: pip install 'airsplit[baselines]'") from error
    total = steps * problem.settings.blocks
    with one_thread():
        model = DQN(
            "MlpPolicy",
            OfStableBaselines(BlockByBlock(ENVIRONMENTS, problem)),
            buffer_size=total,
            seed=environment_seed(seed),  # environment i has this seed + i
            device="cpu",
            policy_kwargs={"optimizer_kwargs": {"fused": True}},
            **SETTINGS,
        )
        model.learn(total)
    return partial(_greatest, model)


def _greatest(model: "DQN", situation: Situation) -> Ints:
    """Place block after block where the action value is greatest, shape (B, M)."""
    problem = situation.problem
    placements = np.zeros((len(situation.slots.tasks), problem.settings.blocks), dtype=np.int64)
    previous = placements[:, 0]
    for block in range(problem.settings.blocks):
        features = block_features(problem, situation.slots, situation.carried, block, previous)
        with torch.no_grad():
            previous = model.q_net(torch.from_numpy(features)).argmax(-1).numpy()
        placements[:, block] = previous
    return placements
