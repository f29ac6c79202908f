"""Intervals of means over training seeds."""

from scipy import stats

from emulator.core.arrays import Floats

FEWEST = 5  # seeds with an interval


def interval(values: Floats) -> tuple[float, float]:
    """Return Student's 95 % interval of the mean of independent values, or the least and the greatest of fewer than
    five."""
    if len(values) < FEWEST:
        return float(values.min()), float(values.max())
    half = float(stats.t.ppf(0.975, len(values) - 1)) * float(values.std(ddof=1)) / len(values) ** 0.5
    return float(values.mean()) - half, float(values.mean()) + half
