"""One direction of a connection: accepts a message and says at once when it will have left.

The link is work-conserving and its future capacity is known, so the answer is exact: no later
arrival can change it. It costs a binary search in the running sum of the trace's capacity,
however many slots the message spans.

The state of all links of a network lies in tables that compiled code works on (`enqueue`); a `Link`
is one row of them, for everybody else.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple, Self

from emulator.core.compiled import Record, Table, bound, in_place
from emulator.core.fifo import FOREVER_NS, append, has_passed, pop, unused
from emulator.link.capacity import (
    best_exit_ns,
    bits_before,
    erased_bytes,
    failed_attempts,
    fluid_sent_ns,
    harq_release_ns,
    slot_delays_ns,
    slot_range,
)
from emulator.link.tables import FULL_NS, NO_COVERAGE_NS, NO_ROOM_NS, Links, LinkTables, grant_ns, is_granted
from emulator.system import LinkSpec


class Way(NamedTuple):
    """How a message goes: its first `head_bits` from position `first_bit` of the endless trace on, up to `head_slot`;
    the others from `rest_bit` on, in slots `rest_slot` to `last_slot` (of these there may be none)."""

    start_ns: int
    sent_ns: int
    first_bit: int
    head_bits: int
    rest_bit: int
    head_slot: int
    rest_slot: int
    last_slot: int


class Delivery(NamedTuple):
    """`start_ns`: the first bit goes; `release_ns`: the last bit has left, in order and with all its
    retransmissions; `arrival_ns`: it has reached the other end."""

    start_ns: int
    release_ns: int
    arrival_ns: int
    erased_fraction: float


class Link:
    """The state of one direction: what is queued, and how far the capacity is spoken for.

    A message starts on a whole nanosecond. The queue is drop-tail in bytes; a message counts until
    its last bit is sent. Under the `slot` rule a message queued at or before a slot's start is served
    in it, and what the queue does not use of a slot is lost.
    """

    def __init__(self, spec: LinkSpec, seed: int) -> None:
        self._be(spec, Links([spec], seed), 0)

    @classmethod
    def of(cls, spec: LinkSpec, links: Links, index: int) -> Self:
        """The link that is row `index` of a network's tables."""
        link = cls.__new__(cls)
        link._be(spec, links, index)
        return link

    def _be(self, spec: LinkSpec, links: Links, index: int) -> None:
        self.spec = spec
        self._links = links
        self._index = index
        self._trace = spec.trace
        self._cumulative = spec.trace.cumulative_bits
        self._slot_ns = spec.trace.slot_ns
        self._fluid = spec.trace.release == "fluid"
        self._carries = spec.trace.carries
        self._best_exit_ns = best_exit_ns(spec.trace, slot_delays_ns(spec.trace, spec.bearer, spec.retransmission_ns))
        self._code = _machine_code()

    @property
    def queued_bytes(self) -> int:
        """Bytes in the queue, as the last `enqueue` left it."""
        return int(self._links.tables.links["queued_bytes"][self._index])

    def reset(self) -> None:
        """Forget every message: as idle as before the first."""
        self._code.forget(self._links.tables, self._index)

    def fork(self) -> "Link":
        """Another link in the same state: what happens on one does not on the other."""
        return Link.of(self.spec, self._links.fork(), self._index)

    def enqueue(self, now_ns: int, size_bytes: int, message: int = 0) -> Delivery | None:
        """Accept a message of `size_bytes` >= 1 and say when it leaves; None when the queue has no room, or
        no slot of the trace carries anything.

        `now_ns` must not decrease from call to call; `message` addresses the draws of its losses.
        """
        answer = self._code.enqueue(self._links.tables, self._index, now_ns, size_bytes, message)
        if answer[0] == NO_ROOM_NS:
            self._links.grow()
            return self.enqueue(now_ns, size_bytes, message)
        return None if answer[0] < 0 else Delivery(*answer)

    def earliest_ns(self, now_ns: int, size_bytes: int) -> int:
        """No message of this size that starts at `now_ns` or later can arrive before: the link taken
        as empty, ramped and without random loss, and each slot's HARQ and RLC delay avoided where waiting
        for a later slot would avoid it. FOREVER_NS where no slot carries anything, or `now_ns` is that late.
        Monotone in `now_ns`; changes nothing."""
        if now_ns >= FOREVER_NS or not self._carries:
            return FOREVER_NS
        if self._fluid:
            return fluid_sent_ns(self._cumulative, self._slot_ns, now_ns, size_bytes * 8) + self.spec.delay_ns
        _, _, last_slot = slot_range(self._cumulative, self._slot_ns, now_ns, 0, size_bytes * 8)
        if self.spec.bearer == "um":
            return (last_slot + 1) * self._slot_ns + self.spec.delay_ns
        wraps, slot = divmod(last_slot, len(self._trace))
        return wraps * self._trace.period_ns + int(self._best_exit_ns[slot]) + self.spec.delay_ns

    def rate_bps(self, now_ns: int, window_ns: int) -> float:
        """The rate measured over the window that ends at `now_ns`, or since time 0 where that is later;
        before anything could be measured, that of the first slot."""
        start_ns = max(0, now_ns - window_ns)
        return self._trace.rate_bps(start_ns, now_ns if now_ns > start_ns else start_ns + self._slot_ns)


@in_place
def enqueue(tables: LinkTables, index: int, now_ns: int, size_bytes: int, message: int) -> tuple[int, int, int, float]:
    """`Link.enqueue` for row `index`: the fields of its `Delivery`, or FULL_NS, NO_ROOM_NS or NO_COVERAGE_NS and
    nothing done."""
    link, queues = tables.links[index], tables.queues
    if not link.carries:
        return NO_COVERAGE_NS, 0, 0, 0.0
    while has_passed(queues, index, now_ns):
        link.queued_bytes -= pop(queues, index)
    if link.queued_bytes + size_bytes > link.queue_bytes:
        return FULL_NS, 0, 0, 0.0
    if unused(queues) == 0:
        return NO_ROOM_NS, 0, 0, 0.0
    bits = size_bytes * 8
    edges = tables.cumulative_bits[link.first_edge : link.first_edge + link.slots + 1]
    way = flow(link, edges, now_ns, bits) if link.fluid else block_by_block(link, edges, now_ns, bits)
    link.sent_ns = way.sent_ns
    link.used = True
    link.queued_bytes += size_bytes
    append(queues, index, way.sent_ns, size_bytes)
    if link.datagrams:
        erased = 0
        if link.loss > 0.0 or link.loses:
            blocks = tables.block_lost[link.first_block : link.first_block + link.slots * link.loses]
            erased = erased_bytes(
                edges, blocks, way.first_bit, way.head_bits, way.rest_bit, size_bytes, link.fragment_bytes,
                link.loss, link.key, message,
            )  # fmt: skip
        return way.start_ns, way.sent_ns, way.sent_ns + link.delay_ns, erased / size_bytes
    release_ns = way.sent_ns
    if link.delays:
        delays = tables.harq_delay_ns[link.first_delay : link.first_delay + link.slots]
        first_slot = way.start_ns // link.slot_ns
        release_ns = harq_release_ns(delays, link.longest_ns, link.slot_ns, first_slot, way.head_slot)
        if way.rest_slot <= way.last_slot:
            rest_ns = harq_release_ns(delays, link.longest_ns, link.slot_ns, way.rest_slot, way.last_slot)
            release_ns = max(release_ns, rest_ns)
    if link.loss > 0.0:
        fragments = -(-size_bytes // link.fragment_bytes)
        release_ns += failed_attempts(link.loss, link.key, message, fragments) * link.retransmission_ns
    link.released_ns = max(release_ns, link.released_ns)
    return way.start_ns, link.released_ns, link.released_ns + link.delay_ns, 0.0


@in_place
def flow(link: Record, edges: Table, now_ns: int, bits: int) -> Way:
    """Bits flow evenly in each slot, the first grant's before the others."""
    granted = is_granted(link, now_ns)
    start_ns = max(now_ns if granted else grant_ns(link, now_ns), link.sent_ns)
    head_bits = bits if granted or link.first_bits == 0 else min(bits, link.first_bits)
    sent_ns = fluid_sent_ns(edges, link.slot_ns, start_ns, head_bits)
    if head_bits < bits:
        sent_ns = fluid_sent_ns(edges, link.slot_ns, sent_ns + link.report_ns, bits - head_bits)
    return Way(start_ns, sent_ns, 0, bits, 0, 0, 0, 0)


@in_place
def block_by_block(link: Record, edges: Table, now_ns: int, bits: int) -> Way:
    """Bits go slot by slot; the slot of a first grant holds nothing else."""
    slot_ns = link.slot_ns
    granted = is_granted(link, now_ns)
    open_ns = now_ns if granted else grant_ns(link, now_ns)
    if granted or link.first_bits == 0:
        first_bit, first_slot, last_slot = slot_range(edges, slot_ns, open_ns, link.position, bits)
        link.position = first_bit + bits
        return Way(
            first_slot * slot_ns, (last_slot + 1) * slot_ns, first_bit, bits, 0, last_slot, last_slot + 1, last_slot
        )
    first_bit, slot, _ = slot_range(edges, slot_ns, open_ns, link.position, 1)
    link.position = bits_before(edges, slot + 1)
    head_bits = min(bits, link.first_bits, link.position - first_bit)
    rest_bit, rest_slot, last_slot = 0, slot + 1, slot
    if head_bits < bits:
        open_ns = (slot + 1) * slot_ns + link.report_ns
        rest_bit, rest_slot, last_slot = slot_range(edges, slot_ns, open_ns, link.position, bits - head_bits)
        link.position = rest_bit + bits - head_bits
    return Way(slot * slot_ns, (last_slot + 1) * slot_ns, first_bit, head_bits, rest_bit, slot, rest_slot, last_slot)


@in_place
def forget(tables: LinkTables, index: int) -> None:
    """`Link.reset` for row `index`."""
    link = tables.links[index]
    while has_passed(tables.queues, index, FOREVER_NS):
        pop(tables.queues, index)
    link.queued_bytes = link.sent_ns = link.position = link.released_ns = 0
    link.used = False


class _Code(NamedTuple):
    enqueue: Callable[[LinkTables, int, int, int, int], tuple[int, int, int, float]]
    forget: Callable[[LinkTables, int], None]


@cache
def _machine_code() -> _Code:
    tables = Links((), 0).tables
    return _Code(bound(enqueue, tables, 0, 0, 0, 0), bound(forget, tables, 0))
