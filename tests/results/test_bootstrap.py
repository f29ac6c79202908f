import numpy as np
import pytest
from scipy import stats

from results.bootstrap import ratio_interval


def test_equal_ratios_give_a_point_and_few_units_no_interval() -> None:
    denominators = np.array([1.0, 2, 3, 4, 5])
    assert ratio_interval(1.25 * denominators, denominators, np.random.default_rng(0)) == pytest.approx((1.25, 1.25))
    assert np.isnan(ratio_interval(denominators[:4], denominators[:4], np.random.default_rng(0))).all()
    assert np.isnan(ratio_interval(np.zeros(5), np.zeros(5), np.random.default_rng(0))).all()  # no denominator


def test_ratio_interval_matches_the_delta_method() -> None:
    rng = np.random.default_rng(3)
    denominators = rng.uniform(5, 15, 300)
    numerators = 1.2 * denominators + rng.normal(0, 2, 300)
    low, high = ratio_interval(numerators, denominators, np.random.default_rng(4))
    ratio = numerators.sum() / denominators.sum()
    half = stats.norm.ppf(0.975) * (numerators - ratio * denominators).std() / np.sqrt(300) / denominators.mean()
    assert (low, high) == pytest.approx((ratio - half, ratio + half), abs=0.1 * half)


def test_the_same_generator_gives_the_same_interval() -> None:
    numerators = np.random.default_rng(5).normal(size=10)
    first, second = (ratio_interval(numerators, np.ones(10), np.random.default_rng(6)) for _ in range(2))
    assert first == second
