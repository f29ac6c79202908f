"""Expected releases of packets that the relay logged: their arrivals over fresh links and cells."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from emulator.cell import Cell
from emulator.core.arrays import Ints
from emulator.link import Link
from emulator.link.tables import Links
from emulator.realtime.packet_log import FULL, NEVER_NS, NO_COVERAGE
from emulator.realtime.probing.flood_plan import with_unlimited_queue
from emulator.system import CellSpec, LinkSpec

LONGEST_BACKLOG_NS = 10_000_000_000  # longer than a cell needs for the packets that probing leaves in it


class LoggedPackets(NamedTuple):
    """The logged packets of one link by number, shape (packets,) each. Times are of the trace; NEVER_NS if there is
    none."""

    order: Ints
    arrival_ns: Ints
    size_bytes: Ints
    release_ns: Ints
    departure_ns: Ints
    outcome: Ints

    @property
    def entered(self) -> Ints:
        """The numbers of the packets that the link accepted."""
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
    packets_of: Sequence[LoggedPackets],
) -> list[Ints]:
    """Return for each link when its packets reach the other end, if all cross fresh links and cells from their
    `arrival_ns` on, in their order; NEVER_NS if a packet does not. The cells' background traffic ends at `until_ns`."""
    unlimited = [with_unlimited_queue(spec) for spec in specs]
    release_ns = [np.full(len(packets.order), NEVER_NS) for packets in packets_of]
    tables = Links(unlimited, seed)
    for index, (spec, packets) in enumerate(zip(unlimited, packets_of, strict=True)):
        if not spec.cell:
            link = Link(spec, tables, index)
            for number in packets.entered.tolist():
                delivery = link.enqueue(int(packets.arrival_ns[number]), int(packets.size_bytes[number]), number)
                if delivery is not None:
                    release_ns[index][number] = delivery.arrival_ns
    for name, cell in cells.items():
        members = [index for index, spec in enumerate(unlimited) if spec.cell == name]
        if members:
            own = Cell.standalone(cell, [unlimited[index] for index in members], seed, until_ns)
            _set_releases_of_cell(own, members, packets_of, release_ns)
    return release_ns


def _set_releases_of_cell(
    cell: Cell, members: Sequence[int], packets_of: Sequence[LoggedPackets], release_ns: list[Ints]
) -> None:
    arrivals = sorted(
        (int(packets_of[index].order[number]), place, number)
        for place, index in enumerate(members)
        for number in packets_of[index].entered.tolist()
    )
    now_ns = 0
    deliveries = []
    for _, place, number in arrivals:
        packets = packets_of[members[place]]
        now_ns = int(packets.arrival_ns[number])
        deliveries += cell.advance(now_ns)
        cell.enqueue(now_ns, place, int(packets.size_bytes[number]), number)
    deliveries += cell.advance(now_ns + LONGEST_BACKLOG_NS)
    for place, number, delivery, _ in deliveries:
        release_ns[members[place]][number] = delivery.arrival_ns
