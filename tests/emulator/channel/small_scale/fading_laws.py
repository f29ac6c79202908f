"""Closed forms of each fading profile at one frequency, and samples of the process."""

from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from scipy.integrate import quad
from scipy.special import ndtr

from emulator.channel.small_scale.delay_profile import DelayProfile, rayleigh, rice, tapped_delay_line
from emulator.channel.small_scale.multipath import Multipath
from emulator.channel.small_scale.nakagami import Nakagami, nakagami_gain
from emulator.core.arrays import Complexes, Floats
from emulator.core.randomness import generator

SEEDS = (1, 2, 3)
RICE_K_DB = 6.0
NAKAGAMI_M = 2.5
WAVELENGTH_M = 0.1
OFFSET_HZ = 7e6
APART = 520.3  # wavelengths between places that no block of the process reaches both of
LOS_DOPPLER = 0.7  # of a line-of-sight path


class Law(NamedTuple):
    """Rice with `k` times the scattered power in the line of sight (0: Rayleigh), or Nakagami-`m` (0: not it)."""

    k: float
    m: float

    def power(self, branches: int) -> Any:
        """Return the distribution of the summed power gain of `branches` branches of mean 1."""
        if self.m:
            return stats.gamma(self.m * branches, scale=1 / self.m)
        if self.k:
            return stats.ncx2(2 * branches, 2 * self.k * branches, scale=1 / (2 * (self.k + 1)))
        return stats.gamma(branches)

    def autocorrelation(self, scattered: Floats, wavelengths: Floats) -> Complexes:
        """Return the autocorrelation of the complex gain from that of the scattered waves."""
        steady = np.exp(-2j * np.pi * LOS_DOPPLER * wavelengths)
        together: Complexes = (scattered + self.k * steady) / (self.k + 1)
        return together

    def crossings(self, level: float) -> float:
        """Upward crossings of the magnitude `level` a wavelength (Rice, BSTJ 27, 1948, for a sine wave in noise):
        the mean of the rising part of the magnitude's slope, given the level. The slope is Gaussian, about the way
        the line-of-sight path turns at the angle between the two."""
        if self.m:  # a Rayleigh process at the same quantile crosses at the same places
            level = float(np.sqrt(-np.log(self.power(1).sf(level**2))))
        variance = 1 / (2 * (self.k + 1))  # of each of the two parts of the scattered waves
        steady = np.sqrt(self.k / (self.k + 1))
        spread = 2 * np.pi * np.sqrt(variance / 2)  # of its slope: half the mean square of Jakes' shifts

        def rising(angle: float) -> float:
            mean = 2 * np.pi * LOS_DOPPLER * steady * np.sin(angle)
            up = spread * np.exp(-((mean / spread) ** 2) / 2) / np.sqrt(2 * np.pi) + mean * ndtr(mean / spread)
            distance2 = level**2 + steady**2 - 2 * level * steady * np.cos(angle)
            return float(up * level / (2 * np.pi * variance) * np.exp(-distance2 / (2 * variance)))

        return float(quad(rising, -np.pi, np.pi, epsabs=1e-10)[0])


LAWS = {
    "rayleigh": Law(0.0, 0.0),
    "rice": Law(10 ** (RICE_K_DB / 10), 0.0),
    "nakagami": Law(0.0, NAKAGAMI_M),
    "tdl-a": Law(0.0, 0.0),
    "tdl-b": Law(0.0, 0.0),
    "tdl-c": Law(0.0, 0.0),
    "tdl-d": Law(10**0.8985, 0.0),  # the line-of-sight row over the sum of the others, worked out by hand
    "tdl-e": Law(10**0.9271, 0.0),
}


def delay_profile(name: str) -> DelayProfile:
    if name == "rayleigh":
        return rayleigh()
    return rice(RICE_K_DB) if name == "rice" else tapped_delay_line(name, 300.0)


def multipath(name: str, seed: int, branches: int) -> Multipath:
    draws = partial(generator, seed, "ue", name)
    return Multipath(delay_profile(name), WAVELENGTH_M, np.array([OFFSET_HZ]), branches, draws)


def nakagami(seed: int, branches: int) -> Nakagami:
    return Nakagami(NAKAGAMI_M, WAVELENGTH_M, np.array([OFFSET_HZ]), branches, partial(generator, seed, "ue", "m"))


@cache
def independent_powers(name: str, seed: int) -> Floats:
    """Draw independent power gains of single branches, shape (samples,)."""
    if name == "nakagami":
        return nakagami(seed, 1).gains(np.arange(1500.0) * (APART * WAVELENGTH_M))[:, 0]
    way_m = np.arange(64.0) * (APART * WAVELENGTH_M)
    powers: Floats = (np.abs(multipath(name, seed, 64).responses(way_m)) ** 2).ravel()
    return powers


def powers_along(name: str, seed: int, way_m: Floats, walks: int) -> Floats:
    """Draw power gains along a track for independent walks, shape (places, walks)."""
    if name == "nakagami":
        return nakagami_gain(powers_along("rayleigh", seed, way_m, walks), NAKAGAMI_M)
    powers: Floats = np.abs(multipath(name, seed, walks).responses(way_m)[:, :, 0]) ** 2
    return powers
