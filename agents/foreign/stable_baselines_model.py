"""Models of Stable-Baselines3 and sb3-contrib (optional: `airsplit[baselines]`). Their files are pickles."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import torch
from torch import Tensor

from agents.foreign.best_choice import Scorer, Scores, layout_by_size, require_choices
from agents.learning.networks import torch_on_one_thread
from agents.user_errors import in_one_line
from emulator.core.arrays import Flags, Float32s
from emulator.core.errors import MissingDependency
from emulator.system import System

Evaluate = Callable[[Tensor], Tensor]  # (1, features) to (1, choices)


class Algorithm(NamedTuple):
    """The package of an algorithm's class, and what makes the function that evaluates choices of a model's policy."""

    package: str
    evaluate: Callable[[Any], Evaluate]


class _Recurrent:
    """Evaluates with the memory of all observations before, from the first one of a run."""

    def __init__(self, policy: Any) -> None:
        self._policy = policy
        self._state = (torch.zeros(policy.lstm_hidden_state_shape), torch.zeros(policy.lstm_hidden_state_shape))

    def __call__(self, features: Tensor) -> Tensor:
        found, self._state = self._policy.get_distribution(features, self._state, torch.zeros(1))
        return _logits(found)


def _logits(found: Any) -> Tensor:
    logits: Tensor = found.distribution.logits
    return logits


def _by_probability(policy: Any) -> Evaluate:
    return lambda features: _logits(policy.get_distribution(features))


ALGORITHMS: Mapping[str, Algorithm] = {
    "PPO": Algorithm("stable_baselines3", _by_probability),
    "A2C": Algorithm("stable_baselines3", _by_probability),
    "DQN": Algorithm("stable_baselines3", lambda policy: policy.q_net),
    "MaskablePPO": Algorithm("sb3_contrib", _by_probability),  # what is masked is left out later
    "RecurrentPPO": Algorithm("sb3_contrib", _Recurrent),
    "TRPO": Algorithm("sb3_contrib", _by_probability),
    "QRDQN": Algorithm("sb3_contrib", lambda policy: lambda features: policy.quantile_net(features).mean(dim=1)),
}


def load_model(file: Path, options: Mapping[str, Any], system: System) -> Scorer:
    """Load a model for a system, which can run any code. `options`: those of `StableBaselinesSection`.

    Raises ValueError, one line, for any other file, MissingDependency if the package is missing.
    """
    algorithm = ALGORITHMS[options["algorithm"]]
    try:
        package = import_module(algorithm.package)
    except ImportError as error:
        name = algorithm.package.replace("_", "-")
        raise MissingDependency(f"{name}: must be installed: pip install 'airsplit[baselines]'") from error
    try:
        model = getattr(package, options["algorithm"]).load(file, device="cpu")
    except Exception as error:  # a pickle can raise anything
        rule = f"must be a model that {options['algorithm']}.save wrote"
        raise ValueError(f"file={file}: {rule} ({in_one_line(error)})") from error
    seen, acted = model.observation_space, model.action_space
    if not isinstance(seen, gymnasium.spaces.Box) or len(seen.shape) != 1:
        raise ValueError(f"file={file}: must observe the features alone, shape (features,), not {seen}")
    if not isinstance(acted, gymnasium.spaces.Discrete):
        raise ValueError(f"file={file}: must choose one of the choices, Discrete, not {acted}")
    layout = layout_by_size(file, options["environment"], seen.shape[0], system)
    require_choices(file, layout, int(acted.n))
    model.policy.set_training_mode(False)
    return Scorer(_scores(algorithm.evaluate(model.policy)), layout)


def _scores(evaluate: Evaluate) -> Scores:
    def scores(features: Float32s, _: Flags) -> Float32s:
        with torch_on_one_thread(), torch.no_grad():
            values: Float32s = evaluate(torch.from_numpy(features)[None])[0].numpy()
        return values

    return scores
