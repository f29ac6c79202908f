"""The compiled air interface, full buffer and closed loop, against the slow reference on random small cases."""

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.channel.air.blocks import all_widths
from emulator.channel.air.closed_loop import ClosedLoop
from emulator.channel.air.full_buffer import AirInterface, initial_air_state
from emulator.channel.air.slot import Received
from emulator.channel.numerology import group_prbs
from emulator.channel.radio import Adaptation, Carrier, Harq
from emulator.core.randomness import generator
from emulator.system import Ramp
from tests.emulator.channel.air.reference_air import ReferenceAir, ReferenceLoop

SLOTS = 160
CARRIER = Carrier(3.5e9, 10e6, 1, tdd="")
SLOT_NS = 500_000
KEY = 1234

ADAPTATIONS = st.builds(
    Adaptation,
    cqi_table=st.sampled_from([1, 2, 3]),
    mcs_table=st.sampled_from([1, 2, 3]),
    cqi_period_ns=st.integers(0, 12 * SLOT_NS),
    cqi_delay_ns=st.integers(0, 20 * SLOT_NS),
    bler_target=st.sampled_from([0.01, 0.1, 0.5]),
    olla_up_db=st.sampled_from([0.0, 0.5, 2.0]),
    implementation_loss_db=st.sampled_from([0.0, 3.0]),
)
HARQS = st.builds(
    Harq,
    max_transmissions=st.integers(1, 4),
    round_trip_ns=st.integers(0, 12 * SLOT_NS),
    processes=st.integers(1, 9),
)
SHORT = st.sampled_from([0, 1, SLOT_NS, 1_700_000])
RAMPS = st.builds(
    Ramp,
    idle_ns=SHORT,
    delay_ns=SHORT,
    period_ns=SHORT,
    first_bytes=st.sampled_from([0, 40, 900]),
    report_ns=st.sampled_from([0, 1_700_000, 8 * SLOT_NS]),
)


RANKS = st.integers(1, 4)
WIDTHS = st.sampled_from([None, all_widths(CARRIER)])


def channel(seed: int, mean_db: float, ranks: int = 1) -> Received:
    """Draw fades of ten slots, different in each group, with less for each further layer; a power limit, within or
    beyond the carrier; and the data symbols of slots."""
    rng = generator(seed, "test", "reference channel")
    shape = (SLOTS // 10, ranks, len(group_prbs(CARRIER)))
    fades = rng.exponential(size=shape) / np.arange(1, ranks + 1)[:, None] ** 1.5
    sinr = 10 ** (mean_db / 10) * np.repeat(fades, 10, axis=0)
    symbols = rng.choice([0, 0, 3, 9, 13, 13, 13, 14], SLOTS)
    limit_prbs = np.repeat(rng.choice([0.3, 2.0, 7.5, 23.0, 24.0, 1e9], SLOTS // 10), 10)
    return Received(sinr, limit_prbs, symbols)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 999),
    mean_db=st.floats(-6, 35),
    adaptation=ADAPTATIONS,
    harq=HARQS,
    ranks=RANKS,
    widths=WIDTHS,
)
def test_full_buffer_equals_the_reference(
    seed: int, mean_db: float, adaptation: Adaptation, harq: Harq, ranks: int, widths: tuple[int, ...] | None
) -> None:
    received = channel(seed, mean_db, ranks)
    found = AirInterface(initial_air_state(CARRIER, adaptation, harq, KEY, ranks, widths)).feed(received)
    expected = ReferenceAir(CARRIER, adaptation, harq, KEY, ranks, widths)
    for sinr, limit_prbs, count in zip(*received, strict=True):
        expected.run_slot(sinr, limit_prbs, count, True)
    open_from = min((b.slot for b in expected.blocks if not b.is_decided(harq.max_transmissions)), default=SLOTS)
    assert len(found["mcs"]) == open_from
    assert found["cqi"].tolist() == [grant.cqi for grant in expected.grants[:open_from]]
    assert found["rank"].tolist() == [grant.rank for grant in expected.grants[:open_from]]
    assert found["grant_groups"].tolist() == [len(grant.groups) for grant in expected.grants[:open_from]]
    assert np.allclose(found["sinr_db"], expected.sinrs_db[:open_from], rtol=1e-5, atol=1e-5)
    rows: dict[str, list[Any]] = {
        "capacity_bits": [0] * SLOTS,
        "mcs": [-1] * SLOTS,
        "harq_delay_ns": [0] * SLOTS,
        "block_lost": [False] * SLOTS,
        "bler": [math.nan] * SLOTS,
    }
    for block in expected.blocks:
        rows["capacity_bits"][block.slot] = int(expected.table.bits[expected.place_of(block)])
        rows["mcs"][block.slot] = block.mcs
        rows["harq_delay_ns"][block.slot] = (block.transmissions[-1].slot - block.slot) * SLOT_NS
        rows["block_lost"][block.slot] = block.transmissions[-1].failed
        rows["bler"][block.slot] = block.error
    for name in ("capacity_bits", "mcs", "harq_delay_ns", "block_lost"):
        assert found[name].tolist() == rows[name][:open_from], name
    assert np.allclose(found["bler"], rows["bler"][:open_from], rtol=1e-4, atol=1e-7, equal_nan=True)


@settings(max_examples=120)
@given(
    seed=st.integers(0, 999),
    mean_db=st.floats(0, 30),
    adaptation=ADAPTATIONS,
    harq=HARQS,
    ramp=st.one_of(st.none(), RAMPS, RAMPS),
    gap_slots=st.sampled_from([0, 2, 6, 12]),
    largest=st.sampled_from([30, 1_000, 5_000]),
)
def test_release_times_equal_the_reference(
    seed: int, mean_db: float, adaptation: Adaptation, harq: Harq, ramp: Ramp | None, gap_slots: int, largest: int
) -> None:
    received = channel(seed, mean_db)
    rng = generator(seed, "test", "reference messages")
    arrivals_ns = np.cumsum(rng.integers(0, gap_slots * SLOT_NS + 1, 25))
    sizes = rng.integers(1, largest + 1, 25)
    loop = ClosedLoop(initial_air_state(CARRIER, adaptation, harq, KEY), arrivals_ns, sizes, ramp, 3_000_000)
    loop.feed(received)
    expected = ReferenceLoop(ReferenceAir(CARRIER, adaptation, harq, KEY), arrivals_ns.tolist(), sizes.tolist(), ramp)
    expected.run(received.sinr, received.limit_prbs.tolist(), received.symbols.tolist())
    assert loop.release_ns().tolist() == expected.release_ns(3_000_000)
