"""Learning curves: reports of updates, averaged into about 50 points."""

from typing import Any, NamedTuple

import numpy as np

from agents.learning.training.state import TrainingState
from emulator.core.arrays import Float32s

Curve = list[dict[str, Any]]
MAX_CURVE_POINTS = 50  # about as many points in a learning curve


class Diagnostics(NamedTuple):
    """Statistics of a training update, as CleanRL defines them.

    `entropy` (mean, nats), `value_loss` and `approx_kl` are of the last minibatch. `clipfrac` is the mean share of
    clipped ratios over all minibatches. A3C clips nothing: there the last two are None.
    """

    entropy: float
    value_loss: float
    explained_variance: float
    approx_kl: float | None = None
    clipfrac: float | None = None


class UpdateReport(NamedTuple):
    """Statistics of an update."""

    reward_mean: float
    returns: list[float]  # of the episodes that ended
    diagnostics: Diagnostics


class LearningCurve:
    """The learning curve of a training, as its updates are reported."""

    def __init__(self, agent: str, seed: int, updates: int, steps_per_update: int) -> None:
        self.points: Curve = []
        self._agent, self._seed, self._updates, self._steps = agent, seed, updates, steps_per_update
        self._recent: list[UpdateReport] = []

    def add(self, done: int, report: UpdateReport) -> dict[str, Any] | None:
        """Add the report of update number `done`, from 1. Return the new point, if there is one."""
        self._recent.append(report)
        if not is_point(done, self._updates):
            return None
        self.points.append(_point(self._agent, self._seed, done * self._steps, self._recent))
        self._recent = []
        return self.points[-1]

    def state(self) -> TrainingState:
        """Return the points, and the reports since the last one."""
        return TrainingState({}, {"points": self.points, "recent": self._recent})

    def restore(self, state: TrainingState) -> None:
        """Go on from a state."""
        self.points = state.data["points"]
        self._recent = [
            UpdateReport(reward_mean, returns, Diagnostics(*diagnostics))
            for reward_mean, returns, diagnostics in state.data["recent"]
        ]


def curve_of(agent: str, seed: int, reports: list[UpdateReport], steps_per_update: int) -> Curve:
    """Return the learning curve of a training whose updates are all reported."""
    curve = LearningCurve(agent, seed, len(reports), steps_per_update)
    for done, report in enumerate(reports, start=1):
        curve.add(done, report)
    return curve.points


def is_point(done: int, updates: int) -> bool:
    """Return whether the curve has a point after `done` of all updates."""
    return done % max(1, updates // MAX_CURVE_POINTS) == 0 or done == updates


def _point(agent: str, seed: int, step: int, recent: list[UpdateReport]) -> dict[str, Any]:
    """Return a point of a learning curve: `agent`, `seed`, `step` (of environments, since the training's start), and
    means of the updates since the last point: `reward_mean`, `episode_return` (of the episodes that ended, NaN if none
    did) and the fields of `Diagnostics`."""
    returns = [value for each in recent for value in each.returns]
    columns = zip(*(each.diagnostics for each in recent), strict=True)
    return {
        "agent": agent,
        "seed": seed,
        "step": step,
        "reward_mean": sum(each.reward_mean for each in recent) / len(recent),
        "episode_return": float(np.mean(returns)) if returns else float("nan"),
        **Diagnostics(*map(_mean, columns))._asdict(),
    }


def _mean(values: tuple[Any, ...]) -> Any:
    """Return the mean, or None of values that are None."""
    return None if None in values else sum(values) / len(values)


def explained_variance(values: Float32s, returns: Float32s) -> float:
    """Return the share of the returns' variance that the predicted values explain; NaN if returns do not vary."""
    with np.errstate(over="ignore", invalid="ignore"):  # of a training that diverges, which is refused at its end
        variance = returns.var()
        return float(1 - (returns - values).var() / variance) if variance > 0 else float("nan")
