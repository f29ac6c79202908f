"""How far emulation and simulation are apart, task by task, and by which parts.

Every task of an emulation has a simulated sojourn and a real one. What the simulation knows of (devices, links) may
take longer or shorter in reality, and some things it does not know. The parts add up: together with the rest that is
left unexplained they are the difference, to the nanosecond.
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
from emulator.system import System
from emulator.task import Placement, Task, message_bytes, parse
from results.agreement.delay_breakdown import AIR, FORWARDING, HEADERS, LATENESS, RAMP, STACK, Sent, split
from results.agreement.link_packets import link_logs, media, read_media
from results.agreement.message_matching import Way, tell
from results.agreement.task_timeline import COMPUTE, SERIALISATION, WAITING, WAKE, Journey, Key, Message, journeys
from results.run.reading import readable

REST = "rest"
# In the order in which figures and report show them, with their names there.
PARTS = {
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
COUNTS = ("messages", "overlapping", "unmatched")

AGREEMENT = pa.schema(
    [
        ("source", pa.string()),
        ("kind", pa.string()),
        ("task", pa.int64()),
        ("arrival_ns", pa.int64()),
        ("simulated_ns", pa.int64()),  # the sojourns
        ("real_ns", pa.int64()),
        *[(f"{part}_ns", pa.int64()) for part in PARTS],  # they add up to real less simulated
        ("service_ns", pa.int64()),  # how long its devices really had the task, and of that
        ("computing_ns", pa.int64()),  # its partitions ran: the rest of that time was held
        *[(name, pa.int32()) for name in COUNTS],  # messages: all; met others on a link; not found among the packets
    ]
)
PART_COLUMNS = {f"{part}_ns": title for part, title in PARTS.items()}
WHO = ["source", "kind", "task"]


class Pair(NamedTuple):
    """A task that was answered in both worlds: what the simulation says of it, `transfers_ns` by stage, and how long
    it really took."""

    key: Key
    arrival_ns: int
    placement: Placement
    simulated_ns: int
    waiting_ns: int
    compute_ns: int
    transfers_ns: Mapping[int, int]
    real_ns: int


class Carried(NamedTuple):
    """A real message of a task; `alone`: no other was on its way to one of its links at the same time. Its parts, None
    where they are not known."""

    message: Message
    alone: bool
    parts_ns: Mapping[str, int] | None


def write_agreement(folder: Path, system: System, simulated: str, emulated: str) -> None:
    """Write agreement.parquet, a row for each task that was answered both under the label `simulated` and under
    `emulated`, from the records, events.parquet and packets.parquet in the folder. `system`: the one that was emulated.

    Memory holds the packets of the links that tasks use. Raises ValueError for a damaged file."""
    pairs = {pair.key: pair for pair in paired(folder, simulated, emulated)}
    rows = [dict(zip(AGREEMENT.names, row, strict=True)) for row in explained(pairs, system, folder)]
    with atomic_write(folder / "agreement.parquet") as partial:
        pq.write_table(pa.Table.from_pylist(rows, AGREEMENT), partial)


def read_agreement(path: Path) -> pd.DataFrame | None:
    """The tasks of a run in both worlds; None where it has none."""
    if not path.is_file():
        return None
    with readable(path):
        frame: pd.DataFrame = pq.read_table(path, schema=AGREEMENT).to_pandas()
    return frame


def paired(folder: Path, simulated: str, emulated: str) -> Iterator[Pair]:
    """The tasks that both labels have answered, in the order of the simulated rows."""
    answered = pc.field("outcome") != "failed"
    theirs = _rows(folder / "tasks.parquet", (pc.field("policy") == emulated) & answered, [*WHO, "sojourn_ns"])
    real_ns = {_key(row): row["sojourn_ns"] for row in theirs}
    transfers_ns: dict[Key, dict[int, int]] = {}
    for row in _rows(folder / "stages.parquet", pc.field("policy") == simulated, [*WHO, "stage", "transfer_ns"]):
        transfers_ns.setdefault(_key(row), {})[row["stage"]] = row["transfer_ns"]
    columns = [*WHO, "arrival_ns", "placement", "sojourn_ns", "waiting_ns", "load_ns", "service_ns"]
    for row in _rows(folder / "tasks.parquet", (pc.field("policy") == simulated) & answered, columns):
        key = _key(row)
        if key in real_ns:
            placement, compute_ns = parse(row["placement"]), row["load_ns"] + row["service_ns"]
            yield Pair(
                key, row["arrival_ns"], placement, row["sojourn_ns"], row["waiting_ns"], compute_ns,
                transfers_ns.get(key, {}), real_ns[key],
            )  # fmt: skip


def _rows(path: Path, which: pc.Expression, columns: list[str]) -> list[dict[str, Any]]:
    with readable(path):
        rows: list[dict[str, Any]] = pq.read_table(path, columns=columns, filters=which).to_pylist()
    return rows


def _key(row: Mapping[str, Any]) -> Key:
    return row["source"], row["kind"], row["task"]


def explained(pairs: Mapping[Key, Pair], system: System, folder: Path) -> Iterator[tuple[str | int, ...]]:
    """The row of each pair of which stations have written, in the columns of `AGREEMENT`."""
    known = list(journeys(folder / "events.parquet"))
    carried = iter(
        carry([(pairs.get(each.key), message) for each in known for message in each.messages], system, folder)
    )
    for each in known:
        of_task = [next(carried) for _ in each.messages]
        if each.key in pairs:
            yield explain(pairs[each.key], each, of_task)


def carry(messages: Sequence[tuple[Pair | None, Message]], system: System, folder: Path) -> list[Carried]:
    """What is known of each message; of one that belongs to no pair, no parts."""
    paths = ShortestPaths([(link.source, link.target) for link in system.links])
    ways = [way(paths, system.broker, message.sender, message.receiver) for _, message in messages]
    medium_of = media(system)
    packets = read_media(folder / "packets.parquet", {medium_of[link] for each in ways for link in each.links})
    sent = [(message, each) for (_, message), each in zip(messages, ways, strict=True)]
    told = tell(sent, link_logs(packets), system.broker is not None)
    tasks = tasks_of(system)
    clear = {
        number: Sent(
            message,
            ways[number],
            crossings,
            message_bytes(tasks[pair.key], pair.placement, message.step, message.stage),
        )
        for number, ((pair, message), (crossings, alone)) in enumerate(zip(messages, told, strict=True))
        if pair is not None and crossings is not None and alone
    }
    parts_ns = dict(zip(clear, split(system, packets, list(clear.values())), strict=True))
    return [Carried(message, told[number].alone, parts_ns.get(number)) for number, (_, message) in enumerate(messages)]


def tasks_of(system: System) -> dict[Key, Task]:
    """All tasks that the system's streams ask for."""
    return {
        (task.source, task.kind.name, task.number): task
        for stream in system.streams
        for task in stream.tasks(system.seed, system.duration_ns)
    }


def way(paths: ShortestPaths, broker: str | None, sender: str, receiver: str) -> Way:
    """The links that a message takes, as in the simulation: `emulator.simulation.network.Network.route`."""
    if broker is None:
        return Way(paths.path(sender, receiver), -1)
    there = paths.path(sender, broker)
    return Way(there + paths.path(broker, receiver), len(there))


def explain(pair: Pair, journey: Journey, carried: Sequence[Carried]) -> tuple[str | int, ...]:
    """The row of a pair. Where not all of a stage's messages are known, what it took longer on its way than in the
    simulation is left to the rest: what one of them took there is not known."""
    parts_ns = dict.fromkeys(PARTS, 0)
    parts_ns[WAKE] = journey.first_ns - pair.arrival_ns
    parts_ns[SERIALISATION] = journey.parts_ns[SERIALISATION]
    parts_ns[WAITING] = journey.parts_ns[WAITING] - pair.waiting_ns
    parts_ns[COMPUTE] = journey.parts_ns[COMPUTE] - pair.compute_ns
    for stage in {each.message.stage for each in carried}:
        split_ns = [each.parts_ns for each in carried if each.message.stage == stage]
        known = [each for each in split_ns if each is not None]
        if len(known) == len(split_ns):
            for each in known:
                for part, spent_ns in each.items():
                    parts_ns[part] += spent_ns
            parts_ns[AIR] -= pair.transfers_ns.get(stage, 0)
    parts_ns[REST] = pair.real_ns - pair.simulated_ns - sum(parts_ns.values())
    overlapping = sum(not each.alone for each in carried)
    unmatched = sum(each.parts_ns is None for each in carried) - overlapping
    return (
        *pair.key, pair.arrival_ns, pair.simulated_ns, pair.real_ns, *parts_ns.values(),
        journey.parts_ns[COMPUTE], journey.computing_ns, len(carried), overlapping, unmatched,
    )  # fmt: skip
