"""Compare emulation and simulation, task by task: how much longer a task really took, and which parts of it.

Every task of an emulation has a simulated sojourn and a real one. Parts that the simulation models (devices, links)
can differ in reality; others it does not model. The parts, including an unexplained rest, add up to the difference, to
the nanosecond.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emulator.core.files import atomic_write
from emulator.core.shortest_paths import ShortestPaths
from emulator.legs import legs
from emulator.system import System
from emulator.task import Placement, Task, parse
from results.agreement.delay_breakdown import (
    AIR,
    FORWARDING,
    HEADERS,
    LATENESS,
    RAMP,
    STACK,
    MatchedMessage,
    delay_breakdowns,
)
from results.agreement.link_packets import link_groups, link_logs, read_groups
from results.agreement.message_matching import MessageRoute, match_messages
from results.agreement.task_timeline import (
    COMPUTE,
    SERIALISATION,
    WAITING,
    WAKE,
    TaskKey,
    TaskMessage,
    TaskTimeline,
    task_timelines,
)
from results.run.reading import readable
from results.run.tables import TASK_KEY

REST = "rest"
# Names of the parts in figures and report, in the order shown there.
PART_TITLES = {
    COMPUTE: "computing",
    WAITING: "waiting for a device",
    WAKE: "wake-up of the source",
    SERIALISATION: "encoding and decoding",
    STACK: "stacks of the hosts",
    FORWARDING: "broker and routers",
    HEADERS: "headers on the links",
    RAMP: "TCP ramp",
    AIR: "links at other instants",
    LATENESS: "lateness of the relay",
    REST: "unexplained",
}
MESSAGE_COUNTS = ("messages", "overlapping", "unmatched")  # all; ambiguous because others overlap; not found

AGREEMENT = pa.schema(
    [
        ("source", pa.string()),
        ("kind", pa.string()),
        ("task", pa.int64()),
        ("arrival_ns", pa.int64()),
        ("simulated_ns", pa.int64()),  # the two sojourns
        ("real_ns", pa.int64()),
        *[(f"{part}_ns", pa.int64()) for part in PART_TITLES],  # their sum is real minus simulated
        ("service_ns", pa.int64()),  # real time on devices
        ("computing_ns", pa.int64()),  # of it, the time that partitions computed; for the rest the device was held
        *[(name, pa.int32()) for name in MESSAGE_COUNTS],
    ]
)
PART_COLUMNS = {f"{part}_ns": title for part, title in PART_TITLES.items()}


class TaskPair(NamedTuple):
    """A task that was answered both in simulation and in reality: its simulated row (`transfers_ns` by stage) and its
    real sojourn."""

    key: TaskKey
    arrival_ns: int
    placement: Placement
    simulated_ns: int
    waiting_ns: int
    compute_ns: int
    transfers_ns: Mapping[int, int]
    real_ns: int


class ExplainedMessage(NamedTuple):
    """A real message of a task. `alone`: no other message made its packets ambiguous. `parts_ns`: None if unknown."""

    message: TaskMessage
    alone: bool
    parts_ns: Mapping[str, int] | None


def write_agreement(folder: Path, system: System, simulated: str, emulated: str) -> None:
    """Write agreement.parquet, a row for each task that was answered under both labels, `simulated` and `emulated`.

    Reads the records, events.parquet and packets.parquet in the folder; `system` is the emulated one. Holds the packets
    of all links that tasks use in memory. Raises ValueError for a damaged file.
    """
    pairs = {pair.key: pair for pair in task_pairs(folder, simulated, emulated)}
    rows = [dict(zip(AGREEMENT.names, row, strict=True)) for row in agreement_rows(pairs, system, folder)]
    with atomic_write(folder / "agreement.parquet") as partial:
        pq.write_table(pa.Table.from_pylist(rows, AGREEMENT), partial)


def read_agreement(path: Path) -> pd.DataFrame | None:
    """Read agreement.parquet; None if the run has none."""
    if not path.is_file():
        return None
    with readable(path):
        frame: pd.DataFrame = pq.read_table(path, schema=AGREEMENT).to_pandas()
    return frame


def task_pairs(folder: Path, simulated: str, emulated: str) -> Iterator[TaskPair]:
    """Yield the tasks that were answered under both labels, in the order of the simulated rows."""
    answered = pc.field("outcome") != "failed"
    real_rows = _rows(folder / "tasks.parquet", (pc.field("policy") == emulated) & answered, [*TASK_KEY, "sojourn_ns"])
    real_ns = {_key(row): row["sojourn_ns"] for row in real_rows}
    transfers_ns: dict[TaskKey, dict[int, int]] = {}
    for row in _rows(folder / "stages.parquet", pc.field("policy") == simulated, [*TASK_KEY, "stage", "transfer_ns"]):
        transfers_ns.setdefault(_key(row), {})[row["stage"]] = row["transfer_ns"]
    columns = [*TASK_KEY, "arrival_ns", "placement", "sojourn_ns", "waiting_ns", "load_ns", "service_ns"]
    for row in _rows(folder / "tasks.parquet", (pc.field("policy") == simulated) & answered, columns):
        key = _key(row)
        if key in real_ns:
            placement, compute_ns = parse(row["placement"]), row["load_ns"] + row["service_ns"]
            yield TaskPair(
                key, row["arrival_ns"], placement, row["sojourn_ns"], row["waiting_ns"], compute_ns,
                transfers_ns.get(key, {}), real_ns[key],
            )  # fmt: skip


def _rows(path: Path, condition: pc.Expression, columns: list[str]) -> list[dict[str, Any]]:
    with readable(path):
        rows: list[dict[str, Any]] = pq.read_table(path, columns=columns, filters=condition).to_pylist()
    return rows


def _key(row: Mapping[str, Any]) -> TaskKey:
    return row["source"], row["kind"], row["task"]


def agreement_rows(pairs: Mapping[TaskKey, TaskPair], system: System, folder: Path) -> Iterator[tuple[str | int, ...]]:
    """Yield the row of each pair that has station events, in the columns of AGREEMENT."""
    timelines = list(task_timelines(folder / "events.parquet"))
    messages = [(pairs.get(each.key), message) for each in timelines for message in each.messages]
    explained = iter(explain_messages(messages, system, folder))
    for timeline in timelines:
        of_task = [next(explained) for _ in timeline.messages]
        if timeline.key in pairs:
            yield agreement_row(pairs[timeline.key], timeline, of_task)


def explain_messages(
    messages: Sequence[tuple[TaskPair | None, TaskMessage]], system: System, folder: Path
) -> list[ExplainedMessage]:
    """Return the parts of each message's time; those of a message that belongs to no pair stay unknown."""
    paths = ShortestPaths([(link.source, link.target) for link in system.links])
    routes = [message_route(paths, system.broker, message.sender, message.receiver) for _, message in messages]
    group_of = link_groups(system)
    packets = read_groups(folder / "packets.parquet", {group_of[link] for route in routes for link in route.links})
    routed = [(message, route) for (_, message), route in zip(messages, routes, strict=True)]
    matches = match_messages(routed, link_logs(packets), system.broker is not None)
    tasks = {(task.source, task.kind.name, task.number): task for task in system.tasks()}
    matched = {
        number: MatchedMessage(
            message,
            routes[number],
            transfers,
            bare_bytes(tasks[pair.key], pair.placement, message.step, message.stage),
        )
        for number, ((pair, message), (transfers, alone)) in enumerate(zip(messages, matches, strict=True))
        if pair is not None and transfers is not None and alone
    }
    parts_ns = dict(zip(matched, delay_breakdowns(system, packets, list(matched.values())), strict=True))
    return [
        ExplainedMessage(message, matches[number].alone, parts_ns.get(number))
        for number, (_, message) in enumerate(messages)
    ]


def bare_bytes(task: Task, placement: Placement, step: int, stage: int) -> int:
    """Return the bytes that the simulation sends on a leg."""
    return next(leg.size_bytes for leg in legs(task, placement) if (leg.step, leg.stage) == (step, stage))


def message_route(paths: ShortestPaths, broker: str | None, sender: str, receiver: str) -> MessageRoute:
    """Return a message's links, the same as in the simulation (`emulator.simulation.network.Network.route`)."""
    if broker is None:
        return MessageRoute(paths.path(sender, receiver), -1)
    to_broker = paths.path(sender, broker)
    return MessageRoute(to_broker + paths.path(broker, receiver), len(to_broker))


def agreement_row(
    pair: TaskPair, timeline: TaskTimeline, messages: Sequence[ExplainedMessage]
) -> tuple[str | int, ...]:
    """Return the row of a pair. If one of a stage's messages is unknown, the stage's whole difference in transfer time
    goes to the rest."""
    parts_ns = dict.fromkeys(PART_TITLES, 0)
    parts_ns[WAKE] = timeline.first_ns - pair.arrival_ns
    parts_ns[SERIALISATION] = timeline.parts_ns[SERIALISATION]
    parts_ns[WAITING] = timeline.parts_ns[WAITING] - pair.waiting_ns
    parts_ns[COMPUTE] = timeline.parts_ns[COMPUTE] - pair.compute_ns
    for stage in {each.message.stage for each in messages}:
        of_stage = [each.parts_ns for each in messages if each.message.stage == stage]
        known = [each for each in of_stage if each is not None]
        if len(known) == len(of_stage):
            for each in known:
                for part, spent_ns in each.items():
                    parts_ns[part] += spent_ns
            parts_ns[AIR] -= pair.transfers_ns.get(stage, 0)
    parts_ns[REST] = pair.real_ns - pair.simulated_ns - sum(parts_ns.values())
    overlapping = sum(not each.alone for each in messages)
    unmatched = sum(each.parts_ns is None for each in messages) - overlapping
    return (
        *pair.key, pair.arrival_ns, pair.simulated_ns, pair.real_ns, *parts_ns.values(),
        timeline.parts_ns[COMPUTE], timeline.computing_ns, len(messages), overlapping, unmatched,
    )  # fmt: skip
