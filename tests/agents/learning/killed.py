"""A training that is killed in the middle of an update, as a program of its own."""

import itertools
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from agents.learning import a2c, a3c, fast_ppo, ppo
from agents.learning.settings import A2cSettings, A3cSettings, PpoSettings
from agents.learning.training.curve import Curve
from agents.learning.training.state_store import StateStore
from agents.learning.training.supervision import Supervision
from agents.learning.training.weights import Weights
from agents.offload.episodes import OffloadSettings
from agents.offload.vector_environment import OffloadVector
from tests.agents.learning.problems import TwoStates
from tests.agents.systems import small_system

Train = Callable[[Callable[[int], Any], Supervision], tuple[Weights, Curve]]
BRIEF: dict[str, Any] = {"num_envs": 3, "num_steps": 5, "gamma": 0.9, "hidden": 8}
PPO = PpoSettings(20 * 15, update_epochs=2, num_minibatches=2, **BRIEF)
TRAININGS: dict[str, Train] = {
    "ppo": lambda make, supervision: ppo.train(make, PPO, 3, supervision),
    "fast ppo": lambda make, supervision: fast_ppo.train(make, PPO, 3, supervision),
    "a2c": lambda make, supervision: a2c.train(make, A2cSettings(120 * 15, **BRIEF), 3, supervision),
    "a3c, one worker": lambda make, supervision: a3c.train(
        make, A3cSettings(120 * 15, workers=1, **BRIEF), 3, supervision
    ),
    "a3c, three workers": lambda make, supervision: a3c.train(
        make, A3cSettings(120 * 15, workers=3, **BRIEF), 3, supervision
    ),
}
ENVIRONMENTS: dict[str, Callable[[int], Any]] = {
    "two states": partial(TwoStates, length=7),
    "offload": partial(OffloadVector, systems=[small_system(duration_s=1.0)], settings=OffloadSettings(4)),
}


def deadly(make: Callable[[int], Any], count: int) -> Any:
    """Return environments that kill their process in the middle of a rollout, in the eighth update of PPO."""
    environment, taken = make(count), itertools.count(1)
    step = environment.step

    def last_step(actions: Any) -> Any:
        if next(taken) == 7 * 5 + 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(actions)

    environment.step = last_step
    return environment


if __name__ == "__main__":
    training, environments, file = sys.argv[1:]
    store = StateStore(Path(file), {}, every_s=0.0)
    TRAININGS[training](partial(deadly, ENVIRONMENTS[environments]), Supervision(store=store))
