"""The channel model beside the closed forms that it must follow: what the validation figure shows.

Each formula is written out here once more, from its source, and shares no code with the model.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import j0

from emulator.channel.delay_profile import DelayProfile, rayleigh, rice, tapped_delay_line
from emulator.channel.expected import expected_efficiency
from emulator.channel.multipath import Multipath
from emulator.channel.nakagami import nakagami_gain
from emulator.channel.propagation import Propagation, propagate
from emulator.channel.radio import Adaptation, Base, Radio
from emulator.channel.track import waypoints
from emulator.randomness import generator

Floats = npt.NDArray[np.float64]

SEEDS = 60  # independent channels behind each point and its error
LENGTHS = 400  # wavelengths of each
STEPS = 8  # a wavelength
CARRIER_GHZ = 3.5
SPREAD_NS = 100.0


class Curve(NamedTuple):
    """A closed form as a line, and the model's points with two standard errors of their means."""

    name: str
    line: tuple[Floats, Floats]
    points: tuple[Floats, Floats]
    errors: Floats


class Comparison(NamedTuple):
    """One panel."""

    title: str
    xlabel: str
    ylabel: str
    scales: tuple[str, str]
    curves: Sequence[Curve]


def comparisons() -> Iterator[Comparison]:
    """All panels, in order."""
    ways = [_way(seed) for seed in range(SEEDS)]
    yield _path_loss(ways)
    yield _line_of_sight(ways)
    yield _shadowing(ways)
    yield _envelopes()
    yield _autocorrelation()
    yield _crossings()
    yield _over_frequency()
    yield _efficiency()


def _way(seed: int) -> Propagation:
    """From 15 m away from a UMi site to 315 m, at points every 0.25 m."""
    return propagate(Radio(base=Base("umi")), waypoints(((15.0, 0.0), (315.0, 0.0)), 10.0), 30 * 10**9, seed, "ue")


def _path_loss(ways: Sequence[Propagation]) -> Comparison:
    """TR 38.901 Table 7.4.1-1, UMi, sites of 10 m, UEs of 1.5 m, before the breakpoint (at 210 m)."""
    direct_m = np.geomspace(18.0, 200.0, 50)
    clear_db = 32.4 + 21 * np.log10(direct_m) + 20 * np.log10(CARRIER_GHZ)
    blocked_db = 22.4 + 35.3 * np.log10(direct_m) + 21.3 * np.log10(CARRIER_GHZ)
    curves = []
    for name, line_db, los in (("in sight", clear_db, True), ("out of sight", blocked_db, False)):
        found = [(way.distance_m[0, k], way.path_loss_db[0, k]) for way in ways for k in range(7, 720, 60)
                 if way.los[0, k] == los and way.distance_m[0, k] < 200]  # fmt: skip
        points = np.array(found).T
        curves.append(Curve(name, (direct_m, line_db), (points[0], points[1]), np.zeros(points.shape[1])))
    return Comparison("Path loss, UMi, 3.5 GHz", "Distance (m)", "Path loss (dB)", ("log", "linear"), curves)


def _line_of_sight(ways: Sequence[Propagation]) -> Comparison:
    """TR 38.901 Table 7.4.2-1, UMi."""
    distance_m = np.linspace(15.0, 315.0, 200)
    chance = np.where(distance_m <= 18, 1.0, 18 / distance_m + np.exp(-distance_m / 36) * (1 - 18 / distance_m))
    at = np.arange(20, 1200, 80)
    seen = np.array([way.los[0, at] for way in ways], dtype=np.float64)
    curve = Curve("UMi", (distance_m, chance), (15 + at / 4, seen.mean(axis=0)), _error(seen))
    return Comparison(f"Line of sight, {SEEDS} streets", "Distance (m)", "Probability", ("linear", "linear"), [curve])


def _shadowing(ways: Sequence[Propagation]) -> Comparison:
    """exp(-d / d_corr), TR 38.901 7.4.4, out of sight in UMi: 13 m, 7.82 dB."""
    lags_m = np.linspace(0, 50, 200)
    lags = np.arange(0, 201, 16)
    products = np.full((len(ways), len(lags)), np.nan)
    for row, way in zip(products, ways, strict=True):
        hidden = np.where(way.los[0], np.nan, way.shadowing_db[0])
        for column, lag in enumerate(lags):
            row[column] = np.nanmean(hidden[: len(hidden) - lag] * hidden[lag:]) / 7.82**2
    curve = Curve("UMi", (lags_m, np.exp(-lags_m / 13)), (lags / 4, products.mean(axis=0)), _error(products))
    return Comparison("Shadowing out of sight", "Distance (m)", "Autocorrelation", ("linear", "linear"), [curve])


def _envelopes() -> Comparison:
    """Distributions of the power gain, mean 1: exponential, noncentral chi-square, Gamma."""
    gains_db = np.linspace(-30, 8, 200)
    points_db = np.arange(-25.0, 8.1, 3.0)
    ratio = 10**0.9
    scattered = [np.abs(_responses(rayleigh(), seed)) ** 2 for seed in range(SEEDS)]
    laws = {
        "Rayleigh": (stats.expon(), scattered),
        "Rice, 9 dB": (
            stats.ncx2(2, 2 * ratio, scale=1 / (2 * (ratio + 1))),
            [np.abs(_responses(rice(9.0), seed)) ** 2 for seed in range(SEEDS)],
        ),
        "Nakagami, m = 2": (stats.gamma(2, scale=0.5), [nakagami_gain(gain, 2.0) for gain in scattered]),
    }
    curves = []
    for name, (law, gains) in laws.items():
        below = np.array([(gain[:, None] < 10 ** (points_db / 10)).mean(axis=0) for gain in gains])
        shown = below.mean(axis=0) > 1e-4
        curves.append(
            Curve(
                name,
                (gains_db, law.cdf(10 ** (gains_db / 10))),
                (points_db[shown], below.mean(axis=0)[shown]),
                _error(below)[shown],
            )
        )
    return Comparison("Depth of fades", "Gain (dB)", "Probability of less", ("linear", "log"), curves)


def _autocorrelation() -> Comparison:
    """J0(2 pi d / wavelength) of the scattered waves; the steady path of TDL-D turns with 0.7 of the largest Doppler
    (TR 38.901 7.7.2)."""
    places = np.linspace(0, 3, 300)
    lags = np.arange(0, 25)
    steady = tapped_delay_line("tdl-d", SPREAD_NS).steady
    lines = {
        "tdl-c": j0(2 * np.pi * places),
        "tdl-d": (1 - steady) * j0(2 * np.pi * places) + steady * np.cos(2 * np.pi * 0.7 * places),
    }
    curves = []
    for name, line in lines.items():
        found = [_responses(tapped_delay_line(name, SPREAD_NS), seed) for seed in range(SEEDS)]
        each = np.array(
            [[(gains[: len(gains) - lag].conj() * gains[lag:]).real.mean() for lag in lags] for gains in found]
        )
        curves.append(Curve(name.upper(), (places, line), (lags / STEPS, each.mean(axis=0)), _error(each)))
    return Comparison("Autocorrelation over the way", "Wavelengths", "Correlation", ("linear", "linear"), curves)


def _crossings() -> Comparison:
    """Crossings of a level a wavelength, sqrt(2 pi) rho exp(-rho^2) (Rice 1948; rho: level over the RMS)."""
    levels_db = np.linspace(-30, 6, 200)
    rho = 10 ** (levels_db / 20)
    points_db = np.arange(-27.0, 6.1, 3.0)
    counts = []
    for seed in range(SEEDS):
        envelope = np.abs(_responses(rayleigh(), seed, steps=256))
        upwards = (envelope[:-1, None] < 10 ** (points_db / 20)) & (envelope[1:, None] >= 10 ** (points_db / 20))
        counts.append(upwards.sum(axis=0) / LENGTHS)
    found = np.array(counts)
    line = np.sqrt(2 * np.pi) * rho * np.exp(-(rho**2))
    curve = Curve("Rayleigh", (levels_db, line), (points_db, found.mean(axis=0)), _error(found))
    return Comparison("Level crossings", "Level over RMS (dB)", "Crossings a wavelength", ("linear", "log"), [curve])


def _over_frequency() -> Comparison:
    """The Fourier transform of the tabulated powers over delay (TR 38.901 Tables 7.7.2-1, -3)."""
    offsets_hz = np.linspace(0, 10e6, 400)
    points_hz = np.linspace(0, 10e6, 21)
    curves = []
    for name in ("tdl-a", "tdl-c"):
        profile = tapped_delay_line(name, SPREAD_NS)
        line = np.abs(profile.powers @ np.exp(2j * np.pi * np.outer(profile.delays_s, offsets_hz)))
        found = []
        for seed in range(SEEDS):
            values = _process(profile, seed, points_hz).responses(np.arange(0, LENGTHS, 0.5))[:, 0]
            found.append((values[:, :1].conj() * values).mean(axis=0))
        each = np.array(found)
        means = np.abs(each.mean(axis=0))
        curves.append(Curve(name.upper(), (offsets_hz / 1e6, line), (points_hz / 1e6, means), _error(np.abs(each))))
    return Comparison("Correlation over frequency, 100 ns", "Offset (MHz)", "Correlation", ("linear", "linear"), curves)


def _efficiency() -> Comparison:
    """Goodput at a steady SINR, below Shannon's log2(1 + SINR): the line is the bound, and no fit."""
    sinr_db = np.linspace(-8, 34, 200)
    points_db = np.arange(-8.0, 34.1, 2.0)
    curves = []
    for loss_db in (0.0, 2.0):
        got = expected_efficiency(points_db, Adaptation(implementation_loss_db=loss_db))
        name = f"{loss_db:g} dB of implementation loss"
        curves.append(Curve(name, (sinr_db, np.log2(1 + 10 ** (sinr_db / 10))), (points_db, got), np.zeros(len(got))))
    return Comparison("Goodput, and Shannon's bound", "SINR (dB)", "bit/s/Hz", ("linear", "linear"), curves)


def _process(profile: DelayProfile, seed: int, offsets_hz: Floats) -> Multipath:
    """One branch at a wavelength of 1 m."""
    return Multipath(profile, 1.0, offsets_hz, 1, partial(generator, seed, "validation", "fading"))


def _responses(profile: DelayProfile, seed: int, steps: int = STEPS) -> npt.NDArray[np.complex128]:
    """Complex gains in the middle of the band along `LENGTHS` wavelengths."""
    way = np.arange(LENGTHS * steps) / steps
    gains: npt.NDArray[np.complex128] = _process(profile, seed, np.zeros(1)).responses(way)[:, 0, 0]
    return gains


def _error(each: Floats) -> Floats:
    """Two standard errors of the means over the first axis, whose entries are independent."""
    errors: Floats = 2 * each.std(axis=0, ddof=1) / np.sqrt(len(each))
    return errors
