"""Intervals of means over units that seeds have of their own: coverage and limits."""

import numpy as np
import pytest

from topologies.quality.intervals import mean_interval


def test_fewer_than_five_seeds_have_none() -> None:
    assert np.isnan(mean_interval(np.ones((4, 50)))).all()


def test_equal_values_have_no_width() -> None:
    assert mean_interval(np.full((5, 3), 0.25)) == (0.25, 0.25)


def test_units_of_one_seed_are_not_independent() -> None:
    alike = np.repeat(np.arange(8.0)[:, None], 6, axis=1)
    apart = np.random.default_rng(0).permutation(alike.ravel()).reshape(8, 6)
    widths = [high - low for low, high in map(mean_interval, (alike, apart))]
    assert widths[0] > 1.8 * widths[1]


@pytest.mark.parametrize("units", [1, 2, 4])
def test_intervals_of_five_seeds_cover_the_mean(units: int) -> None:
    """Exact for normal values, whatever the seeds' own variance."""
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(1_000):
        low, high = mean_interval(rng.normal(size=(5, 1)) + rng.normal(size=(5, units)))
        covered.append(low <= 0 <= high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.021)  # three standard errors


def test_an_interval_lies_around_the_mean_and_moves_with_it() -> None:
    values = np.random.default_rng(2).normal(size=(5, 2))
    low, high = mean_interval(values)
    assert low + high == pytest.approx(2 * values.mean())
    assert mean_interval(values + 3) == pytest.approx((low + 3, high + 3))
