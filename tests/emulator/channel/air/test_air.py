"""The air interface with a full buffer, compared with closed forms and expected frequencies."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.channel.air.block_error import block_error
from emulator.channel.air.blocks import block_table, cqi_thresholds
from emulator.channel.air.full_buffer import AirInterface, Columns, initial_air_state
from emulator.channel.air.slot import one_layer
from emulator.channel.duplex import symbols
from emulator.channel.numerology import group_prbs, peak_rate_bps, slot_ns
from emulator.channel.radio import Adaptation, Carrier, Direction, Harq
from emulator.core.arrays import Floats, Ints
from emulator.core.randomness import draw_key, generator

CARRIER = Carrier()
FDD = Carrier(2.1e9, 20e6, 0, tdd="")
NARROW = Carrier(3.5e9, 5e6, 1, tdd="")
SLOT_NS = slot_ns(CARRIER.mu)


def flat(sinr_db: float, slots: int, carrier: Carrier = CARRIER) -> Floats:
    return np.full((slots, len(group_prbs(carrier))), 10 ** (sinr_db / 10))


def fading(mean_db: float, slots: int, seed: int, memory: float = 0.98) -> Floats:
    """Return a Rayleigh-faded SINR with first-order memory, nearly equal in all groups."""
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
    air = initial_air_state(carrier, adaptation, harq, draw_key(seed, "ue", "blocks"))
    return AirInterface(air).feed(one_layer(sinr, served))


@settings(max_examples=25)
@given(
    seed=st.integers(0, 99),
    cuts=st.lists(st.integers(0, 600), max_size=6),
    most=st.integers(1, 4),
    processes=st.integers(1, 8),
    tdd=st.sampled_from(["DDDSU", "DDSUU", "DSUU", ""]),
)
def test_values_do_not_depend_on_how_slots_are_split_into_calls(
    seed: int, cuts: list[int], most: int, processes: int, tdd: str
) -> None:
    carrier = replace(CARRIER, tdd=tdd)
    harq = Harq(max_transmissions=most, processes=processes)
    sinr, served = fading(9.0, 600, seed), pattern(600, carrier)
    served[200:260] = 0  # a handover
    whole = run(sinr, served, Adaptation(), harq, seed, carrier)
    parts = AirInterface(initial_air_state(carrier, Adaptation(), harq, draw_key(seed, "ue", "blocks")))
    edges = [0, *sorted(cuts), 600]
    found = [parts.feed(one_layer(sinr[a:b], served[a:b])) for a, b in pairwise(edges)]
    assert parts.undecided_slots == 600 - len(whole["mcs"])
    for name, expected in whole.items():
        assert np.array_equal(np.concatenate([part[name] for part in found]), expected, equal_nan=name == "bler")


def test_rows_are_returned_when_their_block_is_decided() -> None:
    """The SINR is good in the first slot, where the CQI is measured, then 30 dB lower. The block of slot 1 is decided
    by its fourth transmission, three round trips of 4 slots later; no later row is returned before."""
    air = AirInterface(initial_air_state(FDD, Adaptation(cqi_period_ns=10**9), Harq(round_trip_ns=4_000_000), 1))
    assert len(air.feed(one_layer(flat(10.0, 1, FDD), pattern(1, FDD)))["mcs"]) == 1
    rows = [len(air.feed(one_layer(flat(-30.0, 1, FDD), pattern(1, FDD)))["mcs"]) for _ in range(13)]
    assert rows == [0] * 12 + [1]
    assert air.undecided_slots == 12


@pytest.mark.parametrize("direction", ["uplink", "downlink"])
@pytest.mark.parametrize(("carrier", "layers"), [(CARRIER, 1), (replace(CARRIER, bandwidth_hz=100e6), 4), (FDD, 1)])
def test_at_60_db_a_slot_carries_the_peak_rate_of_the_standard(
    carrier: Carrier, layers: int, direction: Direction
) -> None:
    """TS 38.306 4.1.2, after the outer loop has risen from the threshold of CQI 15. Sizes are rounded by up to 1/64
    (5.1.3.2), and the overheads differ by up to one percentage point (tested with the pattern)."""
    pattern_symbols = symbols(carrier, direction)
    slots = len(pattern_symbols) * 400
    served = np.resize(pattern_symbols, slots)
    one = one_layer(flat(60.0, slots, carrier), served)
    received = one._replace(sinr=np.repeat(one.sinr, layers, axis=1))
    columns = AirInterface(initial_air_state(carrier, Adaptation(), Harq(), 1, layers)).feed(received)
    assert len(columns["mcs"]) == slots
    settled = np.arange(slots) >= slots // 2
    assert np.all(columns["mcs"][settled & (served > 0)] == 27)
    assert np.all(columns["mcs"][served == 0] == -1)
    bits = columns["capacity_bits"][settled & (served == served.max())].astype(np.float64)
    peak = peak_rate_bps(carrier, direction, 8, layers)
    assert bits * 1e9 / slot_ns(carrier.mu) == pytest.approx(np.full(len(bits), peak), rel=1 / 64 + 0.011)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_residual_errors_of_harq_are_the_product_of_the_conditional_errors(seed: int) -> None:
    """At an SINR where even MCS 0 fails, n transmissions have n times the SINR. A block that failed n - 1 transmissions
    fails the n-th with error_n / error_(n-1), so all n with error_n."""
    adaptation = Adaptation(implementation_loss_db=0.0, cqi_period_ns=10**15)
    harq = Harq(max_transmissions=4, round_trip_ns=500_000, processes=8)
    blocks = block_table(NARROW, adaptation)
    sinr_db = float(blocks.middle_db[0, 0, 13, 0]) - 10 * np.log10(3.3)
    curves = [float(table[0, 0, 13, 0]) for table in (blocks.middle_db, blocks.slope_per_db, blocks.code_blocks)]
    errors = [block_error(sinr_db + 10 * np.log10(n), *curves) for n in (1, 2, 3, 4)]
    slots = 60_000
    sinr = flat(sinr_db, slots, NARROW)
    sinr[0] = 10 ** (cqi_thresholds(NARROW, adaptation).least_db[1] / 10 + 0.001)  # the one CQI ever measured: 1
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


@pytest.mark.parametrize("target", [0.03, 0.1, 0.3])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_outer_loop_keeps_the_error_rate_of_first_transmissions_at_its_target(seed: int, target: float) -> None:
    """The loop's steps add up to its offset, which the tables bound: |failures x up - passes x down| < 60 dB over
    20 000 blocks and more. Blocks with the lowest or highest MCS do not move the loop outwards."""
    slots, up_db = 60_000, 0.5
    columns = run(fading(16.0, slots, seed), pattern(slots), Adaptation(bler_target=target), Harq(), seed)
    mcs = columns["mcs"]
    fails = (columns["harq_delay_ns"] > 0) | columns["block_lost"]
    failed = (fails & (mcs > 0)).sum()
    passed = (~fails & (mcs >= 0) & (mcs < 27)).sum()
    assert abs(failed * up_db - passed * up_db * target / (1 - target)) < 60.0
    assert failed + passed > 0.95 * (mcs >= 0).sum() > 20_000
    assert failed / (failed + passed) == pytest.approx(target, abs=60.0 / up_db / (failed + passed))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_blocks_fail_as_often_as_their_error_rates_say(seed: int) -> None:
    """The expected number of failures is the sum of the error probabilities p, its variance the sum of p (1 - p)."""
    slots = 40_000
    columns = run(fading(12.0, slots, seed), pattern(slots), Adaptation(), Harq(), seed)
    new = columns["mcs"] >= 0
    rates = columns["bler"][new].astype(np.float64)
    failed = (columns["harq_delay_ns"] > 0) | columns["block_lost"]
    assert failed[new].sum() == pytest.approx(rates.sum(), abs=4 * np.sqrt((rates * (1 - rates)).sum()))
    assert not failed[~new].any()
    assert np.isnan(columns["bler"][~new]).all()


@pytest.mark.parametrize(("db_below", "needed"), [(1.0, 2), (2.0, 2), (3.9, 3), (5.2, 4)])
def test_chase_combining_adds_up_the_sinrs(db_below: float, needed: int) -> None:
    """At a constant SINR below the middle of the error curve, a block passes at its second, third or fourth
    transmission, with 3.0, 4.8 or 6.0 dB more; the curve is so steep that every block does."""
    adaptation = Adaptation(olla_up_db=0.0, cqi_period_ns=10**15, implementation_loss_db=0.0)
    blocks = block_table(FDD, adaptation)
    start_db = cqi_thresholds(FDD, adaptation).least_db[4] + 0.01
    mcs = int(np.flatnonzero(blocks.least_db[0, 0, 13] <= start_db).max())
    curves = [float(table[0, 0, 13, mcs]) for table in (blocks.middle_db, blocks.slope_per_db, blocks.code_blocks)]
    sinr_db = curves[0] - db_below
    errors = [block_error(sinr_db + 10 * np.log10(n), *curves) for n in range(1, needed + 1)]
    assert errors[-2] > 1 - 1e-4
    assert errors[-1] < 1e-4
    slots = 400
    sinr = flat(sinr_db, slots, FDD)
    sinr[0] = 10 ** (start_db / 10)  # the one CQI ever measured
    columns = run(sinr, pattern(slots, FDD), adaptation, Harq(round_trip_ns=1_000_000), 1, FDD)
    new = np.flatnonzero(columns["mcs"] >= 0)[1:]
    assert set(columns["mcs"][new]) == {mcs}
    assert len(new) > 50
    assert np.all(columns["harq_delay_ns"][new] == (needed - 1) * 1_000_000)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_cqi_is_the_highest_that_meets_its_error_target(number: int) -> None:
    """For links of constant SINRs on a grid: 0 below the lowest threshold, one step at each threshold."""
    adaptation = Adaptation(cqi_table=number, mcs_table=number)  # type: ignore[arg-type]  # parametrised
    least_db = cqi_thresholds(CARRIER, adaptation).least_db[1:]
    assert np.all(np.diff(least_db) > 0)
    for sinr_db in np.arange(-14.0, 32.0, 0.7):
        columns = run(flat(sinr_db, 90), pattern(90), adaptation, Harq(), 1)
        assert set(columns["cqi"].tolist()) == {int((least_db <= sinr_db).sum())}


def test_a_cqi_report_is_received_after_its_delay() -> None:
    """Measured at 0 (received at once), 10, 20 ms; a change at 5 ms is known from 10 + 4 ms on."""
    slots = 60
    sinr = flat(5.0, slots)
    sinr[10:] = flat(20.0, slots - 10)
    adaptation = Adaptation(cqi_period_ns=10_000_000, cqi_delay_ns=4_000_000)
    cqi = run(sinr, pattern(slots), adaptation, Harq(), 1)["cqi"]
    before, after = int(cqi[0]), int(cqi[-1])
    assert before < after
    assert cqi[:28].tolist() == [before] * 28
    assert cqi[28:].tolist() == [after] * (len(cqi) - 28)


def test_a_cqi_is_measured_in_a_slot_of_its_direction() -> None:
    """Due in the fifth slot, an uplink slot: measured in the sixth, received two slots later."""
    slots = 20
    sinr = flat(5.0, slots)
    sinr[5:] = flat(20.0, slots - 5)
    adaptation = Adaptation(cqi_period_ns=4 * SLOT_NS, cqi_delay_ns=2 * SLOT_NS)
    cqi = run(sinr, pattern(slots), adaptation, Harq(), 1)["cqi"]
    assert np.flatnonzero(np.diff(cqi)).tolist() == [6]


def test_no_block_is_sent_at_cqi_0() -> None:
    columns = run(flat(-15.0, 50), pattern(50), Adaptation(), Harq(), 1)
    assert not columns["capacity_bits"].any()
    assert set(columns["mcs"].tolist()) == {-1}
    assert set(columns["cqi"].tolist()) == {0}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tdd", ["DDDSU", "DSUU", ""])
def test_each_slot_has_a_new_block_or_a_retransmission(seed: int, tdd: str) -> None:
    """By the rows, each slot has a new block, a retransmission (the last is known from a block's delay), or nothing if
    all processes are occupied. No slot has two blocks, and no block is sent in a slot without symbols."""
    carrier, slots = replace(CARRIER, tdd=tdd), 4_000
    harq = Harq(max_transmissions=2, processes=16)
    served = pattern(slots, carrier)
    served[1_000:1_100] = 0
    columns = run(fading(8.0, slots, seed), served, Adaptation(), harq, seed, carrier)
    rows = len(columns["mcs"])
    new = columns["mcs"] >= 0
    repeats = np.flatnonzero(new & (columns["harq_delay_ns"] > 0))
    repeated = repeats + columns["harq_delay_ns"][repeats] // SLOT_NS
    assert len(np.unique(repeated)) == len(repeated) > 50
    repeated = repeated[repeated < rows]
    assert not new[repeated].any()
    assert np.all(served[repeated] > 0)
    assert np.all(served[:rows][new] > 0)
    idle = (served[:rows] > 0) & ~new & (columns["cqi"] > 0)
    idle[repeated] = False
    assert not idle.any()
    assert np.array_equal(columns["capacity_bits"] > 0, new)
    round_trip = 4_000_000 // SLOT_NS
    for slot in repeats:  # in the first slot with symbols after the round trip that no earlier failure took
        last = slot + columns["harq_delay_ns"][slot] // SLOT_NS
        between = np.arange(slot + round_trip, last)
        assert last >= slot + round_trip
        assert np.all((served[between] == 0) | np.isin(between, repeated))


def test_too_few_processes_leave_slots_empty() -> None:
    """A block occupies a process for a round trip: two processes send two blocks in eight slots without errors."""
    columns = run(flat(60.0, 800, FDD), pattern(800, FDD), Adaptation(), Harq(8, 8_000_000, 2), 1, FDD)
    assert (columns["mcs"] >= 0).reshape(-1, 8).sum(axis=1).tolist() == [2] * 100


@pytest.mark.parametrize(
    ("adaptation", "harq", "rule"),
    [
        (Adaptation(bler_target=1.0), Harq(), "bler_target=1.0: must lie between 0 and 1"),
        (Adaptation(cqi_delay_ns=-1), Harq(), "cqi_delay_ns=-1: must be at least 0"),
        (Adaptation(), Harq(max_transmissions=0), "max_transmissions=0: must be at least 1"),
        (Adaptation(), Harq(processes=0), "processes=0: must be at least 1"),
    ],
)
def test_invalid_settings_are_refused(adaptation: Adaptation, harq: Harq, rule: str) -> None:
    with pytest.raises(ValueError, match=f"^{rule}"):
        initial_air_state(CARRIER, adaptation, harq, 1)


def test_sinr_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^sinr: must be \(5, 1, 14\) for slots, ranks and groups, not \(5, 1, 3\)$"):
        AirInterface(initial_air_state(CARRIER, Adaptation(), Harq(), 1)).feed(one_layer(np.ones((5, 3)), pattern(5)))
