"""A cell: UEs that share one direction of a base station, slot by slot when several have something to send.

When a message is sent depends on the other UEs, so a cell cannot answer at once as a link does. It decides each slot
when everything up to the slot's start has happened (`slots`).
"""

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple, Self

import numpy as np

from emulator.cell.slots import ENTERED, drop_messages, enter, release_messages, run_many_slots
from emulator.cell.tables import Cells
from emulator.core.compiled import Bound
from emulator.core.fifo import FOREVER_NS
from emulator.link import Delivery
from emulator.link.tables import Links
from emulator.system import CellSpec, LinkSpec


class Delivered(NamedTuple):
    """A message that has left the cell: its link's index, the number and the owner that it was given."""

    link: int
    message: int
    delivery: Delivery
    owner: int = 0


class Cell:
    """One cell: messages enter in order of time, and slots are decided as time passes."""

    def __init__(self, links: Links, cells: Cells, index: int) -> None:
        """Row `index` of a network's tables."""
        self.links = links
        self.cells = cells
        self.index = index

    @classmethod
    def standalone(cls, spec: CellSpec, links: Sequence[LinkSpec], seed: int, until_ns: int = FOREVER_NS) -> Self:
        """Return a cell with tables of its own; cross-traffic arrives until `until_ns`."""
        return cls(Links(links, seed), Cells({links[0].cell: spec}, links, seed, 0, until_ns), 0)

    def fork(self) -> "Cell":
        """Return another cell in the same state; what happens in one does not affect the other."""
        other = copy(self)
        other.links, other.cells = self.links.fork(), self.cells.fork()
        return other

    @property
    def next_ns(self) -> int:
        """No slot has to be decided before, unless another message enters."""
        return int(self.cells.tables.cells["next_ns"][self.index])

    def queued_bytes(self, link: int) -> int:
        """Bytes in the queue of a link at its last `enqueue`."""
        return int(self.links.tables.links["queued_bytes"][link])

    def enqueue(
        self, now_ns: int, link: int, size_bytes: int, message: int = 0, owner: int = 0, acknowledged_bytes: int = 0
    ) -> bool:
        """Accept a message of `size_bytes` >= 1 on a link (`Link.enqueue`); False if the link refuses it. `now_ns` must
        not decrease from call to call, and `advance` must have returned everything up to it."""
        tables = self.links.tables, self.cells.tables
        return bool(_enter(*tables, link, now_ns, size_bytes, acknowledged_bytes, message, owner, 0) == ENTERED)

    def drop(self, link: int, now_ns: int) -> None:
        """Lose the messages of a link, as when it fails at `now_ns`."""
        _drop_messages(self.links.tables, self.cells.tables, link, now_ns)

    def advance(self, now_ns: int) -> list[Delivered]:
        """Decide all slots that start before `now_ns`; return the messages that they complete, in that order."""
        links, cells = self.links.tables, self.cells.tables
        found: list[Delivered] = []
        rows = np.empty(BATCH, np.int64)
        while count := _run_many_slots(links, cells, self.index, now_ns, rows):
            columns = {name: cells.messages[name][rows[:count]] for name in FIELDS}  # faster than rows of all fields
            start_ns, release_ns, arrival_ns, number, owner = (columns[name].tolist() for name in FIELDS[:5])
            exposed_bytes = columns["size_bytes"] - columns["acknowledged_bytes"]
            erased = (columns["erased_bytes"] / np.maximum(exposed_bytes, 1)).tolist()
            link = cells.ues["link"][columns["ue"]].tolist()
            deliveries = map(Delivery._make, zip(start_ns, release_ns, arrival_ns, erased, strict=True))
            found += map(Delivered._make, zip(link, number, deliveries, owner, strict=True))
            _release_messages(cells, rows[:count])
        return found


BATCH = 256  # messages that one call of compiled code returns at most
FIELDS = (
    "start_ns", "release_ns", "arrival_ns", "number", "owner", "erased_bytes", "size_bytes", "acknowledged_bytes", "ue",
)  # fmt: skip
_enter, _run_many_slots = Bound(enter), Bound(run_many_slots)
_release_messages, _drop_messages = Bound(release_messages), Bound(drop_messages)
