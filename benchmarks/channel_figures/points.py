"""Simulated values with their intervals, and the closed forms that they stand beside."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from emulator.core.arrays import Floats

OUTSIDE = 0.025  # of each side of an interval of 95 %


class Sizes(NamedTuple):
    """How much is simulated."""

    seeds: int  # samples of fading that share nothing, some thousands each
    sites: int  # about a place, at each distance
    fields: int
    walks: int
    slots: int


FULL = Sizes(seeds=12, sites=300, fields=2000, walks=120, slots=8_000)


class Points(NamedTuple):
    """Simulated values, their intervals of 95 %, and the closed form there (NaN: none); shapes (points,)."""

    x: Floats
    found: Floats
    low: Floats
    high: Floats
    truth: Floats


class Curve(NamedTuple):
    """A closed form, shapes (places,)."""

    x: Floats
    y: Floats


class Panel(NamedTuple):
    """What one pair of axes shows, by name."""

    curves: dict[str, Curve]
    points: dict[str, Points]
    exact: bool = True
    """Whether the closed forms are; else they are good approximations, and intervals need not hold them."""


def of_means(x: Floats, samples: Floats, truth: Floats) -> Points:
    """The mean of independent samples, shape (samples, points), within Student's interval."""
    found = samples.mean(axis=0)
    reach = stats.t.isf(OUTSIDE, len(samples) - 1) * stats.sem(samples, axis=0)
    return Points(x, found, found - reach, found + reach, truth)


def of_counts(x: Floats, hits: Floats, trials: Floats, truth: Floats) -> Points:
    """The share of independent trials that hit, within Clopper and Pearson's interval."""
    low = stats.beta.ppf(OUTSIDE, hits, trials - hits + 1)
    high = stats.beta.isf(OUTSIDE, hits + 1, trials - hits)
    return Points(x, hits / trials, np.where(hits == 0, 0.0, low), np.where(hits == trials, 1.0, high), truth)


def of_ratios(x: Floats, above: Floats, below: Floats, truth: Floats) -> Points:
    """The ratio of two means of the same independent samples, each of shape (samples, points): by the spread of what
    the ratio leaves of each sample (the delta method)."""
    found = above.mean(axis=0) / below.mean(axis=0)
    error = stats.sem(above - found * below, axis=0) / below.mean(axis=0)
    reach = stats.t.isf(OUTSIDE, len(above) - 1) * error
    return Points(x, found, found - reach, found + reach, truth)


def in_db(points: Points) -> Points:
    """Powers, in decibels; what is not above 0 stands at -100 dB."""
    rest = [10 * np.log10(np.maximum(values, 1e-10)) for values in points[1:]]
    return Points(points.x, *rest)


def held(panel: Panel) -> tuple[int, int]:
    """How many of the panel's intervals hold the closed form, and of how many."""
    within = [(each.low <= each.truth) & (each.truth <= each.high) for each in panel.points.values()]
    return sum(int(each.sum()) for each in within), sum(len(each) for each in within)


def farthest(panel: Panel) -> float:
    """The greatest departure of what was found from its closed form, as a share of that."""
    return max(float(np.nanmax(np.abs(each.found / each.truth - 1))) for each in panel.points.values())


def verdict(panel: Panel) -> str:
    """In a few words, how far the points agree with the closed forms."""
    if not panel.exact:
        return f"closed form, an approximation, met within {farthest(panel):.2%}"
    within, of = held(panel)
    return f"{within} of {of} intervals of 95 % hold the closed form"
