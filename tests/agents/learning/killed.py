"""A training that is killed in the middle of an update, as a program of its own."""

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
from tests.agents.learning.problems import TwoStates

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
environments = partial(TwoStates, length=7)


class Deadly(TwoStates):
    """Kills its process in the middle of a rollout, in the eighth update of PPO."""

    def step(self, actions: Any) -> Any:
        self.taken = getattr(self, "taken", 0) + 1
        if self.taken == 7 * 5 + 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(actions)


if __name__ == "__main__":
    store = StateStore(Path(sys.argv[2]), {}, every_s=0.0)
    TRAININGS[sys.argv[1]](partial(Deadly, length=7), Supervision(store=store))
