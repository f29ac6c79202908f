"""What the defects of the printed form are worth to an agent, in reward."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from agents.layer_split.environment import problem_of
from agents.layer_split.problem import DRAWS
from agents.layer_split.setting import PRINTED
from benchmarks.layer_split.agents import TEST_EPISODES
from emulator.core.randomness import generator


class Trap(NamedTuple):
    """Mean rewards with and without one defect."""

    trap: str
    printed: float
    mended: float


def traps(channel: str) -> Iterator[Trap]:
    """Yield the mean reward of the best of all splits, if split n has n + 1 layers or n; and the reward of keeping the
    split at the first step, after an episode that ended at that best split, as a trained agent's does."""
    draws, before = generator(0, "layer split", "traps").random((2, TEST_EPISODES, DRAWS))
    nothing = np.full(TEST_EPISODES, -np.inf)
    mended = replace(PRINTED, stay_repeats=False)

    found = []
    for setting in (mended, replace(mended, extra_layers=0)):
        problem = problem_of(channel, setting)
        starts = problem.starts(draws, nothing)
        choices = np.arange(PRINTED.max_split)
        found.append([problem.steps(starts, np.full(TEST_EPISODES, choice))[1].mean() for choice in choices])
    best = int(np.argmax(found[0])) + 1
    yield Trap("n + 1 layers", *(float(np.max(each)) for each in found))

    stays = []
    for setting in (PRINTED, mended):
        problem = problem_of(channel, setting)
        last = problem.losses(problem.starts(before, nothing).level, np.full(TEST_EPISODES, best))
        starts = problem.starts(draws, last)
        stays.append(float(problem.steps(starts, starts.split - 1)[1].mean()))
    yield Trap("first stay", *stays)
