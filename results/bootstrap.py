"""Intervals by resampling units, never single tasks: a trace's tasks
meet the same channel, so they are no independent witnesses."""

import numpy as np

from emulator.core.arrays import Floats

LEAST_UNITS = 5  # with fewer, an interval would say more than is known
RESAMPLES = 2_000
LEVEL = 0.95


def ratio_interval(numerators: Floats, denominators: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """The 95 % percentile interval of sum(numerators) / sum(denominators), shape (units,) each, whole units
    drawn with replacement. NaN, NaN with fewer than five units, and where all denominators are 0."""
    units = len(numerators)
    if units < LEAST_UNITS or not denominators.any():
        return np.nan, np.nan
    draws = rng.integers(units, size=(RESAMPLES, units))
    return _percentiles(numerators[draws].sum(axis=1) / denominators[draws].sum(axis=1))


def _percentiles(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
