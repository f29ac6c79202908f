"""Puts the samples of a recording in a new order that keeps its spells and its autocorrelation."""

from typing import NamedTuple

import numpy as np

from emulator.core.arrays import Floats, Ints
from emulator.trace.fitted.autocorrelation import autocorrelation, crossing_samples, integrated_samples
from emulator.trace.fitted.variation import window_means

NEAR_SHARE = 0.01  # levels are near if no more than this share of the samples lies between them
MIN_NEAR = 2
CUTS_OF_AN_EXCHANGE = 3
MAX_MOVES = 400
TOLERANCE = 0.01  # of the misfit: 10 % in one of the two times
ERROR_WEIGHT = 2.0
MAX_LAGS = 60
HORIZON_PARTS = 4  # a recording shows how means over a time vary if it holds this many of these times
LEAST_TIME = 0.1  # samples; an estimate can be below 0


def rearranged(values: Floats, first: int, rng: np.random.Generator) -> Ints:
    """Return the numbers of the recorded samples in a new order, shape (samples,): each once, `first` first; the last
    one has about the level of the sample before `first`.

    Exchanges at equal levels (`Levels.exchanged`) cut the recording into about one piece per correlation time. More
    exchanges are made as long as `Target.misfit` is above the tolerance, and kept unless they increase it
    (constrained randomization: Schreiber, Phys. Rev. Lett. 80, 2105, 1998)."""
    recorded, levels = Target.of(values), Levels.of(values, rng)
    order = np.roll(np.arange(len(values)), -first)
    for _ in range(round(len(values) / (CUTS_OF_AN_EXCHANGE * max(recorded.times[0], 1.0))) + 1):
        order = levels.exchanged(order, rng)
    misfit = recorded.misfit(values[order])
    for _ in range(MAX_MOVES):
        if misfit <= TOLERANCE:
            break
        other = levels.exchanged(order, rng)
        other_misfit = recorded.misfit(values[other])
        if other_misfit <= misfit:
            order, misfit = other, other_misfit
    return order


class Levels(NamedTuple):
    """Samples by level: `ascending` has their numbers, equal values in random order, shape (samples,); `near` is how
    many ranks apart levels count as equal."""

    ascending: Ints
    near: int

    @classmethod
    def of(cls, values: Floats, rng: np.random.Generator) -> "Levels":
        """Sort the values, shape (samples,)."""
        near = max(MIN_NEAR, round(NEAR_SHARE * len(values)))
        return cls(np.lexsort((rng.random(len(values)), values)), near)

    def exchanged(self, order: Ints, rng: np.random.Generator) -> Ints:
        """Exchange two neighbouring parts of the order. They end, and the sample before them is, at about one level;
        so each of the three samples has a new successor that came after such a level before, and the number of times
        that a level is crossed does not change, except for levels between the three."""
        samples, width = len(order), 2 * self.near + 1
        lowest = min(max(int(rng.integers(samples)) - self.near, 0), samples - width)
        cut = self.ascending[lowest + rng.choice(width, CUTS_OF_AN_EXCHANGE, replace=False)]
        place = np.empty(samples, dtype=np.int64)
        place[order] = np.arange(samples)
        first, second, third = np.sort(place[cut]) + 1
        return np.concatenate((order[:first], order[second:third], order[first:second], order[third:]))


class Target(NamedTuple):
    """What a rearrangement keeps: the recorded autocorrelation at `lags`, and the recorded times (see `times`)."""

    lags: Ints
    autocorrelation: Floats
    times: Floats

    @classmethod
    def of(cls, values: Floats) -> "Target":
        """Choose up to `MAX_LAGS` lags in equal ratios up to half the length of the recording."""
        shown = autocorrelation(values)
        lags = np.unique(np.geomspace(1, len(values) // 2, MAX_LAGS).round().astype(np.int64))
        return cls(lags, shown[lags], times(values, shown))

    def misfit(self, values: Floats) -> float:
        """Return the squared logarithms of the ratios of the times, and the mean squared error, weighted."""
        shown = autocorrelation(values)
        ratios = times(values, shown) / self.times
        error = np.square(shown[self.lags] - self.autocorrelation).mean()
        return float(np.square(np.log(ratios)).sum() + ERROR_WEIGHT * error)


def times(values: Floats, shown: Floats) -> Floats:
    """Return the times of a series and its autocorrelation in samples, shape (3,): 1/e crossing, integrated time, and
    T var(mean over T) / var for T of a quarter of the series."""
    window = len(values) // HORIZON_PARTS
    variance = max(float(values.var()), np.finfo(np.float64).tiny)
    of_means = window * float(window_means(values, window).var()) / variance
    return np.maximum((crossing_samples(shown), integrated_samples(shown), of_means), LEAST_TIME)
