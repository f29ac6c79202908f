"""The air interface under a full buffer against closed forms and counted frequencies."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.channel.air import AirInterface, Columns
from emulator.channel.block_error import block_error
from emulator.channel.blocks import blocks_of, indicators_of
from emulator.channel.duplex import symbols
from emulator.channel.numerology import group_prbs, peak_rate_bps, slot_ns
from emulator.channel.radio import Adaptation, Carrier, Direction, Harq
from emulator.randomness import draw_key, generator

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CARRIER = Carrier()
FDD = Carrier(2.1e9, 20e6, 0, tdd="")
NARROW = Carrier(3.5e9, 5e6, 1, tdd="")
SLOT_NS = slot_ns(CARRIER.mu)


def flat(sinr_db: float, slots: int, carrier: Carrier = CARRIER) -> Floats:
    return np.full((slots, len(group_prbs(carrier))), 10 ** (sinr_db / 10))


def fading(mean_db: float, slots: int, seed: int, memory: float = 0.98) -> Floats:
    """A Rayleigh-faded SINR with first-order memory, alike in all groups but for a little noise."""
    rng = generator(seed, "test", "fading")
    parts = rng.standard_normal((slots, 2)) * np.sqrt((1 - memory**2) / 2)
    for slot in range(1, slots):
        parts[slot] += memory * parts[slot - 1]
    gain = (parts**2).sum(axis=1)[:, None] + 0.05 * rng.exponential(size=(slots, len(group_prbs(CARRIER))))
    found: Floats = 10 ** (mean_db / 10) * gain
    return found


def pattern(slots: int, carrier: Carrier = CARRIER) -> Ints:
    return np.resize(symbols(carrier, "downlink"), slots)


def run(
    sinr: Floats, served: Ints, adaptation: Adaptation, harq: Harq, seed: int, carrier: Carrier = CARRIER
) -> Columns:
    return AirInterface(carrier, adaptation, harq, draw_key(seed, "ue", "blocks")).feed(sinr, served)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 99),
    cuts=st.lists(st.integers(0, 600), max_size=6),
    most=st.integers(1, 4),
    processes=st.integers(1, 8),
    tdd=st.sampled_from(["DDDSU", "DDSUU", "DSUU", ""]),
)
def test_how_the_slots_are_cut_into_calls_changes_no_value(
    seed: int, cuts: list[int], most: int, processes: int, tdd: str
) -> None:
    carrier = replace(CARRIER, tdd=tdd)
    harq = Harq(max_transmissions=most, processes=processes)
    sinr, served = fading(9.0, 600, seed), pattern(600, carrier)
    served[200:260] = 0  # a handover
    whole = run(sinr, served, Adaptation(), harq, seed, carrier)
    parts = AirInterface(carrier, Adaptation(), harq, draw_key(seed, "ue", "blocks"))
    edges = [0, *sorted(cuts), 600]
    found = [parts.feed(sinr[a:b], served[a:b]) for a, b in pairwise(edges)]
    assert parts.held_slots == 600 - len(whole["mcs"])
    for name, expected in whole.items():
        assert np.array_equal(np.concatenate([part[name] for part in found]), expected, equal_nan=name == "bler")


def test_rows_are_held_until_their_block_is_decided() -> None:
    """Good in its first slot alone, where the CQI is measured, and then 30 dB too little: the block of slot 1 is
    decided with its fourth transmission, three round trips of 4 slots later, and no row from it on before."""
    air = AirInterface(FDD, Adaptation(cqi_period_ns=10**9), Harq(round_trip_ns=4_000_000), 1)
    assert len(air.feed(flat(10.0, 1, FDD), pattern(1, FDD))["mcs"]) == 1
    rows = [len(air.feed(flat(-30.0, 1, FDD), pattern(1, FDD))["mcs"]) for _ in range(13)]
    assert rows == [0] * 12 + [1]
    assert air.held_slots == 12


@pytest.mark.parametrize("direction", ["uplink", "downlink"])
@pytest.mark.parametrize("carrier", [CARRIER, replace(CARRIER, bandwidth_hz=100e6, layers=4), FDD])
def test_at_60_db_a_slot_carries_the_peak_rate_of_the_standard(carrier: Carrier, direction: Direction) -> None:
    """TS 38.306 4.1.2, once the outer loop has found its way up from the promise of CQI 15. Sizes are rounded by
    up to 1/64 (5.1.3.2), and the overheads differ by the point that a test of the pattern bounds."""
    pattern_symbols = symbols(carrier, direction)
    slots = len(pattern_symbols) * 400
    served = np.resize(pattern_symbols, slots)
    columns = run(flat(60.0, slots, carrier), served, Adaptation(), Harq(), 1, carrier)
    assert len(columns["mcs"]) == slots
    settled = np.arange(slots) >= slots // 2
    assert np.all(columns["mcs"][settled & (served > 0)] == 27)
    assert np.all(columns["mcs"][served == 0] == -1)
    bits = columns["capacity_bits"][settled & (served == served.max())].astype(np.float64)
    peak = peak_rate_bps(carrier, direction, 8)
    assert bits * 1e9 / slot_ns(carrier.mu) == pytest.approx(np.full(len(bits), peak), rel=1 / 64 + 0.011)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_harq_leaves_is_the_product_of_the_conditional_errors(seed: int) -> None:
    """At an SINR where even MCS 0 fails: n transmissions add up to n times the SINR. Each transmission fails, of
    the blocks that failed before, with its rate's ratio to the rate before; all together, with the last rate."""
    adaptation = Adaptation(implementation_loss_db=0.0, cqi_period_ns=10**15)
    harq = Harq(max_transmissions=4, round_trip_ns=500_000, processes=8)
    blocks = blocks_of(NARROW, adaptation)
    sinr_db = float(blocks.middle_db[13, 0]) - 10 * np.log10(3.3)
    curves = [float(table[13, 0]) for table in (blocks.middle_db, blocks.slope_per_db, blocks.code_blocks)]
    errors = [block_error(sinr_db + 10 * np.log10(n), *curves) for n in (1, 2, 3, 4)]
    slots = 60_000
    sinr = flat(sinr_db, slots, NARROW)
    sinr[0] = 10 ** (indicators_of(NARROW, adaptation).least_db[1] / 10 + 0.001)  # the one CQI ever measured: 1
    columns = run(sinr, pattern(slots, NARROW), adaptation, harq, seed, NARROW)
    first = np.flatnonzero(columns["mcs"] == 0)[1:]
    delays, lost = columns["harq_delay_ns"][first] // 500_000, columns["block_lost"][first]
    assert columns["bler"][first] == pytest.approx(errors[0], rel=1e-5)
    failed = [np.ones(len(first), dtype=bool), *(delays >= n for n in (1, 2, 3)), lost]
    assert 0.05 < errors[3] < errors[2] < 0.95
    for n, error in enumerate(errors):
        before = failed[n].sum()
        expected = error / (errors[n - 1] if n else 1.0)
        tolerance = 4 * np.sqrt(expected * (1 - expected) / max(before, 1)) + 1e-9
        assert failed[n + 1].sum() / max(before, 1) == pytest.approx(expected, abs=tolerance)
    product = np.prod([error / before for error, before in zip(errors, [1.0, *errors[:-1]], strict=True)])
    assert lost.mean() == pytest.approx(product, abs=4 * np.sqrt(errors[3] * (1 - errors[3]) / len(first)))
