"""Samples of small-scale fading, compared with closed forms."""

from functools import partial

import numpy as np
from scipy.special import eval_laguerre, j0, roots_laguerre

from benchmarks.channel_figures.points import Curve, Panel, Points, in_db, of_counts, of_means, of_ratios
from emulator.channel.small_scale.delay_profile import tapped_delay_line
from emulator.channel.small_scale.multipath import Multipath
from emulator.channel.small_scale.nakagami import nakagami_gain
from emulator.core.arrays import Complexes, Floats
from emulator.core.randomness import generator
from tests.emulator.channel.small_scale.fading_laws import (
    LAWS,
    NAKAGAMI_M,
    WAVELENGTH_M,
    independent_powers,
    multipath,
    powers_along,
)

SPREAD_NS = 300.0
LINES = ("tdl-a", "tdl-b", "tdl-c", "tdl-d", "tdl-e")
ALIKE = {
    "Rayleigh": ("rayleigh", "tdl-a", "tdl-b", "tdl-c"),
    "Rice": ("rice",),
    "TDL-D, -E": ("tdl-d", "tdl-e"),
    "Nakagami": ("nakagami",),
}
"""Profiles with the same distribution; TDL-D and TDL-E differ by 0.3 dB of K."""
START = 250.0  # wavelengths: the track crosses the border between two blocks of the process
LEVELS_DB = np.arange(-20.0, 5.1, 2.5)
A_WAVELENGTH, WAVELENGTHS = 400, 20
LEAST_CROSSINGS = 40
SPECTRUM_POINTS, SPECTRUM_A_WAVELENGTH = 800, 4


def envelope(seeds: int) -> Panel:
    """Return the share of independent samples below each level."""
    levels_db, fine_db = np.linspace(-30.0, 5.0, 21), np.linspace(-32.0, 7.0, 200)
    curves, points = {}, {}
    for label, names in ALIKE.items():
        curves[label] = Curve(fine_db, LAWS[names[0]].power(1).cdf(10 ** (fine_db / 10)))
        for number, name in enumerate(names):
            at_db = levels_db[number :: len(names)] if len(names) > 1 else levels_db[::2]
            powers = np.concatenate([independent_powers(name, seed) for seed in range(1, seeds + 1)])
            truth = LAWS[name].power(1).cdf(10 ** (at_db / 10))
            kept = truth * len(powers) >= 5
            hits = (powers < 10 ** (at_db[kept, None] / 10)).sum(axis=1).astype(float)
            points[name] = of_counts(at_db[kept], hits, np.full(len(hits), float(len(powers))), truth[kept])
    return Panel(curves, points)


def autocorrelation(walks: int) -> Panel:
    """Return the autocorrelation of complex gains (Rayleigh, Rice: real part), or of the power (Nakagami)."""
    lags, fine = np.arange(0, 31), np.linspace(0.0, 3.0, 301)
    curves = {
        name: Curve(fine, LAWS[name].autocorrelation(j0(2 * np.pi * fine), fine).real) for name in ("rayleigh", "rice")
    }
    curves["nakagami"] = Curve(fine, nakagami_autocovariance(j0(2 * np.pi * fine)))
    way_m = (START - 20 + np.arange(600) / 10) * WAVELENGTH_M
    points = {}
    for name, chosen in (("rayleigh", lags[::2]), ("tdl-c", lags[1::2]), ("rice", lags)):
        gains = multipath(name, 1, walks).responses(way_m)[:, :, 0]
        products = np.stack([lagged(gains, int(lag)) for lag in chosen], axis=1)
        truth = LAWS[name].autocorrelation(j0(2 * np.pi * chosen / 10), chosen / 10).real
        points[name] = of_means(chosen / 10, products, truth)
    powers = powers_along("nakagami", 2, way_m, walks)
    products = np.stack([lagged(powers, int(lag)) for lag in lags[::2]], axis=1)
    truth = nakagami_autocovariance(j0(2 * np.pi * lags[::2] / 10))
    points["nakagami"] = of_means(lags[::2] / 10, NAKAGAMI_M * (products - 1), truth)
    return Panel(curves, points)


def lagged(gains: Complexes | Floats, lag: int) -> Floats:
    """Return the mean over places of the product with the value `lag` places later, real part, shape (walks,)."""
    return np.asarray((gains[: len(gains) - lag] * gains[lag:].conj()).mean(axis=0).real, dtype=np.float64)


def nakagami_autocovariance(correlation: Floats) -> Floats:
    """Return the autocorrelation of Nakagami power from that of the complex Rayleigh process with the same quantiles: a
    power series in its square, with the coefficients of the mapping in Laguerre polynomials."""
    nodes, weights = roots_laguerre(120)
    mapped = nakagami_gain(nodes, NAKAGAMI_M)
    orders = np.arange(1, 40)
    squares = np.array([(weights * mapped * eval_laguerre(order, nodes)).sum() for order in orders]) ** 2
    found: Floats = (correlation[:, None] ** (2 * orders)) @ squares / squares.sum()
    return found


def fades(walks: int) -> dict[str, Panel]:
    """Return level-crossing rates per wavelength, and mean fade lengths in wavelengths."""
    names = {"rayleigh": 0, "tdl-c": 1, "rice": 0, "nakagami": 0, "tdl-d": 0}
    way_m = (START + np.arange(WAVELENGTHS * A_WAVELENGTH) / A_WAVELENGTH) * WAVELENGTH_M
    rate_curves, length_curves, rates, lengths = {}, {}, {}, {}
    for seed, (name, first) in enumerate(names.items(), 1):
        law = LAWS[name]
        both = [(law.crossings(level), law.power(1).cdf(level**2)) for level in 10 ** (LEVELS_DB / 20)]
        rate, share = np.array(both, dtype=np.float64).T
        if name != "tdl-c":
            rate_curves[name], length_curves[name] = Curve(LEVELS_DB, rate), Curve(LEVELS_DB, share / rate)
        apart = 2 if LAWS[name] == LAWS["rayleigh"] else 1
        chosen = np.arange(len(LEVELS_DB))[first::apart]
        chosen = chosen[rate[chosen] * WAVELENGTHS * walks >= LEAST_CROSSINGS]
        powers = powers_along(name, seed, way_m, walks)
        below = [powers < 10 ** (level_db / 10) for level_db in LEVELS_DB[chosen]]
        crossed = np.stack([(each[:-1] & ~each[1:]).sum(axis=0) for each in below], axis=1) / WAVELENGTHS
        under = np.stack([each.mean(axis=0) for each in below], axis=1)
        rates[name] = of_means(LEVELS_DB[chosen], crossed, rate[chosen])
        lengths[name] = of_ratios(LEVELS_DB[chosen], under, crossed, (share / rate)[chosen])
    return {"level crossings": Panel(rate_curves, rates), "lengths of fades": Panel(length_curves, lengths)}


def spectrum(walks: int) -> Panel:
    """Return the Doppler spectrum: mean windowed periodograms in dB, and the transform of the windowed
    autocorrelation."""
    count, each = SPECTRUM_POINTS, SPECTRUM_A_WAVELENGTH
    window = np.blackman(count)
    window /= np.sqrt((window**2).sum())
    overlap = np.correlate(window, window, "full")
    lags = np.arange(-count + 1, count) / each
    shifts: Floats = np.fft.fftfreq(count, 1 / each).astype(np.float64)
    near = np.flatnonzero(np.abs(shifts) < 1.25)
    near = near[np.argsort(shifts[near])]
    way_m = (START - 100 + np.arange(count) / each) * WAVELENGTH_M
    curves, points = {}, {}
    for number, name in enumerate(("rayleigh", "rice")):
        law = LAWS[name].autocorrelation(j0(2 * np.pi * np.abs(lags)), lags).conj()
        turns = np.exp(-2j * np.pi * np.outer(shifts[near], lags))
        expected = (turns @ (overlap * law)).real / each
        curves[name] = Curve(shifts[near], 10 * np.log10(np.maximum(expected, 1e-10)))
        gains = multipath(name, 1, walks).responses(way_m)[:, :, 0]
        power = (np.abs(np.fft.fft(window[:, None] * gains, axis=0)) ** 2).T / each
        chosen = np.arange(len(near))[12 + 10 * number :: 20]
        chosen = chosen[expected[chosen] > 0.02]
        points[name] = in_db(of_means(shifts[near][chosen], power[:, near[chosen]], expected[chosen]))
    return Panel(curves, points)


def over_frequency(walks: int) -> Panel:
    """Return the correlation between two frequencies: the part in phase with the closed form."""
    apart_hz, fine_hz = np.linspace(0, 6e6, 13), np.linspace(0, 6.5e6, 220)
    curves, points = {}, {}
    for number, name in enumerate(LINES):
        profile = tapped_delay_line(name, SPREAD_NS)
        curves[name] = Curve(fine_hz * SPREAD_NS * 1e-9, np.abs(profile.tap_powers() @ profile.steering(fine_hz)))
        offsets_hz = apart_hz + number * 0.1e6 * (apart_hz > 0)
        expected = profile.tap_powers() @ profile.steering(offsets_hz)
        gains = responses(name, offsets_hz, walks)
        products = (gains[:, :, :1].conj() * gains).mean(axis=0) * np.exp(-1j * np.angle(expected))
        points[name] = of_means(offsets_hz * SPREAD_NS * 1e-9, products.real, np.abs(expected))
    return Panel(curves, points)


def responses(name: str, offsets_hz: Floats, walks: int) -> Complexes:
    """Return complex gains at 40 places some wavelengths apart, shape (places, walks, frequencies)."""
    profile = tapped_delay_line(name, SPREAD_NS)
    process = Multipath(profile, 1.0, offsets_hz, walks, partial(generator, 1, "ue", f"taps of {name}"))
    return process.responses(np.arange(40.0) * 3.21)


def taps(name: str, walks: int) -> Points:
    """Return tap powers in dB, estimated from the response over a band wide enough to resolve the taps; taps with the
    same delay are added."""
    profile = tapped_delay_line(name, SPREAD_NS)
    delays_s, which = np.unique(profile.delays_s, return_inverse=True)
    offsets_hz = np.random.default_rng(0).uniform(-3e9, 3e9, 60)
    turns = np.exp(-2j * np.pi * np.outer(offsets_hz, delays_s))
    gains = responses(name, offsets_hz, walks) @ np.linalg.pinv(turns).T
    powers = (np.abs(gains) ** 2).mean(axis=0)
    truth = np.zeros(len(delays_s))
    np.add.at(truth, which, profile.tap_powers())
    return in_db(of_means(delays_s / (SPREAD_NS * 1e-9), powers, truth))


def delay_profiles(walks: int) -> dict[str, Panel]:
    return {f"taps of {name.upper()}": Panel({}, {name: taps(name, walks)}) for name in LINES}
