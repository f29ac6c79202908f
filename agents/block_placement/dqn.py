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
from emulator.core.arrays import Float32s, Ints
from emulator.core.errors import MissingDependency

if TYPE_CHECKING:
    from stable_baselines3 import DQN

GAMMA = 0.95  # published; so are the final exploration of 0.01 and batches of 32, which are too noisy here


class BlockByBlock(gymnasium.Env[Float32s, np.int64]):
    """Each step places one block. Observation: that of the slot, the block's number and the place of the block before,
    each as indicators. Reward: minus the block's cost, given the blocks placed so far; what later blocks add to it (in
    the queues of the mended form) is in the reward of the slot's last block, so that a slot's rewards add up to its
    own."""

    def __init__(self, problem: BlockPlacement) -> None:
        self.metadata = {"render_modes": []}
        self.problem = problem
        features = problem.features + problem.settings.blocks + problem.places
        self.observation_space = gymnasium.spaces.Box[np.float32](
            -FEATURE_LIMIT, FEATURE_LIMIT, (features,), np.float32
        )
        self.action_space = gymnasium.spaces.Discrete(problem.places)
        self._slot = problem.settings.slots

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Float32s, dict[str, Any]]:
        """Start an episode with empty queues and a full battery."""
        super().reset(seed=seed)
        self._episode = self.problem.draw([self.np_random])
        self._carried = self.problem.fresh(1)
        self._slot = 0
        self._begin_slot()
        return self._observed(), {}

    def step(self, action: np.int64 | int) -> tuple[Float32s, float, bool, bool, dict[str, Any]]:
        """Place the next block."""
        if self._slot == self.problem.settings.slots:
            raise gymnasium.error.ResetNeeded("the episode is over: call reset first")
        self._placement[self._block] = action
        self._block += 1
        rest = self._placement.copy()
        rest[self._block :] = action  # a run of blocks on one place adds no transfer
        outcome = self.problem.form.outcome(self._slots, self._carried, rest[None])
        last = self._block == self.problem.settings.blocks
        cost_s = float(outcome.costs_s.sum() - self._given_s if last else outcome.costs_s[0, self._block - 1])
        self._given_s += cost_s
        if last:
            self._carried = outcome.after
            self._slot += 1
            self._begin_slot()
        return self._observed(), -cost_s, False, self._slot == self.problem.settings.slots, {}

    def _begin_slot(self) -> None:
        self._slots: SlotBatch = slots_at(self._episode, self._slot)
        self._placement = np.zeros(self.problem.settings.blocks, dtype=np.int64)
        self._block, self._given_s = 0, 0.0

    def _observed(self) -> Float32s:
        previous = self._placement[self._block - 1 : self._block] if self._block else np.zeros(1, dtype=np.int64)
        features: Float32s = block_features(self.problem, self._slots, self._carried, self._block, previous)[0]
        return features


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
    except ImportError as error:
        raise MissingDependency("stable-baselines3: must be installed: pip install 'airsplit[baselines]'") from error
    total = steps * problem.settings.blocks
    model = DQN(
        "MlpPolicy",
        BlockByBlock(problem),
        gamma=GAMMA,
        learning_rate=1e-3,
        learning_starts=1_000,
        batch_size=128,
        buffer_size=total,
        train_freq=8,
        gradient_steps=2,
        target_update_interval=1_000,
        exploration_fraction=0.5,
        exploration_final_eps=0.01,
        seed=seed,
        device="cpu",
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
