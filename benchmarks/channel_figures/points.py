"""Simulated values with intervals, and the closed forms to compare with."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from emulator.core.arrays import Floats

TAIL = 0.025  # probability on each side of a 95 % interval


class SampleSizes(NamedTuple):
    """Numbers of simulated samples."""

    seeds: int  # independent sets of some thousand samples of fading
    sites: int  # around a place, at each distance
    fields: int
    walks: int
    slots: int


FULL = SampleSizes(seeds=12, sites=300, fields=2000, walks=120, slots=8_000)


class Points(NamedTuple):
    """Simulated values, their 95 % intervals, and the closed form there (NaN: none); shapes (points,)."""

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
    """Content of one pair of axes, by name."""

    curves: dict[str, Curve]
    points: dict[str, Points]
    exact: bool = True
    """Whether the closed forms are exact; intervals need not contain approximations."""


def of_means(x: Floats, samples: Floats, truth: Floats) -> Points:
    """Return means of independent samples, shape (samples, points), with Student's intervals."""
    found = samples.mean(axis=0)
    half_width = stats.t.isf(TAIL, len(samples) - 1) * stats.sem(samples, axis=0)
    return Points(x, found, found - half_width, found + half_width, truth)


def of_counts(x: Floats, hits: Floats, trials: Floats, truth: Floats) -> Points:
    """Return shares of hits in independent trials, with Clopper and Pearson's intervals."""
    low = stats.beta.ppf(TAIL, hits, trials - hits + 1)
    high = stats.beta.isf(TAIL, hits + 1, trials - hits)
    return Points(x, hits / trials, np.where(hits == 0, 0.0, low), np.where(hits == trials, 1.0, high), truth)


def of_ratios(x: Floats, above: Floats, below: Floats, truth: Floats) -> Points:
    """Return ratios of two means over the same independent samples, shapes (samples, points), with intervals by the
    delta method."""
    found = above.mean(axis=0) / below.mean(axis=0)
    error = stats.sem(above - found * below, axis=0) / below.mean(axis=0)
    half_width = stats.t.isf(TAIL, len(above) - 1) * error
    return Points(x, found, found - half_width, found + half_width, truth)


def in_db(points: Points) -> Points:
    """Convert powers to decibels, at least -100 dB."""
    rest = [10 * np.log10(np.maximum(values, 1e-10)) for values in points[1:]]
    return Points(points.x, *rest)


def held(panel: Panel) -> tuple[int, int]:
    """Return the number of the panel's intervals that contain the closed form, and the number of intervals."""
    within = [(each.low <= each.truth) & (each.truth <= each.high) for each in panel.points.values()]
    return sum(int(each.sum()) for each in within), sum(len(each) for each in within)


def farthest(panel: Panel) -> float:
    """Return the largest relative difference between simulation and closed form."""
    return max(float(np.nanmax(np.abs(each.found / each.truth - 1))) for each in panel.points.values())


def verdict(panel: Panel) -> str:
    """Describe the agreement of points and closed forms."""
    if not panel.exact:
        return f"closed form, an approximation, met within {farthest(panel):.2%}"
    within, of = held(panel)
    return f"{within} of {of} intervals of 95 % hold the closed form"
