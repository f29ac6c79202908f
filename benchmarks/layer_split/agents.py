"""Policies of LayerSplit against its optimum, all on the same episodes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from agents.layer_split.environment import problem_of
from agents.layer_split.exact import optimal_episodes
from agents.layer_split.learned import Decide, most_likely, play
from agents.layer_split.problem import DRAWS, LayerSplit, States
from agents.layer_split.setting import LayerSplitSetting
from agents.layer_split.vector_environment import LayerSplitVector
from agents.learning.fast_ppo import train
from agents.learning.settings import PpoSettings
from emulator.core.arrays import Float32s, Floats, Ints
from emulator.core.randomness import generator

TEST_EPISODES = 2_000
SETTINGS = PpoSettings(
    total_timesteps=60_000, num_envs=16, num_steps=60, learning_rate=2e-3, gamma=0.99, update_epochs=10, ent_coef=0.02
)


class Row(NamedTuple):
    """A policy's mean return, and its gap to the optimum in percent of the optimum's mean return. `low`, `high`: 95 %
    interval of the gap, over training seeds of an agent, over episodes of any other policy. `gap_of_random`: the gap as
    a share of that of the policy that moves at random."""

    policy: str
    episode_return: float
    gap_percent: float
    low: float
    high: float
    gap_of_random: float
    same_split: float


def test_starts(problem: LayerSplit) -> States:
    """Return the starts of the episodes on which policies are compared."""
    draws = generator(0, "layer split", "test episodes").random((TEST_EPISODES, DRAWS))
    return problem.starts(draws, np.full(TEST_EPISODES, -np.inf))


def fixed_policies(problem: LayerSplit) -> dict[str, Decide]:
    """Return policies that learn nothing: at random, none moves, to the split in the middle and to both ends."""
    rng = generator(0, "layer split", "random policy")
    count, of = problem.targets.shape[1], problem.setting

    def random(observations: Float32s) -> Ints:
        return rng.integers(count, size=len(observations))

    def towards(goal: int) -> Decide:
        distances = np.abs(problem.targets - goal).argmin(axis=1)

        def decide(observations: Float32s) -> Ints:
            chosen: Ints = distances[_splits(observations, of)]
            return chosen

        return decide

    def stay(observations: Float32s) -> Ints:
        splits = _splits(observations, of)
        chosen: Ints = (problem.targets[splits] == splits[:, None] + 1).argmax(axis=1)
        return chosen

    fixed = {f"to split {goal}": towards(goal) for goal in range(1, of.max_split + 1)}
    return {"random": random, "stay": stay, **fixed}


def _splits(observations: Float32s, setting: LayerSplitSetting) -> Ints:
    """Return the rows of the observed splits in the table of targets."""
    return np.rint(observations[:, 2] * setting.max_split).astype(np.int64) - 1


def ppo(problem: LayerSplit, seed: int, settings: PpoSettings = SETTINGS) -> Mapping[str, Float32s]:
    """Return the parameters of an agent trained on a problem."""
    weights, _ = train(lambda count: LayerSplitVector(count, problem), settings, seed)
    return weights


def rows(channel: str, setting: LayerSplitSetting, seeds: Sequence[int]) -> Iterator[Row]:
    """Yield a row for each policy: the optimum, those that learn nothing (of fixed splits the best), PPO, and PPO that
    sees noise, scale and split alone."""
    problem = problem_of(channel, setting)
    starts = test_starts(problem)
    best = optimal_episodes(problem, starts)
    fixed = {name: play(problem, starts, decide) for name, decide in fixed_policies(problem).items()}
    goals = [name for name in fixed if name.startswith("to split")]
    kept = max(goals, key=lambda name: float(fixed[name].returns.mean()))
    optimum = float(best.returns.mean())
    scale, random_gap = abs(optimum) / 100, optimum - float(fixed["random"].returns.mean())
    yield Row("optimum", optimum, 0.0, 0.0, 0.0, 0.0, 1.0)
    for name in ("random", "stay", kept):
        gaps = best.returns - fixed[name].returns
        half = 1.96 * float(gaps.std()) / TEST_EPISODES**0.5
        mean, same = float(gaps.mean()), float((fixed[name].splits == best.splits).mean())
        low, high = (mean - half) / scale, (mean + half) / scale
        yield Row(name, optimum - mean, mean / scale, low, high, mean / random_gap, same)
    for name, seen in (("ppo", setting), ("ppo on the printed state", replace(setting, observes_progress=False))):
        trained_on = problem_of(channel, seen)
        played = [play(trained_on, starts, most_likely(ppo(trained_on, seed))) for seed in seeds]
        means = optimum - np.array([each.returns.mean() for each in played])
        same = float(np.mean([(each.splits == best.splits).mean() for each in played]))
        mean = float(means.mean())
        low, high = (bound / scale for bound in seeds_interval(means))
        yield Row(name, optimum - mean, mean / scale, low, high, mean / random_gap, same)


def seeds_interval(values: Floats) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean over training seeds, drawn with replacement."""
    draws = generator(0, "layer split", "training seeds").integers(len(values), size=(2_000, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)
