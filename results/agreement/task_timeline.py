"""What a real task's time went to, from what stations wrote down: from each event to the next it is one thing."""

from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from emulator.realtime.station_events import EVENTS, FAILURES, STATION_EVENTS
from results.run.reading import readable

# What the time that ends with an event was.
WAKE, SERIALISATION, TRANSFER, WAITING, COMPUTE = "wake", "serialisation", "transfer", "waiting", "compute"
PART_OF = {
    "woke": WAKE,
    "published": SERIALISATION,
    "received": TRANSFER,
    "decoded": SERIALISATION,
    "started": WAITING,
    "loaded": COMPUTE,
    "computed": COMPUTE,
    "finished": COMPUTE,
} | dict.fromkeys(FAILURES, WAITING)
PLACE = {event: place for place, event in enumerate((*EVENTS, *FAILURES))}

Key = tuple[str, str, int]  # source, kind, number of the task


class Message(NamedTuple):
    """One of a task's messages: on the way to `stage` in pass `step`, from node to node, `size_bytes` with headers of
    its own, those of MQTT, TCP, UDP and IP not counted."""

    step: int
    stage: int
    sender: str
    receiver: str
    published_ns: int
    received_ns: int
    size_bytes: int


class Journey(NamedTuple):
    """A task from its first event to its last: `parts_ns` by the names above. What partitions really computed is
    `computing_ns` of COMPUTE; the rest of it was held, as long as the model says."""

    key: Key
    first_ns: int
    last_ns: int
    parts_ns: Mapping[str, int]
    computing_ns: int
    messages: tuple[Message, ...]


class Row(NamedTuple):
    """An event."""

    key: Key
    step: int
    stage: int
    event: str
    node: str
    at_ns: int
    size_bytes: int


def journeys(events: Path) -> Iterator[Journey]:
    """Every task that a station has written of. Raises ValueError for a damaged file."""
    for key, rows in groupby(_rows(events), key=lambda row: row.key):
        yield journey(key, list(rows))


def journey(key: Key, rows: list[Row]) -> Journey:
    """The journey of the task of these events, in their order. The time before the first is not in it."""
    parts_ns = dict.fromkeys((WAKE, SERIALISATION, TRANSFER, WAITING, COMPUTE), 0)
    computing_ns = 0
    messages = []
    for before, row in pairwise(rows):
        spent_ns = row.at_ns - before.at_ns
        parts_ns[PART_OF[row.event]] += spent_ns
        if row.event == "computed":
            computing_ns += spent_ns
        if row.event == "received" and before.event == "published":
            messages.append(
                Message(row.step, row.stage, before.node, row.node, before.at_ns, row.at_ns, before.size_bytes)
            )
    return Journey(key, rows[0].at_ns, rows[-1].at_ns, parts_ns, computing_ns, tuple(messages))


def _rows(path: Path) -> Iterator[Row]:
    """All events, task by task, each task's in the order in which they had to happen."""
    with readable(path):
        table = pq.read_table(path, schema=STATION_EVENTS)
    names = {name: table[name].to_pylist() for name in ("source", "kind", "event", "node")}
    numbers = {name: table[name].to_numpy() for name in ("task", "step", "stage", "at_ns", "size_bytes")}
    places = np.array([PLACE.get(event, len(PLACE)) for event in names["event"]], np.int64)
    if (places == len(PLACE)).any():
        raise ValueError(f"{path}: event={names['event'][int(places.argmax())]}: must be one of {', '.join(PLACE)}")
    who = [np.array(names[name], np.str_) for name in ("kind", "source")]
    order = np.lexsort((places, numbers["stage"], numbers["step"], numbers["task"], *who))
    columns = [[names[name][row] for row in order] for name in ("source", "kind", "event", "node")]
    values = [numbers[name][order].tolist() for name in ("task", "step", "stage", "at_ns", "size_bytes")]
    for source, kind, event, node, task, step, stage, at_ns, size_bytes in zip(*columns, *values, strict=True):
        yield Row((source, kind, task), step, stage, event, node, at_ns, size_bytes)
