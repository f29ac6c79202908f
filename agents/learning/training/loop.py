"""The loop of every training: updates, one after the other, until the last one or the end of the patience."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from agents.learning.training.curve import Curve, LearningCurve, UpdateReport
from agents.learning.training.state import TrainingState, joined
from agents.learning.training.supervision import Supervision, TrainingPoint
from agents.learning.training.tensor_files import first_line
from agents.learning.training.validation import BestWeights
from agents.learning.training.weights import Weights, require_finite

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Learner(Protocol):
    """An agent that learns update by update. Its state is all that later updates depend on."""

    agent: str
    seed: int
    updates: int
    steps: int  # of environments in an update

    @property
    def settings(self) -> "DataclassInstance":
        """The settings, which a resumed training must have too."""

    def update(self, left: float) -> UpdateReport:
        """Learn from a rollout. `left`: remaining share of the training, 1 to 0."""

    def weights(self) -> Weights:
        """Return a copy of the parameters, by name."""

    def state(self) -> TrainingState:
        """Return a copy of the state."""

    def restore(self, state: TrainingState) -> None:
        """Go on from a state. Raises KeyError, TypeError or ValueError for a state of another form."""


def run(learner: Learner, supervision: Supervision) -> tuple[Weights, Curve]:
    """Train to the end. Return the parameters by name (with validation: the best) and the learning curve.

    Raises ValueError if a trained parameter is not finite, and as `StateStore` for a file that cannot be used.
    """
    training = _Training(learner, supervision)
    store = supervision.store
    if store is not None and store.resume:
        training.resume()
    while training.is_open:
        training.update()
        if store is not None and store.is_due() and training.is_open:
            store.save(training.description, training.state())
    best = training.best.weights if training.best is not None else {}
    weights = best or learner.weights()
    require_finite(learner.agent, weights)
    return weights, training.curve.points


class _Training:
    """A training with its curve, the number of updates that are done, and the best parameters, if it is validated."""

    def __init__(self, learner: Learner, supervision: Supervision) -> None:
        self.learner, self.supervision = learner, supervision
        self.curve = LearningCurve(learner.agent, learner.seed, learner.updates, learner.steps)
        self.best = None if supervision.validation is None else BestWeights(supervision.validation)
        self.done = self.first = 0
        self.began_s = time.perf_counter()

    @property
    def description(self) -> Mapping[str, Any]:
        """Return what distinguishes this training from others on the same environments."""
        return {"agent": self.learner.agent, "seed": self.learner.seed, **asdict(self.learner.settings)}

    @property
    def is_open(self) -> bool:
        """Return whether updates are to follow."""
        return self.done < self.learner.updates and not (self.best is not None and self.best.is_over)

    def update(self) -> None:
        """Do one update; at a point of the curve, validate and tell the observers."""
        learner = self.learner
        report = learner.update(1 - self.done / learner.updates)
        self.done += 1
        point = self.curve.add(self.done, report)
        if point is None:
            return
        if self.best is not None:
            point["validation_return"] = self.best.check(learner.weights())
        done = self.done * learner.steps
        total = learner.updates * learner.steps if self.is_open else done
        speed = (self.done - self.first) * learner.steps / (time.perf_counter() - self.began_s)
        self.supervision.tell(TrainingPoint(done, total, point, speed))

    def state(self) -> TrainingState:
        """Return the state of learner, curve and validation, and the number of updates that are done."""
        parts = {"learner": self.learner.state(), "curve": self.curve.state()}
        if self.best is not None:
            parts["best"] = self.best.state()
        return joined(**parts, loop=TrainingState({}, {"done": self.done}))

    def resume(self) -> None:
        """Go on from the stored state."""
        store = self.supervision.store
        assert store is not None
        state = store.load(self.description)
        try:
            self.learner.restore(state.part("learner"))
            self.curve.restore(state.part("curve"))
            if self.best is not None:
                self.best.restore(state.part("best"))
            self.done = self.first = int(state.part("loop").data["done"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise store.unusable(first_line(error)) from error
