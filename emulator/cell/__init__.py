"""A cell: UEs that share one direction of a base station, slot by slot where they contend.

What is sent when hangs on who else has something to send, so a cell cannot answer at once as a link does. It
decides each slot when everything up to the slot's start has happened (`contention`).
"""

from collections.abc import Callable, Sequence
from copy import copy
from functools import cache
from typing import NamedTuple

import numpy as np

from emulator.cell.slots import ENTERED, decide, enter, take_done
from emulator.cell.tables import Cells, CellTables, has_message_room
from emulator.cell.transmission import free
from emulator.core.compiled import Table, bound, in_place
from emulator.core.fifo import FOREVER_NS
from emulator.link import Delivery
from emulator.link.tables import Links, LinkTables
from emulator.system import CellSpec, LinkSpec

ROW = np.dtype(
    [
        ("link", np.int64),
        ("number", np.int64),
        ("start_ns", np.int64),
        ("release_ns", np.int64),
        ("arrival_ns", np.int64),
        ("erased_fraction", np.float64),
    ]
)
ROWS = 1_024  # what `advance` takes at a time


class Delivered(NamedTuple):
    """A message that has left the cell: the place of its link among the cell's, and the number it was given."""

    link: int
    message: int
    delivery: Delivery


class Cell:
    """One cell by itself: messages enter in order of time, and slots are decided as time passes. Its background comes
    until `until_ns`."""

    def __init__(self, spec: CellSpec, links: Sequence[LinkSpec], seed: int, until_ns: int = FOREVER_NS) -> None:
        self._links = Links(links, seed)
        self._cells = Cells({links[0].cell: spec}, links, seed, 0, until_ns)
        self._rows = np.zeros(ROWS, ROW)
        self._code = _machine_code()

    def fork(self) -> "Cell":
        """Another cell in the same state: what happens in one does not in the other."""
        other = copy(self)
        other._links, other._cells, other._rows = self._links.fork(), self._cells.fork(), self._rows.copy()
        return other

    @property
    def next_ns(self) -> int:
        """Nothing is decided at any earlier time, unless more enters."""
        return int(self._cells.tables.cells["next_ns"][0])

    def queued_bytes(self, link: int) -> int:
        """Bytes in the queue of a link, as its last `enqueue` left it."""
        return int(self._links.tables.links["queued_bytes"][link])

    def enqueue(self, now_ns: int, link: int, size_bytes: int, message: int = 0) -> bool:
        """Accept a message of `size_bytes` >= 1 on a link, or not where its queue has no room or its trace
        carries nothing. `now_ns` must not decrease from call to call; all up to it must have been taken by `advance`.
        """
        while not self._code.has_message_room(self._cells.tables):
            self._cells.grow()
        answer = self._code.enter(self._links.tables, self._cells.tables, link, now_ns, size_bytes, message, 0, 0)
        return answer == ENTERED

    def advance(self, now_ns: int) -> list[Delivered]:
        """Decide all slots that start before `now_ns`: what they complete, in that order."""
        found: list[Delivered] = []
        count = ROWS
        while count == ROWS or self.next_ns < now_ns:
            count = self._code.collect(self._links.tables, self._cells.tables, now_ns, self._rows)
            found += [Delivered(link, number, Delivery(*each)) for link, number, *each in self._rows[:count].tolist()]
            while not self._code.has_message_room(self._cells.tables):
                self._cells.grow()
        return found


@in_place
def collect(tables: LinkTables, cells: CellTables, now_ns: int, rows: Table) -> int:
    """Decide the first cell's slots that start before `now_ns`, until `rows` or the tables are full: how many
    messages that completed."""
    count = 0
    while count < len(rows):
        place = take_done(cells)
        if place == 0:
            if cells.cells[0].next_ns >= now_ns or not has_message_room(cells):
                return count
            decide(tables, cells, 0, now_ns)
            continue
        row, each = rows[count], cells.messages[place]
        row.link, row.number, row.start_ns = cells.ues[each.ue].link, each.number, each.start_ns
        row.release_ns, row.arrival_ns = each.release_ns, each.arrival_ns
        row.erased_fraction = each.erased_bytes / each.size_bytes
        free(cells, place)
        count += 1
    return count


class _Code(NamedTuple):
    enter: Callable[[LinkTables, CellTables, int, int, int, int, int, int], int]
    collect: Callable[[LinkTables, CellTables, int, Table], int]
    has_message_room: Callable[[CellTables], bool]


@cache
def _machine_code() -> _Code:
    tables, cells = Links((), 0).tables, Cells({}, (), 0, 0, 0).tables
    return _Code(
        bound(enter, tables, cells, *[0] * 6),
        bound(collect, tables, cells, 0, np.zeros(0, ROW)),
        bound(has_message_room, cells),
    )
