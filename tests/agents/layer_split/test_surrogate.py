"""The surrogate against a function that it can learn, and its gradient-free forward pass against torch's layers."""

import numpy as np
import pytest

from agents.layer_split.losses import shipped_losses
from agents.layer_split.surrogate import LEAST_RATIO, Measurements, SurrogateLosses, fit, gains_of


def measured(count: int, noise: float, seed: int) -> Measurements:
    rng = np.random.default_rng(seed)
    levels, splits = rng.uniform(0.01, 0.3, count), rng.integers(1, 11, count)
    return Measurements(levels, splits, truth(levels, splits) + rng.normal(0, noise, count))


def truth(levels: np.ndarray, splits: np.ndarray) -> np.ndarray:
    found: np.ndarray = -levels * (2 + np.sin(splits))
    return found


def test_it_averages_the_noise_of_single_measurements() -> None:
    surrogate = fit(measured(1_000, 0.3, 1), seed=1, epochs=100)
    unseen = measured(500, 0.0, 2)
    error = float(np.sqrt(np.mean((surrogate.gains(unseen.levels, unseen.splits) - unseen.gains) ** 2)))
    assert error < 0.3 / 3  # a third of a measurement's
    again = fit(measured(1_000, 0.3, 1), seed=1, epochs=100)
    np.testing.assert_array_equal(again.layers[0][0], surrogate.layers[0][0])


def test_losses_have_the_predicted_gains() -> None:
    layers = ((np.eye(2), np.zeros(2)), (np.eye(2), np.zeros(2)), (np.array([[-3.0, 1.0]]), np.zeros(1)))
    surrogate = SurrogateLosses(layers, max_level=0.5, max_split=10, gain_scale=2.0)
    levels, splits = np.array([0.1, 0.4]), np.array([5, 1])
    gains = 2 * (-3 * levels / 0.5 + splits / 10)
    np.testing.assert_allclose(surrogate.gains(levels, splits), gains)
    np.testing.assert_allclose(gains_of(surrogate.losses(levels, splits)), gains)
    assert surrogate.losses(np.array([0.0]), np.array([10]))[0] == pytest.approx(np.log(LEAST_RATIO))


def test_a_gain_is_that_of_perplexity() -> None:
    losses = shipped_losses("scalars/none/zero").means.ravel()
    base = 2.9
    np.testing.assert_allclose(gains_of(losses), (np.exp(base) - np.exp(base + losses)) / np.exp(base))
