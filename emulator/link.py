"""One direction of a connection: accepts a message and says at once when it will have left.

The link is work-conserving and its future capacity is known, so the answer is exact: no later
arrival can change it. It costs a binary search in the running sum of the trace's capacity,
however many slots the message spans.

The state of all links of a network lies in tables that compiled code works on (`enqueue`); a `Link`
is one row of them, for everybody else.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from emulator.capacity import (
    best_exit_ns,
    erased_bytes,
    failed_attempts,
    fluid_sent_ns,
    harq_release_ns,
    slot_delays_ns,
    slot_outcomes,
    slot_range,
)
from emulator.compiled import Table, bound, in_place
from emulator.queues import FOREVER_NS, Queues, append, empty_queues, has_passed, pop, unused, with_more_room
from emulator.randomness import draw_key
from emulator.system import LinkSpec

LINK = np.dtype(
    [
        # what it is: its trace's place in the tables, and its specification
        ("first_edge", np.int64),
        ("first_delay", np.int64),
        ("first_block", np.int64),
        ("slots", np.int64),
        ("slot_ns", np.int64),
        ("fluid", np.bool_),
        ("delays", np.bool_),
        ("longest_ns", np.int64),
        ("loses", np.bool_),
        ("datagrams", np.bool_),
        ("delay_ns", np.int64),
        ("queue_bytes", np.int64),
        ("loss", np.float64),
        ("fragment_bytes", np.int64),
        ("retransmission_ns", np.int64),
        ("idle_ns", np.int64),
        ("ramp_ns", np.int64),
        ("key", np.int64),
        # what has happened on it
        ("queued_bytes", np.int64),
        ("sent_ns", np.int64),  # when the last bit of all accepted messages is sent
        ("used", np.bool_),
        ("position", np.int64),  # bits of the endless trace spoken for (slot rule)
        ("released_ns", np.int64),  # the running maximum that acknowledged release keeps to
    ]
)
FULL_NS, NO_ROOM_NS = -1, -2  # no start: the link's queue is full, or the tables are


class Delivery(NamedTuple):
    """`start_ns`: the first bit goes; `release_ns`: the last bit has left, in order and with all its
    retransmissions; `arrival_ns`: it has reached the other end."""

    start_ns: int
    release_ns: int
    arrival_ns: int
    erased_fraction: float


class LinkTables(NamedTuple):
    """Links, the traces that they share, and what is queued: (when the last bit is sent, bytes)."""

    links: Table  # LINK, shape (links,)
    cumulative_bits: Table  # int64, the traces' one after the other, as are the next two
    harq_delay_ns: Table
    block_lost: Table
    queues: Queues  # one a link


class Links:
    """The links of a network as tables; `tables` is replaced when they grow."""

    def __init__(self, specs: Sequence[LinkSpec], seed: int) -> None:
        edges, delays, blocks = _Pool(np.int64), _Pool(np.int64), _Pool(np.bool_)
        links = np.zeros(len(specs), LINK)
        for link, spec in zip(links, specs, strict=True):
            lost = slot_outcomes(spec.trace)[1]
            delay_ns = slot_delays_ns(spec.trace, spec.bearer, spec.retransmission_ns)
            link["first_edge"] = edges.place((id(spec.trace),), spec.trace.cumulative_bits)
            link["first_delay"] = delays.place((id(spec.trace), spec.bearer, spec.retransmission_ns), delay_ns)
            link["delays"] = len(delay_ns) > 0
            link["first_block"], link["loses"] = blocks.place((id(spec.trace),), lost), len(lost) > 0
            link["longest_ns"] = delay_ns.max(initial=0)
            link["slots"], link["slot_ns"] = len(spec.trace), spec.trace.slot_ns
            link["fluid"], link["datagrams"] = spec.trace.release == "fluid", spec.bearer == "um"
            for name in ("delay_ns", "queue_bytes", "loss", "fragment_bytes", "retransmission_ns"):
                link[name] = getattr(spec, name)
            if spec.ramp is not None:
                link["idle_ns"], link["ramp_ns"] = spec.ramp.idle_ns, spec.ramp.delay_ns
            link["key"] = draw_key(seed, f"{spec.source}-{spec.target}", "loss")
        self.tables = LinkTables(links, edges.joined(), delays.joined(), blocks.joined(), empty_queues(len(specs)))

    def grow(self) -> None:
        """Make room for as many messages again as there is."""
        queues = self.tables.queues
        self.tables = self.tables._replace(queues=with_more_room(queues, len(queues.entries)))


class _Pool:
    """Arrays one after the other, each of them once."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._arrays = [np.zeros(0, dtype)]
        self._places: dict[tuple[object, ...], int] = {}
        self._size = 0

    def place(self, key: tuple[object, ...], array: Table) -> int:
        """Where the array begins that belongs to the key."""
        if key not in self._places:
            self._places[key] = self._size
            self._arrays.append(array)
            self._size += len(array)
        return self._places[key]

    def joined(self) -> Table:
        """All of them as one."""
        return np.concatenate(self._arrays)


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
        self._best_exit_ns = best_exit_ns(spec.trace, slot_delays_ns(spec.trace, spec.bearer, spec.retransmission_ns))
        self._code = _machine_code()

    @property
    def queued_bytes(self) -> int:
        """Bytes in the queue, as the last `enqueue` left it."""
        return int(self._links.tables.links["queued_bytes"][self._index])

    def reset(self) -> None:
        """Forget every message: as idle as before the first."""
        self._code.forget(self._links.tables, self._index)

    def enqueue(self, now_ns: int, size_bytes: int, message: int = 0) -> Delivery | None:
        """Accept a message of `size_bytes` >= 1 and say when it leaves; None when the queue has no room.

        `now_ns` must not decrease from call to call; `message` addresses the draws of its losses.
        """
        answer = self._code.enqueue(self._links.tables, self._index, now_ns, size_bytes, message)
        if answer[0] == NO_ROOM_NS:
            self._links.grow()
            return self.enqueue(now_ns, size_bytes, message)
        return None if answer[0] == FULL_NS else Delivery(*answer)

    def earliest_ns(self, now_ns: int, size_bytes: int) -> int:
        """No message of this size that starts at `now_ns` or later can arrive before: the link taken
        as empty, ramped and without random loss, and each slot's HARQ and RLC delay avoided where waiting
        for a later slot would avoid it. Monotone in `now_ns`; changes nothing."""
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
    """`Link.enqueue` for row `index`: the fields of its `Delivery`, or FULL_NS or NO_ROOM_NS and nothing done."""
    link, queues = tables.links[index], tables.queues
    while has_passed(queues, index, now_ns):
        link.queued_bytes -= pop(queues, index)
    if link.queued_bytes + size_bytes > link.queue_bytes:
        return FULL_NS, 0, 0, 0.0
    if unused(queues) == 0:
        return NO_ROOM_NS, 0, 0, 0.0
    granted = link.used and now_ns - link.sent_ns < link.idle_ns  # only the link's own past decides
    open_ns = now_ns if granted else now_ns + link.ramp_ns
    edges = tables.cumulative_bits[link.first_edge : link.first_edge + link.slots + 1]
    first_bit = last_slot = 0
    if link.fluid:
        start_ns = max(open_ns, link.sent_ns)
        sent_ns = fluid_sent_ns(edges, link.slot_ns, start_ns, size_bytes * 8)
    else:
        first_bit, first_slot, last_slot = slot_range(edges, link.slot_ns, open_ns, link.position, size_bytes * 8)
        link.position = first_bit + size_bytes * 8
        start_ns, sent_ns = first_slot * link.slot_ns, (last_slot + 1) * link.slot_ns
    link.sent_ns = sent_ns
    link.used = True
    link.queued_bytes += size_bytes
    append(queues, index, sent_ns, size_bytes)
    if link.datagrams:
        erased = 0
        if link.loss > 0.0 or link.loses:
            blocks = tables.block_lost[link.first_block : link.first_block + link.slots * link.loses]
            erased = erased_bytes(
                edges, blocks, first_bit, size_bytes, link.fragment_bytes, link.loss, link.key, message
            )
        return start_ns, sent_ns, sent_ns + link.delay_ns, erased / size_bytes
    release_ns = sent_ns
    if link.delays:
        delays = tables.harq_delay_ns[link.first_delay : link.first_delay + link.slots]
        release_ns = harq_release_ns(delays, link.longest_ns, link.slot_ns, start_ns // link.slot_ns, last_slot)
    if link.loss > 0.0:
        fragments = -(-size_bytes // link.fragment_bytes)
        release_ns += failed_attempts(link.loss, link.key, message, fragments) * link.retransmission_ns
    link.released_ns = max(release_ns, link.released_ns)
    return start_ns, link.released_ns, link.released_ns + link.delay_ns, 0.0


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
