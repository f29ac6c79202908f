"""Detect that the mean of a sequence has changed, without knowing it beforehand.

Page, "Continuous inspection schemes", Biometrika 41, 1954: sums of deviations that are reset at zero. Hawkins,
"Self-starting CUSUM charts for location and scale", The Statistician 36, 1987: each observation is compared with the
mean and deviation of those before it, so that the sums are those of standard normal numbers from the third one on, if
the observations are normal and their mean has not changed.
"""

from math import sqrt

from scipy.special import ndtri, stdtr

LEAST_DEVIATION = 1e-3  # of observations; smaller ones are rounding
MOST = 8.0  # standard deviations that one observation may count


class SelfStartingCusum:
    """The mean of a sequence since it last changed.

    An alarm is raised when the sum of what exceeds `drift` standard deviations, upwards or downwards, is over
    `threshold` standard deviations. The mean then begins anew with the observations since that sum was last zero,
    which is where the change most probably was.
    """

    def __init__(self, drift: float, threshold: float) -> None:
        self._drift, self._threshold = drift, threshold
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0  # sum of squared deviations from the mean
        self._up, self._down = _OneSidedSum(drift), _OneSidedSum(drift)

    def add(self, value: float) -> bool:
        """Take the next observation; return whether it raises an alarm."""
        if self.count >= 2:
            score = self._score(value)
            self._up.add(score, value)
            self._down.add(-score, value)
            for side in (self._up, self._down):
                if side.height > self._threshold:
                    self._begin_anew(side.values)
                    return True
        self._include(value)
        return False

    def _score(self, value: float) -> float:
        """Return what the observation is if those before it are normal: a standard normal number."""
        deviation = max(sqrt(self._squares / (self.count - 1)), LEAST_DEVIATION)
        ratio = (value - self.mean) / deviation * sqrt(self.count / (self.count + 1))
        return float(min(max(ndtri(stdtr(self.count - 1, ratio)), -MOST), MOST))

    def _include(self, value: float) -> None:
        self.count += 1
        before = self.mean
        self.mean += (value - before) / self.count
        self._squares += (value - before) * (value - self.mean)

    def _begin_anew(self, values: list[float]) -> None:
        self.count, self.mean, self._squares = 0, 0.0, 0.0
        self._up, self._down = _OneSidedSum(self._drift), _OneSidedSum(self._drift)
        for value in values:
            self._include(value)


class _OneSidedSum:
    """A sum of what exceeds the drift, never below zero, and the observations since it was last zero."""

    def __init__(self, drift: float) -> None:
        self._drift = drift
        self.height = 0.0
        self.values: list[float] = []

    def add(self, score: float, value: float) -> None:
        self.height += score - self._drift
        self.values.append(value)
        if self.height <= 0:
            self.height = 0.0
            self.values.clear()
