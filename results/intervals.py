"""Intervals over units. Single tasks are never drawn: tasks on the same trace see the same channel, so they are not
independent."""

import numpy as np
from scipy import stats

from emulator.core.arrays import Floats

MIN_UNITS = 5  # with fewer, an interval would suggest more than is known
CONFIDENCE_LEVEL = 0.95


def ratio_interval(numerators: Floats, denominators: Floats) -> tuple[float, float]:
    """Return the 95 % interval of sum(numerators) / sum(denominators), shape (units,) each: the ratio plus and minus
    Student's t times its standard error by linearisation (Cochran, "Sampling techniques", 3rd edition, 1977, equation
    6.13, for an infinite population). (NaN, NaN) with fewer than five units or if all denominators are 0."""
    units = len(numerators)
    if units < MIN_UNITS or not denominators.any():
        return np.nan, np.nan
    ratio = numerators.sum() / denominators.sum()
    residuals = numerators - ratio * denominators
    error = np.sqrt((residuals**2).sum() * units / (units - 1)) / abs(denominators.sum())
    reach = stats.t.ppf((1 + CONFIDENCE_LEVEL) / 2, units - 1) * error
    return float(ratio - reach), float(ratio + reach)
