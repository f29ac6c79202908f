"""Bootstrap intervals over units. Single tasks are never resampled: tasks on the same trace see the same channel, so
they are not independent."""

import numpy as np

from emulator.core.arrays import Floats

MIN_UNITS = 5  # with fewer, an interval would suggest more than is known
RESAMPLES = 2_000
CONFIDENCE_LEVEL = 0.95


def ratio_interval(numerators: Floats, denominators: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """Return the 95 % percentile interval of sum(numerators) / sum(denominators), shape (units,) each, with units
    drawn with replacement. (NaN, NaN) with fewer than five units or if all denominators are 0."""
    units = len(numerators)
    if units < MIN_UNITS or not denominators.any():
        return np.nan, np.nan
    draws = rng.integers(units, size=(RESAMPLES, units))
    return _percentiles(numerators[draws].sum(axis=1) / denominators[draws].sum(axis=1))


def _percentiles(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    return float(low), float(high)
