import numpy as np
import pytest
from scipy import stats

from results.intervals import ratio_interval


def test_equal_ratios_give_a_point_and_few_units_no_interval() -> None:
    denominators = np.array([1.0, 2, 3, 4, 5])
    assert ratio_interval(1.25 * denominators, denominators) == pytest.approx((1.25, 1.25))
    assert np.isnan(ratio_interval(denominators[:4], denominators[:4])).all()
    assert np.isnan(ratio_interval(np.zeros(5), np.zeros(5))).all()  # no denominator


def test_with_equal_denominators_it_is_the_t_interval_of_the_mean() -> None:
    values = np.random.default_rng(3).normal(5, 2, 7)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert ratio_interval(3 * values, np.full(7, 3.0)) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("units", [5, 6, 12, 40])
def test_the_interval_holds_the_ratio_as_often_as_it_says(units: int) -> None:
    """Of 2,000 samples 93 to 97 % for the cost of a policy, as a share of bounds that vary by a third: the standard
    error of the share is 0.5 %."""
    rng, held, samples = np.random.default_rng(units), 0, 2_000
    for _ in range(samples):
        bounds = rng.uniform(0.5, 1.5, units)
        low, high = ratio_interval(1.2 * bounds + rng.normal(0, 0.1, units), bounds)
        held += low <= 1.2 <= high
    assert 0.93 <= held / samples <= 0.97
