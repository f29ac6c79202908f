"""One slot of the air interface: what was heard of earlier blocks, the CQI, the MCS, the block, its fate.

Compiled, and the same whether the traffic is a full buffer (`air`) or actual messages (`closed_loop`).
"""

import math
from typing import NamedTuple

import numpy as np

from emulator.channel.air.block_error import block_error, effective_sinr
from emulator.channel.air.blocks import Blocks, Indicators
from emulator.core.arrays import Floats, Ints
from emulator.core.compiled import Table, in_place
from emulator.core.draws import uniform

LOOP = np.dtype(
    [
        # what it is
        ("key", np.int64),
        ("slot_ns", np.int64),
        ("cqi_period_slots", np.int64),
        ("cqi_delay_slots", np.int64),
        ("up_db", np.float64),
        ("down_db", np.float64),
        ("round_trip_slots", np.int64),
        ("most", np.int64),  # transmissions of a block
        # what has happened
        ("slot", np.int64),  # the next to be served
        ("due", np.int64),  # the slot from which on the next CQI is measured
        ("reports", np.int64),  # CQIs measured so far
        ("heard", np.int64),  # and of them, known to the sender
        ("cqi", np.int64),
        ("offset_db", np.float64),  # of the outer loop
        ("mcs", np.int64),  # of the last new block
        ("failed", np.int64),  # blocks put in line for another transmission so far
        ("repeated", np.int64),  # and of them, sent again
        ("unused", np.int64),  # processes without a block
    ]
)
PROCESS = np.dtype(
    [
        ("slot", np.int64),  # of the first transmission
        ("symbols", np.int64),  # in it
        ("mcs", np.int64),
        ("transmissions", np.int64),
        ("draw", np.float64),
        ("failed", np.bool_),  # so far
        ("open", np.bool_),  # failed, and to be sent again
    ]
)
REPORT = np.dtype([("from_slot", np.int64), ("cqi", np.int64)])
NOTHING = -1
LEAST_SINR = 1e-4  # -40 dB: what is written for less


class Air(NamedTuple):
    """All that a slot reads and writes. The rings are indexed by a counter modulo their length."""

    blocks: Blocks
    indicators: Indicators
    shares: Floats  # of the groups in the bandwidth, shape (groups,)
    loop: Table  # LOOP, shape (1,)
    processes: Table  # PROCESS
    combined: Floats  # the SINR of an open block's transmissions added up, shape (processes, groups)
    sent: Ints  # ring of the last round trip's slots: 1 + the process sent in each, 0: none
    waiting: Ints  # ring of the processes whose block waits to be sent again
    reports: Table  # ring, REPORT
    unused: Ints  # stack of processes without a block, `loop.unused` of them


class Sent(NamedTuple):
    """What a slot carried: a process, or NOTHING; the error rate of its transmission; and the slot's SINR."""

    process: int
    error: float
    sinr_db: float


@in_place
def serve(air: Air, sinr: Floats, symbols: int, has_data: bool) -> Sent:
    """The next slot, of which `symbols` carry data of this direction; `sinr` is linear, shape (groups,).

    A block that failed goes before a new one, which goes only when the sender `has_data` for it, a process
    is unused and the CQI is not 0. `sinr_db` is effective, for the last new block's MCS.
    """
    loop = air.loop[0]
    _hear_blocks(air)
    process, error, linear = NOTHING, 0.0, -1.0
    if air.blocks.bits[symbols, 0] > 0:
        _measure(air, sinr)
        _hear_reports(air)
        process = _next_block(air, symbols, has_data)
    else:
        _hear_reports(air)
    if process != NOTHING:
        error, linear = _transmit(air, process, sinr, symbols)
        air.sent[loop.slot % loop.round_trip_slots] = process + 1
    if linear < 0.0:
        linear = effective_sinr(sinr, air.shares, air.blocks.beta[loop.mcs])
    loop.slot += 1
    return Sent(process, error, 10.0 * math.log10(max(linear, LEAST_SINR)))


@in_place
def _hear_blocks(air: Air) -> None:
    """The sender learns how the transmission of a round trip ago went; the first of a block moves the outer
    loop, whose steps balance at the target error rate. Where no MCS is left to move to, it stands still."""
    loop = air.loop[0]
    place = loop.slot % loop.round_trip_slots
    process = air.sent[place] - 1
    air.sent[place] = 0
    if process == NOTHING:
        return
    block = air.processes[process]
    if block.transmissions == 1:
        if block.failed and block.mcs > 0:
            loop.offset_db -= loop.up_db
        elif not block.failed and block.mcs < len(air.blocks.beta) - 1:
            loop.offset_db += loop.down_db
    if block.open:
        air.waiting[loop.failed % len(air.waiting)] = process
        loop.failed += 1
    else:
        air.unused[loop.unused] = process
        loop.unused += 1


@in_place
def _measure(air: Air, sinr: Floats) -> None:
    """Measure a CQI in the first slot with data at or after each multiple of the period. The very first is
    known at once: the connection was set up before."""
    loop = air.loop[0]
    if loop.slot < loop.due:
        return
    report = air.reports[loop.reports % len(air.reports)]
    report.cqi = _indicator(air.indicators, sinr, air.shares)
    report.from_slot = loop.slot + (loop.cqi_delay_slots if loop.reports > 0 else 0)
    loop.reports += 1
    loop.due = (loop.slot // loop.cqi_period_slots + 1) * loop.cqi_period_slots


@in_place
def _indicator(indicators: Indicators, sinr: Floats, shares: Floats) -> int:
    """The greatest CQI whose promise holds at this SINR (TS 38.214 5.2.2.1). No effective SINR is above the mean."""
    mean = 0.0
    for group in range(len(sinr)):
        mean += shares[group] * sinr[group]
    for cqi in range(len(indicators.least) - 1, 0, -1):
        least = indicators.least[cqi]
        if mean >= least and effective_sinr(sinr, shares, indicators.beta[cqi]) >= least:
            return cqi
    return 0


@in_place
def _hear_reports(air: Air) -> None:
    loop = air.loop[0]
    while loop.heard < loop.reports and air.reports[loop.heard % len(air.reports)].from_slot <= loop.slot:
        loop.cqi = air.reports[loop.heard % len(air.reports)].cqi
        loop.heard += 1


@in_place
def _next_block(air: Air, symbols: int, has_data: bool) -> int:
    """The process whose block goes in this slot, a new one set up where none waits."""
    loop = air.loop[0]
    if loop.repeated < loop.failed:
        loop.repeated += 1
        return int(air.waiting[(loop.repeated - 1) % len(air.waiting)])
    if not has_data or loop.unused == 0 or loop.cqi == 0:
        return NOTHING
    loop.unused -= 1
    process = air.unused[loop.unused]
    block = air.processes[process]
    block.slot = loop.slot
    block.symbols = symbols
    block.mcs = loop.mcs = _scheme(air, symbols)
    block.transmissions = 0
    block.draw = uniform(loop.key, loop.slot, 0, 0)
    return int(process)


@in_place
def _scheme(air: Air, symbols: int) -> int:
    """The greatest MCS that reaches the target error rate at the SINR that the CQI stands for and the outer
    loop corrects; the least where none does."""
    loop = air.loop[0]
    expected_db = air.indicators.least_db[loop.cqi] + loop.offset_db
    for mcs in range(len(air.blocks.beta) - 1, 0, -1):
        if expected_db >= air.blocks.least_db[symbols, mcs]:
            return mcs
    return 0


@in_place
def _transmit(air: Air, process: int, sinr: Floats, symbols: int) -> tuple[float, float]:
    """Send a block and decide its fate: (its error rate, the effective SINR where it is the block's first, else -1).

    Chase combining adds up the SINR of the transmissions, each in proportion to its symbols. The error rate
    is that of the SINR so combined; one draw decides a block, so that it fails a transmission, having failed
    those before, with the rate's ratio to the rate before: what combining leaves is a share of what failed.
    """
    loop, block = air.loop[0], air.processes[process]
    beta = air.blocks.beta[block.mcs]
    combined = air.combined[process]
    linear = -1.0
    if block.transmissions == 0:
        effective = linear = effective_sinr(sinr, air.shares, beta)
    else:
        for group in range(len(sinr)):
            combined[group] += sinr[group] * symbols / block.symbols
        effective = effective_sinr(combined, air.shares, beta)
    error = block_error(
        10.0 * math.log10(max(effective, LEAST_SINR)),
        air.blocks.middle_db[block.symbols, block.mcs],
        air.blocks.slope_per_db[block.symbols, block.mcs],
        air.blocks.code_blocks[block.symbols, block.mcs],
    )
    block.transmissions += 1
    block.failed = block.draw < error
    block.open = block.failed and block.transmissions < loop.most
    if block.open and block.transmissions == 1:
        for group in range(len(sinr)):
            combined[group] = sinr[group]
    return error, linear
