import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.randomness import generator
from emulator.trace.fitted.autocorrelation import autocorrelation, crossing_samples, integrated_samples, window_lag


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=40).filter(lambda values: len(set(values)) > 1))
def test_every_lag_equals_its_definition(values: list[int]) -> None:
    centred = np.array(values) - np.mean(values)
    size = len(values)
    sums = [sum(centred[at] * centred[at + lag] for at in range(size - lag)) for lag in range(size)]
    np.testing.assert_allclose(autocorrelation(np.array(values, dtype=float)), np.array(sums) / sums[0], atol=1e-9)


@pytest.mark.parametrize("value", [0.0, 1e9, 0.1])
def test_constant_values_are_uncorrelated(value: float) -> None:
    shown = autocorrelation(np.full(20, value))
    assert shown[0] == 1
    assert not shown[1:].any()


def test_the_crossing_is_interpolated_between_two_lags() -> None:
    assert crossing_samples(np.array([1.0, 0.5, 0.3, 0.9])) == pytest.approx(1 + (0.5 - 1 / math.e) / 0.2)
    assert crossing_samples(np.array([1.0, 0.0])) == pytest.approx(1 - 1 / math.e)
    assert crossing_samples(np.array([1.0, 0.9])) == 2


@pytest.mark.parametrize("time", [3.0, 20.0])
def test_an_exponential_crosses_after_its_time(time: float) -> None:
    """A chord lies above a convex curve, by at most the second derivative over 8."""
    found = crossing_samples(np.exp(-np.arange(500) / time))
    assert 0 <= found - time <= math.exp(1 / time) / (8 * time) * 1.1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("factor", [0.5, 0.9])
def test_the_integrated_time_of_a_first_order_autoregression(factor: float, seed: int) -> None:
    """(1 + f)/(1 - f)/2, with the relative variance 2(2W + 1)/n of Madras and Sokal; what lies beyond the window is
    f^W of the sum."""
    size = 20_000
    noise = generator(seed, "test", "autoregression").standard_normal(size)
    values = np.empty(size)
    values[0] = noise[0]
    for at in range(1, size):
        values[at] = factor * values[at - 1] + math.sqrt(1 - factor**2) * noise[at]
    shown = autocorrelation(values)
    truth = (1 + factor) / (1 - factor) / 2
    end = window_lag(np.cumsum(shown) - 0.5)
    assert integrated_samples(shown) == pytest.approx(
        truth, rel=4 * math.sqrt(2 * (2 * end + 1) / size) + 2 * factor**end
    )
