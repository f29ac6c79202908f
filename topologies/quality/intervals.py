"""Intervals of means over seeds, each of which has units of its own."""

import numpy as np
from scipy import stats

from emulator.core.arrays import Floats

MIN_SEEDS = 5  # with fewer, an interval would suggest more than is known
CONFIDENCE_LEVEL = 0.95


def mean_interval(values: Floats) -> tuple[float, float]:
    """Return Student's 95 % interval of the mean of `values`, shape (seeds, units), from the means of the seeds.
    (NaN, NaN) with fewer than five seeds.

    The seeds are the independent samples: losses on the same text or images are alike, and so are those of one seed's
    draws.
    """
    seeds = len(values)
    if seeds < MIN_SEEDS:
        return np.nan, np.nan
    means = values.mean(axis=1)
    half = float(stats.t.ppf((1 + CONFIDENCE_LEVEL) / 2, seeds - 1) * means.std(ddof=1) / seeds**0.5)
    return float(means.mean()) - half, float(means.mean()) + half
