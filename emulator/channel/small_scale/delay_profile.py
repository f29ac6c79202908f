"""Power delay profiles: a single tap, or the tapped delay lines of TR 38.901."""

from typing import NamedTuple

import numpy as np

from emulator.channel.standard_tables import table
from emulator.core.arrays import Complexes, Floats


class DelayProfile(NamedTuple):
    """Taps of a channel, shapes (taps,). `powers`: mean power of a tap's scattered waves, which have Jakes' spectrum;
    `los_power`: power of the line-of-sight path, at the delay of the first tap. The sum of all is 1."""

    delays_s: Floats
    powers: Floats
    los_power: float

    def tap_powers(self) -> Floats:
        """Return the mean power of each tap, with the line-of-sight path; sum 1, shape (taps,)."""
        together = self.powers.copy()
        together[0] += self.los_power
        return together

    def steering(self, offsets_hz: Floats) -> Complexes:
        """Return the response of a tap of gain 1 at frequency offsets from the carrier, shape (taps, frequencies)."""
        turns: Complexes = np.exp(-2j * np.pi * np.outer(self.delays_s, offsets_hz))
        return turns


def rayleigh() -> DelayProfile:
    """Return the profile of Rayleigh fading: scattered waves of one delay, flat over frequency."""
    return DelayProfile(np.zeros(1), np.ones(1), 0.0)


def rice(k_db: float) -> DelayProfile:
    """Return the profile of Rice fading: one delay, a line-of-sight path `k_db` above the scattered power."""
    ratio = 10 ** (k_db / 10)
    return DelayProfile(np.zeros(1), np.full(1, 1 / (ratio + 1)), ratio / (ratio + 1))


def tapped_delay_line(name: str, delay_spread_ns: float) -> DelayProfile:
    """Return TDL-A to TDL-E of TR 38.901 7.7.2 (`tdl-a` ...): tabulated delays scaled by the RMS delay spread (7.7.3;
    the spread of TDL-D is 0.6 % less), powers scaled to sum 1. TDL-D and TDL-E have a line-of-sight path.

    Raises ValueError for an unknown name.
    """
    lines = table("tdl")["profiles"]
    if name not in lines:
        raise ValueError(f"profile {name!r}: must be one of {', '.join(lines)}")
    line = lines[name]
    powers = 10 ** (np.array(line["powers_db"]) / 10)
    los_power = 10 ** (line["steady_db"] / 10) if "steady_db" in line else 0.0
    whole = powers.sum() + los_power
    return DelayProfile(np.array(line["delays"]) * delay_spread_ns * 1e-9, powers / whole, float(los_power / whole))
