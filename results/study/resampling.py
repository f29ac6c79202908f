"""Intervals of any statistic of cells that share channels and training seeds.

Cells are crossed: an agent of one training seed is run on every channel under all seeds of arrivals, and a channel is
met by every agent, so cells are not independent of each other. Whole channels, whole seeds of arrivals and whole agents
are drawn with replacement, each by itself, in all settings alike (in each setting, the stratum, as many as there are).
The variances of these bootstraps are combined as for data with clusters in several ways (Cameron, Gelbach, Miller,
"Robust inference with multiway clustering", Journal of Business & Economic Statistics 29, 2011, section 2.2): their
sum, minus that of a bootstrap over the pairs of channel and agent, which both hold, and so on with alternating signs.
The interval is the statistic plus and minus Student's t times the root of the variance, with the degrees of freedom of
Satterthwaite ("An approximate distribution of estimates of variance components", Biometrics Bulletin 2, 1946). For a
mean over channels alone it is the t interval; percentiles of a bootstrap are too narrow with few units.
"""

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from emulator.core.arrays import Floats, Ints
from emulator.core.randomness import generator
from results.intervals import CONFIDENCE_LEVEL, MIN_UNITS

RESAMPLES = 2_000
FACTORS = ("channel", "arrival_seed", "training_seed", "other_training_seed")
DRAWS_AT_ONCE = 250  # bounds the memory

Statistic = Callable[[Floats], Floats]
"""Takes weights of the cells, shape (draws, cells), and returns values, shape (draws, values)."""


class IntervalEstimate(NamedTuple):
    """Values of a statistic with the ends of their intervals, shape (values,) each; NaN without an interval."""

    value: Floats
    low: Floats
    high: Floats


def drawn_factors(cells: pd.DataFrame) -> dict[str, Ints]:
    """Return the number of each cell's level in each factor that is drawn: those with five levels or more. Factors
    with fewer are held fixed: an interval then holds for these channels, or these agents, alone. A factor within
    another, such as arrivals of which each channel has its own, is drawn with the other."""
    names = [name for name in FACTORS if _levels(cells, name) >= MIN_UNITS]
    for name in reversed(names):
        if any(_within(cells, name, other) for other in names if other != name):
            names = [other for other in names if other != name]
    return {name: pd.factorize(cells[name])[0] for name in names}


def _within(cells: pd.DataFrame, name: str, other: str) -> bool:
    """Return whether all cells of each level of a factor are in one level of the other."""
    return len(cells[[name, other]].drop_duplicates()) == cells[name].nunique()


def _levels(cells: pd.DataFrame, name: str) -> int:
    return cells[name].nunique() if name in cells and cells[name].notna().all() else 0


def estimate(cells: pd.DataFrame, statistic: Statistic, address: str) -> IntervalEstimate:
    """Return a statistic of cells with its 95 % interval. `cells` has `channel`, `arrival_seed` and, of trained
    policies, `training_seed`; `address` names the random draws. No interval if no factor has five levels."""
    value = statistic(np.ones((1, len(cells))))[0]
    factors = drawn_factors(cells)
    if not factors:
        return IntervalEstimate(value, np.full_like(value, np.nan), np.full_like(value, np.nan))
    combined, singles, uncertain = np.zeros_like(value), [], np.zeros_like(value)
    for size in range(1, len(factors) + 1):
        for names in combinations(factors, size):
            codes = pd.factorize(pd.MultiIndex.from_arrays([factors[name] for name in names]))[0]
            variance = _variance(codes, statistic, f"{address}\x1f{','.join(names)}")
            combined += variance if size % 2 else -variance
            if size == 1:
                singles.append(variance)
                uncertain += variance**2 / codes.max()
    variance = np.maximum(combined, np.min(singles, axis=0))
    least = min(codes.max() for codes in factors.values())  # levels - 1
    freedom = np.divide(variance**2, uncertain, out=np.full_like(value, least), where=uncertain > 0)
    reach = stats.t.ppf((1 + CONFIDENCE_LEVEL) / 2, np.maximum(freedom, least)) * np.sqrt(variance)
    return IntervalEstimate(value, value - reach, value + reach)


def _variance(codes: Ints, statistic: Statistic, address: str) -> Floats:
    """Return the variance of a statistic by a bootstrap over clusters, whose numbers are `codes`, shape (cells,)."""
    clusters = int(codes.max()) + 1
    rng = generator(0, address, "bootstrap")  # a fixed seed: the same cells give the same interval
    counts = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=RESAMPLES).astype(np.float64)
    parts = [statistic(counts[start : start + DRAWS_AT_ONCE, codes]) for start in range(0, RESAMPLES, DRAWS_AT_ONCE)]
    variance: Floats = np.nanvar(np.concatenate(parts), axis=0)
    return variance * clusters / (clusters - 1)


def mean_of(values: Floats) -> Statistic:
    """Return the statistic mean of each column; `values`: shape (cells,) or (cells, values)."""
    return ratio_of(values, np.ones_like(values))


def ratio_of(numerators: Floats, denominators: Floats) -> Statistic:
    """Return the statistic sum of numerators / sum of denominators of each column, shape (cells,) or (cells, values)
    each."""
    above, below = (each.reshape(len(each), -1) for each in (numerators, denominators))

    def statistic(weights: Floats) -> Floats:
        ratio: Floats = weights @ above / (weights @ below)
        return ratio

    return statistic


def interquartile_mean_of(values: Floats) -> Statistic:
    """Return the statistic mean of the middle half, `scipy.stats.trim_mean(values, 0.25)`: a quarter of the values,
    rounded down, is cut off at each end (Agarwal et al., "Deep reinforcement learning at the edge of the statistical
    precipice", NeurIPS 2021, section 4.3). `values`: shape (cells,)."""
    order = np.argsort(values, kind="stable")
    ascending = values[order]

    def statistic(weights: Floats) -> Floats:
        own = weights[:, order]
        until = own.cumsum(axis=1)
        total = until[:, -1:]
        cut = np.floor(total / 4)
        kept = (np.minimum(until, total - cut) - np.maximum(until - own, cut)).clip(0)
        means: Floats = (kept @ ascending / kept.sum(axis=1))[:, None]
        return means

    return statistic


def shares_within(values: Floats, thresholds: Floats) -> Statistic:
    """Return the statistic share of cells whose value is at most each threshold (Agarwal et al., section 4.2, of scores
    of which less is better). `values`: shape (cells,); `thresholds`: shape (values,)."""
    within = (values[:, None] <= thresholds).astype(np.float64)
    return ratio_of(within, np.ones_like(within))
