"""Random fields, compared with their covariance over independent seeds, one pair of places per seed and lag."""

import numpy as np
import pytest
from scipy import stats

from emulator.channel.large_scale.random_field import SiteFields, field_values, rough_waves, smooth_waves
from emulator.core.arrays import Floats
from emulator.core.randomness import generator

SEEDS = 4000
PAIRS = 1000  # of sites
LAGS = np.array([0.0, 0.02, 0.1, 0.3, 0.6, 1.0, 1.7, 3.0])


def test_a_field_is_the_sum_of_its_waves() -> None:
    waves = rough_waves(generator(1, "test", "sum"), 7.0)
    points_m = generator(1, "test", "points").uniform(-5e3, 5e3, (1500, 2))
    phase = points_m[:, :1] * waves[0] + points_m[:, 1:] * waves[1] + waves[2]
    expected = np.sqrt(2 / len(waves[0])) * np.cos(2 * np.pi * phase).sum(axis=1)
    np.testing.assert_allclose(field_values(waves, points_m), expected, rtol=0, atol=1e-9)


def test_a_points_value_does_not_depend_on_other_points() -> None:
    waves = rough_waves(generator(1, "test", "sum"), 7.0)
    points_m = generator(1, "test", "points").uniform(-5e3, 5e3, (1500, 2))
    together = field_values(waves, points_m)
    for first, last in [(0, 1), (511, 513), (1, 1500), (700, 707)]:
        assert np.array_equal(field_values(waves, points_m[first:last]), together[first:last])


@pytest.mark.parametrize(("correlation_m", "angle"), [(6.0, 0.0), (37.0, 1.0), (120.0, 2.5)])
def test_rough_fields_have_exponential_correlation(correlation_m: float, angle: float) -> None:
    pairs = sampled(correlation_m, angle, smooth=False)
    assert_correlation(pairs, np.exp(-LAGS))


@pytest.mark.parametrize(("correlation_m", "angle"), [(1.0, 0.3), (50.0, 1.2)])
def test_smooth_fields_have_gaussian_correlation(correlation_m: float, angle: float) -> None:
    pairs = sampled(correlation_m, angle, smooth=True)
    assert_correlation(pairs, np.exp(-(LAGS**2)))


def sampled(correlation_m: float, angle: float, smooth: bool) -> Floats:
    """Values at a place drawn for each seed, and at each lag from it in one direction, shape (SEEDS, lags)."""
    direction = np.array([np.cos(angle), np.sin(angle)])
    found = np.empty((SEEDS, len(LAGS)))
    for seed in range(SEEDS):
        rng = generator(seed, "test", "field")
        waves = smooth_waves(rng, correlation_m) if smooth else rough_waves(rng, correlation_m)
        found[seed] = field_values(waves, rng.uniform(-1e3, 1e3, 2) + LAGS[:, np.newaxis] * correlation_m * direction)
    return found


def assert_correlation(pairs: Floats, expected: Floats) -> None:
    """The variance of the product of two normal numbers of correlation r is 1 + r^2."""
    errors = np.sqrt((1 + expected**2) / len(pairs))
    assert (np.abs((pairs[:, :1] * pairs).mean(axis=0) - expected) < 4 * errors).all()
    assert abs(pairs[:, 0].mean()) < 4 / np.sqrt(len(pairs))
    assert stats.kstest(pairs[:, 0], "norm").pvalue > 1e-3


def test_level_crossings_of_a_smooth_field_follow_rice() -> None:
    """Also with a finer step."""
    crossings = np.empty((300, 2))
    for seed in range(len(crossings)):
        waves = smooth_waves(generator(seed, "test", "crossings"), 50.0)
        along = np.stack([np.arange(0, 2000, 0.25), np.zeros(8000)], axis=1)
        above = field_values(waves, along) > 0.5
        crossings[seed] = [(above[step:] != above[:-step])[::step].sum() for step in (1, 8)]
    expected = 2000 * np.sqrt(2) / (np.pi * 50.0) * np.exp(-0.125)
    errors = crossings.std(axis=0, ddof=1) / np.sqrt(len(crossings))
    # steps of 2 m miss the pairs of crossings within one: less than a hundredth of all
    assert (np.abs(crossings.mean(axis=0) - expected) < 4 * errors + np.array([0.0, 0.01]) * expected).all()


@pytest.mark.parametrize("between", [0.0, 0.5, 1.0])
def test_fields_of_two_sites_have_their_correlation_and_each_the_law_of_one(between: float) -> None:
    points_m = np.array([[0.0, 0.0], [6.0, 0.0]])
    found = np.empty((PAIRS, 2, 2))
    for seed in range(PAIRS):
        about, *own = (rough_waves(generator(seed, entity, "field"), 10.0) for entity in ("all", "one", "another"))
        found[seed] = SiteFields(about, own, between).values(points_m, np.ones((2, 2), np.bool_))
    along = np.exp(-0.6)
    for product, expected in (
        (found[:, 0, 0] * found[:, 1, 0], between),
        (found[:, 0, 0] * found[:, 1, 1], between * along),
        (found[:, 1, 0] * found[:, 1, 1], along),
        (found[:, 0, 0] ** 2, 1.0),
    ):
        assert product.mean() == pytest.approx(expected, abs=4 * np.sqrt((1 + expected**2) / PAIRS))
    assert stats.kstest(found[:, 0, 0], "norm").pvalue > 1e-3


def test_fields_of_sites_are_zero_where_they_are_not_needed() -> None:
    about, *own = (rough_waves(generator(1, entity, "field"), 10.0) for entity in ("all", "one", "another"))
    points_m = generator(1, "test", "points").uniform(-50, 50, (300, 2))
    needed = generator(1, "test", "needed").random((2, 300)) < 0.5
    fields = SiteFields(about, own, 0.5)
    whole = fields.values(points_m, np.ones((2, 300), np.bool_))
    assert np.array_equal(fields.values(points_m, needed), np.where(needed, whole, 0.0))
    assert np.array_equal(
        SiteFields(about, own, 0.0).values(points_m, needed)[0, needed[0]], field_values(own[0], points_m[needed[0]])
    )
