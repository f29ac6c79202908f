"""The optimum of LayerSplit: the finite-horizon programme over split and layers moved, and enumeration."""

from typing import NamedTuple

import numpy as np

from agents.layer_split.problem import LayerSplit, States
from agents.solvers.finite_horizon import backward_induction
from emulator.core.arrays import Floats, Ints


class OptimalEpisodes(NamedTuple):
    """Greatest returns of N episodes, shape (N,), and the splits after each step that reach them, shape (N, steps)."""

    returns: Floats
    splits: Ints


def optimal_episodes(problem: LayerSplit, starts: States) -> OptimalEpisodes:
    """Return the optimum of each episode, undiscounted.

    The level changes by the layers moved up and down alone, and from a given start their difference is the split's, so
    that (split, layers moved up) is the state: exact for a loss model that measures without noise. Raises ValueError
    for a setting in which a perplexity outlives its episode.
    """
    of, count = problem.setting, len(starts.split)
    if of.stay_repeats:
        raise ValueError("stay_repeats=True: an episode's optimum must not depend on the one before")
    splits = np.arange(1, of.max_split + 1)
    raised = (problem.targets - splits[:, None]).clip(min=0)
    counts = of.steps * int(raised.max()) + 1
    split, up = (each.ravel() for each in np.meshgrid(splits, np.arange(counts), indexing="ij"))
    target = problem.targets[split - 1]  # (S, A)
    ups = up[:, None] + raised[split - 1]
    known = ups < counts  # beyond, no episode gets
    following = np.where(known, (target - 1) * counts + ups, 0)

    rewards, first = np.full((count, *target.shape), -np.inf), np.arange(count)
    # Layers moved down are ups + start - target.
    drift = (1 - of.drift) ** ups * (1 + of.drift) ** (ups - target)
    levels = starts.level * (1 + of.drift) ** starts.split
    for episode in range(count):
        level = levels[episode] * drift[known]
        losses = problem.losses(level, target[known])
        rewards[episode][known] = problem.rewards(losses, starts.reference[episode], target[known])
    states = count * len(split)
    offsets = first[:, None, None] * len(split)
    plan = backward_induction(
        np.broadcast_to(rewards.reshape(states, -1), (of.steps, states, target.shape[1])),
        (offsets + following).reshape(states, -1),
    )
    state = first * len(split) + (starts.split - 1) * counts
    returns, visited = plan.values[0, state], []
    for step in range(of.steps):
        at = state % len(split)
        action = plan.actions[step, state]
        visited.append(target[at, action])
        state = first * len(split) + following[at, action]
    return OptimalEpisodes(returns, np.stack(visited, axis=1))


def enumerated(problem: LayerSplit, starts: States) -> OptimalEpisodes:
    """Return the best of all splits that are chosen at the first step and kept, where any can be chosen: without drift
    the optimum, as no step then changes a later one. Raises ValueError for actions that cannot choose every split."""
    of = problem.setting
    choices = np.arange(1, of.max_split + 1)
    if not np.array_equal(problem.targets, np.tile(choices, (of.max_split, 1))):
        raise ValueError("actions: must be able to choose any split")
    count = len(starts.split)
    returns = np.zeros((of.max_split, count))
    for index, choice in enumerate(choices):
        states = starts
        for _ in range(of.steps):
            states, rewards = problem.steps(states, np.full(count, choice - 1))
            returns[index] += rewards
    best = returns.argmax(axis=0)
    return OptimalEpisodes(returns.max(axis=0), np.tile(choices[best][:, None], (1, of.steps)))
