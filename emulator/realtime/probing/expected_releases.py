"""What the schedule says of packets that the relay logged, from links and cells of their own."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from emulator.cell import Cell
from emulator.core.arrays import Ints
from emulator.link import Link
from emulator.link.tables import Links
from emulator.realtime.packet_log import FULL, NEVER_NS, NO_COVERAGE
from emulator.realtime.probing.flood_plan import without_limit
from emulator.system import CellSpec, LinkSpec

PATIENCE_NS = 10_000_000_000  # longer than a probed cell can be busy with what probing leaves in it


class Direction(NamedTuple):
    """The logged packets of one direction by number, shape (packets,) each. Times are of the trace; NEVER_NS where
    there is none."""

    order: Ints
    arrival_ns: Ints
    size_bytes: Ints
    release_ns: Ints
    departure_ns: Ints
    outcome: Ints

    @property
    def entered(self) -> Ints:
        """The numbers of the packets that the link took."""
        return np.flatnonzero((self.outcome != FULL) & (self.outcome != NO_COVERAGE))

    @property
    def delivered(self) -> Ints:
        """The numbers of the packets that were written at the other end."""
        return np.flatnonzero(self.departure_ns != NEVER_NS)


def releases_ns(
    specs: Sequence[LinkSpec],
    cells: Mapping[str, CellSpec],
    seed: int,
    until_ns: int,
    directions: Sequence[Direction],
) -> list[Ints]:
    """By direction, when each packet reaches the other end by the schedule of fresh links and cells that all of
    them enter at their `arrival_ns`, in their order; NEVER_NS where it does not. The cells' background comes until
    `until_ns`."""
    endless = [without_limit(spec) for spec in specs]
    found = [np.full(len(direction.order), NEVER_NS) for direction in directions]
    tables = Links(endless, seed)
    for index, (spec, direction) in enumerate(zip(endless, directions, strict=True)):
        if not spec.cell:
            link = Link.of(spec, tables, index)
            for number in direction.entered.tolist():
                delivery = link.enqueue(int(direction.arrival_ns[number]), int(direction.size_bytes[number]), number)
                if delivery is not None:
                    found[index][number] = delivery.arrival_ns
    for name, cell in cells.items():
        members = [index for index, spec in enumerate(endless) if spec.cell == name]
        if members:
            own = Cell(cell, [endless[index] for index in members], seed, until_ns)
            _release_of_cell(own, members, directions, found)
    return found


def _release_of_cell(cell: Cell, members: Sequence[int], directions: Sequence[Direction], found: list[Ints]) -> None:
    packets = sorted(
        (int(directions[index].order[number]), place, number)
        for place, index in enumerate(members)
        for number in directions[index].entered.tolist()
    )
    now_ns = 0
    done = []
    for _, place, number in packets:
        direction = directions[members[place]]
        now_ns = int(direction.arrival_ns[number])
        done += cell.advance(now_ns)
        cell.enqueue(now_ns, place, int(direction.size_bytes[number]), number)
    done += cell.advance(now_ns + PATIENCE_NS)
    for place, number, delivery in done:
        found[members[place]][number] = delivery.arrival_ns
