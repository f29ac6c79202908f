"""What a coarse or damaged activation costs in quality: measured losses, and their interpolation.

The loss is in nats a token (language models: rise of the mean negative log-likelihood) or a fraction of answers (vision
models: fall of the accuracy; where images have no labels, of the agreement with the unharmed model). It is a measured
mean, so a harmless change can have a small loss below 0.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from emulator.core.arrays import Floats

DELIVERED = "int8"  # the codec with which deliveries are measured


@dataclass(frozen=True)
class QualityRow:
    """Mean loss at one cut. `delivery`: text of an `emulator.activation.delivery.ActivationDelivery`, "" where nothing
    is lost; `level`: the share of the scalars on the unacknowledged bearer that is lost, or the noise's power relative
    to each token's. `low`, `high`: 95 % interval, NaN where too little was measured for one; `agreement`: share of the
    answers (tokens, classes) that are those of the unharmed model."""

    cut: int
    codec: str
    delivery: str
    level: float
    loss: float
    low: float
    high: float
    agreement: float


class Curve(NamedTuple):
    """Loss as a function of the level, piecewise linear: `levels` ascend from 0; `lows`, `highs`: 95 % interval."""

    levels: Floats
    losses: Floats
    lows: Floats
    highs: Floats

    def at(self, level: float) -> float:
        """Return the loss at a level, linear between the two next to it. Raises ValueError for a level that was not
        reached."""
        if not 0 <= level <= self.levels[-1]:
            raise ValueError(f"level={level:g}: quality was measured from 0 to {self.levels[-1]:g}")
        upper = int(np.searchsorted(self.levels, level))
        if upper == 0:
            return float(self.losses[0])
        (low, high), (a, b) = self.levels[upper - 1 : upper + 1], self.losses[upper - 1 : upper + 1]
        return float(a + (b - a) * ((level - low) / (high - low)))

    def interval_at(self, level: float) -> tuple[float, float]:
        """Return the 95 % interval at a level, its bounds linear between levels. Raises ValueError as `at` does."""
        if not 0 <= level <= self.levels[-1]:
            raise ValueError(f"level={level:g}: quality was measured from 0 to {self.levels[-1]:g}")
        return float(np.interp(level, self.levels, self.lows)), float(np.interp(level, self.levels, self.highs))


@dataclass(frozen=True)
class QualityTable:
    """Measured losses of one model. `unit`: of the loss; `base`: mean negative log-likelihood (nats a token),
    accuracy, or agreement (1) of the unharmed model on the same data."""

    model: str
    unit: str
    base: float
    rows: tuple[QualityRow, ...]

    @cached_property
    def _measured(self) -> Mapping[tuple[int, str, str], list[QualityRow]]:
        groups: dict[tuple[int, str, str], list[QualityRow]] = {}
        for row in sorted(self.rows, key=lambda each: each.level):
            groups.setdefault((row.cut, row.codec, row.delivery), []).append(row)
        return groups

    @property
    def cuts(self) -> tuple[int, ...]:
        """Return the measured cuts, in order."""
        return tuple(sorted({row.cut for row in self.rows}))

    @property
    def codecs(self) -> tuple[str, ...]:
        """Return the measured codecs, in order of their names."""
        return tuple(sorted({row.codec for row in self.rows if not row.delivery}))

    @property
    def deliveries(self) -> tuple[str, ...]:
        """Return the texts of the measured deliveries, in order."""
        return tuple(sorted({row.delivery for row in self.rows if row.delivery}))

    def curve(self, cut: int, codec: str, delivery: str = "") -> Curve:
        """Return the loss at a cut with a codec, by level.

        Without a delivery the only level is 0. A delivery that was not measured with this codec has its loss and
        interval with int8, shifted by the difference of the losses of the two codecs alone. Raises ValueError for a
        cut, codec or delivery that was not measured.
        """
        coded = self._measured.get((cut, codec, ""))
        if coded is None and cut in self.cuts:
            raise ValueError(self._refusal(f"codec={codec}", self.codecs))
        if coded is None:
            raise ValueError(self._refusal(f"cut={cut}", self.cuts))
        at_zero = _columns(coded)
        if not delivery:
            return at_zero
        own = self._measured.get((cut, codec, delivery))
        if own is not None:
            return Curve._make(np.concatenate(pair) for pair in zip(at_zero, _columns(own), strict=True))
        if codec == DELIVERED or (cut, DELIVERED, delivery) not in self._measured:
            there = sorted({name for at, _, name in self._measured if at == cut and name})
            raise ValueError(self._refusal(f"cut={cut}: delivery={delivery}", there or ["none"]))
        levels, *losses = self.curve(cut, DELIVERED, delivery)
        shift = at_zero.losses[0] - losses[0][0]
        return Curve(levels, *(each + shift for each in losses))

    def loss(self, cut: int, codec: str, delivery: str = "", erased_share: float = 0.0) -> float:
        """Return the mean loss, linear between the measured levels. Raises ValueError for what was not measured, also
        for a share above the greatest level."""
        curve = self.curve(cut, codec, delivery)
        return float(np.interp(self._within(curve, erased_share), curve.levels, curve.losses))

    def interval(self, cut: int, codec: str, delivery: str = "", erased_share: float = 0.0) -> tuple[float, float]:
        """Return the 95 % interval of the mean loss, its bounds linear between measured levels. Raises ValueError as
        `loss` does."""
        curve = self.curve(cut, codec, delivery)
        share = self._within(curve, erased_share)
        return float(np.interp(share, curve.levels, curve.lows)), float(np.interp(share, curve.levels, curve.highs))

    def _within(self, curve: Curve, share: float) -> float:
        if not 0 <= share <= curve.levels[-1]:
            raise ValueError(f"erased_share={share:g}: {self.model} was measured from 0 to {curve.levels[-1]:g}")
        return share

    def _refusal(self, what: str, known: Iterable[object]) -> str:
        return f"{what}: quality of {self.model} was measured for {', '.join(map(str, known))}"


def _columns(rows: list[QualityRow]) -> Curve:
    return Curve._make(np.array([getattr(row, name) for row in rows]) for name in ("level", "loss", "low", "high"))
