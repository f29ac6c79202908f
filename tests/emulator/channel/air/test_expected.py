"""Long-run goodput at constant SINR, compared with a closed form of the outer loop, and its limits."""

import numpy as np
import pytest

from emulator.channel.air.block_error import block_error
from emulator.channel.air.blocks import block_table, cqi_thresholds
from emulator.channel.air.expected import ONE_WAY, expected_efficiency
from emulator.channel.air.full_buffer import AirInterface, initial_air_state
from emulator.channel.air.slot import one_layer
from emulator.channel.duplex import symbols
from emulator.channel.numerology import group_prbs, slot_ns
from emulator.channel.radio import Adaptation, Carrier, Harq

GENTLE = Adaptation(olla_up_db=0.05)


@pytest.mark.parametrize("sinr_db", [6.5, 11.0, 17.5, 22.0])
def test_the_outer_loop_alternates_between_two_mcs(sinr_db: float) -> None:
    """Small steps keep the outer loop at the edge between the last MCS within the target and the next: shares
    such that the target is met, each failure costing one slot more. The loop's end is within the 4 dB, of steps
    of 0.05 dB, that the offset moves in all: a share of 4 / 0.05 / blocks."""
    blocks = block_table(ONE_WAY, GENTLE)
    errors = np.array(
        [block_error(sinr_db, *(column[0, 0, 13, mcs] for column in (blocks.middle_db, blocks.slope_per_db,
         blocks.code_blocks))) for mcs in range(28)]
    )  # fmt: skip
    low = int(np.flatnonzero(errors <= 0.1).max())
    share = (0.1 - errors[low]) / (errors[low + 1] - errors[low])
    expected = (1 - share) * blocks.bits[0, 0, 13, low] + share * blocks.bits[0, 0, 13, low + 1]
    expected /= (1 + 0.1) * slot_ns(1) * 1e-9 * ONE_WAY.bandwidth_hz
    slots = 40_000
    air = AirInterface(initial_air_state(ONE_WAY, GENTLE, Harq(), 1))
    sinr = np.full((slots, len(group_prbs(ONE_WAY))), 10 ** (sinr_db / 10))
    columns = air.feed(one_layer(sinr, np.resize(symbols(ONE_WAY, "downlink"), slots)))
    counted = columns["capacity_bits"][4_000:].mean() / (slot_ns(1) * 1e-9 * ONE_WAY.bandwidth_hz)
    apart = blocks.bits[0, 0, 13, low + 1] / blocks.bits[0, 0, 13, low] - 1
    tolerance = 4 / 0.05 / 30_000 * (1 + apart * 10)
    assert counted == pytest.approx(expected, rel=tolerance)
    assert expected_efficiency(sinr_db, GENTLE) == pytest.approx(expected, rel=0.03)  # fewer blocks, and the settling


def test_efficiency_rises_from_0_to_the_peak() -> None:
    grid_db = np.arange(-25.0, 60.0, 0.25)
    found = expected_efficiency(grid_db, Adaptation())
    peak = block_table(ONE_WAY, Adaptation()).bits[0, 0, 13, -1] / (slot_ns(1) * 1e-9 * ONE_WAY.bandwidth_hz)
    assert np.all(found[grid_db < cqi_thresholds(ONE_WAY, Adaptation()).least_db[1] - 0.5] == 0)
    assert found[grid_db >= 30.0] == pytest.approx(np.full((grid_db >= 30.0).sum(), peak))
    assert np.all(np.diff(found) > -0.02 * peak)
    assert np.all(found < np.log2(1 + 10 ** (grid_db / 10)) + 1e-12)  # Shannon


def test_a_tdd_pattern_reduces_the_efficiency() -> None:
    """At 40 dB all slots have the highest MCS: three full slots and one of 9 symbols in five."""
    carrier = Carrier()
    bits = block_table(carrier, Adaptation()).bits[0, 0, :, -1]
    expected = (3 * bits[13] + bits[9]) / 5 / (slot_ns(1) * 1e-9 * carrier.bandwidth_hz)
    assert expected_efficiency(40.0, Adaptation(), carrier) == pytest.approx(expected, rel=1e-3)


def test_nan_stays_nan() -> None:
    found = expected_efficiency(np.array([[np.nan, 10.0]]), Adaptation())
    assert found.shape == (1, 2)
    assert np.isnan(found[0, 0])
    assert found[0, 1] > 0
