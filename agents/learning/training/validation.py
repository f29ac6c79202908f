"""Early stopping: the best parameters by a score that training does not see, and the end when none are better."""

from collections.abc import Callable
from typing import NamedTuple

from agents.learning.training.state import TrainingState
from agents.learning.training.weights import Weights


class Validation(NamedTuple):
    """`score` of parameters, higher is better; the training stops after `patience` points of its curve in a row
    without a better score."""

    score: Callable[[Weights], float]
    patience: int


class BestWeights:
    """The best of the parameters that were validated."""

    def __init__(self, validation: Validation) -> None:
        self._validation = validation
        self.weights: Weights = {}
        self._score, self._since = float("-inf"), 0

    def check(self, weights: Weights) -> float:
        """Return the score of parameters; keep them if it is the best."""
        score = self._validation.score(weights)
        self._since += 1
        if score > self._score:
            self.weights, self._score, self._since = weights, score, 0
        return score

    @property
    def is_over(self) -> bool:
        """Return whether the patience is at its end."""
        return self._since >= self._validation.patience

    def state(self) -> TrainingState:
        """Return the best parameters, their score, and the number of checks since."""
        return TrainingState(dict(self.weights), {"score": self._score, "since": self._since})

    def restore(self, state: TrainingState) -> None:
        """Go on from a state."""
        self.weights, self._score, self._since = state.arrays, state.data["score"], state.data["since"]
