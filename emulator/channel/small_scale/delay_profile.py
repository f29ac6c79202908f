"""How the power of a link is spread over delay: one tap, or the tapped delay lines of TR 38.901."""

from typing import NamedTuple

import numpy as np

from emulator.channel.standard_tables import table
from emulator.core.arrays import Complexes, Floats


class DelayProfile(NamedTuple):
    """`powers`: mean power of each tap's scattered waves, all with Jakes' spectrum; `steady`: power of the
    line-of-sight path, which comes with tap 1. Together they are 1. Shapes (taps,)."""

    delays_s: Floats
    powers: Floats
    steady: float

    def tap_powers(self) -> Floats:
        """Mean power of each tap, the line-of-sight path included; sum 1, shape (taps,)."""
        together = self.powers.copy()
        together[0] += self.steady
        return together

    def rms_delay_spread_s(self) -> float:
        """Root mean square of the delays about their mean, weighed by the taps' powers."""
        mean_s = self.tap_powers() @ self.delays_s
        return float(np.sqrt(self.tap_powers() @ (self.delays_s - mean_s) ** 2))

    def steering(self, offsets_hz: Floats) -> Complexes:
        """What a tap of gain 1 adds at each frequency (offsets from the carrier), shape (taps, frequencies)."""
        turns: Complexes = np.exp(-2j * np.pi * np.outer(self.delays_s, offsets_hz))
        return turns


def rayleigh() -> DelayProfile:
    """Scattered waves alone, all of one delay: flat over frequency."""
    return DelayProfile(np.zeros(1), np.ones(1), 0.0)


def rice(k_db: float) -> DelayProfile:
    """Flat over frequency, with a line-of-sight path `k_db` over the power of the scattered waves."""
    ratio = 10 ** (k_db / 10)
    return DelayProfile(np.zeros(1), np.full(1, 1 / (ratio + 1)), ratio / (ratio + 1))


def tapped_delay_line(name: str, delay_spread_ns: float) -> DelayProfile:
    """TDL-A to TDL-E of TR 38.901 7.7.2 (`tdl-a` ...): delays scaled by the wanted RMS delay spread (7.7.3, as
    tabulated: that of TDL-D is 0.6 % less), powers to sum 1. TDL-D and TDL-E have a line-of-sight path.

    Raises ValueError for a name that is not in the table.
    """
    lines = table("tdl")["profiles"]
    if name not in lines:
        raise ValueError(f"profile {name!r}: must be one of {', '.join(lines)}")
    line = lines[name]
    powers = 10 ** (np.array(line["powers_db"]) / 10)
    steady = 10 ** (line["steady_db"] / 10) if "steady_db" in line else 0.0
    whole = powers.sum() + steady
    return DelayProfile(np.array(line["delays"]) * delay_spread_ns * 1e-9, powers / whole, float(steady / whole))
