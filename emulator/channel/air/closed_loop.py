"""The air interface driven by actual messages: what a frozen trace is measured against.

Blocks go only where there is something to send, so that the outer loop, the soft buffers and the base
station's knowledge of the UE's buffer follow the traffic. In the uplink (with a `Ramp`):

- a message that comes to an empty buffer asks at the next multiple of `period_ns`, and is granted
  `delay_ns` later one slot of `first_bytes` (0: a slot, and all that is in the buffer by then is known);
- every block tells what is left in the buffer behind it, which the base station knows `report_ns` after the
  block's slot; it grants whole slots while it knows of more than it has granted since;
- for `idle_ns` after the last bits it goes on granting whole slots, asked or not, but for the time between a
  first grant that did not hold all and its report.

The downlink has no ramp: the buffer is the base station's own. A block that is not full is padded, and has
the error rate of a full one. Release is in order, as acknowledged mode's; a block that HARQ lost costs
`retransmission_ns` more, but no capacity, as in `emulator.link`.
"""

from typing import NamedTuple

import numpy as np

from emulator.channel.air.slot import NOTHING, Air, serve
from emulator.core.arrays import Floats, Ints
from emulator.core.compiled import Record, Table, in_place
from emulator.system import Ramp

BUFFER = np.dtype(
    [
        # what it is
        ("uplink", np.bool_),
        ("idle_ns", np.int64),
        ("period_ns", np.int64),
        ("delay_ns", np.int64),
        ("first_bits", np.int64),
        ("report_slots", np.int64),
        ("retransmission_ns", np.int64),
        # what has happened
        ("come", np.int64),  # messages so far
        ("head", np.int64),  # the message whose bits go next
        ("head_bits", np.int64),  # of them, left
        ("bits", np.int64),  # of all that came, left
        ("used", np.bool_),
        ("sent_ns", np.int64),  # the end of the last slot with new bits
        ("asked", np.bool_),
        ("granted_ns", np.int64),  # when what was asked for is granted
        ("rest", np.bool_),  # the last bits went by a first grant that left some
        ("known_bits", np.int64),  # known to the base station to be left, beyond what it granted
        ("granted_bits", np.int64),  # in all
        ("reports", np.int64),  # buffer status reports sent so far
        ("heard", np.int64),  # and of them, known
    ]
)
STATUS = np.dtype([("from_slot", np.int64), ("bits", np.int64), ("granted_bits", np.int64)])
CARRIED = np.dtype([("first", np.int64), ("last", np.int64)])  # messages with bits in a process's block
WAITING = -1  # no release yet


class Loop(NamedTuple):
    """The air interface, the buffer, and the messages in order of arrival, shape (messages,)."""

    air: Air
    buffer: Table  # BUFFER, shape (1,)
    statuses: Table  # ring, STATUS
    carried: Table  # CARRIED, shape (processes,)
    arrivals_ns: Ints
    bits: Ints
    done_ns: Ints  # the end of the last decided block that carried a bit of the message


class ClosedLoop:
    """Messages over the air interface `air` (fresh, from `air_of`); `arrivals_ns` must not decrease.

    Raises ValueError, naming the message, when they do or when one is empty.
    """

    def __init__(
        self, air: Air, arrivals_ns: Ints, sizes_bytes: Ints, ramp: Ramp | None = None, retransmission_ns: int = 0
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
            buffer["report_slots"] = -(-ramp.report_ns // int(air.loop["slot_ns"][0])) + 1
        self._loop = Loop(
            air, buffer, np.zeros(int(buffer["report_slots"][0]) + 1, STATUS), np.zeros(len(air.processes), CARRIED),
            arrivals_ns, sizes_bytes * 8, np.full(len(arrivals_ns), WAITING, dtype=np.int64),
        )  # fmt: skip

    def feed(self, sinr: Floats, symbols: Ints) -> None:
        """The next slots' linear SINR by group, shape (slots, groups), and their symbols, shape (slots,)."""
        _run(self._loop, sinr, symbols)

    def release_ns(self) -> Ints:
        """When each message has left, in order, with all that came before it, shape (messages,); WAITING where
        that is still open."""
        left = int(self._loop.buffer["head"][0])
        still = self._loop.carried["first"][self._loop.air.processes["open"]]
        left = min(left, int(still.min(initial=left)))
        released = np.full(len(self._loop.done_ns), WAITING, dtype=np.int64)
        released[:left] = np.maximum.accumulate(self._loop.done_ns[:left])
        return released


@in_place
def _run(loop: Loop, sinr: Floats, symbols: Ints) -> None:
    air, buffer = loop.air, loop.buffer[0]
    for index in range(len(symbols)):
        slot = air.loop[0].slot
        start_ns, end_ns = slot * air.loop[0].slot_ns, (slot + 1) * air.loop[0].slot_ns
        _take_in(loop, start_ns)
        _hear_statuses(loop, slot)
        room = _granted(buffer, start_ns)
        process = serve(air, sinr[index], symbols[index], room > 0).process
        if process == NOTHING:
            continue
        block = air.processes[process]
        if block.transmissions == 1:
            _fill(loop, process, min(room, air.blocks.bits[block.symbols, block.mcs]), slot)
            buffer.sent_ns = end_ns
        if not block.open:
            late_ns = buffer.retransmission_ns if block.failed else 0
            for message in range(loop.carried[process].first, loop.carried[process].last + 1):
                loop.done_ns[message] = max(loop.done_ns[message], end_ns + late_ns)


@in_place
def _take_in(loop: Loop, start_ns: int) -> None:
    """Messages that came by the slot's start; one that finds the buffer empty asks for a grant."""
    buffer = loop.buffer[0]
    while buffer.come < len(loop.bits) and loop.arrivals_ns[buffer.come] <= start_ns:
        now_ns, bits = loop.arrivals_ns[buffer.come], loop.bits[buffer.come]
        if buffer.bits == 0:
            buffer.head_bits = bits
            buffer.asked = buffer.uplink
            asks_ns = -(-now_ns // buffer.period_ns) * buffer.period_ns if buffer.period_ns > 0 else now_ns
            buffer.granted_ns = asks_ns + buffer.delay_ns
        buffer.bits += bits
        buffer.come += 1


@in_place
def _hear_statuses(loop: Loop, slot: int) -> None:
    """What the base station knows: the last report that reached it, less what it granted since that was sent."""
    buffer = loop.buffer[0]
    if not buffer.uplink:
        buffer.known_bits = buffer.bits
    while buffer.heard < buffer.reports and loop.statuses[buffer.heard % len(loop.statuses)].from_slot <= slot:
        status = loop.statuses[buffer.heard % len(loop.statuses)]
        buffer.known_bits = max(0, status.bits - (buffer.granted_bits - status.granted_bits))
        buffer.heard += 1


@in_place
def _granted(buffer: Record, start_ns: int) -> int:
    """Bits that a slot may carry as far as grants go, at most those in the buffer; 0: no grant, or nothing there."""
    if buffer.bits == 0:
        return 0
    if _has_full_grant(buffer, start_ns):
        return int(buffer.bits)
    if not buffer.asked or start_ns < buffer.granted_ns:
        return 0
    return int(buffer.bits if buffer.first_bits == 0 else min(buffer.bits, buffer.first_bits))


@in_place
def _has_full_grant(buffer: Record, start_ns: int) -> bool:
    """Whether the base station grants whole slots: it knows of bits, or goes on granting after the last ones."""
    goes_on = buffer.used and not buffer.rest and start_ns - buffer.sent_ns < buffer.idle_ns
    return bool(buffer.known_bits > 0 or goes_on)


@in_place
def _fill(loop: Loop, process: int, room: int, slot: int) -> None:
    """Put the next bits of the buffer into a new block, and the report of what is left behind them."""
    buffer, carried = loop.buffer[0], loop.carried[process]
    asked_for = not _has_full_grant(buffer, slot * loop.air.loop[0].slot_ns)
    if asked_for:
        buffer.heard = buffer.reports  # what is still under way is of before the request
        buffer.known_bits = buffer.bits if buffer.first_bits == 0 else 0
    buffer.rest = asked_for and buffer.first_bits > 0 and room < buffer.bits
    buffer.asked = False
    buffer.used = True
    buffer.bits -= room
    buffer.granted_bits += room
    buffer.known_bits = max(0, buffer.known_bits - room)
    carried.first = buffer.head
    while room > 0:
        carried.last = buffer.head
        taken = min(room, buffer.head_bits)
        room -= taken
        buffer.head_bits -= taken
        if buffer.head_bits == 0:
            buffer.head += 1
            if buffer.head < len(loop.bits):
                buffer.head_bits = loop.bits[buffer.head]
    if buffer.uplink:
        status = loop.statuses[buffer.reports % len(loop.statuses)]
        status.from_slot = slot + buffer.report_slots
        status.bits = buffer.bits
        status.granted_bits = buffer.granted_bits
        buffer.reports += 1
