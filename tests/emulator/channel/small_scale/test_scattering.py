"""Blocks of scattered waves: their exact covariance, computed from their weights."""

from functools import partial

import numpy as np
import pytest
from scipy.special import j0

from emulator.channel.small_scale.interpolation import FRACTIONS, POINTS, estimate, weight_table
from emulator.channel.small_scale.scattering import (
    BLOCK,
    FADE,
    POINTS_PER_WAVELENGTH,
    SEGMENT,
    Scattering,
    fade_in_weights,
    line_powers,
)
from emulator.core.randomness import generator


def autocorrelation(lag: int) -> float:
    """Return the autocorrelation at `lag` points, averaged over places."""
    powers = line_powers()
    lines = np.arange(len(powers)) - len(powers) // 2
    in_block = (powers * np.cos(2 * np.pi * lines * lag / BLOCK)).sum()
    weights = np.concatenate((fade_in_weights(), np.ones(SEGMENT - FADE), fade_in_weights()[::-1]))
    return float(in_block * (weights[: BLOCK - lag] * weights[lag:]).sum() / SEGMENT)


@pytest.mark.parametrize(("wavelengths", "error"), [(5, 0.001), (20, 0.004), (BLOCK // POINTS_PER_WAVELENGTH, 0.02)])
def test_autocorrelation_is_a_bessel_function_within_the_stated_error(wavelengths: int, error: float) -> None:
    lags = np.arange(wavelengths * POINTS_PER_WAVELENGTH)
    expected = j0(2 * np.pi * lags / POINTS_PER_WAVELENGTH)
    assert [autocorrelation(int(lag)) for lag in lags] == pytest.approx(expected, abs=error)


def test_power_is_one_at_every_place() -> None:
    assert line_powers().sum() == pytest.approx(1)
    assert fade_in_weights() ** 2 + fade_in_weights()[::-1] ** 2 == pytest.approx(np.ones(FADE))


def test_a_segment_does_not_depend_on_earlier_ones() -> None:
    draws = partial(generator, 1, "ue", "waves")
    walked = Scattering(2, draws)
    for number in range(5):
        before = walked.segment(number)
    assert np.array_equal(before, Scattering(2, draws).segment(4))


def test_there_is_no_power_beyond_the_maximum_doppler_shift() -> None:
    """Fading from block to block widens lines by a few times the inverse of the fade's length, which is left out."""
    process = Scattering(1, partial(generator, 1, "ue", "waves"))
    way = np.concatenate([process.segment(number)[0] for number in range(4)])
    power = np.abs(np.fft.fft(way * np.blackman(len(way)))) ** 2
    shifts = np.abs(np.fft.fftfreq(len(way), 1 / POINTS_PER_WAVELENGTH))
    assert power[shifts > 1 + 4 * POINTS_PER_WAVELENGTH / FADE].sum() < 1e-6 * power.sum()


def test_estimates_between_points_have_the_stated_error() -> None:
    """The mean square error of a weighted sum of points, from the covariance, is largest half way between two."""
    table = weight_table(POINTS_PER_WAVELENGTH)
    turn = 2 * np.pi / POINTS_PER_WAVELENGTH
    points = np.arange(POINTS)
    for fraction, weights in enumerate(table):
        place = POINTS // 2 - 1 + fraction / FRACTIONS
        covariance = j0(turn * (points[:, None] - points))
        error = 1 - 2 * weights @ j0(turn * (place - points)) + weights @ covariance @ weights
        assert error < 10**-6.9


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.7, -0.95])
@pytest.mark.parametrize("place", [0.0, 0.001, 0.499, 0.5, 0.75, 0.9999, 2.3])
def test_a_plane_wave_is_interpolated_between_points(shift: float, place: float) -> None:
    """At any place, also between those of the table."""
    turns = 2 * np.pi * shift / POINTS_PER_WAVELENGTH
    rows = np.stack((np.cos(turns * np.arange(12)), np.sin(turns * np.arange(12))), axis=1)
    values = np.empty(2)
    estimate(rows, place, weight_table(POINTS_PER_WAVELENGTH), values)
    there = turns * (place + POINTS // 2 - 1)
    assert values == pytest.approx([np.cos(there), np.sin(there)], abs=1e-3)
