"""What a wireless channel does to a hidden state, as a function of its noise and its fading."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import gammainc, gammaincinv

from emulator.core.arrays import Floats


class Impairment(Protocol):
    """The relation between a channel's state and the level at which quality was measured (`emulator.quality`).

    `noise`: standard deviation σ of the receiver's noise, for a signal of power 1; `scale`: Rayleigh's scale s of the
    amplitude, whose mean square is Ω = 2s². All arrays have shape (N,).
    """

    def level(self, noise: Floats, scale: Floats) -> Floats:
        """Return the level of a channel's state."""

    def noise(self, level: Floats, scale: Floats) -> Floats:
        """Return the noise at which a channel with this scale has the level: the inverse of `level`."""


@dataclass(frozen=True)
class Outage:
    """Erasure: what is sent is lost while the channel carries less than the rate, log₂(1 + h²/σ²) < R/B.

    The squared amplitude of Nakagami-m fading is Gamma distributed with shape m and mean Ω, so that the lost share is
    P(m, m γ σ²/Ω) with γ = 2^(R/B) - 1 and P the regularised lower incomplete gamma function; for m = 1, Rayleigh
    fading, 1 - exp(-γ σ²/Ω). The paper erases with a given probability and names no such relation: it is ours, after
    Simon and Alouini, "Digital communication over fading channels", 2nd ed., 2005, section 1.1.3 and table 2.2.
    """

    nakagami_m: float = 1.0
    threshold: float = 1.0  # γ: a bit per second and hertz

    def level(self, noise: Floats, scale: Floats) -> Floats:
        """Return the probability of an outage, shape (N,)."""
        m = self.nakagami_m
        return np.asarray(gammainc(m, m * self.threshold * noise**2 / (2 * scale**2)), dtype=np.float64)

    def noise(self, level: Floats, scale: Floats) -> Floats:
        """Return the noise with which this share is lost, shape (N,)."""
        m = self.nakagami_m
        power = -np.log1p(-level) if m == 1 else np.asarray(gammaincinv(m, level), dtype=np.float64) / m
        power /= self.threshold
        return scale * np.sqrt(2 * power)


@dataclass(frozen=True)
class NoiseRatio:
    """Analogue transmission y = h x + n, divided by h: the level is the noise's power over that of the signal, σ²/Ω, in
    the mean of the fading."""

    def level(self, noise: Floats, scale: Floats) -> Floats:
        """Return the inverse of the mean signal-to-noise ratio, shape (N,)."""
        return noise**2 / (2 * scale**2)

    def noise(self, level: Floats, scale: Floats) -> Floats:
        """Return the noise with which the ratio is `level`, shape (N,)."""
        return scale * np.sqrt(2 * level)


@dataclass(frozen=True)
class Channel:
    """A kind of channel: the delivery with which quality was measured (`emulator.activation.delivery`), and how its
    level comes about."""

    delivery: str
    impairment: Impairment


CHANNELS = {
    "scalars": Channel("scalars/none/zero", Outage()),
    "packets": Channel("packets:1500/none/zero", Outage()),
    "bursts": Channel("bursts:1500x4/none/zero", Outage()),
    "link": Channel("link:1500/none/zero", Outage()),
    "analogue": Channel("noise:1/none/zero", NoiseRatio()),
}
"""Single scalars, packets of 1500 bytes, bursts of four such packets in the mean, those that the emulator's fading link
loses, and noise with Rayleigh fading."""


def channel_of(name: str) -> Channel:
    """Return a channel by name. Raises ValueError (one line) for an unknown one."""
    if name not in CHANNELS:
        raise ValueError(f"channel={name}: must be one of {', '.join(CHANNELS)}")
    return CHANNELS[name]
