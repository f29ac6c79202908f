"""Tapped delay lines: tables, and the process at several frequencies."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from emulator.channel.small_scale.delay_profile import DelayProfile, rayleigh, rice, tapped_delay_line
from emulator.channel.small_scale.multipath import Multipath
from emulator.core.arrays import Complexes, Floats
from emulator.core.randomness import generator

SEEDS = (1, 2, 3)
LINES = ("tdl-a", "tdl-b", "tdl-c", "tdl-d", "tdl-e")
SPREAD_NS = 300.0
WALKS = 60
GROUPS_HZ = np.linspace(-18.7e6, 18.7e6, 14)  # the block groups of 40 MHz

TOLERANCE = 1e-5  # by far more than the share of the power that a covariance leaves out

every_seed = pytest.mark.parametrize("seed", SEEDS)
every_line = pytest.mark.parametrize("name", LINES)


def responses(profile: DelayProfile, offsets_hz: Floats, seed: int) -> Complexes:
    """Return complex gains at 40 places three wavelengths apart, shape (places, walks, frequencies), of independent
    walks."""
    process = Multipath(profile, 1.0, offsets_hz, WALKS, partial(generator, seed, "ue", "taps"))
    return process.responses(np.arange(40.0) * 3.21)


def rms_delay_spread_s(profile: DelayProfile) -> float:
    """Return the standard deviation of the delays, weighted by power."""
    mean_s = profile.tap_powers() @ profile.delays_s
    return float(np.sqrt(profile.tap_powers() @ (profile.delays_s - mean_s) ** 2))


def agrees(each_walks: Floats, expected: Floats, allowance: float) -> bool:
    """Whether the means over walks, the first axis, agree with the expected values: Student's law, with a probability
    of 1e-4 that any mean fails by chance."""
    means, errors = each_walks.mean(axis=0), stats.sem(each_walks, axis=0)
    reach = stats.t.isf(0.5e-4 / means.size, len(each_walks) - 1)
    return bool(np.all(np.abs(means - expected) < reach * errors + allowance))


@pytest.mark.parametrize(
    ("name", "taps", "rms"),
    [
        ("tdl-a", 23, 1.0001),
        ("tdl-b", 23, 1.0000),
        ("tdl-c", 24, 1.0000),
        ("tdl-d", 13, 0.9937),
        ("tdl-e", 14, 1.0002),
    ],
)
@pytest.mark.parametrize("spread_ns", [10.0, 300.0])
def test_delay_lines_have_the_requested_delay_spread(name: str, taps: int, rms: float, spread_ns: float) -> None:
    profile = tapped_delay_line(name, spread_ns)
    assert len(profile.delays_s) == len(profile.powers) == taps
    assert rms_delay_spread_s(profile) == pytest.approx(rms * spread_ns * 1e-9, abs=5e-5 * spread_ns * 1e-9)
    assert profile.tap_powers().sum() == pytest.approx(1)


@pytest.mark.parametrize(("name", "k_db"), [("tdl-d", 13.3), ("tdl-e", 22.0)])
def test_the_first_tap_has_the_k_factor_of_its_table(name: str, k_db: float) -> None:
    profile = tapped_delay_line(name, SPREAD_NS)
    assert 10 * np.log10(profile.los_power / profile.powers[0]) == pytest.approx(k_db)


@pytest.mark.parametrize("name", ["tdl-a", "tdl-b", "tdl-c"])
def test_delay_lines_without_line_of_sight_have_no_such_power(name: str) -> None:
    assert tapped_delay_line(name, SPREAD_NS).los_power == 0


@pytest.mark.parametrize("profile", [rayleigh(), rice(4.0)])
def test_one_tap_is_flat(profile: DelayProfile) -> None:
    gains = responses(profile, GROUPS_HZ, 1)
    assert np.abs(gains - gains[:, :, :1]).max() < 1e-12


def test_an_unknown_delay_line_is_refused() -> None:
    with pytest.raises(ValueError, match="profile 'tdl-f': must be one of tdl-a, tdl-b, tdl-c, tdl-d, tdl-e"):
        tapped_delay_line("tdl-f", SPREAD_NS)


@every_seed
@every_line
def test_frequency_correlation_is_the_transform_of_the_delay_profile(name: str, seed: int) -> None:
    profile = tapped_delay_line(name, SPREAD_NS)
    gains = responses(profile, GROUPS_HZ, seed)
    products = (gains[:, :, :1].conj() * gains).mean(axis=0)
    turns = np.exp(-2j * np.pi * np.outer(GROUPS_HZ - GROUPS_HZ[0], profile.delays_s))
    expected = turns @ profile.tap_powers()
    assert agrees(products.real, expected.real, TOLERANCE)
    assert agrees(products.imag, expected.imag, TOLERANCE)


@every_seed
@every_line
def test_taps_have_the_tabulated_powers_and_fade_independently(name: str, seed: int) -> None:
    """Each tap's gain is estimated from one response, over a band wide enough to tell the taps apart."""
    profile = tapped_delay_line(name, SPREAD_NS)
    delays_s, which = np.unique(profile.delays_s, return_inverse=True)  # two taps of TDL-E have one delay
    powers = np.bincount(which, profile.tap_powers())
    offsets_hz = np.random.default_rng(0).uniform(-3e9, 3e9, 60)
    turns = np.exp(-2j * np.pi * np.outer(offsets_hz, delays_s))
    taps = responses(profile, offsets_hz, seed) @ np.linalg.pinv(turns).T
    products = np.einsum("pwi,pwj->wij", taps, taps.conj()) / len(taps)
    assert agrees(products.real, np.diag(powers), TOLERANCE)
    assert agrees(products.imag, np.zeros((len(powers), len(powers))), TOLERANCE)
    each = np.einsum("wii->wi", products).real
    spreads_s2 = (each * (delays_s - powers @ delays_s) ** 2).sum(axis=1)
    assert agrees(spreads_s2[:, None] / rms_delay_spread_s(profile) ** 2, np.ones(1), TOLERANCE)
