"""Long-run goodput, MCS and rank at an SINR, to predict the rates and MCSs of recordings."""

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from emulator.channel.air.full_buffer import AirInterface, initial_air_state
from emulator.channel.air.layers import layer_share
from emulator.channel.air.slot import one_layer
from emulator.channel.duplex import symbols
from emulator.channel.numerology import group_prbs, slot_ns
from emulator.channel.radio import Adaptation, Carrier, Direction, Fading, Harq, Ue
from emulator.core.arrays import Floats
from emulator.core.randomness import draw_key

ONE_WAY = Carrier(tdd="", layers=1)
"""The default carrier with all slots in one direction, and one layer."""
DEFAULT_HARQ = Harq()
LOWEST_DB, HIGHEST_DB, STEP_DB = -20.0, 50.0, 0.5  # CQI 0 below, the highest MCS above
MOST_DB = 80.0  # four layers have the highest MCS in all fades but a few
SETTLING_SLOTS, COUNTED_SLOTS = 1_000, 4_000
FADES = 32


class SteadyLayer(NamedTuple):
    """Goodput in bit/s per Hz of channel bandwidth, and mean MCS of new blocks (0 where none is sent)."""

    efficiency: Floats
    mcs: Floats


class Expected(NamedTuple):
    """Goodput of all layers in bit/s per Hz of channel bandwidth; means of MCS and of rank."""

    efficiency: Floats
    mcs: Floats
    rank: Floats


def steady_layer(
    sinr_db: npt.ArrayLike,
    adaptation: Adaptation,
    carrier: Carrier = ONE_WAY,
    harq: Harq = DEFAULT_HARQ,
    direction: Direction = "downlink",
) -> SteadyLayer:
    """Return goodput and MCS of one layer at an SINR that is constant over time and frequency, in the shape of
    `sinr_db`; NaN stays NaN.

    Guard bands, control, reference symbols, HARQ and the carrier's TDD pattern are included; for a carrier without a
    pattern, multiply by the direction's share of time. The air interface itself is run at steps of 0.5 dB, with linear
    interpolation.
    """
    grid_db = np.arange(LOWEST_DB, HIGHEST_DB + STEP_DB, STEP_DB)
    values = np.asarray(sinr_db, dtype=np.float64)
    return SteadyLayer(
        *(np.interp(values, grid_db, column) for column in _on_grid(adaptation, carrier, harq, direction))
    )


def expected_link(
    sinr_db: npt.ArrayLike,
    adaptation: Adaptation,
    layers: int,
    antennas: int = Ue.antennas,
    correlation: float = Fading.correlation,
) -> Expected:
    """Return goodput, MCS and rank at a mean SINR of one layer that combines all receive `antennas`, as phones report
    it, in the shape of `sinr_db`; NaN stays NaN.

    The antennas fade (Rayleigh, flat): the gain of each of r layers is `layer_share` times the sum of the powers of
    antennas - r + 1 branches, a Gamma distribution (see `layers`), and all ranks have the same quantile of theirs. In
    each fade the rank with the greatest goodput is sent, from 1 to `layers`; the result is the mean over the fades.
    Raises ValueError unless there is a layer, and an antenna for each.
    """
    if not 1 <= layers <= antennas:
        raise ValueError(f"layers={layers}: must be from 1 to antennas={antennas}")
    grid_db = np.arange(LOWEST_DB, MOST_DB + STEP_DB, STEP_DB)
    values = np.asarray(sinr_db, dtype=np.float64)
    return Expected(
        *(np.interp(values, grid_db, column) for column in _over_fades(adaptation, layers, antennas, correlation))
    )


@cache
def _over_fades(adaptation: Adaptation, layers: int, antennas: int, correlation: float) -> Expected:
    grid_db = np.arange(LOWEST_DB, MOST_DB + STEP_DB, STEP_DB)
    quantiles = (np.arange(FADES) + 0.5) / FADES
    ranks = np.arange(1, layers + 1)
    gains = [
        layer_share(rank, correlation) * stats.gamma.ppf(quantiles, antennas - rank + 1) / antennas
        for rank in ranks.tolist()
    ]
    each = steady_layer(grid_db[:, None, None] + 10 * np.log10(np.array(gains).T), adaptation)
    goodput = ranks * each.efficiency  # shape (SINRs, fades, ranks)
    best = goodput.argmax(axis=2)[:, :, None]
    chosen = (np.take_along_axis(column, best, axis=2)[:, :, 0] for column in (goodput, each.mcs))
    return Expected(*(column.mean(axis=1) for column in (*chosen, ranks[best[:, :, 0]])))


@cache
def _on_grid(adaptation: Adaptation, carrier: Carrier, harq: Harq, direction: Direction) -> SteadyLayer:
    slots = SETTLING_SLOTS + COUNTED_SLOTS
    served = np.resize(symbols(carrier, direction), slots)
    efficiency, mcs = [], []
    for sinr_db in np.arange(LOWEST_DB, HIGHEST_DB + STEP_DB, STEP_DB):
        key = draw_key(0, f"steady {sinr_db:g} dB", "blocks")
        air = AirInterface(initial_air_state(carrier, adaptation, harq, key))
        sinr = np.full((slots, len(group_prbs(carrier))), 10 ** (sinr_db / 10))
        columns = air.feed(one_layer(sinr, served))
        counted = {name: values[SETTLING_SLOTS:] for name, values in columns.items()}
        bits = counted["capacity_bits"] * ~counted["block_lost"]
        efficiency.append(bits.mean() / (slot_ns(carrier.mu) * 1e-9 * carrier.bandwidth_hz))
        sent = counted["mcs"][counted["mcs"] >= 0]
        mcs.append(sent.mean() if len(sent) else 0.0)
    return SteadyLayer(np.array(efficiency), np.array(mcs))
