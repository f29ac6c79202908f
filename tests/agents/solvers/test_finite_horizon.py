"""Backward induction against all sequences of actions."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

from agents.solvers.finite_horizon import backward_induction


@pytest.mark.parametrize("timed", [False, True])
def test_no_sequence_of_actions_earns_more(timed: bool) -> None:
    rng = np.random.default_rng(8)
    for _ in range(100):
        steps, states, actions = (int(each) for each in rng.integers(1, 5, 3))
        rewards = rng.normal(0, 1, (steps, states, actions))
        rewards[..., 1:][rng.random((steps, states, actions - 1)) < 0.2] = -np.inf
        next_states = rng.integers(states, size=(steps, states, actions) if timed else (states, actions))
        final = rng.normal(0, 1, states)

        def earned(
            state: int, plan: Sequence[int], rewards: Any = rewards, following: Any = next_states, final: Any = final
        ) -> float:
            total = 0.0
            for step, action in enumerate(plan):
                total += rewards[step, state, action]
                state = following[step, state, action] if timed else following[state, action]
            return float(total + final[state])

        found = backward_induction(rewards, next_states, final)
        assert found.values.shape == (steps + 1, states)
        for start in range(states):
            most = max(earned(start, plan) for plan in product(range(actions), repeat=steps))
            assert found.values[0, start] == pytest.approx(most, abs=1e-12)
            state, plan = start, list[int]()
            for step in range(steps):
                plan.append(int(found.actions[step, state]))
                state = (next_states[step] if timed else next_states)[state, plan[-1]]
            assert earned(start, plan) == pytest.approx(most, abs=1e-12)


def test_a_split_moves_one_layer_a_step() -> None:
    """Splits 0..9, five steps, moves -1, 0, +1: split 7 is best, and too far from 1 to pay before the end."""
    splits = np.arange(10)
    moved = np.clip(splits[:, None] + [-1, 0, 1], 0, 9)
    worth = np.where(splits == 7, 3.0, -0.1 * splits)
    found = backward_induction(np.broadcast_to(worth[moved], (5, 10, 3)), moved)
    assert found.values[0, 7] == 15.0
    assert found.values[0, 1] == 0.0
    assert found.values[0, 3] == pytest.approx(3 + 3 - 0.4 - 0.5 - 0.6)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="next_states: must have the shape"):
        backward_induction(np.zeros((2, 3, 4)), np.zeros((4, 3), dtype=int))
    with pytest.raises(ValueError, match="next_states: must be integers within 0-2"):
        backward_induction(np.zeros((2, 3, 4)), np.full((3, 4), 3))
    for shape in ((2, 0, 4), (2, 3, 0)):
        with pytest.raises(ValueError, match=r"^rewards: must have a state and an action"):
            backward_induction(np.zeros(shape), np.zeros(shape[1:], dtype=int))
    with pytest.raises(ValueError, match=r"^final: must have the shape \(\) or \(3\), not \(2,\)"):
        backward_induction(np.zeros((2, 3, 4)), np.zeros((3, 4), dtype=int), [1, 2])
    for final in (np.nan, np.inf):
        with pytest.raises(ValueError, match=r"^final: must not be NaN"):
            backward_induction(np.zeros((2, 3, 4)), np.zeros((3, 4), dtype=int), final)
    with pytest.raises(ValueError, match="rewards: must not be NaN"):
        backward_induction(np.full((1, 1, 1), np.nan), np.zeros((1, 1), dtype=int))
