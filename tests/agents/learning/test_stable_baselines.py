"""Vector environments as Stable-Baselines3 sees them."""

import numpy as np

from agents.block_placement.environment import problem_of
from agents.block_placement.vector_environment import BlockPlacementVector
from tests.extras import module_of_extra

adapter = module_of_extra("agents.learning.stable_baselines", "baselines")


def test_the_last_step_of_episodes_returns_the_first_of_the_next() -> None:
    problem = problem_of(slots=2)
    taken, plain = adapter.OfStableBaselines(BlockPlacementVector(3, problem)), BlockPlacementVector(3, problem)
    taken.seed(7)
    np.testing.assert_array_equal(taken.reset(), plain.reset(seed=7)[0])
    actions = np.zeros((3, 6), np.int64)
    for _ in range(2):
        for step in range(2):
            observations, rewards, ended, infos = taken.step(actions)
            expected, expected_rewards, _, truncated, _ = plain.step(actions)
            np.testing.assert_array_equal(rewards, expected_rewards.astype(np.float32))
            np.testing.assert_array_equal(ended, truncated)
            if step == 0:
                np.testing.assert_array_equal(observations, expected)
                assert infos == [{}, {}, {}]
        np.testing.assert_array_equal([info["terminal_observation"] for info in infos], expected)
        assert all(info["TimeLimit.truncated"] for info in infos)
        np.testing.assert_array_equal(observations, plain.step(actions)[0])
