"""The air interface driven by actual messages: the reference for delays over a frozen trace.

Blocks are sent only if there is data, so that the outer loop, the soft buffers and the base station's knowledge of the
UE's buffer depend on the traffic. Uplink (with a `Ramp`):

- A message that arrives at an empty buffer requests a grant at the next multiple of `period_ns`. `delay_ns` later it
  is granted `first_bytes` in one slot (0: the whole slot, and the base station then knows the buffer).
- Each block reports the bits left in the buffer. The base station receives the report `report_ns` after the block's
  slot, and grants whole slots while the last report exceeds what it has granted since.
- For `idle_ns` after the last bits it grants whole slots without a request, except between a first grant that was
  too small and its report.

The downlink has no ramp: the buffer is in the base station. A block that is not full is padded and has the error rate
of a full block. Messages are released in order, as in RLC acknowledged mode; a block lost by HARQ costs another
`retransmission_ns` but no capacity, as in `emulator.link`.
"""

from typing import NamedTuple

import numpy as np

from emulator.channel.air.slot import NO_BLOCK, AirState, Received, run_slot
from emulator.core.arrays import Ints
from emulator.core.compiled import Record, Table, entry_point, in_place
from emulator.system import Ramp

BUFFER = np.dtype(
    [
        # settings
        ("uplink", np.bool_),
        ("idle_ns", np.int64),
        ("period_ns", np.int64),
        ("delay_ns", np.int64),
        ("first_bits", np.int64),
        ("report_slots", np.int64),
        ("retransmission_ns", np.int64),
        # state
        ("arrived_messages", np.int64),
        ("head", np.int64),  # the message whose bits are sent next
        ("head_bits", np.int64),  # its bits in the buffer
        ("bits", np.int64),  # all bits in the buffer
        ("has_sent", np.bool_),
        ("last_sent_ns", np.int64),  # end of the last slot with new bits
        ("grant_requested", np.bool_),
        ("grant_ns", np.int64),  # time of the requested grant
        ("partial_first_grant", np.bool_),  # the last block had a first grant too small for the buffer
        ("known_bits", np.int64),  # bits in the buffer known to the base station and not granted yet
        ("granted_bits", np.int64),  # so far
        ("sent_reports", np.int64),  # buffer status reports so far
        ("received_reports", np.int64),  # by the base station, so far
    ]
)
BUFFER_REPORT = np.dtype([("from_slot", np.int64), ("bits", np.int64), ("granted_bits", np.int64)])
MESSAGE_RANGE = np.dtype([("first", np.int64), ("last", np.int64)])  # the messages with bits in a block
NOT_RELEASED = -1


class Loop(NamedTuple):
    """The air interface, the buffer, and the messages in order of arrival, shape (messages,)."""

    air: AirState
    buffer: Table  # BUFFER, shape (1,)
    reports: Table  # ring, BUFFER_REPORT
    message_ranges: Table  # MESSAGE_RANGE, shape (processes,)
    arrivals_ns: Ints
    bits: Ints
    decided_ns: Ints  # end of the last decided block with bits of the message


class ClosedLoop:
    """Messages sent over the air interface `air`, in its initial state; `arrivals_ns` ascend.

    Raises ValueError, with the message's index, if arrivals decrease or a message is empty.
    """

    def __init__(
        self, air: AirState, arrivals_ns: Ints, sizes_bytes: Ints, ramp: Ramp | None = None, retransmission_ns: int = 0
    ) -> None:
        if np.any(np.diff(arrivals_ns, prepend=0) < 0):
            first = int(np.argmax(np.diff(arrivals_ns, prepend=0) < 0))
            raise ValueError(f"arrivals_ns[{first}]={arrivals_ns[first]}: must not come before the one before, or 0")
        if np.any(sizes_bytes < 1):
            first = int(np.argmax(sizes_bytes < 1))
            raise ValueError(f"sizes_bytes[{first}]={sizes_bytes[first]}: must be at least 1")
        buffer = np.zeros(1, BUFFER)
        buffer["retransmission_ns"] = retransmission_ns
        if ramp is not None:
            buffer["uplink"] = True
            buffer["idle_ns"], buffer["period_ns"], buffer["delay_ns"] = ramp.idle_ns, ramp.period_ns, ramp.delay_ns
            buffer["first_bits"] = ramp.first_bytes * 8
            buffer["report_slots"] = -(-ramp.report_ns // int(air.transmitter["slot_ns"][0])) + 1
        reports = np.zeros(int(buffer["report_slots"][0]) + 1, BUFFER_REPORT)
        ranges = np.zeros(len(air.processes), MESSAGE_RANGE)
        decided_ns = np.full(len(arrivals_ns), NOT_RELEASED, dtype=np.int64)
        self._loop = Loop(air, buffer, reports, ranges, arrivals_ns, sizes_bytes * 8, decided_ns)

    def feed(self, received: Received) -> None:
        """Run the next slots."""
        _run(self._loop, received)

    def release_ns(self) -> Ints:
        """Return when each message was released, in order, shape (messages,); NOT_RELEASED if it was not yet."""
        sent = int(self._loop.buffer["head"][0])
        pending = self._loop.message_ranges["first"][self._loop.air.processes["pending"]]
        released = min(sent, int(pending.min(initial=sent)))
        release_ns = np.full(len(self._loop.decided_ns), NOT_RELEASED, dtype=np.int64)
        release_ns[:released] = np.maximum.accumulate(self._loop.decided_ns[:released])
        return release_ns


@entry_point
def _run(loop: Loop, received: Received) -> None:
    air, buffer = loop.air, loop.buffer[0]
    for index in range(len(received.symbols)):
        slot = air.transmitter[0].slot
        start_ns, end_ns = slot * air.transmitter[0].slot_ns, (slot + 1) * air.transmitter[0].slot_ns
        _enqueue_arrivals(loop, start_ns)
        _receive_reports(loop, slot)
        granted = _grantable_bits(buffer, start_ns)
        sinr, limit_prbs, symbols = received.sinr[index], received.limit_prbs[index], received.symbols[index]
        process = run_slot(air, sinr, limit_prbs, symbols, granted > 0).process
        if process == NO_BLOCK:
            continue
        block = air.processes[process]
        if block.transmissions == 1:
            bits = air.blocks.bits[block.width, block.rank - 1, block.symbols, block.mcs]
            _fill_block(loop, process, min(granted, bits), slot)
            buffer.last_sent_ns = end_ns
        if not block.pending:
            late_ns = buffer.retransmission_ns if block.failed else 0
            for message in range(loop.message_ranges[process].first, loop.message_ranges[process].last + 1):
                loop.decided_ns[message] = max(loop.decided_ns[message], end_ns + late_ns)


@in_place
def _enqueue_arrivals(loop: Loop, start_ns: int) -> None:
    """Put the messages that arrived by the slot's start into the buffer; the first in an empty buffer requests a
    grant."""
    buffer = loop.buffer[0]
    while buffer.arrived_messages < len(loop.bits) and loop.arrivals_ns[buffer.arrived_messages] <= start_ns:
        now_ns, bits = loop.arrivals_ns[buffer.arrived_messages], loop.bits[buffer.arrived_messages]
        if buffer.bits == 0:
            buffer.head_bits = bits
            buffer.grant_requested = buffer.uplink
            request_ns = -(-now_ns // buffer.period_ns) * buffer.period_ns if buffer.period_ns > 0 else now_ns
            buffer.grant_ns = request_ns + buffer.delay_ns
        buffer.bits += bits
        buffer.arrived_messages += 1


@in_place
def _receive_reports(loop: Loop, slot: int) -> None:
    """Update what the base station knows: the last report received, less the bits granted since it was sent."""
    buffer = loop.buffer[0]
    if not buffer.uplink:
        buffer.known_bits = buffer.bits
    while buffer.received_reports < buffer.sent_reports:
        report = loop.reports[buffer.received_reports % len(loop.reports)]
        if report.from_slot > slot:
            break
        buffer.known_bits = max(0, report.bits - (buffer.granted_bits - report.granted_bits))
        buffer.received_reports += 1


@in_place
def _grantable_bits(buffer: Record, start_ns: int) -> int:
    """Return the buffered bits that the grants permit in a slot; 0 without a grant or without bits."""
    if buffer.bits == 0:
        return 0
    if _has_full_grant(buffer, start_ns):
        return int(buffer.bits)
    if not buffer.grant_requested or start_ns < buffer.grant_ns:
        return 0
    return int(buffer.bits if buffer.first_bits == 0 else min(buffer.bits, buffer.first_bits))


@in_place
def _has_full_grant(buffer: Record, start_ns: int) -> bool:
    """Whether the base station grants whole slots: it knows of bits, or sent some less than `idle_ns` ago."""
    in_use = buffer.has_sent and not buffer.partial_first_grant and start_ns - buffer.last_sent_ns < buffer.idle_ns
    return bool(buffer.known_bits > 0 or in_use)


@in_place
def _fill_block(loop: Loop, process: int, bits: int, slot: int) -> None:
    """Move the next `bits` from the buffer into a new block, with a report of the bits that remain."""
    buffer, messages = loop.buffer[0], loop.message_ranges[process]
    first_grant = not _has_full_grant(buffer, slot * loop.air.transmitter[0].slot_ns)
    if first_grant:
        buffer.received_reports = buffer.sent_reports  # reports still in flight are older than the request
        buffer.known_bits = buffer.bits if buffer.first_bits == 0 else 0
    buffer.partial_first_grant = first_grant and buffer.first_bits > 0 and bits < buffer.bits
    buffer.grant_requested = False
    buffer.has_sent = True
    buffer.bits -= bits
    buffer.granted_bits += bits
    buffer.known_bits = max(0, buffer.known_bits - bits)
    messages.first = buffer.head
    while bits > 0:
        messages.last = buffer.head
        taken = min(bits, buffer.head_bits)
        bits -= taken
        buffer.head_bits -= taken
        if buffer.head_bits == 0:
            buffer.head += 1
            if buffer.head < len(loop.bits):
                buffer.head_bits = loop.bits[buffer.head]
    if buffer.uplink:
        report = loop.reports[buffer.sent_reports % len(loop.reports)]
        report.from_slot = slot + buffer.report_slots
        report.bits = buffer.bits
        report.granted_bits = buffer.granted_bits
        buffer.sent_reports += 1
