"""The bandit's estimates are those of weighted least squares, and its regret grows slower than time."""

import numpy as np
import pytest

from agents.online.linear_bandit import LinearBandit
from emulator.core.arrays import Floats

NOISE = 0.3


@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_estimates_are_those_of_weighted_least_squares_around_the_prior(discount: float) -> None:
    """Equation 3 of Russac et al. in closed form: each observation weighs discount^age, the prior always as much."""
    rng = np.random.default_rng(1)
    prior, ridge, count = np.array([1.0, 0.0, -2.0]), 3.0, 40
    contexts, costs = rng.normal(size=(count, 3)), rng.normal(size=count)
    bandit = LinearBandit(prior, ridge, discount)
    for context, cost in zip(contexts, costs, strict=True):
        bandit.learn(context, cost)
    weights = discount ** np.arange(count - 1, -1, -1)
    gram = (contexts.T * weights) @ contexts + ridge * np.eye(3)
    squared = (contexts.T * weights**2) @ contexts + ridge * np.eye(3)
    expected = prior + np.linalg.solve(gram, (contexts.T * weights) @ (costs - contexts @ prior))
    inverse = np.linalg.inv(gram)
    new = rng.normal(size=(5, 3))
    assert bandit.means(new) == pytest.approx(new @ expected)
    assert bandit.widths(new) == pytest.approx(np.sqrt(np.diag(new @ inverse @ squared @ inverse @ new.T)))


def test_without_forgetting_the_width_is_that_of_linucb() -> None:
    """Line 9 of Algorithm 1 of Li et al.: the square root of x A^-1 x, with A = ridge I + X'X, for a ridge of 1."""
    contexts = np.random.default_rng(2).normal(size=(30, 4))
    bandit = LinearBandit(np.zeros(4), 1.0, 1.0)
    for context in contexts:
        bandit.learn(context, 0.0)
    gram = np.eye(4) + contexts.T @ contexts
    expected = np.sqrt((contexts * np.linalg.solve(gram, contexts.T).T).sum(axis=1))
    assert bandit.widths(contexts) == pytest.approx(expected)


def regrets(seed: int, discount: float, alpha: float, truths: Floats, steps: int) -> Floats:
    """Return the regret of each step; the coefficients are those of `truths`, shape (phases, d), in equal phases."""
    rng = np.random.default_rng(seed)
    bandit = LinearBandit(np.zeros(truths.shape[1]), 1.0, discount)
    found = np.empty(steps)
    for step in range(steps):
        truth = truths[step * len(truths) // steps]
        contexts = rng.normal(size=(10, len(truth))) / np.sqrt(len(truth))
        costs = contexts @ truth
        chosen = int(np.argmin(bandit.means(contexts) - alpha * bandit.widths(contexts)))
        bandit.learn(contexts[chosen], costs[chosen] + NOISE * rng.normal())
        found[step] = costs[chosen] - costs.min()
    return found


def test_regret_grows_slower_than_time() -> None:
    """LinUCB's regret is at most of the order of d sqrt(T) log T (Abbasi-Yadkori et al., NIPS 2011)."""
    truths = np.random.default_rng(3).normal(size=(1, 5))
    found = np.mean([regrets(seed, 1.0, NOISE, truths, 1_600) for seed in range(6)], axis=0)
    quarters = found.reshape(4, -1).sum(axis=1)
    assert quarters[3] < 0.5 * quarters[0]
    assert found.sum() < NOISE * 5 * np.sqrt(1_600) * np.log(1_600)
    assert found[-400:].mean() < 0.1 * found[:10].mean()


def test_forgetting_follows_coefficients_that_change() -> None:
    """After the coefficients are turned round, the bandit that forgets loses a third of what the other one loses."""
    truth = np.random.default_rng(4).normal(size=(1, 5))
    truths = np.vstack([truth, -truth])
    forgets, remembers = (
        np.mean([regrets(seed, discount, NOISE, truths, 800) for seed in range(6)], axis=0)[400:].sum()
        for discount in (0.98, 1.0)
    )
    assert forgets < remembers / 3
