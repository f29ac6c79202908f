"""The state of all links of a network, and the traces that they share, as tables that compiled code works on."""

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emulator.core.compiled import Record, Table, in_place
from emulator.core.fifo import Queues, copied, empty_queues, with_more_room
from emulator.core.randomness import draw_key
from emulator.link.capacity import slot_delays_ns, slot_outcomes
from emulator.system import LinkSpec

# No start: the link's queue is full, the tables are, or its trace carries nothing.
FULL_NS, NO_ROOM_NS, NO_COVERAGE_NS = -1, -2, -3

LINK = np.dtype(
    [
        # what it is: its trace's place in the tables, and its specification
        ("first_edge", np.int64),
        ("first_delay", np.int64),
        ("first_block", np.int64),
        ("slots", np.int64),
        ("slot_ns", np.int64),
        ("carries", np.bool_),  # anything at all
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
        ("period_ns", np.int64),
        ("first_bits", np.int64),
        ("report_ns", np.int64),
        ("key", np.int64),
        # what has happened on it
        ("queued_bytes", np.int64),
        ("sent_ns", np.int64),  # when the last bit of all accepted messages is sent
        ("used", np.bool_),
        ("position", np.int64),  # bits of the endless trace spoken for (slot rule)
        ("released_ns", np.int64),  # the running maximum that acknowledged release keeps to
    ]
)


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
        edges, delays, blocks = Pool(np.int64), Pool(np.int64), Pool(np.bool_)
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
            link["carries"] = spec.trace.carries
            link["fluid"], link["datagrams"] = spec.trace.release == "fluid", spec.bearer == "um"
            for name in ("delay_ns", "queue_bytes", "loss", "fragment_bytes", "retransmission_ns"):
                link[name] = getattr(spec, name)
            if spec.ramp is not None:
                link["idle_ns"], link["ramp_ns"] = spec.ramp.idle_ns, spec.ramp.delay_ns
                link["period_ns"], link["report_ns"] = spec.ramp.period_ns, spec.ramp.report_ns
                link["first_bits"] = spec.ramp.first_bytes * 8
            link["key"] = draw_key(seed, f"{spec.source}-{spec.target}", "loss")
        self.tables = LinkTables(links, edges.joined(), delays.joined(), blocks.joined(), empty_queues(len(specs)))

    def grow(self) -> None:
        """Make room for as many messages again as there is."""
        queues = self.tables.queues
        self.tables = self.tables._replace(queues=with_more_room(queues, len(queues.entries)))

    def fork(self) -> "Links":
        """The same links in the same state, from here on by themselves."""
        other = copy(self)
        other.tables = self.tables._replace(links=self.tables.links.copy(), queues=copied(self.tables.queues))
        return other


class Pool:
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


@in_place
def is_granted(link: Record, now_ns: int) -> bool:
    """Whether a message that comes now finds its link with traffic, or so short a time without it that it
    needs no grant. Only the link's own past decides."""
    return bool(link.used and now_ns - link.sent_ns < link.idle_ns)


@in_place
def grant_ns(link: Record, now_ns: int) -> int:
    """When a message that comes now is granted, where it has to ask."""
    asked_ns = now_ns
    if link.period_ns > 0:
        asked_ns = -(-now_ns // link.period_ns) * link.period_ns
    return int(asked_ns + link.ramp_ns)
