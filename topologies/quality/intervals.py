"""Bootstrap intervals of means over units that seeds have of their own."""

import numpy as np

from emulator.core.arrays import Floats
from emulator.core.randomness import generator

MIN_SEEDS = 5  # with fewer, an interval would suggest more than is known
RESAMPLES = 2_000
CONFIDENCE_LEVEL = 0.95


def mean_interval(values: Floats) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean of `values`, shape (seeds, units): the seeds are drawn with
    replacement, and then the units of each drawn seed. (NaN, NaN) with fewer than five seeds.

    Two levels, because losses on the same text or images are alike, and so are those of one seed's draws.
    """
    seeds, units = values.shape
    if seeds < MIN_SEEDS:
        return np.nan, np.nan
    rng = generator(0, "quality", "bootstrap")
    drawn_seeds = rng.integers(seeds, size=(RESAMPLES, seeds, 1))
    drawn_units = rng.integers(units, size=(RESAMPLES, seeds, units))
    means = values[drawn_seeds, drawn_units].mean(axis=(1, 2))
    low, high = np.quantile(means, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    return float(low), float(high)
