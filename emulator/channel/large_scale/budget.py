"""The link budget: power received, noise and interference on one subcarrier, before fading.

All of it is per resource element, so that it is the same for every width of carrier: the sender's power is
spread evenly over the subcarriers of all resource blocks.
"""

import math

import numpy as np

from emulator.channel.numerology import SUBCARRIERS
from emulator.channel.radio import Ue
from emulator.core.arrays import Floats

THERMAL_NOISE_DBM_PER_HZ = -174.0  # k T at 290 K


def noise_dbm(width_hz: float, noise_figure_db: float) -> float:
    """Noise power at the receiver's input: thermal, and what the receiver adds."""
    return THERMAL_NOISE_DBM_PER_HZ + 10 * math.log10(width_hz) + noise_figure_db


def per_subcarrier_dbm(power_dbm: Floats, prbs: int) -> Floats:
    """A carrier's power shared evenly by its subcarriers, shape as `power_dbm`."""
    return power_dbm - 10 * math.log10(SUBCARRIERS * prbs)


def uplink_power_dbm(ue: Ue, mu: int, prbs: int, coupling_loss_db: Floats) -> Floats:
    """Open-loop power control of the PUSCH (TS 38.213 7.1.1), its closed-loop terms zero, all `prbs` granted;
    the path loss that the UE estimates is the coupling loss (shadowing and antenna gain in it). Shape as the loss."""
    asked_dbm = ue.p0_dbm + 10 * math.log10(2**mu * prbs) + ue.alpha * coupling_loss_db
    return np.minimum(ue.tx_power_dbm, asked_dbm)


def milliwatts(power_dbm: Floats) -> Floats:
    """From decibels over a milliwatt, shape as `power_dbm`."""
    linear: Floats = np.exp(power_dbm * (math.log(10) / 10))
    return linear
