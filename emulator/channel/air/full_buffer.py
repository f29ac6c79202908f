"""The air interface under a full buffer: from SINR to the columns of a frozen trace."""

from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.channel.air.blocks import blocks_of, indicators_of
from emulator.channel.air.slot import LOOP, NOTHING, PROCESS, REPORT, Air, serve
from emulator.channel.numerology import group_prbs, slot_ns
from emulator.channel.radio import Adaptation, Carrier, Harq
from emulator.core.arrays import Floats, Ints
from emulator.core.compiled import Record, Table, in_place

Columns = dict[str, npt.NDArray[Any]]

USUAL_ROUND_TRIP_SLOTS = 8
"""Engineering: 4 to 8 slots to the acknowledgement (TS 38.213 9.2.3), 2 to 4 to decode and schedule; LTE's 8 ms."""

ROW = np.dtype(
    [
        ("capacity_bits", np.int64),
        ("harq_delay_ns", np.int64),
        ("block_lost", np.bool_),
        ("cqi", np.int8),
        ("mcs", np.int8),
        ("sinr_db", np.float32),
        ("bler", np.float32),
    ]
)


def air_of(carrier: Carrier, adaptation: Adaptation, harq: Harq, key: int) -> Air:
    """A sender that nothing has happened to yet; `key` addresses its blocks' draws.

    Raises ValueError, naming the value and the rule, when a setting breaks one.
    """
    _check(adaptation, harq)
    groups, length_ns = group_prbs(carrier), slot_ns(carrier.mu)
    loop = np.zeros(1, LOOP)
    loop["key"] = key
    loop["slot_ns"] = length_ns
    loop["cqi_period_slots"] = max(1, -(-adaptation.cqi_period_ns // length_ns))
    loop["cqi_delay_slots"] = -(-adaptation.cqi_delay_ns // length_ns)
    loop["up_db"] = adaptation.olla_up_db
    loop["down_db"] = adaptation.olla_up_db * adaptation.bler_target / (1 - adaptation.bler_target)
    loop["round_trip_slots"] = round_trip = _round_trip_slots(harq, length_ns)
    loop["most"] = harq.max_transmissions
    loop["unused"] = harq.processes
    under_way = int(loop["cqi_delay_slots"][0] // loop["cqi_period_slots"][0]) + 2
    return Air(
        blocks_of(carrier, adaptation),
        indicators_of(carrier, adaptation),
        groups / groups.sum(),
        loop,
        np.zeros(harq.processes, PROCESS),
        np.zeros((harq.processes, len(groups))),
        np.zeros(round_trip, dtype=np.int64),
        np.zeros(harq.processes, dtype=np.int64),
        np.zeros(under_way, REPORT),
        np.arange(harq.processes, dtype=np.int64)[::-1].copy(),
    )


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
    """One direction of a carrier with more to send than it carries, slot by slot.

    A slot that carries a new block has its size as `capacity_bits`; one that carries a repeated block, or
    none, has 0. `harq_delay_ns`: from the slot's end to the end of the transmission that decided its block.
    `block_lost`: that was the last allowed, and it failed. `cqi`: what the sender knows; `mcs`: of a new
    block, else -1; `sinr_db`: effective over the band for the last new block's MCS, at least -40 dB;
    `bler`: of a new block's first transmission, else NaN.
    """

    def __init__(self, carrier: Carrier, adaptation: Adaptation, harq: Harq, key: int) -> None:
        self._air = air_of(carrier, adaptation, harq, key)
        self._held = np.zeros(0, ROW)

    @property
    def held_slots(self) -> int:
        """Slots that were fed and not given out: those from the first on whose block is not decided yet."""
        return len(self._held)

    def feed(self, sinr: Floats, symbols: Ints) -> Columns:
        """The next slots' linear SINR by resource block group, shape (slots, groups), and how many symbols of
        each carry data of this direction, shape (slots,); the columns of the slots that are decided by now, in
        order, from where the last call ended. How the slots are cut into calls changes no value."""
        if sinr.shape != (len(symbols), len(self._air.shares)):
            raise ValueError(f"sinr: must be {len(symbols)} slots x {len(self._air.shares)} groups, not {sinr.shape}")
        rows = np.concatenate((self._held, np.zeros(len(symbols), ROW)))
        decided = _fill(self._air, rows, len(self._held), sinr, symbols)
        self._held = rows[decided:].copy()
        return {name: np.ascontiguousarray(rows[name][:decided]) for name in ROW.names or ()}


@in_place
def _fill(air: Air, rows: Table, held: int, sinr: Floats, symbols: Ints) -> int:
    """Serve the slots and write their rows, which begin after the `held` ones; how many rows are decided."""
    loop = air.loop[0]
    first = loop.slot - held  # the slot of row 0
    for index in range(len(symbols)):
        slot = loop.slot
        sent = serve(air, sinr[index], symbols[index], True)
        row = rows[held + index]
        row.cqi = loop.cqi
        row.sinr_db = sent.sinr_db
        row.mcs = NOTHING
        row.bler = np.nan
        if sent.process == NOTHING:
            continue
        block = air.processes[sent.process]
        if block.transmissions == 1:
            row.capacity_bits = air.blocks.bits[block.symbols, block.mcs]
            row.mcs = block.mcs
            row.bler = sent.error
        if not block.open:
            _decide(rows[block.slot - first], block, (slot - block.slot) * loop.slot_ns)
    decided = held + len(symbols)
    for process in range(len(air.processes)):
        if air.processes[process].open:
            decided = min(decided, air.processes[process].slot - first)
    return decided


@in_place
def _decide(row: Record, block: Record, harq_delay_ns: int) -> None:
    row.harq_delay_ns = harq_delay_ns
    row.block_lost = block.failed
