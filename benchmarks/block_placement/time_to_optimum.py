"""Time until PPO is within 2 % of the optimum of the printed form.

`python -m benchmarks.block_placement.time_to_optimum SIDE SECONDS` searches for the settings of a side: `own`, `peer`.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

from agents.block_placement.environment import problem_of
from agents.block_placement.learned import separate_policy
from agents.block_placement.problem import BlockPlacement
from agents.block_placement.rollout import cost_bound_s, episode_means
from agents.block_placement.vector_environment import BlockPlacementVector
from agents.learning.settings import PpoSettings
from agents.learning.training.weights import Weights
from benchmarks.rows import Row
from benchmarks.time_to_optimum import Challenge, of_stable_baselines, search, time_row
from emulator.core.arrays import Floats
from emulator.core.randomness import generator

TEST_SEEDS = range(1_000, 1_008)
SPACE: Mapping[str, Sequence[Any]] = {
    "total_timesteps": (4_000, 6_000, 8_000, 12_000, 16_000, 24_000, 32_000, 48_000, 64_000),
    "num_envs": (8, 16, 32, 64, 128, 256),
    "num_steps": (2, 4, 8, 16, 32),
    "learning_rate": (1e-3, 3e-3, 6e-3, 1e-2, 2e-2),
    "update_epochs": (1, 2, 4, 8),
    "num_minibatches": (1, 2, 4),
    "ent_coef": (0.0, 0.01, 0.03, 0.1),
    "hidden": (16, 32, 64),
}
# Found by `search`, which tries both on either side first.
OWN = PpoSettings(8_000, 128, 2, 2e-2, update_epochs=2, num_minibatches=4, ent_coef=0.1, hidden=16)
PEER = PpoSettings(12_000, 64, 8, 2e-2, update_epochs=4, num_minibatches=1, ent_coef=0.03, hidden=32)
SETTINGS = {"own": OWN, "peer": PEER}


@cache
def problem() -> BlockPlacement:
    """Return the default problem in the printed form, in which the lengths of episodes mean nothing."""
    return problem_of("printed", slots=100)


@cache
def optimum_s() -> Floats:
    """Return the least mean cost of a task in the test episodes."""
    return cost_bound_s(problem(), TEST_SEEDS)


def gap(weights: Weights) -> float:
    """Return how much more than the optimum the policy costs, as a share of it."""
    found = episode_means(problem(), separate_policy(problem(), weights), TEST_SEEDS)
    return float(found.cost_s.mean() / optimum_s().mean() - 1)


def challenge() -> Challenge:
    """Return the problem, whose vector environment Stable-Baselines3 takes too."""
    environments = partial(BlockPlacementVector, problem=problem())
    return Challenge(environments, gap, of_stable_baselines(environments))


def rows() -> Iterator[Row]:
    """Yield the row of `make bench`."""
    yield time_row("ppo_time_to_optimum_blockplacement", challenge(), SETTINGS)


def main() -> None:
    """Print settings as soon as they are the best so far."""
    side, seconds = sys.argv[1], float(sys.argv[2])
    rng = generator(0, "block placement", f"search of settings, {side}")
    for settings, cpu_s in search(challenge(), side, SPACE, (OWN, PEER), rng, seconds):
        print(f"{cpu_s:.3f} s {settings}", flush=True)


if __name__ == "__main__":
    main()
