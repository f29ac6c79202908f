"""Means that outliers do not rule, and intervals by resampling units, never single tasks: a trace's tasks
meet the same channel, so they are no independent witnesses."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]

LEAST_UNITS = 5  # with fewer, an interval would say more than is known
RESAMPLES = 2_000
LEVEL = 0.95


def iqm(scores: Floats) -> float:
    """The interquartile mean: that of all scores but the lowest and the highest quarter."""
    return float(stats.trim_mean(scores, 0.25, axis=None))


def stratified_interval(
    scores: Floats, statistic: Callable[[Floats], float], rng: np.random.Generator
) -> tuple[float, float]:
    """The 95 % percentile interval of `statistic` over `scores`, shape (seeds, traces): each trace keeps its
    place, and draws as many of its own seeds, with replacement (Agarwal et al., "Deep reinforcement learning
    at the edge of the statistical precipice", NeurIPS 2021). NaN, NaN with fewer than five scores."""
    if scores.size < LEAST_UNITS:
        return np.nan, np.nan
    draws = rng.integers(scores.shape[0], size=(RESAMPLES, *scores.shape))
    return _percentiles(np.array([statistic(np.take_along_axis(scores, draw, axis=0)) for draw in draws]))


def ratio_interval(numerators: Floats, denominators: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """The 95 % percentile interval of sum(numerators) / sum(denominators), shape (units,) each, whole units
    drawn with replacement. NaN, NaN with fewer than five units."""
    units = len(numerators)
    if units < LEAST_UNITS:
        return np.nan, np.nan
    draws = rng.integers(units, size=(RESAMPLES, units))
    return _percentiles(numerators[draws].sum(axis=1) / denominators[draws].sum(axis=1))


def _percentiles(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
