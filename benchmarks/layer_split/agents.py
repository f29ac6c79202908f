"""Policies of LayerSplit against its optimum, all on the same episodes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from agents.layer_split.actions import AnySplit, Moves
from agents.layer_split.environment import problem_of
from agents.layer_split.exact import enumerated, optimal_episodes
from agents.layer_split.learned import Decide, PlayedEpisodes, most_likely, play
from agents.layer_split.problem import DRAWS, LayerSplit, States
from agents.layer_split.setting import LayerSplitSetting
from agents.layer_split.vector_environment import LayerSplitVector
from agents.learning.fast_ppo import train
from agents.learning.settings import PpoSettings
from benchmarks.layer_split.intervals import interval
from emulator.core.arrays import Float32s, Ints
from emulator.core.randomness import generator

TEST_EPISODES = 2_000
SETTINGS = PpoSettings(
    total_timesteps=150_000, num_envs=64, num_steps=12, learning_rate=8e-3, gamma=1.0, update_epochs=10, ent_coef=0.5
)
"""An episode's return is not discounted, so that gamma is 1. The entropy's weight keeps the moves over bad splits
alive; it decays to 0, as does the rate."""
FAR_SETTINGS = replace(SETTINGS, total_timesteps=40_000)
"""Enough where an action moves several layers, so that no move must lead over a bad split."""


class Row(NamedTuple):
    """A policy's mean return, and its gap to the optimum in percent of the optimum's mean return. `low`, `high`: 95 %
    interval of the gap, Student's over training seeds of an agent, over episodes of any other policy. `gap_of_random`:
    the gap as a share of that of the policy that moves at random."""

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
    """Yield a row for each policy: the optimum, where any split can be chosen the best of those that are kept, those
    that learn nothing (of fixed splits the best), PPO, and PPO that sees noise, scale and split alone."""
    problem = problem_of(channel, setting)
    starts = test_starts(problem)
    best = optimal_episodes(problem, starts)
    played = {name: play(problem, starts, decide) for name, decide in fixed_policies(problem).items()}
    kept = max((name for name in played if name.startswith("to split")), key=lambda name: _mean(played[name]))
    shown = {name: played[name] for name in ("random", "stay", kept)}
    if isinstance(setting.actions, AnySplit):
        shown = {"enumerated": PlayedEpisodes(*enumerated(problem, starts)), **shown}
    optimum, random_gap = float(best.returns.mean()), float(best.returns.mean()) - _mean(played["random"])
    scale, settings = abs(optimum) / 100, SETTINGS if setting.actions == Moves(1) else FAR_SETTINGS
    yield Row("optimum", optimum, 0.0, 0.0, 0.0, 0.0, 1.0)
    for name, each in shown.items():
        gaps = best.returns - each.returns
        half = 1.96 * float(gaps.std()) / TEST_EPISODES**0.5
        mean, same = float(gaps.mean()), float((each.splits == best.splits).mean())
        low, high = (mean - half) / scale, (mean + half) / scale
        yield Row(name, optimum - mean, mean / scale, low, high, mean / random_gap, same)
    for name, seen in (("ppo", setting), ("ppo on the printed state", replace(setting, observes_progress=False))):
        trained_on = problem_of(channel, seen)
        agents = [play(trained_on, starts, most_likely(ppo(trained_on, seed, settings))) for seed in seeds]
        means = optimum - np.array([_mean(each) for each in agents])
        same = float(np.mean([(each.splits == best.splits).mean() for each in agents]))
        low, high = interval(means / scale)
        mean = float(means.mean())
        yield Row(name, optimum - mean, mean / scale, low, high, mean / random_gap, same)


def _mean(played: PlayedEpisodes) -> float:
    return float(played.returns.mean())
