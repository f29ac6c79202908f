"""How many tasks are in the system, counted as they come and go: the other side of Little's law."""

from typing import NamedTuple

import numpy as np

from emulator.core.compiled import Table, in_place
from emulator.core.event_heap import APPOINTMENT, add, take
from emulator.core.fifo import FOREVER_NS
from emulator.core.units import NS_PER_S

COUNT = np.dtype(
    [
        ("arrivals", np.int64),
        ("inside", np.int64),
        ("peak", np.int64),
        ("since_ns", np.int64),  # nobody has come or gone since
        ("area_s", np.int64),  # task-seconds and task-nanoseconds, apart for their size
        ("area_ns", np.int64),
        ("announced", np.int64),
    ]
)
ROOM = 256  # departures at the start; doubled when they run out


class OccupancyTables(NamedTuple):
    """The count, and the departures that are announced."""

    counts: Table  # COUNT, shape (1,)
    departures: Table  # APPOINTMENT, shape (room,)


class Occupancy:
    """Integrates the number of tasks over time from arrivals and departures alone. A departure may be
    announced ahead of its time; it counts when the clock has passed it."""

    def __init__(self) -> None:
        self.tables = OccupancyTables(np.zeros(1, COUNT), np.zeros(ROOM, APPOINTMENT))

    @property
    def arrivals(self) -> int:
        """How many have come."""
        return int(self.tables.counts["arrivals"][0])

    @property
    def peak(self) -> int:
        """The most that were inside at once."""
        return int(self.tables.counts["peak"][0])

    def arrive(self, now_ns: int) -> None:
        """One more inside, from now on."""
        arrive(self.tables, now_ns)

    def depart(self, at_ns: int) -> None:
        """One fewer inside from `at_ns` on, which is not before the last arrival."""
        if not has_room(self.tables):
            self.grow()
        depart(self.tables, at_ns)

    def grow(self) -> None:
        """Make room for as many departures again as there is."""
        departures = self.tables.departures
        more = np.concatenate((departures, np.zeros_like(departures)))
        self.tables = self.tables._replace(departures=more)

    def finish(self) -> tuple[int, int]:
        """(area in task-nanoseconds, the instant of the last departure), once everything has left."""
        pass_time(self.tables, FOREVER_NS)
        count = self.tables.counts[0]
        if count["inside"]:
            raise RuntimeError(f"{count['inside']} tasks never left the system")
        return int(count["area_s"]) * NS_PER_S + int(count["area_ns"]), int(count["since_ns"])


@in_place
def has_room(tables: OccupancyTables) -> bool:
    """Whether one more departure can be announced."""
    return bool(tables.counts[0].announced < len(tables.departures))


@in_place
def arrive(tables: OccupancyTables, now_ns: int) -> None:
    """`Occupancy.arrive`."""
    pass_time(tables, now_ns)
    count = tables.counts[0]
    add_area(tables, now_ns)
    count.arrivals += 1
    count.inside += 1
    count.peak = max(count.peak, count.inside)


@in_place
def depart(tables: OccupancyTables, at_ns: int) -> None:
    """`Occupancy.depart`; there must be room."""
    count = tables.counts[0]
    add(tables.departures, count.announced, at_ns, 0, 0)
    count.announced += 1


@in_place
def pass_time(tables: OccupancyTables, now_ns: int) -> None:
    """Let those go whose departure has come."""
    count = tables.counts[0]
    while count.announced > 0 and tables.departures[0].at_ns <= now_ns:
        at_ns, _ = take(tables.departures, count.announced)
        count.announced -= 1
        add_area(tables, at_ns)
        count.inside -= 1


@in_place
def add_area(tables: OccupancyTables, now_ns: int) -> None:
    """Count those inside over the time since the last change."""
    count = tables.counts[0]
    area_ns = count.area_ns + count.inside * (now_ns - count.since_ns)
    count.area_s += area_ns // NS_PER_S
    count.area_ns = area_ns % NS_PER_S
    count.since_ns = now_ns
