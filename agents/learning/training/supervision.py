"""What accompanies a training: observers of its progress, the file of its state, and validation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isnan, nan
from typing import Any, NamedTuple

from agents.learning.training.state_store import StateStore
from agents.learning.training.validation import Validation


class TrainingPoint(NamedTuple):
    """How far a training has come: `done` and `total` steps of environments, the point of its curve, and the speed
    since this process began to train."""

    done: int
    total: int
    values: Mapping[str, Any]
    steps_per_s: float

    @property
    def left_s(self) -> float:
        """Return the time that the rest will take at this speed."""
        return (self.total - self.done) / self.steps_per_s

    @property
    def text(self) -> str:
        """Return the return of the episodes that ended lately, if any, the speed, and the remaining time."""
        earned = self.values.get("episode_return", nan)
        parts = [] if isnan(earned) else [f"return {earned:.3g}"]
        parts += [f"{self.steps_per_s:,.0f} steps/s".replace(",", " ")]
        if self.done < self.total:
            parts.append(f"{self.left_s:.0f} s left")
        return ", ".join(parts)


@dataclass(frozen=True)
class Supervision:
    """Observers are told of each point of the curve and change nothing. With a `store` the training can be resumed.
    With `validation` it stops early and gives the best parameters that were validated."""

    observers: tuple[Callable[[TrainingPoint], None], ...] = ()
    store: StateStore | None = None
    validation: Validation | None = None

    def tell(self, point: TrainingPoint) -> None:
        """Tell all observers of a point."""
        for observer in self.observers:
            observer(point)


UNSUPERVISED = Supervision()
