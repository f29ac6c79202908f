"""The link budget: transmit power and noise on one subcarrier.

Values are per resource element and so independent of the bandwidth: the transmit power is spread evenly over the
subcarriers of all resource blocks.
"""

import math

import numpy as np

from emulator.channel.numerology import SUBCARRIERS
from emulator.channel.radio import Ue
from emulator.core.arrays import Floats

THERMAL_NOISE_DBM_PER_HZ = -174.0  # k T at 290 K


def noise_dbm(width_hz: float, noise_figure_db: float) -> float:
    """Return the noise power at the receiver's input: thermal noise plus noise figure."""
    return THERMAL_NOISE_DBM_PER_HZ + 10 * math.log10(width_hz) + noise_figure_db


def per_subcarrier_dbm(power_dbm: Floats, prbs: int) -> Floats:
    """Spread a carrier's power evenly over its subcarriers, shape as `power_dbm`."""
    return power_dbm - 10 * math.log10(SUBCARRIERS * prbs)


def uplink_power_dbm(ue: Ue, mu: int, prbs: int, coupling_loss_db: Floats) -> Floats:
    """Return the PUSCH power of open-loop power control (TS 38.213 7.1.1, closed-loop terms 0) with all `prbs` granted,
    shape as the loss. The UE's path loss estimate is the coupling loss, which includes shadowing and antenna gain."""
    wanted_dbm = ue.p0_dbm + 10 * math.log10(2**mu * prbs) + ue.alpha * coupling_loss_db
    return np.minimum(ue.tx_power_dbm, wanted_dbm)


def uplink_limit_prbs(ue: Ue, mu: int, coupling_loss_db: Floats) -> Floats:
    """Return how many resource blocks a UE can send at the power that open-loop power control demands of each before
    it reaches its greatest power, shape as the loss; not a whole number."""
    of_block_dbm = ue.p0_dbm + 10 * math.log10(2**mu) + ue.alpha * coupling_loss_db
    return milliwatts(ue.tx_power_dbm - of_block_dbm)


def milliwatts(power_dbm: Floats) -> Floats:
    """Convert dBm to mW, shape as `power_dbm`."""
    linear: Floats = np.exp(power_dbm * (math.log(10) / 10))
    return linear
