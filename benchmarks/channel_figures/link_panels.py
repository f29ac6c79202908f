"""Runs of the air interface, compared with closed forms."""

from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.constants import speed_of_light

from benchmarks.channel_figures.points import Curve, Panel, SampleSizes, of_counts, of_means
from emulator.channel.air.block_error import ErrorCurve, block_error, least_sinr_db
from emulator.channel.air.blocks import block_table, cqi_thresholds
from emulator.channel.air.expected import ONE_WAY
from emulator.channel.air.full_buffer import AirInterface, Columns, initial_air_state
from emulator.channel.air.slot import one_layer
from emulator.channel.duplex import symbols
from emulator.channel.numerology import group_offsets_hz, group_prbs, peak_rate_bps, slot_ns
from emulator.channel.radio import Adaptation, Carrier, Harq
from emulator.channel.small_scale.delay_profile import tapped_delay_line
from emulator.channel.small_scale.multipath import Multipath
from emulator.core.arrays import Floats
from emulator.core.randomness import draw_key, generator

NARROW = Carrier(3.5e9, 5e6, 1, tdd="")
FULL_SLOT = int(symbols(NARROW, "downlink")[0])
ONCE = Adaptation(olla_up_db=0.0, cqi_period_ns=10**15)
"""One CQI at the start and no outer loop: the MCS does not change."""
ERRORS = (0.97, 0.8, 0.5, 0.2, 0.05, 0.01)  # error rates of the simulated points of a curve
SCHEMES = {"256-QAM, 2 dB loss": (2, 2.0), "256-QAM, no loss": (2, 0.0), "64-QAM, 2 dB loss": (1, 2.0)}
"""MCS (and CQI) table and implementation loss."""
EFFICIENCY_DB = np.arange(-7.0, 33.1, 2.5)
RUNS = 8  # with independent draws
SETTLING_SLOTS = 4_000  # until an outer loop with small steps has converged
RESIDUAL_STEPS_DB = np.arange(-7.5, 1.6, 0.75)
TARGETS = (0.3, 0.1, 0.03)
SPEED_MPS = 30 / 3.6


def run(carrier: Carrier, adaptation: Adaptation, harq: Harq, seed: int, sinr: Floats) -> Columns:
    """Return the columns of a full buffer for a linear SINR of shape (slots,) or (slots, groups)."""
    shape = (len(sinr), len(group_prbs(carrier)))
    groups = np.broadcast_to(sinr[:, None], shape) if sinr.ndim == 1 else sinr
    served = np.resize(symbols(carrier, "downlink"), len(sinr))
    air = AirInterface(initial_air_state(carrier, adaptation, harq, draw_key(seed, "ue", "blocks")))
    return air.feed(one_layer(np.ascontiguousarray(groups), served))


def constant_sinr(sinr_db: float, slots: int, first_db: float) -> Floats:
    """Return a constant linear SINR, except in the first slot, in which the CQI is measured."""
    sinr = np.full(slots, 10 ** (sinr_db / 10))
    sinr[0] = 10 ** (first_db / 10)
    return sinr


def error_curve(carrier: Carrier, adaptation: Adaptation, mcs: int) -> tuple[ErrorCurve, float]:
    """Return the error curve of a code block, and the number of code blocks, of a transport block in a full slot."""
    blocks, symbol_count = block_table(carrier, adaptation), int(symbols(carrier, "downlink").max())
    place = (0, 0, symbol_count, mcs)
    each = ErrorCurve(float(blocks.middle_db[place]), float(blocks.slope_per_db[place]))
    return each, float(blocks.code_blocks[place])


def errors_at(sinr_db: Floats, each: ErrorCurve, code_blocks: float) -> Floats:
    return np.array([block_error(value, *each, code_blocks) for value in sinr_db.tolist()])


def block_errors(slots: int) -> Panel:
    """Return the error rates of first transmissions at constant SINR, for the MCSs selected by the 15 CQIs."""
    curves, points = {}, {}
    fine_db = np.arange(-9.0, 30.0, 0.05)
    blocks, least_db = block_table(NARROW, ONCE), cqi_thresholds(NARROW, ONCE).least_db
    for mcs in range(len(blocks.beta)):
        curves[f"{mcs}"] = Curve(fine_db, errors_at(fine_db, *error_curve(NARROW, ONCE, mcs)))
    for cqi in range(1, len(least_db)):
        start_db = float(least_db[cqi]) + 0.01
        mcs = int(np.flatnonzero(blocks.least_db[0, 0, FULL_SLOT] <= start_db).max(initial=0))
        each, count = error_curve(NARROW, ONCE, mcs)
        at_db = np.array([least_sinr_db(error, each, int(count)) for error in ERRORS])
        hits, trials = np.zeros(len(at_db)), np.zeros(len(at_db))
        for place, sinr_db in enumerate(at_db.tolist()):
            rows = run(NARROW, ONCE, Harq(max_transmissions=1), cqi, constant_sinr(sinr_db, slots, start_db))
            lost = rows["block_lost"][1:][rows["mcs"][1:] == mcs]
            hits[place], trials[place] = lost.sum(), len(lost)
        points[f"{mcs}"] = of_counts(at_db, hits, trials, errors_at(at_db, each, count))
    return Panel(curves, points)


def efficiency(slots: int) -> Panel:
    """Return the goodput at constant SINR with an outer loop of small steps, and the closed form of its two MCSs."""
    fine_db = np.arange(-8.0, 36.0, 0.1)
    curves = {"Shannon": Curve(fine_db, np.log2(1 + 10 ** (fine_db / 10)))}
    for order in (8, 6):
        peak = peak_rate_bps(ONE_WAY, "downlink", order, 1) / ONE_WAY.bandwidth_hz
        curves[f"peak of {2**order}-QAM"] = Curve(fine_db[[0, -1]], np.full(2, peak))
    points = {}
    for label, (number, loss_db) in SCHEMES.items():
        adaptation = Adaptation(
            cqi_table=1 if number == 1 else 2,
            mcs_table=1 if number == 1 else 2,
            olla_up_db=0.05,
            implementation_loss_db=loss_db,
        )
        curves[label] = Curve(fine_db, two_schemes(fine_db, adaptation))
        at_db = EFFICIENCY_DB[cqi_thresholds(ONE_WAY, adaptation).least_db[1] + 0.2 < EFFICIENCY_DB]
        found = [[goodput(float(sinr_db), adaptation, slots, seed) for sinr_db in at_db] for seed in range(RUNS)]
        points[label] = of_means(at_db, np.array(found), two_schemes(at_db, adaptation))
    return Panel(curves, points, exact=False)


def goodput(sinr_db: float, adaptation: Adaptation, slots: int, seed: int) -> float:
    """Return the goodput in bit/s/Hz after the outer loop has converged."""
    rows = run(ONE_WAY, adaptation, Harq(), seed, np.full(SETTLING_SLOTS + slots, 10 ** (sinr_db / 10)))
    bits = (rows["capacity_bits"] * ~rows["block_lost"])[SETTLING_SLOTS:]
    return float(bits.mean() / (slot_ns(ONE_WAY.mu) * 1e-9 * ONE_WAY.bandwidth_hz))


def two_schemes(sinr_db: Floats, adaptation: Adaptation) -> Floats:
    """Return the goodput if the outer loop alternates between the highest MCS within the target and the next one so
    that the target is met, and a failure costs one more slot. 0 below the lowest CQI."""
    blocks, target = block_table(ONE_WAY, adaptation), adaptation.bler_target
    symbol_count, last = int(symbols(ONE_WAY, "downlink")[0]), len(blocks.beta) - 1
    found = np.zeros(len(sinr_db))
    for place in np.flatnonzero(sinr_db >= cqi_thresholds(ONE_WAY, adaptation).least_db[1]):
        errors = [errors_at(sinr_db[[place]], *error_curve(ONE_WAY, adaptation, mcs))[0] for mcs in range(last + 1)]
        low = max((mcs for mcs in range(last + 1) if errors[mcs] <= target), default=0)
        share = 0.0 if low == last or errors[low] > target else (target - errors[low]) / (errors[low + 1] - errors[low])
        error = (1 - share) * errors[low] + share * errors[min(low + 1, last)]
        lower, higher = blocks.bits[0, 0, symbol_count, [low, min(low + 1, last)]]
        bits = (1 - share) * lower + share * higher
        found[place] = bits / (1 + error) / (slot_ns(ONE_WAY.mu) * 1e-9 * ONE_WAY.bandwidth_hz)
    return found


def residual(slots: int) -> Panel:
    """Return the share of blocks of MCS 0 that fail after 1 to 4 transmissions: the product of the conditional error
    rates, each the ratio of the error rate at n times the SINR to that at n - 1 times."""
    adaptation = replace(ONCE, implementation_loss_db=0.0)
    harq = Harq(max_transmissions=4, round_trip_ns=slot_ns(NARROW.mu), processes=8)
    each, count = error_curve(NARROW, adaptation, 0)
    start_db = float(cqi_thresholds(NARROW, adaptation).least_db[1]) + 0.01
    at_db = each.middle_db + RESIDUAL_STEPS_DB
    fine_db = np.arange(at_db[0] - 0.3, at_db[-1] + 0.3, 0.02)
    left, blocks = np.zeros((4, len(at_db))), np.zeros(len(at_db))
    for place, sinr_db in enumerate(at_db.tolist()):
        rows = run(NARROW, adaptation, harq, place, constant_sinr(sinr_db, slots, start_db))
        first = np.flatnonzero(rows["mcs"] == 0)[1:]
        again = rows["harq_delay_ns"][first] // slot_ns(NARROW.mu)
        left[:, place] = [*((again >= n).sum() for n in (1, 2, 3)), rows["block_lost"][first].sum()]
        blocks[place] = len(first)
    curves, points = {}, {}
    for n in (1, 2, 3, 4):
        curves[f"{n}"] = Curve(fine_db, product_of_conditional_errors(fine_db, each, count, n))
        truth = product_of_conditional_errors(at_db, each, count, n)
        kept = (truth * blocks >= 5) & ((1 - truth) * blocks >= 5)
        points[f"{n}"] = of_counts(at_db[kept], left[n - 1][kept], blocks[kept], truth[kept])
    return Panel(curves, points)


def product_of_conditional_errors(sinr_db: Floats, each: ErrorCurve, code_blocks: float, transmissions: int) -> Floats:
    rates = [errors_at(sinr_db + 10 * np.log10(n), each, code_blocks) for n in range(1, transmissions + 1)]
    product = rates[0].copy()
    for before, rate in pairwise(rates):
        product *= rate / np.maximum(before, 1e-300)
    return product


def outer_loop(sizes: SampleSizes) -> Panel:
    """Return the share of first transmissions that failed so far, TDL-C at 30 km/h, and the target it converges to."""
    counts = np.unique(np.geomspace(20, 5 * sizes.slots, 14).astype(int))
    curves, points = {}, {}
    for target in TARGETS:
        shares = np.array([failed_so_far(target, counts, seed) for seed in range(RUNS)])
        curves[f"{target:g}"] = Curve(np.array([20.0, counts[-1]]), np.full(2, target))
        at_last = np.where(counts == counts[-1], target, np.nan)
        points[f"{target:g}"] = of_means(counts.astype(float), shares, at_last)
    return Panel(curves, points, exact=False)


def failed_so_far(target: float, counts: npt.NDArray[np.int64], seed: int) -> Floats:
    carrier = ONE_WAY
    profile, draws = tapped_delay_line("tdl-c", 100.0), partial(generator, seed, "ue", "loop")
    process = Multipath(profile, speed_of_light / carrier.carrier_hz, group_offsets_hz(carrier), 1, draws)
    slots = int(counts[-1] * 2)
    gains = process.gains(np.arange(float(slots)) * SPEED_MPS * slot_ns(carrier.mu) * 1e-9)
    rows = run(carrier, Adaptation(bler_target=target), Harq(), seed, 10**1.5 * gains)
    failed = ((rows["harq_delay_ns"] > 0) | rows["block_lost"])[rows["mcs"] >= 0]
    return np.asarray(np.cumsum(failed)[counts - 1] / counts)


def panels(sizes: SampleSizes) -> dict[str, Panel]:
    return {
        "block errors": block_errors(sizes.slots // 4),
        "spectral efficiency": efficiency(sizes.slots),
        "errors after HARQ": residual(2 * sizes.slots),
        "outer loop": outer_loop(sizes),
    }
