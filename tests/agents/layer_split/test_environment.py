"""The environments of LayerSplit: Gymnasium's checker, vector equal to scalar, the reward, and the published traps."""

import warnings
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from agents.environments import LAYER_SPLIT
from agents.layer_split.actions import AnySplit, Moves
from agents.layer_split.environment import LayerSplitEnvironment
from agents.layer_split.setting import MENDED, PRINTED, WIDE, LayerSplitSetting
from agents.layer_split.vector_environment import LayerSplitVector
from tests.agents.layer_split.problems import drawn_losses, drawn_problem
from tests.extras import module_of_extra

SETTINGS = [MENDED, PRINTED, replace(MENDED, actions=Moves(4), level_range=WIDE, start_splits=(1, 10), steps=3)]


@pytest.mark.parametrize("setting", SETTINGS)
def test_gymnasiums_checker_passes(setting: LayerSplitSetting) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(LAYER_SPLIT, setting=setting, loss_model=drawn_losses(1)).unwrapped)


@pytest.mark.parametrize("setting", SETTINGS)
def test_stable_baselines_checker_passes(setting: LayerSplitSetting) -> None:
    checker = module_of_extra("stable_baselines3.common.env_checker", "baselines")
    checker.check_env(LayerSplitEnvironment(drawn_problem(1, setting)))


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_vector_environment_equals_the_scalar_one_step_by_step(setting: LayerSplitSetting) -> None:
    problem = drawn_problem(2, setting)
    vector = LayerSplitVector(4, problem)
    scalar = SyncVectorEnv([lambda: LayerSplitEnvironment(problem)] * 4, autoreset_mode=AutoresetMode.NEXT_STEP)
    assert vector.observation_space == scalar.observation_space
    assert vector.action_space == scalar.action_space
    rng = np.random.default_rng(0)
    ends = 0
    seeds: list[int | list[int | None] | None] = [5, None, 9, [3, 1, 4, 1]]
    for seed in seeds:  # None continues the draws of the seed before
        both = [environment.reset(seed=seed) for environment in (vector, scalar)]
        for _ in range(40):
            same_parts((both[0][0], both[0][1]["level"]), (both[1][0], both[1][1]["level"]))
            actions = rng.integers(problem.targets.shape[1], size=4)
            results = [environment.step(actions) for environment in (vector, scalar)]
            same_parts(results[0][1:4], results[1][1:4])
            ends += int(results[0][2].sum())
            both = [(result[0], result[4]) for result in results]
    assert ends > 20


def same_parts(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> None:
    for a, b in zip(one, other, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_returned_arrays_do_not_change_later() -> None:
    vector = LayerSplitVector(2, drawn_problem(3))
    observations, info = vector.reset(seed=1)
    results = vector.step(np.zeros(2, np.int64))
    kept = [observations, info["level"], *results[:4], results[4]["level"]]
    copies = [array.copy() for array in kept]
    vector.step(np.full(2, 2))
    for array, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_the_reward_is_the_formula() -> None:
    """Perplexity exp(base + loss), with any base."""
    environment = LayerSplitEnvironment(drawn_problem(4))
    base, problem = 2.9, environment.problem
    _, info = environment.reset(options={"draws": (0.3, 0.5, 0.5)})
    level = info["level"]
    assert level == pytest.approx(0.08 + 0.3 * 0.14)

    def perplexity(level: float, split: int) -> float:
        return float(np.exp(base + problem.loss_model.losses(np.array([level]), np.array([split]))[0]))

    reference = perplexity(level, 5)
    for action, split, factor in ((0, 4, 1.0005), (1, 4, 1.0), (2, 5, 0.9995)):
        level *= factor
        observation, reward, _, _, info = environment.step(action)
        assert info["level"] == pytest.approx(level)
        assert reward == pytest.approx(10 * (reference - perplexity(level, split)) / reference + (10 - split) / 10)
        assert observation[2] == pytest.approx(split / 10)
        # Rayleigh fading of mean square 2 s² exceeds the noise's power with this probability.
        assert 1 - np.exp(-(observation[0] ** 2) / (2 * observation[1] ** 2)) == pytest.approx(level, rel=1e-5)


def test_moves_stop_at_the_ends_and_any_split_can_be_chosen() -> None:
    np.testing.assert_array_equal(Moves().targets(3), [[1, 1, 2], [1, 2, 3], [2, 3, 3]])
    np.testing.assert_array_equal(Moves(4).targets(10)[4], range(1, 10))
    np.testing.assert_array_equal(AnySplit().targets(3), [[1, 2, 3]] * 3)
    with pytest.raises(ValueError, match=r"^reach=0: must be at least 1$"):
        Moves(0)


def test_the_level_drifts_with_every_layer_moved() -> None:
    environment = LayerSplitEnvironment(drawn_problem(4, replace(MENDED, actions=AnySplit(), drift=0.1)))
    _, info = environment.reset(options={"draws": (0.0, 0.5, 0.0)})  # split 3
    level = info["level"]
    for split, factor in ((7, 0.9**4), (7, 1.0), (1, 1.1**6), (10, 0.9**9)):
        level *= factor
        assert environment.step(split - 1)[4]["level"] == pytest.approx(level)


def test_episodes_start_within_their_ranges_and_reach_them() -> None:
    states = drawn_problem(5).starts(np.random.default_rng(0).random((2_000, 3)), np.full(2_000, -np.inf))
    assert states.level.min() >= 0.08 and states.level.max() < 0.22
    assert states.scale.min() >= 0.5 and states.scale.max() < 1.5
    assert set(states.split.tolist()) == {3, 4, 5, 6}


def test_as_printed_the_first_stay_earns_the_perplexity_of_the_episode_before() -> None:
    """In the first of all episodes that is none, and the gain is full."""
    problem = drawn_problem(6, PRINTED)
    environment = LayerSplitEnvironment(problem)
    start = {"draws": (0.5, 0.5, 0.5)}
    environment.reset(options=start)
    assert environment.step(4)[1] == 10.5 + 0.5
    for _ in range(4):
        environment.step(0)
    # Four layers down from split 5; split 1 runs two.
    last = problem.loss_model.losses(np.array([0.15 * 1.0005**4]), np.array([2]))
    environment.reset(options=start)
    reference = problem.loss_model.losses(np.array([0.15]), np.array([6]))
    assert environment.step(4)[1] == pytest.approx(10.5 * (1 - np.exp(last - reference)[0]) + 0.5)
    mended = LayerSplitEnvironment(drawn_problem(6, replace(MENDED, actions=AnySplit())))
    mended.reset(options=start)
    assert mended.step(4)[1] == 0.5


def test_episodes_end_and_ask_for_a_reset() -> None:
    environment = LayerSplitEnvironment(drawn_problem(7))
    with pytest.raises(gymnasium.error.ResetNeeded):
        environment.step(0)
    environment.reset(seed=0)
    results = [environment.step(1) for _ in range(5)]
    assert [terminated for _, _, terminated, _, _ in results] == [False] * 4 + [True]
    assert not any(truncated for _, _, _, truncated, _ in results)
    with pytest.raises(gymnasium.error.ResetNeeded):
        environment.step(0)


def test_invalid_actions_change_nothing() -> None:
    vector, twin = (LayerSplitVector(2, drawn_problem(8)) for _ in range(2))
    vector.reset(seed=1)
    twin.reset(seed=1)
    for wrong in ([0, 3], [-1, 0], [0, 0, 0]):
        with pytest.raises(ValueError, match=r"^actions=.*: must be 2 numbers in 0\.\.2$"):
            vector.step(np.array(wrong))
    np.testing.assert_array_equal(vector.step(np.zeros(2, np.int64))[0], twin.step(np.zeros(2, np.int64))[0])
    scalar = LayerSplitEnvironment(drawn_problem(8))
    scalar.reset(seed=1)
    with pytest.raises(ValueError, match=r"^action=3: must be in 0\.\.2$"):
        scalar.step(3)
    with pytest.raises(ValueError, match=r"^draws=.*: must be 3 numbers from 0 to below 1$"):
        scalar.reset(options={"draws": (0.5, 1.0, 0.0)})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"level_range": (0.2, 0.1)}, "level_range"),
        ({"level_range": (0.1, 0.4)}, "level_range"),
        ({"scale_range": (0.0, 1.0)}, "scale_range"),
        ({"start_splits": (3, 11)}, "start_splits"),
        ({"steps": 0}, "steps"),
    ],
)
def test_impossible_settings_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"^{message}="):
        replace(MENDED, **changed)


def test_gymnasium_knows_both_environments() -> None:
    assert gymnasium.spec(LAYER_SPLIT).entry_point == "agents.layer_split.environment:make"
    assert gymnasium.spec(LAYER_SPLIT).vector_entry_point == "agents.layer_split.vector_environment:make"
