"""Variation of fading over distance, compared with closed forms on independent walks."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import eval_laguerre, j0, roots_laguerre

from emulator.channel.small_scale.nakagami import nakagami_gain
from emulator.core.arrays import Floats
from tests.emulator.channel.small_scale.fading_laws import (
    LAWS,
    NAKAGAMI_M,
    SEEDS,
    WAVELENGTH_M,
    multipath,
    powers_along,
)

every_seed = pytest.mark.parametrize("seed", SEEDS)
LAGS = np.array([1, 3, 7, 12, 20, 45, 77, 100])  # of a tenth of a wavelength each
BLOCKS_BIAS = 0.004  # up to ten wavelengths (scattering.py)


def way(start_wavelengths: float, wavelengths: float, a_wavelength: int) -> Floats:
    places = np.arange(round(wavelengths * a_wavelength), dtype=np.float64)
    return (start_wavelengths + places / a_wavelength) * WAVELENGTH_M


@every_seed
@pytest.mark.parametrize("name", [name for name in LAWS if name != "nakagami"])
def test_autocorrelation_is_a_bessel_function(name: str, seed: int) -> None:
    """Also across the border of two blocks, 256 wavelengths from the start."""
    responses = multipath(name, seed, 400).responses(way(230, 60, 10))[:, :, 0]
    for lag in LAGS:
        products = (responses[:-lag] * responses[lag:].conj()).mean(axis=0)
        expected = LAWS[name].autocorrelation(j0(2 * np.pi * lag / 10), lag / 10)
        for part, truth in ((products.real, expected.real), (products.imag, expected.imag)):
            assert part.mean() == pytest.approx(truth, abs=4 * stats.sem(part) + BLOCKS_BIAS)


@every_seed
def test_autocorrelation_of_nakagami_fading(seed: int) -> None:
    """Two powers of Rayleigh fading have the joint density exp(-x - y) sum_n rho^n L_n(x) L_n(y), rho = J0^2, so
    those of equal quantiles a power series in rho, by the coefficients of the map in Laguerre polynomials."""
    nodes, weights = roots_laguerre(120)
    mapped = nakagami_gain(nodes, NAKAGAMI_M)
    coefficients = np.array([(weights * mapped * eval_laguerre(order, nodes)).sum() for order in range(40)])
    powers = powers_along("nakagami", seed, way(250, 30, 10), 400)
    for lag in LAGS:
        products = (powers[:-lag] * powers[lag:]).mean(axis=0)
        expected = (coefficients**2 * j0(2 * np.pi * lag / 10) ** (2 * np.arange(40))).sum()
        assert products.mean() == pytest.approx(expected, abs=4 * stats.sem(products) + BLOCKS_BIAS)


@every_seed
@pytest.mark.parametrize("name", LAWS)
def test_level_crossings_and_durations_of_fades(name: str, seed: int) -> None:
    """A fade as short as the steps may be missed: fades last 10 steps or more on average at these levels."""
    a_wavelength, wavelengths = 400, 20.0
    powers = powers_along(name, seed, way(250, wavelengths, a_wavelength), 120)
    law = LAWS[name]
    for level_db in (-10.0, -5.0, 0.0, 2.0):
        level = 10 ** (level_db / 20)
        rate, share = law.crossings(level), float(law.power(1).cdf(level**2))
        assert share / rate > 10 / a_wavelength
        below = powers < level**2
        crossings = (below[:-1] & ~below[1:]).sum(axis=0) / wavelengths
        assert crossings.mean() == pytest.approx(rate, abs=4 * stats.sem(crossings))
        excess = below.mean(axis=0) - crossings * share / rate  # 0 when the mean fade lasts share / rate
        assert excess.mean() == pytest.approx(0, abs=4 * stats.sem(excess))


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0, 1.5])
def test_crossings_without_line_of_sight_are_rayleighs(level: float) -> None:
    expected = np.sqrt(2 * np.pi) * level * np.exp(-(level**2))
    assert LAWS["rayleigh"].crossings(level) == pytest.approx(expected, rel=1e-9)
