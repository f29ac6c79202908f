"""The optimum of LayerSplit against all sequences of actions, tried in the environment."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.layer_split.actions import AnySplit, Moves
from agents.layer_split.environment import LayerSplitEnvironment
from agents.layer_split.exact import enumerated, optimal_episodes
from agents.layer_split.problem import LayerSplit, States
from agents.layer_split.setting import MENDED, PRINTED, WIDE
from tests.agents.layer_split.problems import drawn_problem


def drawn_starts(problem: LayerSplit, count: int, seed: int = 0) -> tuple[np.ndarray, States]:
    draws = np.random.default_rng(seed).random((count, 3))
    return draws, problem.starts(draws, np.full(count, -np.inf))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), reach=st.sampled_from([1, 1, 2]), drift=st.sampled_from([0.0, 0.0005, 0.2]))
def test_the_optimum_is_that_of_all_sequences_of_actions(seed: int, reach: int, drift: float) -> None:
    steps = 5 if reach == 1 else 3
    setting = replace(
        MENDED, actions=Moves(reach), drift=drift, steps=steps, level_range=(0.05, 0.2), start_splits=(1, 10)
    )
    problem = drawn_problem(seed, setting)
    draws, starts = drawn_starts(problem, 1, seed)
    environment = LayerSplitEnvironment(problem)
    best = -np.inf
    for actions in product(range(2 * reach + 1), repeat=steps):
        environment.reset(options={"draws": draws[0]})
        best = max(best, sum(environment.step(action)[1] for action in actions))
    optimum = optimal_episodes(problem, starts)
    assert optimum.returns[0] == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("reach", [1, 4])
def test_the_optimal_splits_earn_the_optimal_return(reach: int) -> None:
    problem = drawn_problem(1, replace(MENDED, actions=Moves(reach), level_range=WIDE))
    _, starts = drawn_starts(problem, 50)
    optimum = optimal_episodes(problem, starts)
    states, earned = starts, np.zeros(50)
    for split in optimum.splits.T:
        actions = (problem.targets[states.split - 1] == split[:, None]).argmax(axis=1)
        states, rewards = problem.steps(states, actions)
        np.testing.assert_array_equal(states.split, split)
        earned += rewards
    np.testing.assert_allclose(earned, optimum.returns, atol=1e-9)


def test_any_split_is_best_enumerated() -> None:
    """Without drift the programme finds the same; with the published one a little more, as moves change the level."""
    setting = replace(MENDED, actions=AnySplit(), level_range=WIDE)
    for seed in range(20):
        still = drawn_problem(seed, replace(setting, drift=0.0))
        _, starts = drawn_starts(still, 20)
        one, other = optimal_episodes(still, starts), enumerated(still, starts)
        np.testing.assert_allclose(one.returns, other.returns, atol=1e-9)
        np.testing.assert_array_equal(one.splits, other.splits)
        drifting = drawn_problem(seed, setting)
        more = optimal_episodes(drifting, starts).returns - enumerated(drifting, starts).returns
        assert np.all(more >= -1e-9) and np.all(more < 0.2)


def test_more_reach_never_earns_less() -> None:
    problems = [
        drawn_problem(3, replace(MENDED, drift=0.0, actions=actions)) for actions in (Moves(), Moves(4), AnySplit())
    ]
    _, starts = drawn_starts(problems[0], 100)
    one, four, every = (optimal_episodes(problem, starts).returns for problem in problems)
    assert np.all(four >= one) and np.all(every >= four) and np.any(four > one)


def test_what_has_no_optimum_of_its_own_is_refused() -> None:
    problem = drawn_problem(1, PRINTED)
    _, starts = drawn_starts(problem, 1)
    with pytest.raises(ValueError, match=r"^stay_repeats=True: "):
        optimal_episodes(problem, starts)
    with pytest.raises(ValueError, match=r"^actions: must be able to choose any split$"):
        enumerated(drawn_problem(1), starts)
