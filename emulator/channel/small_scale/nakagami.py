"""Nakagami-m fading, from deeper fades than Rayleigh's (m < 1) to almost constant gain."""

import numpy as np
from scipy.special import gammainccinv, gammaincinv

from emulator.channel.small_scale.delay_profile import rayleigh
from emulator.channel.small_scale.multipath import Multipath
from emulator.channel.small_scale.scattering import Draws
from emulator.core.arrays import Floats


class Nakagami:
    """Power gains with Nakagami-m magnitude in each branch, flat over frequency; otherwise as `Multipath`."""

    def __init__(self, m: float, wavelength_m: float, offsets_hz: Floats, branches: int, draws: Draws):
        self._m = m
        self._frequencies = len(offsets_hz)
        self._multipath = Multipath(rayleigh(), wavelength_m, np.zeros(1), branches, draws)

    def gains(self, travelled_m: Floats) -> Floats:
        """Return the power gains of one layer, of mean `branches`, equal at all frequencies, shape (places, G)."""
        return self.layer_gains(travelled_m, 1)[:, 0]

    def layer_gains(self, travelled_m: Floats, ranks: int) -> Floats:
        """Return the power gains of a layer for ranks 1 to `ranks`, shape (places, ranks, G)."""
        rayleigh_gains = np.abs(self._multipath.responses(travelled_m)[:, :, 0]) ** 2
        sums = np.cumsum(nakagami_gain(rayleigh_gains, self._m), axis=1)[:, ::-1][:, :ranks]
        return np.repeat(sums[:, :, None], self._frequencies, axis=2)


def nakagami_gain(rayleigh_gain: Floats, m: float) -> Floats:
    """Map Rayleigh power gains to the same quantiles of Nakagami-m fading: Gamma with shape `m` and mean 1 (Nakagami,
    "The m-distribution", 1960). The order of fades, and so the Doppler, is kept; shape as `rayleigh_gain`."""
    gain = np.empty_like(rayleigh_gain)
    low = rayleigh_gain < np.log(2)  # each half uses the tail with the smaller probability
    gain[low] = gammaincinv(m, -np.expm1(-rayleigh_gain[low]))
    gain[~low] = gammainccinv(m, np.exp(-rayleigh_gain[~low]))
    return gain / m
