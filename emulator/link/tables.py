"""The state of all links of a network, and the traces that they share, as tables for compiled code."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emulator.core.compiled import Table
from emulator.core.fifo import Fifos, copied, empty_fifos
from emulator.core.randomness import draw_key
from emulator.core.scratch import PIECE_ROWS, empty, release
from emulator.link.capacity import bits_before, slot_delays_ns, slot_outcomes
from emulator.system import LinkSpec
from emulator.trace import Trace

FULL, NO_COVERAGE, DOWN = -1, -2, -3  # answers in the place of a time: the link refuses the message

LINK = np.dtype(
    [
        # what it is: its trace's place in the tables, and its specification
        ("first_edge", np.int64),
        ("first_delay", np.int64),
        ("first_block", np.int64),
        ("slots", np.int64),
        ("slot_ns", np.int64),
        ("carries", np.bool_),  # some slot has capacity
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
        # its state
        ("down", np.bool_),
        ("queued_bytes", np.int64),
        ("sent_ns", np.int64),  # when the last bit of all accepted messages is sent
        ("used", np.bool_),
        ("position", np.int64),  # bits of the endless trace that are used or lost (slot rule)
        ("released_ns", np.int64),  # the last release so far: acknowledged release is in order
    ]
)
MESSAGE = np.dtype(
    [
        ("number", np.int64),  # addresses the draws of its losses
        ("size_bytes", np.int64),
        ("acknowledged_bytes", np.int64),  # its first bytes; all on a link with an acknowledged bearer
        ("open_ns", np.int64),  # may use slots that start from then on
        ("first_bits", np.int64),  # of a first grant that is not used yet; 0: it needs none
        ("sent_bits", np.int64),
        ("start_ns", np.int64),  # -1: no bit is sent yet
        ("release_ns", np.int64),
        ("arrival_ns", np.int64),
        ("fragment_lost", np.bool_),  # a sent part of the fragment under way was lost
        ("erased_bytes", np.int64),
        # of a message in a cell
        ("ue", np.int64),
        ("owner", np.int64),  # the task in flight; BACKGROUND: none
        ("order", np.int64),  # when it entered, among all that was ever scheduled
        ("next", np.int64),
    ]
)


class LinkTables(NamedTuple):
    """Links, the traces that they share, and their queues of (time of the last bit, bytes)."""

    links: Table  # LINK, shape (links,)
    cumulative_bits: Table  # int64, one trace after the other, as are the next two
    harq_delay_ns: Table
    block_lost: Table
    queues: Fifos  # one a link
    message: Table  # MESSAGE, shape (1,): the message that enters


class Links:
    """The links of a network as tables."""

    def __init__(self, specs: Sequence[LinkSpec], seed: int) -> None:
        self._traces: list[Trace] = []  # arrays are found by their traces' identity
        self._pools = Pool(np.int64), Pool(np.int64), Pool(np.bool_)
        links = np.zeros(len(specs), LINK)
        for link, spec in zip(links, specs, strict=True):
            self._fill(link, spec, spec.trace)
            link["datagrams"] = spec.bearer == "um"
            for name in ("delay_ns", "queue_bytes", "loss", "fragment_bytes", "retransmission_ns"):
                link[name] = getattr(spec, name)
            if spec.ramp is not None:
                link["idle_ns"], link["ramp_ns"] = spec.ramp.idle_ns, spec.ramp.delay_ns
                link["period_ns"], link["report_ns"] = spec.ramp.period_ns, spec.ramp.report_ns
                link["first_bits"] = spec.ramp.first_bytes * 8
        edges, delays, blocks = (pool.joined() for pool in self._pools)
        self.tables = LinkTables(links, edges, delays, blocks, empty_fifos(len(specs)), np.zeros(1, MESSAGE))
        self.reseed(specs, seed)

    def reseed(self, specs: Sequence[LinkSpec], seed: int) -> None:
        """Draw losses under a seed from now on."""
        self.tables.links["key"] = [draw_key(seed, f"{spec.source}-{spec.target}", "loss") for spec in specs]

    def _fill(self, link: np.void, spec: LinkSpec, trace: Trace) -> None:
        self._traces.append(trace)
        edges, delays, blocks = self._pools
        slots, lost_slots, delayed_slots, longest_ns = len(trace), 0, 0, 0
        for part in trace.parts():
            delay_ns = slot_delays_ns(part, spec.retransmission_ns)
            longest_ns = max(longest_ns, int(delay_ns.max(initial=0)))
            delayed_slots = slots if len(delay_ns) else delayed_slots
            lost_slots = slots if len(slot_outcomes(part)[1]) else lost_slots

        def delays_ns() -> Iterator[Table]:
            for part in trace.parts():
                found = slot_delays_ns(part, spec.retransmission_ns)
                yield found if len(found) else np.zeros(len(part), np.int64)

        link["first_edge"] = edges.place((id(trace),), slots + 1, lambda: pieces_of(trace.cumulative_bits))
        link["first_delay"] = delays.place((id(trace), spec.retransmission_ns), delayed_slots, delays_ns)
        link["first_block"] = blocks.place(
            (id(trace),), lost_slots, lambda: (slot_outcomes(part)[1] for part in trace.parts())
        )
        link["loses"], link["delays"], link["longest_ns"] = lost_slots > 0, delayed_slots > 0, longest_ns
        link["slots"], link["slot_ns"] = slots, trace.slot_ns
        link["carries"], link["fluid"] = trace.carries, trace.release == "fluid"

    def set_trace(self, index: int, spec: LinkSpec, trace: Trace, now_ns: int) -> None:
        """Let a link follow another trace from `now_ns` on, after the slots that its messages use."""
        link = self.tables.links[index]
        self._fill(link, spec, trace)
        edges, delays, blocks = (pool.joined() for pool in self._pools)
        self.tables = self.tables._replace(cumulative_bits=edges, harq_delay_ns=delays, block_lost=blocks)
        first_slot = -(-max(now_ns, int(link["sent_ns"])) // trace.slot_ns)
        link["position"] = bits_before(trace.cumulative_bits, first_slot)

    def fork(self) -> "Links":
        """Return the same links in the same state, in tables of their own."""
        other, tables = copy(self), self.tables
        other.tables = tables._replace(
            links=tables.links.copy(), queues=copied(tables.queues), message=tables.message.copy()
        )
        return other


class Pool:
    """Arrays one after the other, each of them once. They are made in pieces when they are joined."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._places: dict[tuple[object, ...], int] = {}
        self._arrays: list[tuple[int, Callable[[], Iterable[Table]]]] = []
        self._size = 0

    def place(self, key: tuple[object, ...], size: int, pieces: Callable[[], Iterable[Table]]) -> int:
        """Return where the array of this key, of `size` values in all its pieces, begins."""
        if key not in self._places:
            self._places[key] = self._size
            if size:
                self._arrays.append((self._size, pieces))
            self._size += size
        return self._places[key]

    def joined(self) -> Table:
        """Return all arrays as one, in a scratch file if it is large."""
        table: Table = empty(self._size, self._dtype)
        for first, pieces in self._arrays:
            place = first
            for piece in pieces():
                table[place : place + len(piece)] = piece
                release(table[place : place + len(piece)])
                place += len(piece)
        return table


def pieces_of(array: Table) -> Iterator[Table]:
    """Yield an array in pieces; of one in a scratch file, memory holds a piece."""
    for start in range(0, len(array), PIECE_ROWS):
        yield array[start : start + PIECE_ROWS]
        release(array[start : start + PIECE_ROWS])
