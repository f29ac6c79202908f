"""Flat small-scale fading as a power gain of mean 1, with the Doppler spectrum of Clarke and Jakes.

The complex Gaussian process is a sum of spectral lines, each an independent complex Gaussian whose
variance is the share of Jakes' spectrum around it, over a period four times that asked for: the
envelope is exactly Rayleigh, and the autocorrelation J0(2 pi f_d tau) but for the lines' finite width.
"""

import numpy as np
import numpy.typing as npt
from scipy.constants import speed_of_light
from scipy.fft import ifft, next_fast_len
from scipy.special import gammainccinv, gammaincinv

from emulator.channel.settings import ChannelSettings

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]


def doppler_hz(speed_mps: float, carrier_hz: float) -> float:
    """The largest Doppler shift of a moving end."""
    return speed_mps * carrier_hz / speed_of_light


def power_gain(settings: ChannelSettings, rng: np.random.Generator, slots: int) -> Floats:
    """|h|^2 of each slot by the settings' kind of fading, mean 1, shape (slots,)."""
    slot_s = settings.slot_ns * 1e-9
    shift_hz = doppler_hz(settings.speed_mps, settings.carrier_hz)
    if settings.fading == "none":
        return np.ones(slots)
    if settings.fading == "rice":
        return np.abs(rice(rng, slots, slot_s, shift_hz, 10 ** (settings.rice_k_db / 10))) ** 2
    gain = np.abs(rayleigh(rng, slots, slot_s, shift_hz)) ** 2
    return gain if settings.fading == "rayleigh" else nakagami_gain(gain, settings.nakagami_m)


def rayleigh(rng: np.random.Generator, slots: int, slot_s: float, shift_hz: float) -> Complexes:
    """A complex Gaussian process of mean power 1 with Jakes' spectrum, shape (slots,).

    Shifts above half the slot rate fold back, as they do when such a process is sampled.
    """
    points = next_fast_len(4 * slots)
    shift_lines = shift_hz * points * slot_s
    reach = int(np.ceil(shift_lines + 0.5))
    lines = np.arange(-reach, reach + 1)
    edges = np.append(lines - 0.5, reach + 0.5)
    still = shift_lines == 0  # all power at 0 Hz
    below = np.sign(edges) / 2 if still else np.arcsin(np.clip(edges / shift_lines, -1, 1)) / np.pi
    draws = rng.standard_normal((2, len(lines)))
    amplitudes = np.sqrt(np.diff(below) / 2) * (draws[0] + 1j * draws[1])
    spectrum = np.zeros(points, dtype=np.complex128)
    np.add.at(spectrum, lines % points, amplitudes)
    process: Complexes = ifft(spectrum, norm="forward")[:slots]
    return process


def rice(rng: np.random.Generator, slots: int, slot_s: float, shift_hz: float, k: float) -> Complexes:
    """A steady path with `k` times the power of the scattered ones, its angle and phase drawn once;
    mean power 1, shape (slots,)."""
    angle, phase = rng.uniform(0, 2 * np.pi, 2)
    turn = 2 * np.pi * shift_hz * np.cos(angle) * slot_s
    steady = np.exp(1j * (turn * np.arange(slots) + phase))
    scattered = rayleigh(rng, slots, slot_s, shift_hz)
    together: Complexes = (np.sqrt(k) * steady + scattered) / np.sqrt(k + 1)
    return together


def nakagami_gain(rayleigh_gain: Floats, m: float) -> Floats:
    """The gain of a Nakagami-m channel at the same quantiles as a Rayleigh one: Gamma with shape `m`
    and mean 1. The order of fades, and so the Doppler, is kept; shape as `rayleigh_gain`."""
    gain = np.empty_like(rayleigh_gain)
    low = rayleigh_gain < np.log(2)  # each half by the tail in which the quantile is small
    gain[low] = gammaincinv(m, -np.expm1(-rayleigh_gain[low]))
    gain[~low] = gammainccinv(m, np.exp(-rayleigh_gain[~low]))
    return gain / m
