"""The surrogates against a function that they can learn, and their forward pass against its formula."""

import numpy as np
import pytest

from agents.layer_split.losses import shipped_losses
from agents.layer_split.surrogate import (
    LEAST_RATIO,
    GainSurrogate,
    Measurements,
    NatsSurrogate,
    Regression,
    fit,
    fit_gains,
    fit_nats,
    gains_of,
)
from emulator.core.arrays import Floats, Ints


def drawn(count: int, seed: int) -> tuple[Floats, Ints]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.01, 0.3, count), rng.integers(1, 11, count)


def truth(levels: Floats, splits: Ints) -> Floats:
    found: Floats = levels * (2 + np.sin(splits))
    return found


def test_it_averages_the_noise_of_single_measurements() -> None:
    levels, splits = drawn(1_000, 1)
    noisy = truth(levels, splits) + np.random.default_rng(3).normal(0, 0.3, 1_000)
    regression = fit(levels, splits, noisy, seed=1, epochs=100)
    unseen = drawn(500, 2)
    error = float(np.sqrt(np.mean((regression.predicted(*unseen) - truth(*unseen)) ** 2)))
    assert error < 0.3 / 3  # a third of a measurement's
    again = fit(levels, splits, noisy, seed=1, epochs=100)
    np.testing.assert_array_equal(again.layers[0][0], regression.layers[0][0])


def test_both_surrogates_learn_losses_without_noise() -> None:
    levels, splits = drawn(1_000, 1)
    unseen = drawn(500, 2)
    for make in (fit_gains, fit_nats):
        found = make(Measurements(levels, splits, truth(levels, splits)), 1).losses(*unseen)
        assert np.sqrt(np.mean((found - truth(*unseen)) ** 2)) < 0.05  # nats; losses reach 0.9


def test_losses_have_the_predicted_gains() -> None:
    layers = ((np.eye(2), np.zeros(2)), (np.eye(2), np.zeros(2)), (np.array([[-3.0, 1.0]]), np.zeros(1)))
    regression = Regression(layers, max_level=0.5, max_split=10, scale=2.0)
    levels, splits = np.array([0.1, 0.4]), np.array([5, 1])
    targets = 2 * (-3 * levels / 0.5 + splits / 10)
    np.testing.assert_allclose(regression.predicted(levels, splits), targets)
    np.testing.assert_allclose(NatsSurrogate(regression).losses(levels, splits), targets)
    gains = GainSurrogate(regression)
    np.testing.assert_allclose(gains_of(gains.losses(levels, splits)), targets)
    assert gains.losses(np.array([0.0]), np.array([10]))[0] == pytest.approx(np.log(LEAST_RATIO))


def test_a_gain_is_that_of_perplexity() -> None:
    losses = shipped_losses("scalars/none/zero").means.ravel()
    base = 2.9
    np.testing.assert_allclose(gains_of(losses), (np.exp(base) - np.exp(base + losses)) / np.exp(base))
