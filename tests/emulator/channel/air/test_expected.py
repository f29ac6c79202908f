"""Long-run goodput at constant SINR, compared with a closed form of the outer loop, and its limits."""

import numpy as np
import pytest

from emulator.channel.air.block_error import block_error
from emulator.channel.air.blocks import block_table, cqi_thresholds
from emulator.channel.air.expected import ONE_WAY, expected_link, steady_layer
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
    assert steady_layer(sinr_db, GENTLE).efficiency == pytest.approx(
        expected, rel=0.03
    )  # fewer blocks, and the settling


def test_efficiency_rises_from_0_to_the_peak() -> None:
    grid_db = np.arange(-25.0, 60.0, 0.25)
    found = steady_layer(grid_db, Adaptation()).efficiency
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
    assert steady_layer(40.0, Adaptation(), carrier).efficiency == pytest.approx(expected, rel=1e-3)


def test_nan_stays_nan() -> None:
    for found in (*steady_layer([[np.nan, 10.0]], Adaptation()), *expected_link([[np.nan, 10.0]], Adaptation(), 2)):
        assert found.shape == (1, 2)
        assert np.isnan(found[0, 0])
        assert found[0, 1] > 0


def test_implementation_loss_shifts_the_sinr() -> None:
    """So a fit of the loss need not run the air interface again. Draws differ at the shifted SINR."""
    grid_db = np.arange(-10.0, 40.0)
    without = steady_layer(grid_db - 3.0, Adaptation(implementation_loss_db=0.0))
    for found, expected in zip(steady_layer(grid_db, Adaptation(implementation_loss_db=3.0)), without, strict=True):
        np.testing.assert_allclose(found, expected, atol=0.02 * expected.max())


@pytest.mark.parametrize(("layers", "antennas", "correlation"), [(1, 1, 0.0), (1, 4, 0.3), (2, 2, 0.6), (4, 4, 0.3)])
def test_rank_is_the_best_of_each_simulated_channel(layers: int, antennas: int, correlation: float) -> None:
    """Sums of exponential powers, one draw at a time, coupled over the ranks by their order; the rank by trying all."""
    fades, sinr_db = 2_000, np.array([-5.0, 3.0, 11.0, 19.0, 27.0])
    draws = np.random.default_rng(11).exponential(size=(antennas, fades, antennas))
    inverses = [np.linalg.inv(np.eye(rank) * (1 - correlation) + correlation) for rank in range(1, layers + 1)]
    gains = [
        np.sort(draws[rank - 1, :, : antennas - rank + 1].sum(axis=1)) / antennas / rank / inverses[rank - 1][0, 0]
        for rank in range(1, layers + 1)
    ]
    found = expected_link(sinr_db, Adaptation(), layers, antennas, correlation)
    for at, mean_db in enumerate(sinr_db):
        options = [steady_layer(mean_db + 10 * np.log10(gain), Adaptation()) for gain in gains]
        goodput = np.array([(number + 1) * option.efficiency for number, option in enumerate(options)])
        best = goodput.argmax(axis=0)
        mcs = np.array([option.mcs for option in options])[best, np.arange(fades)]
        spread = 5 / np.sqrt(fades)  # of means of values with a standard deviation of about their mean or 5 indices
        assert found.efficiency[at] == pytest.approx(goodput.max(axis=0).mean(), rel=spread, abs=0.01)
        assert found.mcs[at] == pytest.approx(mcs.mean(), abs=5 * spread)
        assert found.rank[at] == pytest.approx((best + 1).mean(), abs=spread)


def test_networks_take_layers_instead_of_mcs() -> None:
    """Between 0 and 24 dB: an index a dB with one layer, half of it with four, in favour of the rate."""
    grid_db = np.arange(0.0, 24.5, 0.5)
    one, four = (expected_link(grid_db, Adaptation(), layers) for layers in (1, 4))
    assert np.polyfit(grid_db, one.mcs, 1)[0] == pytest.approx(0.9, abs=0.1)
    assert np.polyfit(grid_db, four.mcs, 1)[0] == pytest.approx(0.5, abs=0.07)
    assert np.all(np.diff(four.rank) > -0.1) and four.rank[0] < 1.1 and four.rank[-1] > 2.5
    assert np.all(four.efficiency >= one.efficiency - 1e-12)


def test_all_layers_reach_the_peak() -> None:
    peak = block_table(ONE_WAY, Adaptation()).bits[0, 0, 13, -1] / (slot_ns(1) * 1e-9 * ONE_WAY.bandwidth_hz)
    found = expected_link(75.0, Adaptation(), 4)
    assert found.efficiency == pytest.approx(4 * peak, rel=0.01)
    assert found.mcs == pytest.approx(27, abs=0.2)
    assert found.rank == pytest.approx(4, abs=0.1)


def test_more_layers_than_antennas_are_refused() -> None:
    with pytest.raises(ValueError, match="layers=3: must be from 1 to antennas=2"):
        expected_link(10.0, Adaptation(), 3, antennas=2)
