"""A cell: UEs that share one direction of a base station, slot by slot where they contend.

What is sent when hangs on who else has something to send, so a cell cannot answer at once as a link does. It
decides each slot when everything up to the slot's start has happened (`contention`).
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from emulator.cell_tables import Cells, CellTables, has_message_room
from emulator.compiled import bound
from emulator.contention import decide, enter, take_done
from emulator.link import Delivery
from emulator.link_tables import Links, LinkTables
from emulator.serving import free
from emulator.system import CellSpec, LinkSpec


class Delivered(NamedTuple):
    """A message that has left the cell: the place of its link among the cell's, and the number it was given."""

    link: int
    message: int
    delivery: Delivery


class Cell:
    """One cell by itself: messages enter in order of time, and slots are decided as time passes."""

    def __init__(self, spec: CellSpec, links: Sequence[LinkSpec], seed: int, memory_ns: int = 0) -> None:
        self._links = Links(links, seed)
        self._cells = Cells(dict.fromkeys((link.cell for link in links[:1]), spec), links, seed, memory_ns)
        self._code = _machine_code()

    @property
    def next_ns(self) -> int:
        """Nothing is decided at any earlier time, unless more enters."""
        return int(self._cells.tables.cells["next_ns"][0])

    def queued_bytes(self, link: int) -> int:
        """Bytes in the queue of a link, as its last `enqueue` left it."""
        return int(self._links.tables.links["queued_bytes"][link])

    def enqueue(self, now_ns: int, link: int, size_bytes: int, message: int = 0) -> bool:
        """Accept a message of `size_bytes` >= 1 on a link, or not where its queue has no room. `now_ns` must not
        decrease from call to call; all up to it must have been taken by `advance`."""
        while not self._code.has_message_room(self._cells.tables):
            self._cells.grow()
        return self._code.enter(self._links.tables, self._cells.tables, link, now_ns, size_bytes, message, 0, 0)

    def advance(self, now_ns: int) -> list[Delivered]:
        """Decide all slots that start before `now_ns`: what they complete, in that order."""
        found = []
        while self.next_ns < now_ns:
            self._code.decide(self._links.tables, self._cells.tables, 0, now_ns)
            while not self._code.has_message_room(self._cells.tables):
                self._cells.grow()
            while (place := self._code.take_done(self._cells.tables)) != 0:
                tables = self._cells.tables
                each = tables.messages[place]
                erased = float(each["erased_bytes"] / each["size_bytes"])
                delivery = Delivery(int(each["start_ns"]), int(each["release_ns"]), int(each["arrival_ns"]), erased)
                found.append(Delivered(int(tables.ues["link"][each["ue"]]), int(each["number"]), delivery))
                self._code.free(tables, place)
        return found


class _Code(NamedTuple):
    enter: Callable[[LinkTables, CellTables, int, int, int, int, int, int], bool]
    decide: Callable[[LinkTables, CellTables, int, int], None]
    take_done: Callable[[CellTables], int]
    free: Callable[[CellTables, int], None]
    has_message_room: Callable[[CellTables], bool]


@cache
def _machine_code() -> _Code:
    tables, cells = Links((), 0).tables, Cells({}, (), 0, 0).tables
    return _Code(
        bound(enter, tables, cells, *[0] * 6),
        bound(decide, tables, cells, 0, 0),
        bound(take_done, cells),
        bound(free, cells, 0),
        bound(has_message_room, cells),
    )
