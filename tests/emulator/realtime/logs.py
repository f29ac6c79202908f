"""Logs of a relay that keeps to the schedule, made with `Link` and `Cell` alone."""

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
    """A packet that arrives at the relay."""

    link: int
    now_ns: int
    size_bytes: int
    acknowledged: bool = False


class LogRow(NamedTuple):
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
    acknowledged: int = 0

    @property
    def known_ns(self) -> int:
        """When the relay knows the outcome."""
        if self.outcome == UNFINISHED:
            return 2**63 - 1
        return self.arrival_ns if self.release_ns == NEVER_NS else max(self.departure_ns, self.release_ns)


def relayed(
    links: Sequence[LinkSpec], cells: Mapping[str, CellSpec], seed: int, arrivals: Iterable[Arrival], end_ns: int
) -> list[LogRow]:
    """The rows in the order of the log; each departure is a little late."""
    plain = {place: Link.standalone(spec, seed) for place, spec in enumerate(links) if not spec.cell}
    shared = {name: Cell.standalone(spec, _members(links, name), seed) for name, spec in cells.items()}
    counts = [0] * len(links)
    rows: dict[tuple[int, int], LogRow] = {}
    for order, (link, now_ns, size_bytes, marked) in enumerate(arrivals):
        number = counts[link]
        counts[link] += 1
        row = LogRow(link, order, number, now_ns, size_bytes, NEVER_NS, NEVER_NS, NEVER_NS, UNFINISHED, int(marked))
        acknowledged_bytes = size_bytes if marked else 0
        name = links[link].cell
        if name:
            for done in shared[name].advance(now_ns):
                _settle(rows, _places(links, name)[done.link], done, end_ns)
            accepted = shared[name].enqueue(
                now_ns, _places(links, name).index(link), size_bytes, number, acknowledged_bytes=acknowledged_bytes
            )
            rows[link, number] = row if accepted else _dropped(row, links[link])
        else:
            delivery = plain[link].enqueue(now_ns, size_bytes, number, acknowledged_bytes)
            rows[link, number] = _dropped(row, links[link]) if delivery is None else _crossed(row, delivery, end_ns)
    for name, cell in shared.items():
        for done in cell.advance(end_ns):
            _settle(rows, _places(links, name)[done.link], done, end_ns)
    return sorted(rows.values(), key=lambda row: row.known_ns)


def write(path: Path, rows: Iterable[LogRow], rows_a_group: int = 1_000) -> Path:
    """Write the rows as the relay's file."""
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, PACKETS, strict=True)]
    pq.write_table(pa.table(arrays, schema=PACKETS), path, row_group_size=rows_a_group)
    return path


def _members(links: Sequence[LinkSpec], cell: str) -> list[LinkSpec]:
    return [links[place] for place in _places(links, cell)]


def _places(links: Sequence[LinkSpec], cell: str) -> list[int]:
    return [place for place, spec in enumerate(links) if spec.cell == cell]


def _settle(rows: dict[tuple[int, int], LogRow], link: int, done: Delivered, end_ns: int) -> None:
    rows[link, done.message] = _crossed(rows[link, done.message], done.delivery, end_ns)


def _dropped(row: LogRow, spec: LinkSpec) -> LogRow:
    return row._replace(outcome=FULL if spec.trace.carries else NO_COVERAGE)


def _crossed(row: LogRow, delivery: Delivery, end_ns: int) -> LogRow:
    row = row._replace(start_ns=delivery.start_ns, release_ns=delivery.arrival_ns)
    if delivery.arrival_ns > end_ns:
        return row
    if delivery.erased_fraction > 0:
        return row._replace(outcome=LOST)
    return row._replace(outcome=DELIVERED, departure_ns=delivery.arrival_ns + LATE_NS)
