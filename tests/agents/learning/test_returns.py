"""Advantages and returns, compared with sums written out for each step."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agents.learning.n_step import returns_of
from agents.learning.ppo import advantages_of
from emulator.core.arrays import Flags, Floats

LANES = 3


def draws(seed: int, steps: int) -> tuple[Floats, Floats, Flags, Flags, Flags]:
    """Return rewards (T, N), values (T + 1, N), and which steps terminated, and ended, an episode, and are settled."""
    rng = np.random.default_rng(seed)
    terminated, truncated = rng.random((2, steps, LANES)) < 0.2
    rewards, values = rng.normal(size=(steps, LANES)), rng.normal(size=(steps + 1, LANES))
    return rewards, values, terminated, terminated | truncated, rng.random((steps, LANES)) < 0.8


def times(seed: int, steps: int) -> Floats:
    """Return the units of time of each step: whole and broken ones."""
    rng = np.random.default_rng([seed, 1])
    return rng.choice([1.0, 0.3, 2.5], (steps, LANES))


@given(
    seed=st.integers(0, 1_000),
    steps=st.integers(1, 12),
    gamma=st.sampled_from([0.0, 0.9, 1.0]),
    gae_lambda=st.sampled_from([0.0, 0.95, 1.0]),
)
def test_advantages_are_the_discounted_sums_of_errors(seed: int, steps: int, gamma: float, gae_lambda: float) -> None:
    rewards, values, terminated, ended, settled = draws(seed, steps)
    rows = [torch.tensor(each) for each in (rewards, values, terminated, ended, settled)]
    discounts = gamma ** times(seed, steps)
    after_each = torch.tensor(discounts)
    found = advantages_of(rows[0], rows[1], rows[2], rows[3], rows[4], after_each, gae_lambda).numpy()
    for lane in range(LANES):
        for start in range(steps):
            expected, weight = 0.0, 1.0
            for t in range(start, steps):
                after = 0.0 if terminated[t, lane] else values[t + 1, lane]
                if settled[t, lane]:
                    expected += weight * (rewards[t, lane] + discounts[t, lane] * after - values[t, lane])
                weight *= discounts[t, lane] * gae_lambda
                if ended[t, lane]:
                    break
            assert found[start, lane] == pytest.approx(expected, abs=1e-9)


@given(seed=st.integers(0, 1_000), steps=st.integers(1, 12), gamma=st.sampled_from([0.0, 0.9, 1.0]))
def test_returns_are_discounted_rewards_and_a_last_value(seed: int, steps: int, gamma: float) -> None:
    rewards, values, terminated, ended, settled = draws(seed, steps)
    rows = [torch.tensor(each) for each in (rewards, values, terminated, ended, settled)]
    discounts = gamma ** times(seed, steps)
    after_each = torch.tensor(discounts)
    found = returns_of(rows[0], rows[1][:-1], rows[1][-1], rows[2], rows[3], rows[4], after_each).numpy()
    for lane in range(LANES):
        for start in range(steps):
            if not settled[start, lane]:
                assert found[start, lane] == values[start, lane]
                continue
            last = next((t for t in range(start, steps - 1) if ended[t, lane] or not settled[t + 1, lane]), steps - 1)
            weights = np.cumprod([1.0, *discounts[start : last + 1, lane]])
            expected = weights[:-1] @ rewards[start : last + 1, lane]
            expected += 0.0 if terminated[last, lane] else weights[-1] * values[last + 1, lane]
            assert found[start, lane] == pytest.approx(expected, abs=1e-9)


@given(seed=st.integers(0, 1_000), steps=st.integers(1, 12), gamma=st.sampled_from([0.0, 0.9, 1.0]))
def test_advantages_with_a_long_memory_are_returns_less_values(seed: int, steps: int, gamma: float) -> None:
    rewards, values, terminated, ended, _ = (torch.tensor(each) for each in draws(seed, steps))
    settled = torch.ones_like(ended)
    discounts = torch.tensor(gamma ** times(seed, steps))
    returns = returns_of(rewards, values[:-1], values[-1], terminated, ended, settled, discounts)
    advantages = advantages_of(rewards, values, terminated, ended, settled, discounts, 1.0)
    torch.testing.assert_close(advantages, returns - values[:-1])
