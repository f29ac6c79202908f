"""Layers behind a zero-forcing receiver, against the inverse matrix and simulated receivers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.channel.air.layers import layer_share

CORRELATION = st.floats(0.0, 0.99)


def correlation_matrix(rank: int, correlation: float) -> np.ndarray:
    return np.where(np.eye(rank, dtype=bool), 1.0, correlation)


@given(st.integers(1, 8), CORRELATION)
def test_share_is_that_of_the_inverse_matrix(rank: int, correlation: float) -> None:
    inverse = np.linalg.inv(correlation_matrix(rank, correlation))
    assert layer_share(rank, correlation) == pytest.approx(1 / (rank * inverse[0, 0]), rel=1e-9)


@given(st.integers(1, 4), CORRELATION, st.floats(0.001, 0.009))
def test_correlation_costs_power_and_further_layers_cost_more(rank: int, correlation: float, more: float) -> None:
    further = layer_share(rank + 1, correlation)
    assert further < layer_share(rank, correlation)
    assert layer_share(rank + 1, correlation + more) < further


@pytest.mark.parametrize("antennas", [2, 4])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.7])
def test_mean_gain_is_that_of_simulated_zero_forcing(antennas: int, correlation: float) -> None:
    draws = 40_000
    generator = np.random.default_rng(5)
    for rank in range(1, antennas + 1):
        parts = generator.standard_normal((2, draws, antennas, rank)) / np.sqrt(2)
        channels = (parts[0] + 1j * parts[1]) @ np.linalg.cholesky(correlation_matrix(rank, correlation)).T
        gram = channels.conj().swapaxes(1, 2) @ channels
        gains = 1 / np.linalg.inv(gram)[:, 0, 0].real / rank  # of layer 0, each with 1/rank of the power
        branches = antennas - rank + 1
        error = 4 / np.sqrt(branches * draws)  # 4 standard errors of the mean of a Gamma(branches)
        assert gains.mean() == pytest.approx(branches * layer_share(rank, correlation), rel=error)
        assert gains.var() / gains.mean() ** 2 == pytest.approx(1 / branches, rel=0.15)


def test_one_layer_has_all_the_power() -> None:
    assert layer_share(1, 0.6) == 1.0


@pytest.mark.parametrize(
    ("rank", "correlation", "error"),
    [
        (0, 0.1, r"rank=0: must be at least 1"),
        (2, 1.0, r"correlation=1.0: must be at least 0 and below 1"),
        (2, -0.1, r"correlation=-0.1: must"),
        (2, float("nan"), r"correlation=nan: must"),
    ],
)
def test_impossible_layers_are_refused(rank: int, correlation: float, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        layer_share(rank, correlation)
