"""Learners on problems with known optima."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from threadpoolctl import threadpool_info, threadpool_limits

from agents.learning import a2c, a3c, fast_ppo, ppo
from agents.learning.heads import HeadedEnvironment, MakeEnvironment, Shape, shape_of
from agents.learning.networks import ActorCritic, MakeNetwork, SeparateNetworks, SharedTrunk
from agents.learning.settings import A2cSettings, A3cSettings, PpoSettings
from agents.learning.training.curve import Curve
from agents.learning.training.weights import Weights
from tests.agents.learning.problems import MOVE, STAY, LateStates, Matching, TimedStates, TwoStates, optimal_values

Learner = Callable[..., tuple[Weights, Curve]]
LEARNERS: dict[str, tuple[Learner, Any]] = {
    "ppo": (ppo.train, PpoSettings(16_384, num_envs=16, learning_rate=3e-3, update_epochs=4, ent_coef=0.02)),
    "fast ppo": (fast_ppo.train, PpoSettings(32_768, num_envs=16, ent_coef=0.02)),
    "a2c": (a2c.train, A2cSettings(40_000, ent_coef=0.02)),
    "a3c": (a3c.train, A3cSettings(40_000, ent_coef=0.02)),
}
BRIEF: dict[str, Any] = {
    "ppo": PpoSettings(2_048),
    "fast ppo": PpoSettings(2_048),
    "a2c": A2cSettings(2_048),
    "a3c": A3cSettings(2_048),
}
CASES = [(learner, SeparateNetworks) for learner in LEARNERS] + [("ppo", SharedTrunk), ("a3c", SharedTrunk)]


def trained(
    learner: str, environments: MakeEnvironment, gamma: float, network: MakeNetwork = SeparateNetworks
) -> tuple[ActorCritic, Curve]:
    train, settings = LEARNERS[learner]
    options = {} if network is SeparateNetworks else {"network": network}
    weights, curve = train(environments, replace(settings, gamma=gamma, credit_steps=8), 3, **options)
    return model_of(weights, HeadedEnvironment(environments(1)).shape, network), curve


def model_of(weights: Weights, shape: Shape, network: MakeNetwork) -> ActorCritic:
    model = network(shape, 64, torch.Generator())
    model.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    return model


def best_and_values(model: ActorCritic) -> tuple[list[int], list[float]]:
    """Return the most probable action and the value of each state of `TwoStates`."""
    with torch.no_grad():
        log_p, values = model(torch.eye(2), torch.ones((2, 1, 2), dtype=torch.bool))
    return log_p[:, 0].argmax(-1).tolist(), values.tolist()


@pytest.mark.parametrize(("learner", "network"), CASES)
def test_the_optimum_of_two_states_is_learned(learner: str, network: MakeNetwork) -> None:
    model, _ = trained(learner, TwoStates, 0.9, network)
    actions, values = best_and_values(model)
    assert actions == [MOVE, STAY]
    assert values == pytest.approx(optimal_values(0.9), rel=0.1)


@pytest.mark.parametrize("learner", LEARNERS)
def test_time_that_a_step_takes_is_discounted(learner: str) -> None:
    """After 40 seconds of moving, what follows is worth 0.9^40 of it."""
    actions, values = best_and_values(trained(learner, lambda n: TimedStates(n, 40.0), 0.9)[0])
    assert actions == [STAY, STAY]
    assert values == pytest.approx((2.0, 10.0), rel=0.1)


@pytest.mark.parametrize("learner", LEARNERS)
def test_late_rewards_are_learned_where_they_were_earned(learner: str) -> None:
    actions, values = best_and_values(trained(learner, LateStates, 0.9)[0])
    assert actions == [MOVE, STAY]
    assert values == pytest.approx(optimal_values(0.9), rel=0.1)
    actions, values = best_and_values(trained(learner, LateStates, 0.0)[0])  # of its own reward a step knows no other's
    assert actions == [STAY, STAY]
    assert values == pytest.approx((0.2, 1.0), rel=0.1)


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("terminates", [False, True])
def test_only_a_truncated_episode_has_a_future(learner: str, terminates: bool) -> None:
    """Episodes of one step: the same states and rewards, but what follows counts only if the episode is truncated."""
    model, curve = trained(learner, lambda n: TwoStates(n, length=1, terminates=terminates), 0.9)
    actions, values = best_and_values(model)
    assert actions == ([STAY, STAY] if terminates else [MOVE, STAY])
    assert values == pytest.approx((0.2, 1.0) if terminates else optimal_values(0.9), rel=0.1)
    assert curve[-1]["episode_return"] == pytest.approx(curve[-1]["reward_mean"], abs=0.02)  # one reward an episode


@pytest.mark.parametrize(("learner", "network"), CASES)
def test_each_head_learns_its_outcome(learner: str, network: MakeNetwork) -> None:
    _, curve = trained(learner, Matching, 0.9, network)
    assert curve[0]["reward_mean"] < 0.5  # a third at random, as one of four outcomes is masked
    assert curve[-1]["reward_mean"] > 0.95


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_same_seed_learns_the_same_parameters(learner: str) -> None:
    train, _ = LEARNERS[learner]
    (first, curve), (second, again), (other, _) = (train(Matching, BRIEF[learner], seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert curve == again
    assert any(not np.array_equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("learner", LEARNERS)
def test_one_thread_learns(learner: str) -> None:
    """Whatever the process has: torch and BLAS, in the environments too, have one, and their own afterwards."""
    found: set[int] = set()

    class Counting(Matching):
        def step(self, actions: Any) -> Any:
            found.add(torch.get_num_threads() if learner != "fast ppo" else 1)
            found.update(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
            return super().step(actions)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threadpool_limits(2, "blas"):
            LEARNERS[learner][0](Counting, replace(BRIEF[learner], total_timesteps=1), 1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert found == {1}


def test_returns_of_episodes_are_sums_of_their_rewards() -> None:
    """Matching has episodes of one step, so rewards and returns have one mean; two states have 20 steps."""
    _, curve = ppo.train(Matching, BRIEF["ppo"], 1)
    assert curve[-1]["episode_return"] == pytest.approx(curve[-1]["reward_mean"])
    settings = PpoSettings(total_timesteps=21 * 16, num_envs=16, num_steps=21)
    _, curve = ppo.train(TwoStates, settings, 1)
    assert curve[-1]["episode_return"] == pytest.approx(20 * curve[-1]["reward_mean"], rel=1e-5)


def test_spaces_are_checked() -> None:
    box = gymnasium.spaces.Box(0, 1, (3,), np.float32)
    assert shape_of(box, gymnasium.spaces.Discrete(4)) == (3, 1, 4)
    assert shape_of(box, gymnasium.spaces.MultiDiscrete([4, 4])) == (3, 2, 4)
    for actions in (gymnasium.spaces.Discrete(4, start=1), gymnasium.spaces.MultiDiscrete([4, 3]), box):
        with pytest.raises(ValueError, match=r"^action_space=.*: must be Discrete"):
            shape_of(box, actions)
    with pytest.raises(ValueError, match=r"^observation_space=.*: must be a Box of one dimension"):
        shape_of(gymnasium.spaces.Discrete(3), gymnasium.spaces.Discrete(4))
    environment = TwoStates(1)
    environment.metadata["autoreset_mode"] = AutoresetMode.SAME_STEP
    with pytest.raises(ValueError, match=r"^environment: autoreset mode must be NEXT_STEP$"):
        HeadedEnvironment(environment)
