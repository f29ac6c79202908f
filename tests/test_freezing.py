"""The table of what freezing costs compares like with like."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks import freezing
from emulator.channel.air.full_buffer import AirInterface, air_state
from emulator.channel.radio import Adaptation, Direction
from emulator.core.units import NS_PER_MS
from emulator.trace import Trace
from emulator.trace.rules import BEHAVIOUR


@pytest.mark.parametrize("direction", ["uplink", "downlink"])
def test_under_a_full_buffer_frozen_and_closed_delays_are_the_same(direction: Direction) -> None:
    """All messages come at time 0, and fill nine tenths of the trace."""
    channel = freezing.channel_of("tdl-a", 30, direction, 2, seconds=2)
    count = int(channel.trace.cumulative_bits[-1] * 0.9) // 8_000
    got = freezing.delays(channel, np.zeros(count, dtype=np.int64), 1_000, None)
    assert len(got.frozen) == count > 200
    np.testing.assert_array_equal(got.frozen, got.closed)


def test_without_block_errors_freezing_costs_next_to_nothing() -> None:
    """A steady channel under an outer loop that stands still: one block in 10^4 fails; light traffic for 20 s."""
    channel = freezing.channel_of("none", 3, "downlink", 1, seconds=20)
    radio = replace(channel.radio, adaptation=Adaptation(olla_up_db=0.0))
    columns = AirInterface(air_state(radio, "downlink", channel.key)).feed(channel.received)
    behaviour = {name: columns[name] for name in BEHAVIOUR}
    assert np.nanmean(columns["bler"]) < 1e-3
    still = channel._replace(radio=radio, trace=Trace(freezing.SLOT_NS, behaviour, "slot"))
    got = freezing.loaded(still, 1, 0.05, None, seconds=20)
    assert len(got.closed) > 50
    assert (got.frozen == got.closed).mean() > 0.98


@pytest.mark.parametrize("direction", ["uplink", "downlink"])
def test_every_channel_stands_at_the_stated_sinr(direction: Direction) -> None:
    """Four antennas: four times the mean, for one layer. 20 s at 30 km/h are 1944 wavelengths: so many samples."""
    per_branch = freezing.channel_of("rayleigh", 30, direction, 1, seconds=20).received.sinr[:, 0].mean() / 4
    assert per_branch == pytest.approx(10 ** (freezing.SINR_DB / 10), rel=4 / np.sqrt(4 * 20 * 30 / 3.6 / 0.0857))
    still = freezing.channel_of("none", 3, direction, 1, seconds=1).received.sinr[:, 0] / 4
    np.testing.assert_allclose(10 * np.log10(still), freezing.SINR_DB)


def test_messages_come_at_the_stated_load() -> None:
    channel = freezing.channel_of("tdl-c", 3, "downlink", 1, seconds=20)
    got = freezing.loaded(channel, 1, 0.3, None, seconds=20)
    expected = 0.3 * channel.trace.mean_rate_bps / (8 * freezing.MESSAGE_BYTES) * 20 * 0.95
    assert len(got.closed) == pytest.approx(expected, abs=4 * np.sqrt(expected))
    assert got.closed.min() >= freezing.SLOT_NS and got.frozen.min() >= freezing.SLOT_NS


def test_differences_come_with_their_interval() -> None:
    """Frozen delays 10 % and 30 % above: 20 +- t(0.975, 1) x 14.1 / sqrt(2), which is 12.706 x 10."""
    closed = np.full(100, 2.0 * NS_PER_MS)
    half = stats.t.ppf(0.975, 1) * 10
    pairs = [(closed, closed * 1.1), (closed, closed * 1.3)]
    assert freezing.tails(pairs) == f"+20.0 ± {half:.1f}"
    assert freezing.means(pairs) == f"2.0 | +20.0 ± {half:.1f}"
