"""Which split is best at which level, on the measured losses of single windows, with intervals."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from agents.layer_split.losses import CODEC
from agents.layer_split.setting import MENDED
from emulator.core.arrays import Floats, Ints
from emulator.core.randomness import generator
from topologies.quality.measurement import Case

RESAMPLES = 2_000
SPLITS = np.arange(1, MENDED.max_split + 1)


class Best(NamedTuple):
    """The best split and its 95 % interval over windows of text. `resampled`: the best split of each resample."""

    split: int
    low: float
    high: float
    resampled: Ints


class LevelResult(NamedTuple):
    """The best splits at a level: of least loss, and of greatest reward in the mean over the splits at the start."""

    level: float
    quality: Best
    reward: Best


class Direction(NamedTuple):
    """How far the best split moves from the least to the greatest level, in layers, and its 95 % interval; above 0:
    away from the input. `correlation`: Spearman's between level and best split, with its interval."""

    moved: float
    low: float
    high: float
    correlation: float
    correlation_low: float
    correlation_high: float


def losses_of(units: Mapping[Case, Floats], delivery: str) -> tuple[Floats, Floats]:
    """Return the measured levels, shape (K,), and the losses, shape (K, splits, windows), of one delivery."""
    levels = sorted({case.level for case in units if case.delivery == delivery})
    losses = [[units[Case(int(p) + 1, CODEC, delivery, level)].ravel() for p in SPLITS] for level in levels]
    return np.array(levels), np.array(losses)


def quality_scores(means: Floats) -> Floats:
    """Return what quality alone makes of mean losses, shape (..., splits): the greatest is best."""
    return -means


def reward_scores(means: Floats) -> Floats:
    """Return the rewards of all splits, shape (..., splits), in the mean over the splits at the start."""
    first, last = MENDED.start_splits
    ratios = np.exp(means[..., None] - means[..., None, first - 1 : last]).mean(axis=-1)
    found: Floats = MENDED.alpha * (1 - ratios) + (MENDED.max_split - SPLITS) / MENDED.max_split
    return found


def level_results(levels: Floats, losses: Floats) -> Iterator[LevelResult]:
    """Yield the best splits at each level. Windows are drawn with replacement, the same for all splits and levels."""
    windows = losses.shape[2]
    draws = generator(0, "layer split", "bootstrap").integers(windows, size=(RESAMPLES, windows))
    for level, values in zip(levels, losses, strict=True):
        means = values[:, draws].mean(axis=2).T  # (resamples, splits)
        found = [_best(scores(values.mean(axis=1)), scores(means)) for scores in (quality_scores, reward_scores)]
        yield LevelResult(float(level), *found)


def _best(scores: Floats, resampled: Floats) -> Best:
    bests = SPLITS[resampled.argmax(axis=1)]
    return Best(int(SPLITS[scores.argmax()]), *_interval(bests), bests)


def direction(results: list[LevelResult], bests: list[Best]) -> Direction:
    """Return how the best split moves with the level."""
    levels = np.array([each.level for each in results])
    splits = np.array([each.split for each in bests])
    resampled = np.stack([each.resampled for each in bests])  # (levels, resamples)
    moved = resampled[-1] - resampled[0]
    correlations = np.array([spearman(levels, column) for column in resampled.T])
    return Direction(
        float(splits[-1] - splits[0]), *_interval(moved), spearman(levels, splits), *_interval(correlations)
    )


def spearman(levels: Floats, splits: Ints) -> float:
    """Return the rank correlation, 0 where the split is the same at all levels."""
    if len(set(splits.tolist())) == 1:
        return 0.0
    return float(np.corrcoef(rankdata(levels), rankdata(splits))[0, 1])


def _interval(values: Floats | Ints) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
