"""How a rate varies: spells of low rate, and means over windows."""

import numpy as np

from emulator.core.arrays import Floats


def level_of(values: Floats, share: float) -> float:
    """Return the least of the values that at least this share of them does not exceed."""
    return float(np.quantile(values, share, method="inverted_cdf"))


def mean_spell_samples(values: Floats, level: float) -> float:
    """Return the mean length of a spell: consecutive samples at or below `level`. 0 if there is none."""
    is_low = values <= level
    spells = np.count_nonzero(is_low & ~np.append(False, is_low[:-1]))
    return float(np.count_nonzero(is_low)) / max(int(spells), 1)


def window_means(values: Floats, samples: int) -> Floats:
    """Return the means over all windows of so many consecutive samples, shape (n - samples + 1,)."""
    sums = np.cumsum(np.append(0.0, values))
    means: Floats = (sums[samples:] - sums[:-samples]) / samples
    return means
