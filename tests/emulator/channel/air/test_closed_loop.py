"""The closed loop: equal to the frozen trace for saturated traffic, and to results by hand for light traffic."""

from dataclasses import replace

import numpy as np
import pytest

from emulator.channel.air.blocks import block_table
from emulator.channel.air.closed_loop import ClosedLoop
from emulator.channel.air.full_buffer import AirInterface, initial_air_state
from emulator.channel.air.slot import one_layer
from emulator.channel.duplex import symbols
from emulator.channel.numerology import group_prbs, slot_ns
from emulator.channel.radio import Adaptation, Carrier, Harq
from emulator.core.arrays import Floats, Ints
from emulator.core.randomness import generator
from emulator.link import Link
from emulator.system import LinkSpec, Ramp
from emulator.trace import Trace

CARRIER = Carrier()
SLOT_NS = slot_ns(CARRIER.mu)
KEY = 77
STEADY = Adaptation(olla_up_db=0.0)
MS = 1_000_000


def faded(mean_db: float, slots: int, seed: int) -> Floats:
    rng = generator(seed, "test", "closed loop fading")
    groups = len(group_prbs(CARRIER))
    found: Floats = (
        10 ** (mean_db / 10) * np.repeat(rng.exponential(size=(slots // 20 + 1, groups)), 20, axis=0)[:slots]
    )
    return found


def served(slots: int, carrier: Carrier = CARRIER) -> Ints:
    return np.resize(symbols(carrier, "downlink"), slots)


def frozen(sinr: Floats, each: Ints, adaptation: Adaptation, harq: Harq) -> Trace:
    """The trace of a full buffer, as long as its blocks are decided."""
    columns = AirInterface(initial_air_state(CARRIER, adaptation, harq, KEY)).feed(one_layer(sinr, each))
    return Trace(SLOT_NS, {name: columns[name] for name in ("capacity_bits", "harq_delay_ns", "block_lost")}, "slot")


def replayed(trace: Trace, arrivals_ns: Ints, sizes: Ints, ramp: Ramp | None, retransmission_ns: int) -> list[int]:
    spec = LinkSpec("a", "b", trace, queue_bytes=10**12, retransmission_ns=retransmission_ns, ramp=ramp)
    link = Link.standalone(spec, seed=1)
    found = []
    for arrival_ns, size in zip(arrivals_ns.tolist(), sizes.tolist(), strict=True):
        delivery = link.enqueue(arrival_ns, size)
        assert delivery is not None
        found.append(delivery.release_ns)
    return found


def closed(
    sinr: Floats, each: Ints, adaptation: Adaptation, harq: Harq, arrivals_ns: Ints, sizes: Ints,
    ramp: Ramp | None = None, retransmission_ns: int = 0,
) -> Ints:  # fmt: skip
    loop = ClosedLoop(initial_air_state(CARRIER, adaptation, harq, KEY), arrivals_ns, sizes, ramp, retransmission_ns)
    loop.feed(one_layer(sinr, each))
    return loop.release_ns()


@pytest.mark.parametrize("most", [1, 2, 4])
@pytest.mark.parametrize("mean_db", [3.0, 18.0])
@pytest.mark.parametrize("seed", range(4))
def test_with_a_full_buffer_the_closed_loop_equals_the_frozen_trace(seed: int, mean_db: float, most: int) -> None:
    """Enough messages of all sizes at time 0 that the buffer is never empty: equal to the ns, with lost blocks."""
    slots = 3_000
    harq = Harq(max_transmissions=most, processes=6)
    sinr, each = faded(mean_db, slots, seed), served(slots)
    trace = frozen(sinr, each, Adaptation(), harq)
    assert trace.columns["block_lost"].any() or most == 4
    sizes = generator(seed, "test", "sizes").integers(1, 20_000, 4_000)
    sizes = sizes[: np.searchsorted(np.cumsum(sizes) * 8, trace.cumulative_bits[-1] * 0.95)]
    arrivals_ns = np.zeros(len(sizes), dtype=np.int64)
    expected = replayed(trace, arrivals_ns, sizes, None, 7 * MS)
    found = closed(sinr, each, Adaptation(), harq, arrivals_ns, sizes, None, 7 * MS)
    assert len(sizes) > 100
    assert found.tolist() == expected


@pytest.mark.parametrize("first_bytes", [0, 700, 10**9])
@pytest.mark.parametrize("period_ns", [0, 10 * MS])
def test_without_errors_bursts_equal_those_of_the_link(first_bytes: int, period_ns: int) -> None:
    """Long gaps, one message per burst, no outer loop: only request, grant, first grant and report remain."""
    slots = 40_000
    ramp = Ramp(5 * MS, 3 * MS, period_ns, first_bytes, 4 * MS)
    sinr, each = np.full((slots, len(group_prbs(CARRIER))), 10**3.0), served(slots)
    trace = frozen(sinr, each, STEADY, Harq())
    assert not trace.columns["harq_delay_ns"].any()
    rng = generator(3, "test", "bursts")
    sizes = rng.integers(1, 200_000, 80)
    arrivals_ns = np.cumsum(rng.integers(100 * MS, 220 * MS, 80))
    expected = replayed(trace, arrivals_ns, sizes, ramp, 0)
    found = closed(sinr, each, STEADY, Harq(), arrivals_ns, sizes, ramp)
    assert found.tolist() == expected


def test_bits_wait_until_the_base_station_receives_their_report() -> None:
    """FDD uplink, slots of 1 ms. A message at 0 requests a grant at once and gets it at 3 ms. Slot 3 has its first 100
    bytes and reports 50 more, received 5 ms after the slot. Slot 9 has these and the 40 bytes of a message that arrived
    at 4 ms. A message at 9.5 ms finds the buffer empty, sends its request at 10 ms, and is sent in slot 13."""
    carrier = Carrier(2.1e9, 20e6, 0, tdd="")
    ramp = Ramp(0, 3 * MS, 10 * MS, 100, 5 * MS)
    loop = ClosedLoop(
        initial_air_state(carrier, STEADY, Harq(), KEY), np.array([0, 4 * MS, 9_500_000]), np.array([150, 40, 60]), ramp
    )
    loop.feed(one_layer(np.full((30, len(group_prbs(carrier))), 1e3), np.resize(symbols(carrier, "uplink"), 30)))
    assert loop.release_ns().tolist() == [10 * MS, 10 * MS, 14 * MS]


def test_grants_continue_for_a_while_after_a_burst() -> None:
    """As before, with grants for 4 ms: a message 2 ms after the last is sent at once, one 6 ms after by request."""
    carrier = Carrier(2.1e9, 20e6, 0, tdd="")
    ramp = Ramp(4 * MS, 3 * MS, 10 * MS, 0, 5 * MS)
    arrivals_ns = np.array([0, 6 * MS, 13 * MS])
    loop = ClosedLoop(initial_air_state(carrier, STEADY, Harq(), KEY), arrivals_ns, np.array([150, 40, 60]), ramp)
    loop.feed(one_layer(np.full((40, len(group_prbs(carrier))), 1e3), np.resize(symbols(carrier, "uplink"), 40)))
    assert loop.release_ns().tolist() == [4 * MS, 7 * MS, 24 * MS]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("uplink", [False, True])
def test_light_traffic_is_released_completely_and_in_order(seed: int, uplink: bool) -> None:
    """Every message is released, in order, not earlier than in one slot after its arrival. Splitting the slots into
    calls changes nothing."""
    slots = 8_000
    rng = generator(seed, "test", "light")
    arrivals_ns = np.sort(rng.integers(0, slots * SLOT_NS * 9 // 10, 600))
    sizes = rng.integers(1, 3_000, 600)
    ramp = Ramp(2 * MS, 2 * MS, 5 * MS, 300, 3 * MS) if uplink else None
    sinr, each = faded(15.0, slots, seed), served(slots)
    found = closed(sinr, each, Adaptation(), Harq(), arrivals_ns, sizes, ramp)
    assert np.all(np.diff(found) >= 0)
    assert np.all(found >= (-(-arrivals_ns // SLOT_NS) + 1) * SLOT_NS)
    parts = ClosedLoop(initial_air_state(CARRIER, Adaptation(), Harq(), KEY), arrivals_ns, sizes, ramp)
    for begin in range(0, slots, 1_234):
        parts.feed(one_layer(sinr[begin : begin + 1_234], each[begin : begin + 1_234]))
    assert np.array_equal(parts.release_ns(), found)


def test_a_message_not_released_by_the_end_is_marked() -> None:
    slots = 10
    sizes = np.array([100, 10**7, 5])
    found = closed(
        np.full((slots, len(group_prbs(CARRIER))), 1e3), served(slots), STEADY, Harq(), np.zeros(3, np.int64), sizes
    )
    assert found[0] == SLOT_NS
    assert found[1:].tolist() == [-1, -1]


def test_a_pending_block_holds_back_later_messages() -> None:
    """No block passes after the first slot: messages in pending blocks, and all later ones, are not released."""
    slots = 12
    sinr = np.full((slots, len(group_prbs(CARRIER))), 1e-3)
    sinr[0] = 10.0
    bits = int(block_table(CARRIER, STEADY).bits.max())
    sizes = np.full(40, bits // 80)
    found = closed(sinr, served(slots), replace(STEADY, cqi_period_ns=10**9), Harq(), np.zeros(40, np.int64), sizes)
    passed = int((found >= 0).sum())
    assert 0 < passed < 40
    assert np.all(found[:passed] == SLOT_NS)
    assert np.all(found[passed:] == -1)


@pytest.mark.parametrize(
    ("arrivals_ns", "sizes", "rule"),
    [([5, 4], [1, 1], r"arrivals_ns\[1\]=4: must not come before"), ([5, 6], [1, 0], r"sizes_bytes\[1\]=0: must be")],
)
def test_invalid_messages_are_refused(arrivals_ns: list[int], sizes: list[int], rule: str) -> None:
    with pytest.raises(ValueError, match=f"^{rule}"):
        ClosedLoop(initial_air_state(CARRIER, STEADY, Harq(), KEY), np.array(arrivals_ns), np.array(sizes))
