"""What a cut costs in quality at a level: the rise of the mean negative log-likelihood, whose exponential is the factor
by which perplexity grows."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from emulator.core.arrays import Floats, Ints
from emulator.quality import QualityTable
from topologies.quality.tables import QUALITY_FOLDER, load_quality

CODEC = "fp16"  # in which hidden states are sent
TABLE = QUALITY_FOLDER / "layer-split" / "smollm2-135m.json"


class LossModel(Protocol):
    """Loss in nats a token of a split at a level."""

    def losses(self, levels: Floats, splits: Ints) -> Floats:
        """Return the losses of N splits, each at its own level, shape (N,)."""


@dataclass(frozen=True)
class MeasuredLosses:
    """Means of a quality table, linear between the measured levels.

    `levels`: ascending from 0, shape (K,); `means`: of every split from 0 on, shape (splits, K). Split p has the
    embedding and the first p decoder layers at the UE: cut p + 1 of the model.
    """

    levels: Floats
    means: Floats

    def losses(self, levels: Floats, splits: Ints) -> Floats:
        """Return the losses, shape (N,). Raises ValueError for a level or a split that was not measured."""
        if np.any((splits < 0) | (splits >= len(self.means))):
            raise ValueError(f"split={splits}: quality was measured for splits 0 to {len(self.means) - 1}")
        if not np.all((levels >= 0) & (levels <= self.levels[-1])):
            raise ValueError(f"level={levels}: quality was measured from 0 to {self.levels[-1]:g}")
        upper = np.maximum(np.searchsorted(self.levels, levels), 1)
        low, high = self.levels[upper - 1], self.levels[upper]
        weight = (levels - low) / (high - low)
        found: Floats = self.means[splits, upper - 1] * (1 - weight) + self.means[splits, upper] * weight
        return found


def measured_losses(table: QualityTable, delivery: str) -> MeasuredLosses:
    """Return the losses of one delivery in a table with the cuts 1, 2, 3, ... Raises ValueError for other cuts, or a
    delivery that was not measured at all of them and the same levels."""
    if table.cuts != tuple(range(1, len(table.cuts) + 1)):
        raise ValueError(f"cuts={table.cuts}: must be 1, 2, 3, ...")
    curves = [table.curve(cut, CODEC, delivery) for cut in table.cuts]
    if any(not np.array_equal(curve.levels, curves[0].levels) for curve in curves):
        raise ValueError(f"delivery={delivery}: must be measured at the same levels at all cuts")
    return MeasuredLosses(curves[0].levels, np.array([curve.losses for curve in curves]))


def shipped_losses(delivery: str) -> MeasuredLosses:
    """Return the losses of SmolLM2-135M that are shipped. Raises ValueError for a delivery that was not measured."""
    return measured_losses(load_quality(str(TABLE)), delivery)
