"""Long-run goodput at a constant SINR, to predict the rates of recordings."""

from functools import cache

import numpy as np
import numpy.typing as npt

from emulator.channel.air.full_buffer import AirInterface, initial_air_state
from emulator.channel.air.slot import one_layer
from emulator.channel.duplex import symbols
from emulator.channel.numerology import group_prbs, slot_ns
from emulator.channel.radio import Adaptation, Carrier, Direction, Harq
from emulator.core.arrays import Floats
from emulator.core.randomness import draw_key

ONE_WAY = Carrier(tdd="")
"""The default carrier with all slots in one direction."""
DEFAULT_HARQ = Harq()
LOWEST_DB, HIGHEST_DB, STEP_DB = -20.0, 50.0, 0.5  # CQI 0 below, the highest MCS above
SETTLING_SLOTS, COUNTED_SLOTS = 1_000, 4_000


def expected_efficiency(
    sinr_db: npt.ArrayLike,
    adaptation: Adaptation,
    carrier: Carrier = ONE_WAY,
    harq: Harq = DEFAULT_HARQ,
    direction: Direction = "downlink",
) -> Floats:
    """Return the goodput in bit/s per Hz of channel bandwidth at an SINR that is constant over time and frequency, in
    the shape of `sinr_db`; NaN stays NaN.

    Guard bands, control, reference symbols, HARQ and the carrier's TDD pattern are included; for a carrier without a
    pattern, multiply by the direction's share of time. The air interface itself is run at steps of 0.5 dB, with linear
    interpolation.
    """
    grid_db = np.arange(LOWEST_DB, HIGHEST_DB + STEP_DB, STEP_DB)
    found: Floats = np.interp(
        np.asarray(sinr_db, dtype=np.float64), grid_db, _on_grid(adaptation, carrier, harq, direction)
    )
    return found


@cache
def _on_grid(adaptation: Adaptation, carrier: Carrier, harq: Harq, direction: Direction) -> Floats:
    slots = SETTLING_SLOTS + COUNTED_SLOTS
    served = np.resize(symbols(carrier, direction), slots)
    found = []
    for sinr_db in np.arange(LOWEST_DB, HIGHEST_DB + STEP_DB, STEP_DB):
        key = draw_key(0, f"steady {sinr_db:g} dB", "blocks")
        air = AirInterface(initial_air_state(carrier, adaptation, harq, key))
        sinr = np.full((slots, len(group_prbs(carrier))), 10 ** (sinr_db / 10))
        columns = air.feed(one_layer(sinr, served))
        bits = columns["capacity_bits"][SETTLING_SLOTS:] * ~columns["block_lost"][SETTLING_SLOTS:]
        found.append(bits.mean() / (slot_ns(carrier.mu) * 1e-9 * carrier.bandwidth_hz))
    return np.array(found)
