"""What a relay that keeps to the schedule would log, made with `Link` and `Cell` alone."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from emulator.cell import Cell, Delivered
from emulator.link import Delivery, Link
from emulator.realtime.packet_log import (
    DELIVERED,
    FULL,
    LOST,
    NEVER_NS,
    NO_COVERAGE,
    PACKETS,
    UNFINISHED,
)
from emulator.system import CellSpec, LinkSpec

LATE_NS = 50_000


class Arrival(NamedTuple):
    """A packet that the relay reads."""

    link: int
    now_ns: int
    size_bytes: int


class Row(NamedTuple):
    """A row of the log."""

    link: int
    order: int
    number: int
    arrival_ns: int
    size_bytes: int
    start_ns: int
    release_ns: int
    departure_ns: int
    outcome: int

    @property
    def known_ns(self) -> int:
        """When the relay knows what became of it."""
        if self.outcome == UNFINISHED:
            return 2**63 - 1
        return self.arrival_ns if self.release_ns == NEVER_NS else max(self.departure_ns, self.release_ns)


def relayed(
    links: Sequence[LinkSpec], cells: Mapping[str, CellSpec], seed: int, arrivals: Iterable[Arrival], end_ns: int
) -> list[Row]:
    """The rows in the order in which they are logged; each departure is a little late."""
    plain = {place: Link(spec, seed) for place, spec in enumerate(links) if not spec.cell}
    shared = {name: Cell(spec, _members(links, name), seed) for name, spec in cells.items()}
    counts = [0] * len(links)
    came: dict[tuple[int, int], Row] = {}
    for order, (link, now_ns, size_bytes) in enumerate(arrivals):
        number = counts[link]
        counts[link] += 1
        row = Row(link, order, number, now_ns, size_bytes, NEVER_NS, NEVER_NS, NEVER_NS, UNFINISHED)
        name = links[link].cell
        if name:
            for done in shared[name].advance(now_ns):
                _settle(came, _places(links, name)[done.link], done, end_ns)
            accepted = shared[name].enqueue(now_ns, _places(links, name).index(link), size_bytes, number)
            came[link, number] = row if accepted else _refused(row, links[link])
        else:
            delivery = plain[link].enqueue(now_ns, size_bytes, number)
            came[link, number] = _refused(row, links[link]) if delivery is None else _left(row, delivery, end_ns)
    for name, cell in shared.items():
        for done in cell.advance(end_ns):
            _settle(came, _places(links, name)[done.link], done, end_ns)
    return sorted(came.values(), key=lambda row: row.known_ns)


def write(path: Path, rows: Iterable[Row], rows_a_group: int = 1_000) -> Path:
    """The rows as the relay's file."""
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, PACKETS, strict=True)]
    pq.write_table(pa.table(arrays, schema=PACKETS), path, row_group_size=rows_a_group)
    return path


def _members(links: Sequence[LinkSpec], cell: str) -> list[LinkSpec]:
    return [links[place] for place in _places(links, cell)]


def _places(links: Sequence[LinkSpec], cell: str) -> list[int]:
    return [place for place, spec in enumerate(links) if spec.cell == cell]


def _settle(came: dict[tuple[int, int], Row], link: int, done: Delivered, end_ns: int) -> None:
    came[link, done.message] = _left(came[link, done.message], done.delivery, end_ns)


def _refused(row: Row, spec: LinkSpec) -> Row:
    return row._replace(outcome=FULL if spec.trace.carries else NO_COVERAGE)


def _left(row: Row, delivery: Delivery, end_ns: int) -> Row:
    row = row._replace(start_ns=delivery.start_ns, release_ns=delivery.arrival_ns)
    if delivery.arrival_ns > end_ns:
        return row
    if delivery.erased_fraction > 0:
        return row._replace(outcome=LOST)
    return row._replace(outcome=DELIVERED, departure_ns=delivery.arrival_ns + LATE_NS)
