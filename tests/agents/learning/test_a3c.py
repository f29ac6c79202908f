"""A3C with one worker is A2C; workers in processes share their parameters."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from agents.learning import a2c, a3c
from agents.learning.networks import MakeNetwork, SeparateNetworks, SharedTrunk
from agents.learning.settings import A2cSettings, A3cSettings
from agents.learning.training.supervision import Supervision, TrainingPoint
from tests.agents.learning.problems import Matching, TwoStates

BRIEF: dict[str, Any] = {"total_timesteps": 2_560, "num_envs": 4, "gamma": 0.9}


class Broken(TwoStates):
    """Raises an error in the second step."""

    def step(self, actions: Any) -> Any:
        if self.steps.any():
            raise ValueError("broken environment")
        return super().step(actions)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("network", [SeparateNetworks, SharedTrunk])
def test_one_worker_is_a2c(network: MakeNetwork, asynchronous: bool) -> None:
    """To the bit, in turns and in a process."""
    expected, curve = a2c.train(Matching, A2cSettings(**BRIEF), 5, network=network)
    settings = A3cSettings(**BRIEF, workers=1, asynchronous=asynchronous)
    found, again = a3c.train(Matching, settings, 5, network=network)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, strict=True)
    assert [{**point, "agent": "a2c"} for point in again] == curve


def test_workers_in_processes_learn() -> None:
    points: list[TrainingPoint] = []
    settings = A3cSettings(30_000, num_envs=8, ent_coef=0.02, workers=2, asynchronous=True)
    _, curve = a3c.train(partial(Matching, heads=2, outcomes=3), settings, 1, Supervision((points.append,)))
    assert curve[-1]["reward_mean"] > 0.9
    assert curve[-1]["step"] == 30_000 // 128 * 128
    assert [point.done for point in points] == sorted(point.done for point in points)
    assert [point.done == point.total for point in points].index(True) == len(points) - 1


def test_an_error_in_a_process_is_raised() -> None:
    with pytest.raises(ValueError, match=r"^broken environment$"):
        a3c.train(Broken, A3cSettings(**BRIEF, workers=2, asynchronous=True), 1)
