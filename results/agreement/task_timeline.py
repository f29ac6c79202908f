"""Split a real task's time by activity, from the stations' events: an interval between two events has one activity."""

from collections.abc import Iterator, Mapping
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emulator.realtime.station_events import EVENTS, FAILURES, MARKS, STATION_EVENTS
from results.run.reading import readable

WAKE, SERIALISATION, TRANSFER, WAITING, COMPUTE = "wake", "serialisation", "transfer", "waiting", "compute"
ACTIVITY_BEFORE = {
    "woke": WAKE,
    "decided": WAITING,
    "published": SERIALISATION,
    "received": TRANSFER,
    "decoded": SERIALISATION,
    "started": WAITING,
    "loaded": COMPUTE,
    "computed": COMPUTE,
    "finished": COMPUTE,
} | dict.fromkeys(FAILURES, WAITING)  # the activity of the interval that ends with an event
EVENT_ORDER = {event: place for place, event in enumerate((*EVENTS, *FAILURES))}

TaskKey = tuple[str, str, int]  # source, kind, number of the task


class TaskMessage(NamedTuple):
    """A message of a task, sent to `stage` in pass `step`. `size_bytes` includes the message's own header, but not
    those of MQTT, TCP, UDP and IP."""

    step: int
    stage: int
    sender: str
    receiver: str
    published_ns: int
    received_ns: int
    size_bytes: int


class TaskTimeline(NamedTuple):
    """A task from its first event to its last. `parts_ns`: time by activity. Of COMPUTE, partitions really computed
    for `computing_ns`; for the rest the device was held until the modelled service time was over."""

    key: TaskKey
    first_ns: int
    last_ns: int
    parts_ns: Mapping[str, int]
    computing_ns: int
    messages: tuple[TaskMessage, ...]


class StationEvent(NamedTuple):
    """A row of events.parquet."""

    key: TaskKey
    step: int
    stage: int
    event: str
    node: str
    at_ns: int
    size_bytes: int


def task_timelines(events: Path) -> Iterator[TaskTimeline]:
    """Yield the timeline of each task that has an event. Raises ValueError for a damaged file."""
    for key, rows in groupby(_station_events(events), key=lambda row: row.key):
        yield task_timeline(key, list(rows))


def task_timeline(key: TaskKey, events: list[StationEvent]) -> TaskTimeline:
    """Return the timeline of the task with these events, given in order. It starts with the first event."""
    parts_ns = dict.fromkeys((WAKE, SERIALISATION, TRANSFER, WAITING, COMPUTE), 0)
    computing_ns = 0
    messages = []
    for before, event in pairwise(events):
        spent_ns = event.at_ns - before.at_ns
        parts_ns[ACTIVITY_BEFORE[event.event]] += spent_ns
        if event.event == "computed":
            computing_ns += spent_ns
        if event.event == "received" and before.event == "published":
            messages.append(
                TaskMessage(
                    event.step, event.stage, before.node, event.node, before.at_ns, event.at_ns, before.size_bytes
                )
            )
    return TaskTimeline(key, events[0].at_ns, events[-1].at_ns, parts_ns, computing_ns, tuple(messages))


def _station_events(path: Path) -> Iterator[StationEvent]:
    """Yield all events but marks, task by task, each task's by step, stage and EVENT_ORDER."""
    with readable(path):
        table = pq.read_table(path, schema=STATION_EVENTS, filters=~pc.field("event").isin(MARKS))
    names = {name: table[name].to_pylist() for name in ("source", "kind", "event", "node")}
    numbers = {name: table[name].to_numpy() for name in ("task", "step", "stage", "at_ns", "size_bytes")}
    places = np.array([EVENT_ORDER.get(event, len(EVENT_ORDER)) for event in names["event"]], np.int64)
    if (places == len(EVENT_ORDER)).any():
        unknown = names["event"][int(places.argmax())]
        raise ValueError(f"{path}: event={unknown}: must be one of {', '.join(EVENT_ORDER)}")
    stream = [np.array(names[name], np.str_) for name in ("kind", "source")]
    order = np.lexsort((places, numbers["stage"], numbers["step"], numbers["task"], *stream))
    columns = [[names[name][row] for row in order] for name in ("source", "kind", "event", "node")]
    values = [numbers[name][order].tolist() for name in ("task", "step", "stage", "at_ns", "size_bytes")]
    for source, kind, event, node, task, step, stage, at_ns, size_bytes in zip(*columns, *values, strict=True):
        yield StationEvent((source, kind, task), step, stage, event, node, at_ns, size_bytes)
