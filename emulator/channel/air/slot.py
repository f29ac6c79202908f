"""One slot of the air interface: feedback of earlier blocks, CQI, MCS, and transmission of a block.

Compiled code, shared by the full buffer (`full_buffer`) and by actual messages (`closed_loop`).
"""

import math
from typing import NamedTuple

import numpy as np

from emulator.channel.air.block_error import block_error, effective_sinr
from emulator.channel.air.blocks import BlockTable, CqiThresholds
from emulator.channel.air.grant import best_grant, power_gain
from emulator.core.arrays import Floats, Ints
from emulator.core.compiled import Table, in_place
from emulator.core.draws import uniform

TRANSMITTER = np.dtype(
    [
        # settings
        ("key", np.int64),  # of the blocks' random draws
        ("slot_ns", np.int64),
        ("cqi_period_slots", np.int64),
        ("cqi_delay_slots", np.int64),
        ("up_db", np.float64),  # steps of the outer loop, after a failure
        ("down_db", np.float64),  # and after a success
        ("round_trip_slots", np.int64),
        ("max_transmissions", np.int64),
        # state
        ("slot", np.int64),  # the next slot
        ("next_cqi_slot", np.int64),  # the next CQI is measured in the first slot with data from here on
        ("measured_reports", np.int64),  # CQI reports measured so far
        ("received_reports", np.int64),  # CQI reports received so far
        ("cqi", np.int64),  # last received, with the grant that it is for
        ("rank", np.int64),
        ("width", np.int64),  # row of the block table
        ("subband_cqi", np.int64),
        ("offset_db", np.float64),  # of the outer loop
        ("mcs", np.int64),  # of the last new block
        ("queued_retransmissions", np.int64),  # so far
        ("sent_retransmissions", np.int64),  # so far
        ("free_processes", np.int64),
    ]
)
PROCESS = np.dtype(
    [
        ("slot", np.int64),  # of the first transmission
        ("symbols", np.int64),  # of the first transmission
        ("rank", np.int64),
        ("width", np.int64),
        ("mcs", np.int64),
        ("transmissions", np.int64),  # so far
        ("draw", np.float64),  # decides which transmissions fail
        ("failed", np.bool_),  # all transmissions so far
        ("pending", np.bool_),  # failed and waits for a retransmission
    ]
)
CQI_REPORT = np.dtype(
    [
        ("from_slot", np.int64),
        ("cqi", np.int64),
        ("rank", np.int64),
        ("width", np.int64),
        ("subband_cqi", np.int64),
    ]
)
NO_BLOCK = -1
UNLIMITED_PRBS = 1e9  # of a site, which sends with the same power on a block however many are granted
LEAST_SINR = 1e-4  # -40 dB, the lowest value recorded


class AirState(NamedTuple):
    """State of one direction of the air interface. Rings are indexed by a counter modulo their length."""

    blocks: BlockTable
    thresholds: CqiThresholds
    group_prbs: Floats  # resource blocks of each group, shape (groups,)
    shares: Floats  # of the groups in the grant last received, shape (groups,)
    transmitter: Table  # TRANSMITTER, shape (1,)
    processes: Table  # PROCESS, the HARQ processes
    block_shares: Floats  # of the groups in each process's block, shape (processes, groups)
    combined: Floats  # sum of the SINRs of a pending block's transmissions, shape (processes, groups)
    sent_processes: Ints  # ring of the slots in a round trip: 1 + the process sent in a slot, 0: none
    retransmission_queue: Ints  # ring of the processes that wait for a retransmission
    reports: Table  # ring, CQI_REPORT
    report_shares: Floats  # of the groups in each report's grant, shape (reports, groups)
    order: Ints  # scratch space, shape (groups,)
    free_processes: Ints  # stack of free processes, `transmitter.free_processes` of them


class Received(NamedTuple):
    """Slots at the receiver. `sinr`: linear, of a layer by rank, with all resource blocks granted, shape (slots, ranks,
    groups). `limit_prbs`: resource blocks that the sender's power suffices for, or UNLIMITED_PRBS, shape (slots,).
    `symbols`: data symbols of this direction, 0 in slots without service, shape (slots,)."""

    sinr: Floats
    limit_prbs: Floats
    symbols: Ints


def one_layer(sinr: Floats, symbols: Ints) -> Received:
    """Return slots of one layer without a power limit; `sinr`: linear, shape (slots, groups)."""
    return Received(sinr[:, None], np.full(len(symbols), UNLIMITED_PRBS), symbols)


class SlotOutcome(NamedTuple):
    """Result of a slot: the process sent, or NO_BLOCK; the transmission's error probability; the effective SINR."""

    process: int
    error: float
    sinr_db: float


@in_place
def run_slot(air: AirState, sinr: Floats, limit_prbs: float, symbols: int, has_data: bool) -> SlotOutcome:
    """Run the next slot, in which `symbols` carry data of this direction. `sinr`: linear, of a layer by rank, with all
    resource blocks granted, shape (ranks, groups). `limit_prbs`: resource blocks that the sender's power suffices for.

    A retransmission goes before a new block. A new block needs data (`has_data`), a free process and a CQI above 0.
    The result's `sinr_db` is effective for rank, grant and MCS of the last new block.
    """
    transmitter = air.transmitter[0]
    _process_feedback(air)
    process, error, linear = NO_BLOCK, 0.0, -1.0
    if air.blocks.bits[-1, 0, symbols, 0] > 0:
        _measure_cqi(air, sinr, limit_prbs, symbols)
        _receive_reports(air)
        process = _select_block(air, symbols, has_data)
    else:
        _receive_reports(air)
    if process != NO_BLOCK:
        error, linear = _transmit(air, process, sinr, limit_prbs, symbols)
        air.sent_processes[transmitter.slot % transmitter.round_trip_slots] = process + 1
    if linear < 0.0:
        gain = power_gain(air.blocks, transmitter.width, limit_prbs)
        beta = air.blocks.beta[transmitter.mcs] / gain
        linear = gain * effective_sinr(sinr[transmitter.rank - 1], air.shares, beta)
    transmitter.slot += 1
    return SlotOutcome(process, error, 10.0 * math.log10(max(linear, LEAST_SINR)))


@in_place
def _process_feedback(air: AirState) -> None:
    """Process the acknowledgement of the transmission one round trip ago. That of a first transmission moves the
    outer loop, whose steps balance at the target error rate; at the lowest or highest MCS it does not move."""
    transmitter = air.transmitter[0]
    index = transmitter.slot % transmitter.round_trip_slots
    process = air.sent_processes[index] - 1
    air.sent_processes[index] = 0
    if process == NO_BLOCK:
        return
    block = air.processes[process]
    if block.transmissions == 1:
        if block.failed and block.mcs > 0:
            transmitter.offset_db -= transmitter.up_db
        elif not block.failed and block.mcs < len(air.blocks.beta) - 1:
            transmitter.offset_db += transmitter.down_db
    if block.pending:
        air.retransmission_queue[transmitter.queued_retransmissions % len(air.retransmission_queue)] = process
        transmitter.queued_retransmissions += 1
    else:
        air.free_processes[transmitter.free_processes] = process
        transmitter.free_processes += 1


@in_place
def _measure_cqi(air: AirState, sinr: Floats, limit_prbs: float, symbols: int) -> None:
    """Measure CQI and grant in the first slot with data at or after each multiple of the period. The first CQI of all
    is received at once, since the connection was set up before."""
    transmitter = air.transmitter[0]
    if transmitter.slot < transmitter.next_cqi_slot:
        return
    place = transmitter.measured_reports % len(air.reports)
    report, shares = air.reports[place], air.report_shares[place]
    grant = best_grant(air.blocks, air.thresholds, air.group_prbs, sinr, limit_prbs, symbols, air.order, shares)
    report.cqi = grant.cqi
    report.rank = grant.rank
    report.width = grant.width
    report.subband_cqi = grant.subband_cqi
    report.from_slot = transmitter.slot + (transmitter.cqi_delay_slots if transmitter.measured_reports > 0 else 0)
    transmitter.measured_reports += 1
    transmitter.next_cqi_slot = (transmitter.slot // transmitter.cqi_period_slots + 1) * transmitter.cqi_period_slots


@in_place
def _receive_reports(air: AirState) -> None:
    transmitter = air.transmitter[0]
    while transmitter.received_reports < transmitter.measured_reports:
        place = transmitter.received_reports % len(air.reports)
        report = air.reports[place]
        if report.from_slot > transmitter.slot:
            break
        transmitter.cqi = report.cqi
        transmitter.rank = report.rank
        transmitter.width = report.width
        transmitter.subband_cqi = report.subband_cqi
        for group in range(len(air.shares)):
            air.shares[group] = air.report_shares[place, group]
        transmitter.received_reports += 1


@in_place
def _select_block(air: AirState, symbols: int, has_data: bool) -> int:
    """Return the process to send in this slot: the next retransmission, else a new block, else NO_BLOCK."""
    transmitter = air.transmitter[0]
    if transmitter.sent_retransmissions < transmitter.queued_retransmissions:
        transmitter.sent_retransmissions += 1
        return int(air.retransmission_queue[(transmitter.sent_retransmissions - 1) % len(air.retransmission_queue)])
    if not has_data or transmitter.free_processes == 0 or transmitter.cqi == 0:
        return NO_BLOCK
    transmitter.free_processes -= 1
    process = air.free_processes[transmitter.free_processes]
    block = air.processes[process]
    block.slot = transmitter.slot
    block.symbols = symbols
    block.rank = transmitter.rank
    block.width = transmitter.width
    for group in range(len(air.shares)):
        air.block_shares[process, group] = air.shares[group]
    block.mcs = transmitter.mcs = _select_mcs(air, symbols)
    block.transmissions = 0
    block.draw = uniform(transmitter.key, transmitter.slot, 0, 0)
    return int(process)


@in_place
def _select_mcs(air: AirState, symbols: int) -> int:
    """Return the highest MCS that meets the target error rate at the CQI's threshold plus the outer loop's offset,
    or 0 if none does."""
    transmitter = air.transmitter[0]
    expected_db = air.thresholds.least_db[transmitter.cqi] + transmitter.offset_db
    least_db = air.blocks.least_db[transmitter.width, transmitter.rank - 1, symbols]
    for mcs in range(len(air.blocks.beta) - 1, 0, -1):
        if expected_db >= least_db[mcs]:
            return mcs
    return 0


@in_place
def _transmit(air: AirState, process: int, sinr: Floats, limit_prbs: float, symbols: int) -> tuple[float, float]:
    """Send a block. Return its error probability, and the effective SINR of a first transmission (else -1).

    Chase combining: the SINRs of the transmissions add up, in proportion to their symbols, and the error probability
    is that of the sum. One draw decides all transmissions of a block, so a block that failed n - 1 of them fails the
    n-th with probability error_n / error_(n-1).
    """
    transmitter, block = air.transmitter[0], air.processes[process]
    beta = air.blocks.beta[block.mcs]
    of_layer, shares, combined = sinr[block.rank - 1], air.block_shares[process], air.combined[process]
    gain = power_gain(air.blocks, block.width, limit_prbs)
    linear = -1.0
    if block.transmissions == 0:
        effective = linear = gain * effective_sinr(of_layer, shares, beta / gain)
    else:
        for group in range(len(of_layer)):
            combined[group] += of_layer[group] * (gain * symbols / block.symbols)
        effective = effective_sinr(combined, shares, beta)
    error = block_error(
        10.0 * math.log10(max(effective, LEAST_SINR)),
        air.blocks.middle_db[block.width, block.rank - 1, block.symbols, block.mcs],
        air.blocks.slope_per_db[block.width, block.rank - 1, block.symbols, block.mcs],
        air.blocks.code_blocks[block.width, block.rank - 1, block.symbols, block.mcs],
    )
    block.transmissions += 1
    block.failed = block.draw < error
    block.pending = block.failed and block.transmissions < transmitter.max_transmissions
    if block.pending and block.transmissions == 1:
        for group in range(len(of_layer)):
            combined[group] = of_layer[group] * gain
    return error, linear
