"""Intervals cover a known mean as often as they say; statistics agree with plain loops."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from emulator.core.arrays import Floats
from results.study import resampling
from results.study.resampling import (
    Statistic,
    drawn_factors,
    estimate,
    interquartile_mean_of,
    mean_of,
    ratio_of,
    shares_within,
)

STUDIES = 1000
SEEN = (0.93, 0.97)  # the standard deviation of the counted share is (0.95 * 0.05 / 1000)^(1/2) = 0.7 %
NORMAL, SKEWED = "normal", "skewed"


def noise(rng: np.random.Generator, shape: str, size: tuple[int, ...]) -> Floats:
    """Return draws with mean 0 and variance 1; skewed: a gamma distribution of shape 4, skewness 1."""
    return rng.normal(size=size) if shape == NORMAL else (rng.gamma(4, size=size) - 4) / 2


def crossed(channels: int, seeds: int) -> pd.DataFrame:
    """Return the cells of a study in which every agent runs on every channel; without seeds, of an untrained policy."""
    index = pd.MultiIndex.from_product([range(channels), range(max(seeds, 1))], names=["channel", "training_seed"])
    cells = index.to_frame(index=False).assign(arrival_seed=0)
    return cells if seeds else cells.assign(training_seed=pd.array([None] * channels, "Int64"))


def studies(cells: pd.DataFrame, parts: tuple[float, float, float], shape: str = NORMAL) -> Floats:
    """Return the values of STUDIES, shape (cells, STUDIES), with mean 5; `parts`: deviations of the effects of
    channels, of training seeds, and of what is left."""
    rng = np.random.default_rng(3)
    channel, seed = cells["channel"].to_numpy(), cells["training_seed"].fillna(0).to_numpy(int)
    effects = (noise(rng, shape, (codes.max() + 1, STUDIES))[codes] for codes in (channel, seed))
    return 5 + sum(
        (part * effect for part, effect in zip(parts, effects, strict=False)),
        parts[2] * noise(rng, shape, (len(cells), STUDIES)),
    )


def covered(cells: pd.DataFrame, statistic: Statistic, truth: float) -> bool:
    """Return whether about 95 % of the intervals of the statistic's values, one of each study, hold the truth."""
    found = estimate(cells, statistic, "coverage")
    low, high = SEEN
    return low <= float(((found.low <= truth) & (truth <= found.high)).mean()) <= high


def of_each(statistic: Callable[[Floats], Statistic], values: Floats) -> Statistic:
    """Return a statistic of the values of each study."""
    each = [statistic(column) for column in values.T]
    return lambda weights: np.hstack([one(weights) for one in each])


@pytest.mark.parametrize(
    ("channels", "seeds", "parts", "shape"),
    [
        (5, 0, (1, 0, 0), NORMAL),
        (8, 0, (1, 0, 0), NORMAL),
        (20, 0, (1, 0, 0), SKEWED),
        (8, 10, (1, 1, 1), NORMAL),
        (8, 10, (0, 0, 1), NORMAL),
        (8, 10, (0, 1, 0.3), NORMAL),
        (1, 10, (0, 1, 1), NORMAL),
    ],
)
def test_intervals_of_means_cover_the_known_mean(
    channels: int, seeds: int, parts: tuple[float, float, float], shape: str
) -> None:
    cells = crossed(channels, seeds)
    assert covered(cells, mean_of(studies(cells, parts, shape)), 5)


def arrivals_crossed(channels: int, arrivals: int, seeds: int) -> pd.DataFrame:
    """Return the cells of a study in which every agent runs on every channel under every seed of arrivals."""
    names = ["channel", "arrival_seed", "training_seed"]
    index = pd.MultiIndex.from_product([range(channels), range(arrivals), range(seeds)], names=names)
    return index.to_frame(index=False)


@pytest.mark.parametrize(
    ("seeds", "parts"), [(1, (0.3, 1, 0, 0)), (1, (1, 1, 0, 0)), (1, (1, 0.3, 0, 0.3)), (5, (1, 1, 1, 1))]
)
def test_intervals_cover_if_arrivals_are_crossed_with_channels(seeds: int, parts: tuple[float, ...]) -> None:
    """Parts: deviations of the effects of channels, seeds of arrivals, training seeds, and of what is left. The
    variance of pairs, which is subtracted, holds an eighth of the effects: intervals are up to 6 % too short."""
    cells, rng = arrivals_crossed(8, 8, seeds), np.random.default_rng(4)
    effects = [rng.normal(size=(8, STUDIES))[cells[name]] for name in cells]
    effects.append(rng.normal(size=(len(cells), STUDIES)))
    values = 5 + sum(part * each for part, each in zip(parts, effects, strict=True))
    found = estimate(cells, mean_of(np.asarray(values)), "coverage")
    assert 0.915 <= ((found.low <= 5) & (found.high >= 5)).mean() <= 0.97


@pytest.mark.parametrize(("channels", "seeds", "parts"), [(8, 0, (1, 0, 0)), (20, 0, (1, 0, 0)), (8, 5, (1, 1, 1))])
def test_intervals_of_interquartile_means_cover(
    channels: int, seeds: int, parts: tuple[float, float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resampling, "RESAMPLES", 500)  # the deviation within 3 %
    cells = crossed(channels, seeds)
    assert covered(cells, of_each(interquartile_mean_of, studies(cells, parts)), 5)


def test_intervals_of_ratios_and_profiles_cover() -> None:
    """Half of a symmetric distribution lies within its middle; cells with twice the tasks have twice the cost."""
    cells = crossed(20, 0)
    values, tasks = studies(cells, (1, 0, 0)), np.tile([[1.0], [2.0]], (10, STUDIES))
    assert covered(cells, ratio_of(values * tasks, tasks), 5)
    assert covered(cells, of_each(lambda own: shares_within(own, np.array([5.0])), values), 0.5)


def test_of_channels_alone_the_interval_is_students() -> None:
    """The bootstrap's variance has a relative error of (2 / 2000)^(1/2), 3 %: the reach one of 1.6 %."""
    values = np.random.default_rng(0).normal(size=8)
    found = estimate(crossed(8, 0), mean_of(values), "")
    low, high = stats.t.interval(0.95, 7, values.mean(), stats.sem(values))
    assert found.value[0] == pytest.approx(values.mean())
    assert found.high[0] - found.low[0] == pytest.approx(high - low, rel=0.08)


def test_factors_with_fewer_than_five_levels_are_held_fixed() -> None:
    assert list(drawn_factors(crossed(8, 10))) == ["channel", "training_seed"]
    assert list(drawn_factors(crossed(8, 4))) == ["channel"]
    assert list(drawn_factors(crossed(4, 10))) == ["training_seed"]
    assert list(drawn_factors(crossed(1, 0))) == []
    arrivals = crossed(10, 0).assign(arrival_seed=range(10), channel=0)
    assert list(drawn_factors(arrivals)) == ["arrival_seed"]
    assert list(drawn_factors(arrivals.assign(channel=range(10)))) == [
        "channel"
    ]  # each channel has arrivals of its own
    assert list(drawn_factors(arrivals_crossed(5, 6, 5))) == ["channel", "arrival_seed", "training_seed"]
    few = estimate(crossed(4, 4), mean_of(np.arange(16.0)), "")
    assert few.value[0] == 7.5 and np.isnan([few.low[0], few.high[0]]).all()


def test_equal_cells_give_a_point_and_equal_calls_equal_intervals() -> None:
    cells = crossed(8, 10)
    point = estimate(cells, interquartile_mean_of(np.full(80, 3.0)), "")
    assert (point.low[0], point.high[0]) == (3, 3)
    values = np.random.default_rng(0).normal(size=80)
    assert estimate(cells, mean_of(values), "a") == estimate(cells, mean_of(values), "a")
    assert estimate(cells, mean_of(values), "a") != estimate(cells, mean_of(values), "b")


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 4)), min_size=1).filter(lambda all: any(n for _, n in all))
)
def test_statistics_of_weights_are_those_of_repeated_values(pairs: list[tuple[int, int]]) -> None:
    """A weight is how often a value occurs; the sums are written out."""
    values, counts = (np.array(column, float) for column in zip(*pairs, strict=True))
    repeated = sorted(value for value, count in pairs for _ in range(count))
    cut = len(repeated) // 4
    middle = repeated[cut : len(repeated) - cut]
    weights = counts[None]
    assert interquartile_mean_of(values)(weights)[0, 0] == pytest.approx(sum(middle) / len(middle))
    assert interquartile_mean_of(values)(weights)[0, 0] == pytest.approx(stats.trim_mean(repeated, 0.25))
    assert mean_of(values)(weights)[0, 0] == pytest.approx(sum(repeated) / len(repeated))
    thresholds = [-3.0, 0.0, 4.5]
    shares = [sum(value <= threshold for value in repeated) / len(repeated) for threshold in thresholds]
    assert shares_within(values, np.array(thresholds))(weights)[0].tolist() == pytest.approx(shares)
