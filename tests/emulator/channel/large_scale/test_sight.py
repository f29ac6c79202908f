"""Soft line of sight: the weight's law at a place, and the length of transitions along lines."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from emulator.channel.large_scale.environment import environment_parameters
from emulator.channel.large_scale.random_field import field_values, smooth_waves
from emulator.channel.large_scale.sight import sight_weight, transition_width
from emulator.channel.radio import Environment
from emulator.core.arrays import Floats
from emulator.core.randomness import generator

ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)


@given(
    probability=st.floats(0.0, 1.0),
    width=st.floats(0.01, 2.0),
    field=st.lists(st.floats(-5.0, 5.0), min_size=2, max_size=20),
)
def test_the_weight_falls_with_the_field_within_the_width_about_the_quantile(
    probability: float, width: float, field: list[float]
) -> None:
    values = np.sort(np.array(field))
    weights = sight_weight(values, np.full(len(values), probability), width)
    distance = values - stats.norm.ppf(probability)
    assert (np.diff(weights) <= 0).all()
    assert (weights[distance < -width / 2 - 1e-9] == 1).all()
    assert (weights[distance > width / 2 + 1e-9] == 0).all()
    clear = np.abs(distance) > 1e-9
    assert np.array_equal(weights[clear] > 0.5, distance[clear] < 0)
    if 0 < probability < 1:
        mirrored = sight_weight(-values, np.full(len(values), 1 - probability), width)
        np.testing.assert_allclose(mirrored, 1 - weights, atol=1e-6)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_mean_weight_is_close_to_the_probability(environment: Environment) -> None:
    """The step is the distribution of a Beta(2, 2) variable of variance 1/20, so a weight is the probability that the
    field plus an error of standard deviation width / sqrt(20) is below the quantile."""
    width = transition_width(environment_parameters(environment))
    field = np.linspace(-8, 8, 160_001)
    for probability in (0.02, 0.2, 0.5, 0.9):
        weights = sight_weight(field, np.full(len(field), probability), width)
        mean = float((weights * stats.norm.pdf(field)).sum() * 1e-4)
        normal = float(stats.norm.cdf(stats.norm.ppf(probability) / np.sqrt(1 + width**2 / 20)))
        assert mean == pytest.approx(normal, abs=2e-4)
        assert mean == pytest.approx(probability, abs=4e-3)


def transitions_m(width: float, level: float, correlation_m: float, step_m: float) -> Floats:
    """Lengths of the ways on which the weight passes between 0 and 1, along a straight line in each field."""
    found: list[float] = []
    half = float(stats.norm.cdf(level))
    for seed in range(60):
        waves = smooth_waves(generator(seed, "test", "sight"), correlation_m)
        along = np.stack(
            [np.arange(0, 40 * correlation_m, step_m), np.zeros(round(40 * correlation_m / step_m))], axis=1
        )
        weights = sight_weight(field_values(waves, along), np.full(len(along), half), width)
        whole = np.flatnonzero((weights == 0) | (weights == 1))  # in sight or out of it
        passes = np.flatnonzero(np.diff(weights[whole]) != 0)
        found += (np.diff(whole)[passes] * step_m).tolist()
    return np.array(found)


@pytest.mark.parametrize(("level", "share", "tolerance"), [(0.0, 0.1, 0.0), (-1.0, 0.1, 0.0), (0.0, 0.4, 0.1)])
def test_half_of_the_transitions_are_shorter_than_the_length_asked_for(
    level: float, share: float, tolerance: float
) -> None:
    """Transitions much shorter than the correlation distance have the slope's Rayleigh distribution; at 0.4 of it, the
    default, the field's curvature matters, by less than a tenth. Lengths are multiples of a fortieth."""
    row = environment_parameters("umi")
    correlation_m = row.los_correlation_m
    width = transition_width(row) * share * correlation_m / row.los_transition_m
    wanted_m = share * correlation_m
    lengths_m = transitions_m(width, level, correlation_m, wanted_m / 40)
    shares = [(lengths_m < reach * wanted_m).mean() for reach in (0.975 - tolerance, 1.025 + tolerance)]
    error = 4 * np.sqrt(0.25 / len(lengths_m))
    assert shares[0] - error < 0.5 < shares[1] + error


def test_the_table_has_two_fifths_of_the_correlation_distance() -> None:
    for environment in ENVIRONMENTS:
        row = environment_parameters(environment)
        assert row.los_transition_m == pytest.approx(0.4 * row.los_correlation_m)
