"""The environments of block placement: checkers, vector equal to scalar, distributions of what is drawn."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from scipy import stats

from agents.block_placement.environment import FORMS, BlockPlacementEnvironment, problem_of
from agents.block_placement.problem import rates_of
from agents.block_placement.settings import BlockPlacementSettings
from agents.block_placement.vector_environment import BlockPlacementVector
from agents.environments import BLOCK_PLACEMENT
from tests.extras import module_of_extra


@pytest.mark.parametrize("form", FORMS)
def test_gymnasiums_checker_passes(form: str) -> None:
    environment = gymnasium.make(BLOCK_PLACEMENT, form=form, slots=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(environment.unwrapped)


@pytest.mark.parametrize("form", FORMS)
def test_the_checker_of_stable_baselines3_passes(form: str) -> None:
    checker = module_of_extra("stable_baselines3.common.env_checker", "baselines")
    checker.check_env(gymnasium.make(BLOCK_PLACEMENT, form=form, slots=5).unwrapped)


@pytest.mark.parametrize("form", FORMS)
def test_the_vector_environment_equals_the_scalar_one_step_by_step(form: str) -> None:
    problem = problem_of(form, slots=7, energy_max_j=4.0, networks=("alexnet", "nin"), late_weight=2.0)
    vector = BlockPlacementVector(4, problem)
    scalar = SyncVectorEnv([lambda: BlockPlacementEnvironment(problem)] * 4, autoreset_mode=AutoresetMode.NEXT_STEP)
    assert vector.observation_space == scalar.observation_space
    assert vector.action_space == scalar.action_space
    rng = np.random.default_rng(0)
    ends = failed = 0
    seeds: list[int | list[int | None] | None] = [5, None, 9, [3, 1, 4, 1]]
    for seed in seeds:  # None continues the draws of the seed before
        (seen, info), (expected, expected_info) = (each.reset(seed=seed) for each in (vector, scalar))
        for _ in range(20):
            np.testing.assert_array_equal(seen, expected)
            assert seen.dtype == expected.dtype
            assert vector.single_observation_space.contains(seen[0])
            assert info.keys() == expected_info.keys()
            for name, values in info.items():
                np.testing.assert_array_equal(values, expected_info[name])
            actions = rng.integers(problem.places, size=(4, 6))
            seen, *results, info = vector.step(actions)
            expected, *others, expected_info = scalar.step(actions)
            for one, other in zip(results, others, strict=True):
                np.testing.assert_array_equal(one, other)
            ends += int(results[2].sum())
            failed += int(info["failed"].sum())
    assert ends == 4 * 4 * 2
    assert (failed > 0) == (form == "mended")


def test_what_is_drawn() -> None:
    problem = problem_of("printed", slots=2_000, tasks_per_slot=60)
    episode = problem.draw([np.random.default_rng(1)])
    assert episode.tasks[:, 0].mean() == pytest.approx(60, abs=5 * (60 / 2_001) ** 0.5)
    assert np.all((episode.rates >= 0.8e6) & (episode.rates <= 2e6))
    settings = problem.settings
    noise_w = settings.noise_w_per_hz * settings.bandwidth_hz
    gains = (2 ** (8 * episode.rates[:, 0, 0] / settings.bandwidth_hz) - 1) * noise_w / settings.power_w
    fading = stats.truncexpon((gains.max() - gains.min()) / 1e-12, loc=gains.min(), scale=1e-12)
    assert stats.kstest(gains[:, 0], fading.cdf).pvalue > 1e-3


def test_rates_reach_their_limits() -> None:
    ends = rates_of(BlockPlacementSettings(), np.array([0.0, 1.0]))
    np.testing.assert_allclose(ends, [0.8e6, 2e6], rtol=1e-9)


def test_invalid_actions_change_nothing() -> None:
    problem = problem_of(slots=5)
    vector, twin = BlockPlacementVector(2, problem), BlockPlacementVector(2, problem)
    for environment in (vector, twin):
        environment.reset(seed=4)
    with pytest.raises(ValueError, match=r"^actions=\[\[0, .* 5\]\]: must be 2 x 6 numbers in 0\.\.4$"):
        vector.step(np.array([[0] * 6, [0] * 5 + [5]]))
    good = np.ones((2, 6), dtype=np.int64)
    np.testing.assert_array_equal(vector.step(good)[0], twin.step(good)[0])
    scalar = BlockPlacementEnvironment(problem)
    with pytest.raises(gymnasium.error.ResetNeeded):
        scalar.step(good[0])
    scalar.reset(seed=1)
    with pytest.raises(ValueError, match=r"must be 6 numbers"):
        scalar.step(np.zeros(5, dtype=np.int64))


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"^form=fixed: must be one of mended, printed$"):
        problem_of("fixed")
    with pytest.raises(ValueError, match=r"^options=.*: must be empty$"):
        BlockPlacementEnvironment(problem_of()).reset(options={"episode": 1})
