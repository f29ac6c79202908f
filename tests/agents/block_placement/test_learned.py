"""Learners of block placement: networks, the problem block by block, and a small problem learned."""

import numpy as np
import pytest
import torch

from agents.block_placement.dqn import BlockByBlock
from agents.block_placement.environment import FORMS, problem_of
from agents.block_placement.fixed import best_fixed
from agents.block_placement.learned import LEARNERS
from agents.block_placement.networks import JointActions, NetworkPerBlock
from agents.block_placement.optimum import all_placements
from agents.block_placement.policies import random_places
from agents.block_placement.rollout import episode_means
from agents.block_placement.vector_environment import BlockPlacementVector
from agents.learning.heads import Shape
from agents.learning.networks import SeparateNetworks
from tests.extras import module_of_extra


@pytest.mark.parametrize("form", FORMS)
def test_block_by_block_has_the_rewards_of_the_slots(form: str) -> None:
    problem = problem_of(form, slots=6, energy_max_j=8.0)
    whole, parts = BlockPlacementVector(3, problem), BlockByBlock(3, problem)
    seen, _ = whole.reset(seed=3)
    first, _ = parts.reset(seed=3)
    rng = np.random.default_rng(1)
    for slot in range(6):
        np.testing.assert_array_equal(first[:, : problem.features], seen)
        placements = rng.integers(problem.places, size=(3, 6))
        seen, rewards, *_ = whole.step(placements)
        totals = np.zeros(3)
        for block, places in enumerate(placements.T):
            first, part, _, truncated, _ = parts.step(places)
            assert first in parts.observation_space
            assert truncated.all() == truncated.any() == (slot == 5 and block == 5)
            totals += part
        np.testing.assert_allclose(totals, rewards, rtol=1e-12)
    again, rewards, _, truncated, _ = parts.step(np.zeros(3, np.int64))
    np.testing.assert_array_equal(again[:, : problem.features], whole.step(placements)[0])
    assert not rewards.any()
    assert not truncated.any()


def test_joint_actions_are_all_placements() -> None:
    problem = problem_of(slots=4, blocks=3, servers=2)
    joint, plain = JointActions(BlockPlacementVector(27, problem)), BlockPlacementVector(27, problem)
    np.testing.assert_array_equal(joint.reset(seed=1)[0], plain.reset(seed=1)[0])
    assert joint.single_action_space.n == 27  # type: ignore[attr-defined]
    taken, expected = joint.step(np.arange(27)), plain.step(all_placements(3, 3))
    for one, other in zip(taken[:4], expected[:4], strict=True):
        np.testing.assert_array_equal(one, other)


def test_networks_of_blocks_equal_separate_ones() -> None:
    shape, draws = Shape(5, 3, 4), torch.Generator().manual_seed(1)
    networks = [SeparateNetworks(Shape(5, 1, 4), 8, draws) for _ in range(3)]
    model = NetworkPerBlock(shape, 8, torch.Generator().manual_seed(1))
    observations = torch.randn(6, 2, 5)
    logits, values = model.outputs(observations)
    torch.testing.assert_close(logits, torch.cat([network.actor(observations) for network in networks], dim=-1))
    torch.testing.assert_close(values, networks[0].critic(observations))
    torch.autograd.backward(logits[..., 4:8].sum())  # of the second block
    for parameter in (*model.layers, *model.biases):
        assert parameter.grad is not None
        assert [bool(torch.count_nonzero(block)) for block in parameter.grad] == [False, True, False]


@pytest.mark.parametrize("agent", ["mt-a3c", "a3c", "a2c", "ppo"])
def test_a_small_problem_is_learned(agent: str) -> None:
    """Two servers and three blocks, printed form: better than the best fixed placement, which costs 3 % more than the
    optimum, and the same policy for the same seed."""
    problem = problem_of("printed", servers=2, blocks=3, slots=50)
    policy = LEARNERS[agent](problem, 40_000, 1)
    cost_s = episode_means(problem, policy, [1_001]).cost_s
    assert cost_s < episode_means(problem, best_fixed(problem, 1_000, 1), [1_001]).cost_s
    again = LEARNERS[agent](problem, 2_048, 1), LEARNERS[agent](problem, 2_048, 1)
    one, other = (episode_means(problem, each, [1_001]) for each in again)
    assert one.cost_s == other.cost_s


def test_dqn_learns() -> None:
    module_of_extra("stable_baselines3", "baselines")
    problem = problem_of("printed", servers=2, blocks=3, slots=50)
    costs = [
        episode_means(problem, each, [1_001]).cost_s for each in (LEARNERS["dqn"](problem, 1_500, 1), random_places)
    ]
    assert costs[0] < 0.8 * costs[1]
