import numpy as np
import pytest
from scipy import stats

from results.bootstrap import iqm, ratio_interval, stratified_interval


def test_iqm_is_the_mean_of_the_middle_half() -> None:
    assert iqm(np.array([[1.0, 2, 3, 4], [5, 6, 7, 800]])) == 4.5


def test_interval_of_a_mean_is_that_of_the_normal_law() -> None:
    scores = np.random.default_rng(1).normal(3, 2, (400, 1))
    low, high = stratified_interval(scores, lambda values: float(values.mean()), np.random.default_rng(2))
    half = stats.norm.ppf(0.975) * scores.std() / 20
    assert (low, high) == pytest.approx((scores.mean() - half, scores.mean() + half), abs=0.05 * half)


def test_strata_keep_their_place() -> None:
    """Traces that differ widely and seeds that do not: resampling traces would give a wide interval."""
    scores = np.tile([0.0, 1000.0], (5, 1))
    assert stratified_interval(scores, iqm, np.random.default_rng(0)) == (500, 500)


def test_equal_ratios_leave_no_doubt_and_few_units_give_none() -> None:
    denominators = np.array([1.0, 2, 3, 4, 5])
    assert ratio_interval(1.25 * denominators, denominators, np.random.default_rng(0)) == pytest.approx((1.25, 1.25))
    assert np.isnan(ratio_interval(denominators[:4], denominators[:4], np.random.default_rng(0))).all()
    assert np.isnan(stratified_interval(np.ones((2, 2)), iqm, np.random.default_rng(0))).all()


def test_ratio_interval_is_that_of_the_delta_method() -> None:
    rng = np.random.default_rng(3)
    denominators = rng.uniform(5, 15, 300)
    numerators = 1.2 * denominators + rng.normal(0, 2, 300)
    low, high = ratio_interval(numerators, denominators, np.random.default_rng(4))
    ratio = numerators.sum() / denominators.sum()
    half = stats.norm.ppf(0.975) * (numerators - ratio * denominators).std() / np.sqrt(300) / denominators.mean()
    assert (low, high) == pytest.approx((ratio - half, ratio + half), abs=0.1 * half)


def test_the_same_generator_gives_the_same_interval() -> None:
    scores = np.random.default_rng(5).normal(size=(10, 3))
    first, second = (stratified_interval(scores, iqm, np.random.default_rng(6)) for _ in range(2))
    assert first == second
