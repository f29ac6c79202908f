"""Policies of LayerSplit, and what they earn."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from agents.layer_split.problem import LayerSplit, States
from emulator.core.arrays import Float32s, Floats, Ints

Decide = Callable[[Float32s], Ints]  # observations (N, features) to actions (N,)


class PlayedEpisodes(NamedTuple):
    """Returns of N episodes, shape (N,), and the splits after each step, shape (N, steps)."""

    returns: Floats
    splits: Ints


def play(problem: LayerSplit, starts: States, decide: Decide) -> PlayedEpisodes:
    """Return what a policy earns from these starts, undiscounted."""
    states, returns, splits = starts, np.zeros(len(starts.split)), []
    for _ in range(problem.setting.steps):
        states, rewards = problem.steps(states, decide(problem.observe(states)))
        returns += rewards
        splits.append(states.split)
    return PlayedEpisodes(returns, np.stack(splits, axis=1))


def most_likely(weights: Mapping[str, Float32s]) -> Decide:
    """Return the policy that takes the most likely action of a trained actor of tanh layers; `weights`: its parameters
    by name, `actor.0.weight` (outputs, inputs), `actor.0.bias`, `actor.2.weight`, ..."""
    numbers = sorted(int(name.split(".")[1]) for name in weights if name.startswith("actor.") and "weight" in name)
    layers = [(weights[f"actor.{number}.weight"], weights[f"actor.{number}.bias"]) for number in numbers]

    def decide(observations: Float32s) -> Ints:
        x = observations
        for weight, bias in layers[:-1]:
            x = np.tanh(x @ weight.T + bias)
        weight, bias = layers[-1]
        found: Ints = (x @ weight.T + bias).argmax(axis=1)
        return found

    return decide
