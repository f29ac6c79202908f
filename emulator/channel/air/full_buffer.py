"""The air interface with a full buffer: from SINR to the columns of a trace."""

from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.channel.air.blocks import all_widths, block_table, cqi_thresholds
from emulator.channel.air.slot import CQI_REPORT, NO_BLOCK, PROCESS, TRANSMITTER, AirState, Received, run_slot
from emulator.channel.numerology import group_prbs, slot_ns
from emulator.channel.radio import Adaptation, Carrier, Direction, Harq, Radio
from emulator.channel.ranks import greatest_rank
from emulator.core.compiled import Record, Table, entry_point, in_place

Columns = dict[str, npt.NDArray[Any]]

USUAL_ROUND_TRIP_SLOTS = 8
"""Engineering: 4 to 8 slots to the acknowledgement (TS 38.213 9.2.3), 2 to 4 to decode and schedule; LTE has 8 ms."""

SLOT_RECORD = np.dtype(
    [
        ("capacity_bits", np.int64),
        ("harq_delay_ns", np.int64),
        ("block_lost", np.bool_),
        ("cqi", np.int8),
        ("subband_cqi", np.int64),
        ("rank", np.int8),
        ("grant_groups", np.int8),
        ("mcs", np.int8),
        ("sinr_db", np.float32),
        ("bler", np.float32),
    ]
)


def initial_air_state(
    carrier: Carrier,
    adaptation: Adaptation,
    harq: Harq,
    key: int,
    ranks: int = 1,
    widths: tuple[int, ...] | None = None,
) -> AirState:
    """Return the initial state of a transmitter of up to `ranks` layers; `key` identifies its random draws. `widths`:
    numbers of resource blocks that it may be granted, ascending up to all of them; by default all.

    Raises ValueError with value and rule if a setting breaks a rule.
    """
    _check(adaptation, harq)
    groups, length_ns = group_prbs(carrier).astype(np.float64), slot_ns(carrier.mu)
    transmitter = np.zeros(1, TRANSMITTER)
    transmitter["key"] = key
    transmitter["slot_ns"] = length_ns
    transmitter["cqi_period_slots"] = max(1, -(-adaptation.cqi_period_ns // length_ns))
    transmitter["cqi_delay_slots"] = -(-adaptation.cqi_delay_ns // length_ns)
    transmitter["up_db"] = adaptation.olla_up_db
    transmitter["down_db"] = adaptation.olla_up_db * adaptation.bler_target / (1 - adaptation.bler_target)
    transmitter["round_trip_slots"] = round_trip = _round_trip_slots(harq, length_ns)
    transmitter["max_transmissions"] = harq.max_transmissions
    transmitter["free_processes"] = harq.processes
    transmitter["rank"], transmitter["width"] = 1, len(widths or (0,)) - 1
    reports_in_flight = int(transmitter["cqi_delay_slots"][0] // transmitter["cqi_period_slots"][0]) + 2
    return AirState(
        block_table(carrier, adaptation, ranks, widths),
        cqi_thresholds(carrier, adaptation),
        groups,
        groups / groups.sum(),
        transmitter,
        np.zeros(harq.processes, PROCESS),
        np.zeros((harq.processes, len(groups))),
        np.zeros((harq.processes, len(groups))),
        np.zeros(round_trip, dtype=np.int64),
        np.zeros(harq.processes, dtype=np.int64),
        np.zeros(reports_in_flight, CQI_REPORT),
        np.zeros((reports_in_flight, len(groups))),
        np.zeros(len(groups), dtype=np.int64),
        np.arange(harq.processes, dtype=np.int64)[::-1].copy(),
    )


def air_state(radio: Radio, direction: Direction, key: int) -> AirState:
    """Return the initial state of a direction's transmitter: with the ranks of both ends, in the uplink with grants of
    any width. Raises as `initial_air_state` does."""
    ranks = greatest_rank(radio, direction)
    widths = all_widths(radio.carrier) if direction == "uplink" else None
    return initial_air_state(radio.carrier, radio.adaptation, radio.harq, key, ranks, widths)


def _round_trip_slots(harq: Harq, length_ns: int) -> int:
    return USUAL_ROUND_TRIP_SLOTS if harq.round_trip_ns is None else max(1, -(-harq.round_trip_ns // length_ns))


def _check(adaptation: Adaptation, harq: Harq) -> None:
    for name, least in (("cqi_period_ns", 0), ("cqi_delay_ns", 0), ("olla_up_db", 0.0)):
        if not getattr(adaptation, name) >= least:
            raise ValueError(f"{name}={getattr(adaptation, name)}: must be at least {least}")
    if not 0 < adaptation.bler_target < 1:
        raise ValueError(f"bler_target={adaptation.bler_target}: must lie between 0 and 1")
    for name, least in (("max_transmissions", 1), ("round_trip_ns", 0), ("processes", 1)):
        if getattr(harq, name) is not None and not getattr(harq, name) >= least:
            raise ValueError(f"{name}={getattr(harq, name)}: must be at least {least}")


class AirInterface:
    """One direction of a carrier with a full buffer, slot by slot.

    Columns: `capacity_bits`, the size of a new block, 0 in slots with a retransmission or without a block;
    `harq_delay_ns`, from the slot's end to the end of the last transmission of its block; `block_lost`, whether that
    failed too; `cqi`, `subband_cqi`, `rank` and `grant_groups` (resource block groups of a new block), as known to the
    transmitter (see `grant.Grant`); `mcs` of a new block, else -1; `sinr_db`, effective over a layer's grant for the
    MCS of the last new block, at least -40 dB; `bler` of a new block's first transmission, else NaN.
    """

    def __init__(self, air: AirState) -> None:
        """`air`: an initial state, which the interface takes over."""
        self._air = air
        self._undecided = np.zeros(0, SLOT_RECORD)

    @property
    def undecided_slots(self) -> int:
        """Number of slots that were fed but not returned: from the first whose block is still pending."""
        return len(self._undecided)

    def feed(self, received: Received) -> Columns:
        """Run the next slots and return the columns of all slots decided since the last call, in order. Values do not
        depend on how the slots are split into calls."""
        wanted = (len(received.symbols), self._air.blocks.bits.shape[1], len(self._air.shares))
        if received.sinr.shape != wanted:
            raise ValueError(f"sinr: must be {wanted} for slots, ranks and groups, not {received.sinr.shape}")
        rows = np.concatenate((self._undecided, np.zeros(len(received.symbols), SLOT_RECORD)))
        decided = _run(self._air, rows, len(self._undecided), received)
        self._undecided = rows[decided:].copy()
        return {name: np.ascontiguousarray(rows[name][:decided]) for name in SLOT_RECORD.names or ()}


@entry_point
def _run(air: AirState, rows: Table, undecided: int, received: Received) -> int:
    """Run the slots and write their rows, after the `undecided` ones; return the number of rows decided by now."""
    transmitter = air.transmitter[0]
    first = transmitter.slot - undecided  # the slot of row 0
    for index in range(len(received.symbols)):
        slot = transmitter.slot
        outcome = run_slot(air, received.sinr[index], received.limit_prbs[index], received.symbols[index], True)
        row = rows[undecided + index]
        row.cqi = transmitter.cqi
        row.subband_cqi = transmitter.subband_cqi
        row.rank = transmitter.rank
        row.grant_groups = air.blocks.groups[transmitter.width]
        row.sinr_db = outcome.sinr_db
        row.mcs = NO_BLOCK
        row.bler = np.nan
        if outcome.process == NO_BLOCK:
            continue
        block = air.processes[outcome.process]
        if block.transmissions == 1:
            row.capacity_bits = air.blocks.bits[block.width, block.rank - 1, block.symbols, block.mcs]
            row.mcs = block.mcs
            row.bler = outcome.error
        if not block.pending:
            _decide(rows[block.slot - first], block, (slot - block.slot) * transmitter.slot_ns)
    decided = undecided + len(received.symbols)
    for process in range(len(air.processes)):
        if air.processes[process].pending:
            decided = min(decided, air.processes[process].slot - first)
    return decided


@in_place
def _decide(row: Record, block: Record, harq_delay_ns: int) -> None:
    row.harq_delay_ns = harq_delay_ns
    row.block_lost = block.failed
