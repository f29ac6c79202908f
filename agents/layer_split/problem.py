"""The decision problem itself, for N episodes at once."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from agents.layer_split.channels import Impairment
from agents.layer_split.losses import LossModel
from agents.layer_split.setting import LayerSplitSetting
from emulator.core.arrays import Float32s, Floats, Ints

DRAWS = 3  # uniform numbers that start an episode


class States(NamedTuple):
    """States of N episodes, shape (N,) each. `level`: now; `scale`: Rayleigh's; `start`: the split at the start;
    `reference`: the loss there, in nats; `last`: the loss at the last step; `step`: steps done."""

    level: Floats
    scale: Floats
    split: Ints
    start: Ints
    reference: Floats
    last: Floats
    step: Ints


@dataclass(frozen=True)
class LayerSplit:
    """Split p of 1..max_split has p decoder layers at the UE. A step changes it, and earns

        alpha (PPL_ref - PPL) / PPL_ref + (max_split - p) / max_split

    with PPL the perplexity at the new split and PPL_ref that at the split and level of the episode's start (Chen et
    al. 2025, equation of the reward, and their code). Perplexity is exp(base + loss), so that only losses count.
    """

    setting: LayerSplitSetting
    impairment: Impairment
    loss_model: LossModel

    @cached_property
    def targets(self) -> Ints:
        """The split after each action, shape (max_split, actions), row i for split i + 1."""
        return self.setting.actions.targets(self.setting.max_split)

    @cached_property
    def drifts(self) -> Floats:
        """The factor of the level after each action, shape (max_split, actions), row i for split i + 1: a power of the
        layers moved."""
        moved, drift = self.targets - np.arange(1, self.setting.max_split + 1)[:, None], self.setting.drift
        found: Floats = np.where(moved > 0, 1 - drift, 1 + drift) ** np.abs(moved)
        return found

    def starts(self, draws: Floats, last: Floats) -> States:
        """Return the states at the start of N episodes from uniform draws in [0, 1), shape (N, 3). `last`: loss at the
        end of the episode before, minus infinity if there was none."""
        of = self.setting
        level, scale = (
            low + draws[:, i] * (high - low) for i, (low, high) in enumerate((of.level_range, of.scale_range))
        )
        first, final = of.start_splits
        split: Ints = first + (draws[:, 2] * (final - first + 1)).astype(np.int64)
        return States(level, scale, split, split, self.losses(level, split), last, np.zeros_like(split))

    def steps(self, states: States, actions: Ints) -> tuple[States, Floats]:
        """Return the states after one action each, and the rewards, shape (N,)."""
        of = self.setting
        split = self.targets[states.split - 1, actions]
        level = states.level * self.drifts[states.split - 1, actions]
        loss = self.losses(level, split)
        if of.stay_repeats:
            loss = np.where(split == states.split, states.last, loss)
        rewards = self.rewards(loss, states.reference, split)
        return states._replace(level=level, split=split, last=loss, step=states.step + 1), rewards

    def rewards(self, losses: Floats, references: Floats, splits: Ints) -> Floats:
        """Return the rewards of steps that end at these losses and splits, shape (N,)."""
        found: Floats = -self.setting.alpha * np.expm1(losses - references)
        return found + (self.setting.max_split - splits) / self.setting.max_split

    @property
    def observation_bounds(self) -> tuple[Float32s, Float32s]:
        """The least and the greatest value of each feature, shape (features,) each."""
        of = self.setting
        scales = np.array(of.scale_range)
        high = [self.impairment.noise(np.full(2, of.reached_level), scales).max(), scales[1], 1.0]
        low = [0.0, 0.0, 0.0]
        progress = 2 if of.observes_progress else 0
        # Rounding to single precision must not put a value beyond its bound.
        return np.array(low + [0.0] * progress, np.float32), np.array(high + [1.0] * progress, np.float32) * 1.001

    def observe(self, states: States) -> Float32s:
        """Return what an agent sees, shape (N, features): noise intensity, Rayleigh scale and split over max_split, and
        if `observes_progress`, remaining steps over steps and the split at the start over max_split."""
        of = self.setting
        columns = [self.impairment.noise(states.level, states.scale), states.scale, states.split / of.max_split]
        if of.observes_progress:
            columns += [1 - states.step / of.steps, states.start / of.max_split]
        return np.stack(columns, axis=1).astype(np.float32)

    def losses(self, levels: Floats, splits: Ints) -> Floats:
        """Return the losses in nats a token of splits at levels, shape (N,)."""
        return self.loss_model.losses(np.minimum(levels, self.setting.max_level), splits + self.setting.extra_layers)
