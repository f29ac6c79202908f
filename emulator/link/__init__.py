"""One direction of a connection: it accepts a message and says at once when the message will have left.

The link is work-conserving and knows its future capacity, so the answer is exact: no later message can change it. An
answer costs a binary search in the running sum of the trace's capacity, however many slots the message spans.

The state of all links of a network lies in tables for compiled code (`enqueue`); a `Link` is one row of them.
"""

from typing import NamedTuple, Self

from emulator.core.compiled import Bound, Record, Table, entry_point, in_place
from emulator.core.fifo import FOREVER_NS, has_passed, has_room, pop_entry, push_entry
from emulator.link.capacity import earliest_exit_ns, fluid_sent_ns, mean_rate_bps, slot_range
from emulator.link.tables import DOWN, FULL, NO_COVERAGE, Links, LinkTables
from emulator.link.transmission import begin, count_erased, erased_fraction, finish, is_granted, transmit
from emulator.system import LinkSpec
from emulator.trace import Trace

REFUSALS = {FULL: "link queue full", NO_COVERAGE: "no coverage", DOWN: "link down"}


class Delivery(NamedTuple):
    """Times of a message: its first bit is sent from `start_ns` on; at `release_ns` its last bit has left, in order and
    with all retransmissions; at `arrival_ns` it is at the other end."""

    start_ns: int
    release_ns: int
    arrival_ns: int
    erased_fraction: float  # of the bytes that are not acknowledged


class Link:
    """The state of one direction: its queue, and how much of its capacity is already used.

    A message starts on a whole nanosecond. The queue is drop-tail in bytes; a message counts until its last bit is
    sent. Under the `slot` rule a message that is queued up to the start of a slot is sent in it, and capacity that the
    queue does not use is lost.
    """

    def __init__(self, spec: LinkSpec, links: Links, index: int) -> None:
        """Row `index` of a network's tables."""
        self.spec = spec
        self.links = links
        self.index = index
        self._trace = spec.trace

    @classmethod
    def standalone(cls, spec: LinkSpec, seed: int) -> Self:
        """Return a link with tables of its own."""
        return cls(spec, Links([spec], seed), 0)

    @property
    def queued_bytes(self) -> int:
        """Bytes in the queue at the last `enqueue`."""
        return int(self.links.tables.links["queued_bytes"][self.index])

    @property
    def is_down(self) -> bool:
        """Whether the link is down: it then refuses messages."""
        return bool(self.links.tables.links["down"][self.index])

    def set_down(self, down: bool) -> None:
        """Let the link be down, or up again."""
        self.links.tables.links["down"][self.index] = down

    def reset(self) -> None:
        """Forget all messages: the link is as before its first."""
        _reset(self.links.tables, self.index)

    def clear(self, now_ns: int) -> None:
        """Lose all messages, as when the link fails at `now_ns`."""
        self.reset()

    def fork(self) -> "Link":
        """Return another link in the same state; what happens on one does not affect the other."""
        return Link(self.spec, self.links.fork(), self.index)

    def enqueue(self, now_ns: int, size_bytes: int, message: int = 0, acknowledged_bytes: int = 0) -> Delivery | None:
        """Accept a message of `size_bytes` >= 1 and return its times; None if the link refuses it (`refusal`).

        `now_ns` must not decrease from call to call; `message` addresses the draws of its losses. The first
        `acknowledged_bytes` are acknowledged on an unacknowledged bearer too.
        """
        answer = _enqueue(self.links.tables, self.index, now_ns, size_bytes, acknowledged_bytes, message)
        return None if answer[0] < 0 else Delivery(*answer)

    def refusal(self) -> str:
        """Return why the link refused a message just now."""
        return REFUSALS[DOWN if self.is_down else FULL if self._trace.carries else NO_COVERAGE]

    def set_trace(self, trace: Trace, now_ns: int) -> None:
        """Follow another trace of the same release rule from `now_ns` on; messages accepted before keep their times.
        Raises ValueError for another rule and, in a cell, for another slot length and a trace that carries nothing."""
        rule = f"link {self.spec.source}-{self.spec.target}: a new trace must"
        if trace.release != self._trace.release or (self.spec.cell and trace.slot_ns != self._trace.slot_ns):
            raise ValueError(f"{rule} have the same rule and slots")
        if self.spec.cell and not trace.carries:
            raise ValueError(f"{rule} carry something in a cell; let the link fail instead")
        self.links.set_trace(self.index, self.spec, trace, now_ns)
        self._trace = trace

    def earliest_ns(self, now_ns: int, size_bytes: int) -> int:
        """Return a lower bound on the arrival of a message of this size that starts at `now_ns` or later: the link
        taken as empty, ramped and without random loss, and a slot's HARQ and RLC delay avoided where waiting for a
        later slot avoids it. FOREVER_NS if no slot carries anything, or `now_ns` is that late. Monotone in `now_ns`;
        changes nothing."""
        return (
            int(_earliest_ns(self.links.tables, self.index, now_ns, size_bytes)) if now_ns < FOREVER_NS else FOREVER_NS
        )

    def least_air_ns(self, size_bytes: int) -> int:
        """Return a lower bound on the time from a message's first bit to its release (`Delivery`), whenever it is sent:
        every slot has the greatest capacity of the trace. 0 if no slot carries anything."""
        most, slot_ns, bits = self._trace.most_bits, self._trace.slot_ns, size_bytes * 8
        if not most:
            return 0
        return bits * slot_ns // most if self._trace.release == "fluid" else -(-bits // most) * slot_ns

    def rate_bps(self, now_ns: int, window_ns: int) -> float:
        """Return the rate over the window that ends at `now_ns`, or since time 0 if that is later; at time 0 that of
        the first slot."""
        return float(_rate_bps(self.links.tables, self.index, now_ns, window_ns))

    def erased_share(self, now_ns: int, window_ns: int) -> float:
        """Return the expected share of what is sent unacknowledged that is lost: by random loss, or with the blocks
        that were lost in the window that ends at `now_ns`."""
        if self.spec.bearer == "am":
            return 0.0
        return 1.0 - (1.0 - self.spec.loss) * (1.0 - self._trace.lost_share(max(0, now_ns - window_ns), now_ns))


@entry_point
def enqueue(
    tables: LinkTables, index: int, now_ns: int, size_bytes: int, acknowledged_bytes: int, number: int
) -> tuple[int, int, int, float]:
    """`Link.enqueue` for row `index`: the fields of a `Delivery`; or FULL, NO_COVERAGE or DOWN first, nothing done."""
    link, queues = tables.links[index], tables.queues
    if link.down or not link.carries:
        return DOWN if link.down else NO_COVERAGE, 0, 0, 0.0
    while has_passed(queues, index, now_ns):
        link.queued_bytes -= pop_entry(queues, index)
    if link.queued_bytes + size_bytes > link.queue_bytes or not has_room(queues.entries, queues.store[0]):
        return FULL, 0, 0, 0.0
    message = tables.message[0]
    begin(link, message, now_ns, size_bytes, acknowledged_bytes, number, is_granted(link, now_ns))
    sent_ns = flow(tables, index, message) if link.fluid else transmit(tables, index, message, 0, FOREVER_NS)
    finish(link, message, sent_ns)
    link.used = True
    link.queued_bytes += size_bytes
    push_entry(queues, index, sent_ns, size_bytes)
    return message.start_ns, message.release_ns, message.arrival_ns, erased_fraction(message)


@in_place
def flow(tables: LinkTables, index: int, message: Record) -> int:
    """Send a message under the `fluid` rule, the bits of a first grant before the others; return when its last bit is
    sent."""
    link = tables.links[index]
    edges: Table = tables.cumulative_bits[link.first_edge : link.first_edge + link.slots + 1]
    bits = message.size_bytes * 8
    first_bits = bits if message.first_bits == 0 else min(bits, message.first_bits)
    message.start_ns = max(message.open_ns, link.sent_ns)
    sent_ns = fluid_sent_ns(edges, link.slot_ns, message.start_ns, first_bits)
    if first_bits < bits:
        sent_ns = fluid_sent_ns(edges, link.slot_ns, sent_ns + link.report_ns, bits - first_bits)
    if message.acknowledged_bytes < message.size_bytes:
        count_erased(tables, index, message, bits, 0)
    return sent_ns


@entry_point
def earliest_ns(tables: LinkTables, index: int, now_ns: int, size_bytes: int) -> int:
    """`Link.earliest_ns` for row `index`."""
    link = tables.links[index]
    if not link.carries:
        return FOREVER_NS
    edges: Table = tables.cumulative_bits[link.first_edge : link.first_edge + link.slots + 1]
    if link.fluid:
        return int(fluid_sent_ns(edges, link.slot_ns, now_ns, size_bytes * 8) + link.delay_ns)
    _, _, last_slot = slot_range(edges, link.slot_ns, now_ns, 0, size_bytes * 8)
    if link.datagrams:
        return int((last_slot + 1) * link.slot_ns + link.delay_ns)
    delays: Table = tables.harq_delay_ns[link.first_delay : link.first_delay + link.slots * link.delays]
    return int(earliest_exit_ns(edges, delays, link.slot_ns, last_slot) + link.delay_ns)


@entry_point
def rate_bps(tables: LinkTables, index: int, now_ns: int, window_ns: int) -> float:
    """`Link.rate_bps` for row `index`."""
    link = tables.links[index]
    edges: Table = tables.cumulative_bits[link.first_edge : link.first_edge + link.slots + 1]
    start_ns = max(0, now_ns - window_ns)
    return mean_rate_bps(edges, link.slot_ns, start_ns, now_ns if now_ns > start_ns else start_ns + link.slot_ns)


@entry_point
def reset(tables: LinkTables, index: int) -> None:
    """`Link.reset` for row `index`."""
    link = tables.links[index]
    while has_passed(tables.queues, index, FOREVER_NS):
        pop_entry(tables.queues, index)
    link.queued_bytes = link.sent_ns = link.position = link.released_ns = 0
    link.used = False


_enqueue, _earliest_ns, _reset, _rate_bps = Bound(enqueue), Bound(earliest_ns), Bound(reset), Bound(rate_bps)
