"""Distribution of the fading gain, compared with closed forms on independent samples."""

from functools import partial

import numpy as np
import pytest
from scipy import stats
from scipy.special import expn

from emulator.channel.radio import Fading, Profile
from emulator.channel.small_scale.fading import FadingProcess, Receiver
from emulator.channel.small_scale.nakagami import nakagami_gain
from emulator.core.arrays import Floats
from emulator.core.randomness import generator
from tests.emulator.channel.small_scale.fading_laws import (
    APART,
    LAWS,
    NAKAGAMI_M,
    OFFSET_HZ,
    RICE_K_DB,
    SEEDS,
    WAVELENGTH_M,
    Law,
    independent_powers,
    multipath,
    nakagami,
)

ONE_IN = 1e-4  # tests this unlikely to fail by chance

every_profile = pytest.mark.parametrize("name", LAWS)
every_seed = pytest.mark.parametrize("seed", SEEDS)
ergodic_snrs = pytest.mark.parametrize("snr", [0.1, 1.0, 30.0])


def of_branches(name: str, seed: int, branches: int) -> Floats:
    """Independent power gains of combined branches, shape (samples,)."""
    powers = independent_powers(name, seed)
    together: Floats = powers[: len(powers) // branches * branches].reshape(-1, branches).sum(axis=1)
    return together


@every_profile
@every_seed
@pytest.mark.parametrize("branches", [1, 2, 4])
def test_power_follows_its_distribution(name: str, seed: int, branches: int) -> None:
    """Kolmogorov and Smirnov's distance, its exact distribution for this many samples."""
    powers = of_branches(name, seed, branches)
    assert stats.kstest(powers, LAWS[name].power(branches).cdf).pvalue > ONE_IN


def test_the_test_distinguishes_distributions() -> None:
    """The same samples do not pass for Rice 1.5 dB steadier, nor for Nakagami of half as much m again."""
    powers = of_branches("rice", 1, 1)
    assert stats.kstest(powers, Law(10 ** ((RICE_K_DB + 1.5) / 10), 0.0).power(1).cdf).pvalue < ONE_IN
    assert stats.kstest(of_branches("nakagami", 1, 1), Law(0.0, 1.5 * NAKAGAMI_M).power(1).cdf).pvalue < ONE_IN


@pytest.mark.parametrize("name", ["rayleigh", "rice", "nakagami", "tdl-c", "tdl-e"])
@pytest.mark.parametrize(("seed", "branches"), [(1, 1), (2, 2), (3, 4)])
def test_outage_of_combined_branches(name: Profile, seed: int, branches: int) -> None:
    """The share of places whose gain is under a threshold, as of the binomial law."""
    fading = Fading(name, 300.0, RICE_K_DB, NAKAGAMI_M)
    receiver = Receiver(WAVELENGTH_M, np.array([OFFSET_HZ]), branches)
    process = FadingProcess(fading, lambda los: 0.0, receiver, partial(generator, seed, "ue"), "fading")
    places = 1000
    way_m = np.arange(float(places)) * (APART * WAVELENGTH_M)
    gains = process.layer_gains(way_m, np.zeros(places, dtype=bool), 1)[:, 0, 0]
    for outage in (0.01, 0.1, 0.5):
        threshold = LAWS[name].power(branches).ppf(outage)
        assert stats.binomtest(int((gains < threshold).sum()), places, outage).pvalue > ONE_IN


@every_profile
@every_seed
@ergodic_snrs
@pytest.mark.parametrize("branches", [1, 2])
def test_ergodic_capacity(name: str, seed: int, snr: float, branches: int) -> None:
    capacities = np.log2(1 + snr * of_branches(name, seed, branches))
    expected = LAWS[name].power(branches).expect(lambda gain: np.log2(1 + snr * gain))
    assert capacities.mean() == pytest.approx(expected, abs=4 * stats.sem(capacities))


@every_seed
@ergodic_snrs
@pytest.mark.parametrize("branches", [1, 2, 4])
def test_ergodic_capacity_of_rayleigh_fading_is_an_exponential_integral(seed: int, snr: float, branches: int) -> None:
    """Alouini and Goldsmith, IEEE Trans. Veh. Technol. 48(4), 1999, eq. 40: of maximum-ratio combining."""
    capacities = np.log2(1 + snr * of_branches("tdl-c", seed, branches))
    expected = np.exp(1 / snr) * sum(expn(order + 1, 1 / snr) for order in range(branches)) / np.log(2)
    assert capacities.mean() == pytest.approx(expected, abs=4 * stats.sem(capacities))


@pytest.mark.parametrize("m", [0.5, 1.0, 2.0, 30.0])
def test_nakagami_keeps_quantiles(m: float) -> None:
    quantiles = np.array([1e-12, 1e-3, 0.3, 0.5, 0.9, 1 - 1e-9])
    rayleigh_gain = stats.expon.ppf(quantiles)
    assert stats.gamma.cdf(nakagami_gain(rayleigh_gain, m), m, scale=1 / m) == pytest.approx(quantiles, rel=1e-6)


@pytest.mark.parametrize("name", [name for name in LAWS if name != "nakagami"])
def test_gains_are_the_sum_of_the_branches_squares(name: str) -> None:
    way_m = np.linspace(0, 500, 999) * WAVELENGTH_M
    squares = np.abs(multipath(name, 1, 3).responses(way_m)) ** 2
    assert multipath(name, 1, 3).gains(way_m) == pytest.approx(squares.sum(axis=1), rel=1e-12)


@pytest.mark.parametrize("name", ["tdl-c", "tdl-d", "rayleigh", "nakagami"])
def test_each_further_layer_costs_a_branch(name: str) -> None:
    """The layers of rank r have the branches but the last r - 1: with those removed, the gains are the same."""
    way_m = np.arange(3000) * WAVELENGTH_M / 7
    make = partial(nakagami, 1) if name == "nakagami" else partial(multipath, name, 1)
    gains = make(4).layer_gains(way_m, 3)
    assert gains.shape == (3000, 3, 1)
    for rank in (1, 2, 3):
        np.testing.assert_allclose(gains[:, rank - 1], make(5 - rank).gains(way_m), rtol=1e-12)
