"""Train one agent on a problem: its checkpoint and its learning curve."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from itertools import product
from typing import Any, NamedTuple

from agents.learning.settings import changed, check_settings
from agents.learning.training.curve import Curve
from agents.learning.training.supervision import UNSUPERVISED, Supervision, TrainingPoint
from agents.learning.training.validation import Validation
from agents.learning.training.weights import Weights
from agents.split_inference.checkpoint import Checkpoint, Training
from agents.training_problem import TrainingProblem
from emulator.core.progress import StepProgress
from emulator.system import System
from topologies.build import require_disjoint

SettingValue = bool | int | float | str
Trained = tuple[Checkpoint, list[dict[str, Any]]]


class Trainer(NamedTuple):
    """The training of one type of agent: its function, and the library that a repetition needs."""

    train: Callable[..., tuple[Weights, Curve]]
    library: str


def trainer_of(agent: str) -> Trainer:
    """Return the training of `ppo`, `a2c` or `a3c`. Call it before the work starts: it raises ImportError if a library
    is missing."""
    if agent == "ppo":
        from agents.learning import fast_ppo

        return Trainer(fast_ppo.train, "numpy")
    if agent == "a2c":
        from agents.learning import a2c

        return Trainer(a2c.train, "torch")
    from agents.learning import a3c

    return Trainer(a3c.train, "torch")


def train_agent(
    agent: str,
    problem: TrainingProblem,
    settings: Mapping[str, SettingValue],
    seed: int,
    progress: StepProgress,
    supervision: Supervision = UNSUPERVISED,
    validation: TrainingProblem | None = None,
    patience: int = 10,
    tested: Sequence[System] = (),
) -> Trained:
    """Train `ppo`, `a2c` or `a3c` with the given settings; others have the problem's defaults. With `validation` keep
    the best parameters on its episodes, and stop after `patience` points of the curve without better ones.

    Returns the checkpoint and the learning curve (see `agents.learning.training.curve`, without `reward_mean`).
    Raises ValueError for an invalid setting, if two of the problem's systems, those of `validation`, and `tested` have
    an interval of a source in common, and as `agents.learning.training.loop.run`.
    """
    check_settings(agent, settings)
    validated = () if validation is None else validation.systems
    for one, other in (*product(problem.systems, (*tested, *validated)), *product(validated, tested)):
        require_disjoint(one, other)

    def report(point: TrainingPoint) -> None:
        progress(agent, point.done, point.total, point.text)

    supervision = replace(supervision, observers=(report, *supervision.observers))
    if validation is not None:
        supervision = replace(supervision, validation=Validation(validation.mean_return, patience))
    trainer, chosen = trainer_of(agent), changed(problem.defaults[agent], settings)
    weights, curve = trainer.train(problem.environments, chosen, seed, supervision)
    for point in curve:
        point["episode_return"] = problem.episode_return(point)
        del point["reward_mean"]
    actor = {name: values for name, values in weights.items() if name.startswith("actor.")}
    traces = {link.trace.sha256: link.trace for system in (*problem.systems, *validated) for link in system.links}
    lineage = tuple(dict.fromkeys(interval for trace in traces.values() for interval in trace.lineage))
    library = f"{trainer.library} {version(trainer.library)}"
    described = {**asdict(chosen), **problem.description}
    return Checkpoint(
        actor, problem.layout, Training(agent, seed, described, tuple(traces), lineage, library, 1)
    ), curve
