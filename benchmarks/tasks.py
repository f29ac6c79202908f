"""Simulated tasks per second, beside two peers that do the same work by other means.

The workload: N clients, a router, N/10 servers. Each client starts a task every Exp(1 s); its 10 kB pass two FIFO links
of 10 Mbit/s and are served FIFO in 20 ms. Every engine gets the same tasks and writes the same columns through the same
writer, and the rows are compared before anything is timed. All run with the garbage collector disabled, from which
processes of SimPy gain most.
"""

import gc
import heapq
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import simpy

from benchmarks.rows import Row, call_in_process, peak_memory_mib, row
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.policy import Observation
from emulator.profile import Layer, ModelProfile
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.system import Control, Cost, DeviceSpec, LinkSpec, Node, System
from emulator.task import Partition, Placement, Task, TaskKind, describe
from emulator.trace import constant
from emulator.workload import Poisson, Stream

SIZE_BYTES = 10_000
RATE_BPS = 10_000_000
LINK_NS = SIZE_BYTES * 8 * NS_PER_S // RATE_BPS
SERVICE_NS = 20 * NS_PER_MS
DEADLINE_NS = NS_PER_S
BUSY_POWER_W = 10.0

CLIENTS = (10, 100, 1_000)
TASKS = 100_000  # offered in a run, on average
REPEATS = 5

Engine = Callable[[System, Records], None]


class OnlyCandidate:
    """A policy without a choice."""

    def decide(self, observation: Observation) -> Placement:
        return observation.candidates[0]


def workload(clients: int, duration_ns: int) -> System:
    """The system of the module's docstring."""
    model = ModelProfile("server", "vision", "fp32", (1,), (Layer("all", SERVICE_NS, 0, 0),))
    kind = TaskKind("message", model, SIZE_BYTES, 0, ("int8",), DEADLINE_NS)
    server = DeviceSpec(NS_PER_S, 1, NS_PER_S, NS_PER_S, queue_tasks=10**9, busy_power_w=BUSY_POWER_W)
    names = [f"client{i}" for i in range(clients)]
    servers = [f"server{i}" for i in range(max(1, clients // 10))]
    wire = constant(RATE_BPS)
    nodes = [Node("router", "gnb"), *(Node(name, "ue") for name in names)]
    nodes += [Node(name, "edge", server) for name in servers]
    links = [LinkSpec(name, "router", wire, queue_bytes=10**12) for name in names]
    links += [LinkSpec("router", name, wire, queue_bytes=10**12) for name in servers]
    homes = {name: ((Partition(servers[i % len(servers)], 0, 1),),) for i, name in enumerate(names)}
    return System(
        name="message",
        seed=1,
        duration_ns=duration_ns,
        nodes={node.name: node for node in nodes},
        links=tuple(links),
        streams=tuple(Stream(name, kind, Poisson(1.0)) for name in names),
        placements={(name, kind.name): home for name, home in homes.items()},
        control=Control("router", 0, NS_PER_S),
        cost=Cost(failure_s=10.0),
    )


def compiled_engine(system: System, records: Records) -> None:
    """Run the simulation by its compiled engine: links, devices, a policy, the record writer."""
    Simulation(system).run(OnlyCandidate(), "only", records)


def simpy_engine(system: System, records: Records) -> None:
    """Run the simulation by its SimPy engine."""
    Simulation(system, engine="simpy").run(OnlyCandidate(), "only", records)


def simpy_peer(system: System, records: Records) -> None:
    """Run what a careful user of SimPy writes: a process a task, a Resource a link and a server."""
    environment = simpy.Environment()
    links = {(link.source, link.target): simpy.Resource(environment) for link in system.links}
    servers = {name: simpy.Resource(environment) for name, node in system.nodes.items() if node.device}

    def client(stream: Stream) -> Generator[simpy.Event, Any, None]:
        placement = system.placements[stream.source, stream.kind.name][0]
        server = placement[0].node
        resources = (links[stream.source, "router"], links["router", server], servers[server])
        text = describe(placement)
        for task in stream.tasks(system.seed, system.duration_ns):
            yield environment.timeout(task.arrival_ns - environment.now)
            environment.process(run_task(task, placement[0], text, *resources))

    def run_task(
        task: Task, partition: Partition, text: str, up: simpy.Resource, down: simpy.Resource, server: simpy.Resource
    ) -> Generator[simpy.Event, Any, None]:
        link_waiting_ns: Any = 0  # SimPy's clock is typed as an int or a float; here it is always an int
        for link in (up, down):
            requested_ns = environment.now
            with link.request() as request:
                yield request
                link_waiting_ns += environment.now - requested_ns
                yield environment.timeout(LINK_NS)
        queued_ns: Any = environment.now
        with server.request() as request:
            yield request
            start_ns: Any = environment.now
            yield environment.timeout(SERVICE_NS)
        write(records, task, partition, text, queued_ns, start_ns, link_waiting_ns)

    for stream in system.streams:
        environment.process(client(stream))
    environment.run()


def heapq_peer(system: System, records: Records) -> None:
    """Run without any library, by busy-until times and a heap: the ceiling of pure Python."""
    up_ns, down_ns, server_ns = (dict.fromkeys(system.nodes, 0) for _ in range(3))
    streams = [stream.tasks(system.seed, system.duration_ns) for stream in system.streams]
    partitions = [system.placements[stream.source, stream.kind.name][0][0] for stream in system.streams]
    texts = [describe((partition,)) for partition in partitions]
    heap: list[tuple[int, int, int, int, Task, int]] = []
    count = 0

    def push(when_ns: int, step: int, index: int, task: Task, waited_ns: int) -> None:
        nonlocal count
        count += 1
        heapq.heappush(heap, (when_ns, count, step, index, task, waited_ns))

    for index, tasks in enumerate(streams):
        for task in islice(tasks, 1):
            push(task.arrival_ns, 0, index, task, 0)
    while heap:
        now_ns, _, step, index, task, waited_ns = heapq.heappop(heap)
        server = partitions[index].node
        if step == 2:
            start_ns = max(now_ns, server_ns[server])
            server_ns[server] = start_ns + SERVICE_NS
            write(records, task, partitions[index], texts[index], now_ns, start_ns, waited_ns)
            continue
        busy_until_ns, node = (up_ns, task.source) if step == 0 else (down_ns, server)
        start_ns = max(now_ns, busy_until_ns[node])
        busy_until_ns[node] = start_ns + LINK_NS
        push(start_ns + LINK_NS, step + 1, index, task, waited_ns + start_ns - now_ns)
        if step == 0:
            for following in islice(streams[index], 1):
                push(following.arrival_ns, 0, index, following, 0)


def write(
    records: Records,
    task: Task,
    partition: Partition,
    placement: str,
    queued_ns: int,
    start_ns: int,
    link_waiting_ns: int,
) -> None:
    """Write the two rows of a task that the simulation writes: its stage and the task."""
    energy_j = BUSY_POWER_W * SERVICE_NS * 1e-9
    sojourn_ns = start_ns + SERVICE_NS - task.arrival_ns
    identity = ("only", task.source, task.kind.name, task.number)
    parts = (start_ns - queued_ns, 0, SERVICE_NS, queued_ns - task.arrival_ns, link_waiting_ns)
    in_time = sojourn_ns <= DEADLINE_NS
    outcome = ("done" if in_time else "missed", "" if in_time else "total", "", 1, "modelled")
    energies_j = (energy_j, 0.0, 0.0, energy_j, 0.0)
    begin = (*identity, task.arrival_ns, None, None, placement)
    records.stages.append((*identity, 0, *partition, *parts, *energies_j, 0.0, None, "modelled", ""))
    records.tasks.append((*begin, *parts, sojourn_ns, None, None, *energies_j, 0.0, None, in_time, *outcome))


COMPILED, SIMPY = "compiled engine", "SimPy engine"
SIMPY_PEER, HEAPQ_PEER = "SimPy, a process a task and a Resource a hop", "bare heapq, busy-until times"
ENGINES: dict[str, Engine] = {
    COMPILED: compiled_engine,
    SIMPY: simpy_engine,
    SIMPY_PEER: simpy_peer,
    HEAPQ_PEER: heapq_peer,
}


class Comparison(NamedTuple):
    """A row: its name, of which `{}` is the number of clients, and the two engines whose speed it compares."""

    name: str
    engine: str
    peer: str


COMPARISONS = (
    Comparison("sim_tasks_per_s_n{}", COMPILED, SIMPY_PEER),
    Comparison("sim_tasks_per_s_n{}_heapq", COMPILED, HEAPQ_PEER),
    Comparison("sim_simpy_tasks_per_s_n{}", SIMPY, SIMPY_PEER),  # target: 0.8
    Comparison("sim_engines_ratio_n{}", COMPILED, SIMPY),  # target: 3
)


def speed_rows(
    clients: int, tasks: int = TASKS, repeats: int = REPEATS, engines: Mapping[str, Engine] = ENGINES
) -> Iterator[Row]:
    """Yield the comparisons among the engines: medians of tasks per second, the ratio's over runs that took turns.

    Raises AssertionError where an engine wrote other rows than the first.
    """
    system = workload(clients, tasks * NS_PER_S // clients)
    check_equal(system, list(engines.values()))  # this run compiles too
    rates: dict[str, list[float]] = {name: [] for name in engines}
    for repeat in range(repeats):
        for name, engine in engines.items():
            rates[name].append(tasks_per_s(engine, system))
        print(f"sim_n{clients}: {repeat + 1} of {repeats}", file=sys.stderr)
    for name, own, peer in COMPARISONS:
        if own in engines and peer in engines:
            ratio = median(first / second for first, second in zip(rates[own], rates[peer], strict=True))
            own_rate, peer_rate = round(median(rates[own])), round(median(rates[peer]))
            yield row(name.format(clients), own_rate, "tasks/s", peer, peer_rate, ratio)


def check_equal(system: System, engines: Sequence[Engine]) -> None:
    """Raise AssertionError unless all engines write the same rows, in any order."""
    first, *others = (written(engine, system) for engine in engines)
    for other in others:
        for own, peer in zip(first, other, strict=True):
            assert own.num_rows > 0
            assert own.equals(peer), f"rows differ in {[n for n in own.column_names if own[n] != peer[n]]}"


def written(engine: Engine, system: System) -> list[pa.Table]:
    """Return the tables that an engine writes (stages, tasks): sorted by source and task, names as plain text."""
    with tempfile.TemporaryDirectory() as folder:
        with Records(Path(folder)) as records:
            engine(system, records)
        tables = [pq.read_table(path) for path in sorted(Path(folder).glob("*.parquet"))]
    texts = {
        field.name: pa.string() for table in tables for field in table.schema if pa.types.is_dictionary(field.type)
    }
    plain = [
        table.cast(pa.schema([(field.name, texts.get(field.name, field.type)) for field in table.schema]))
        for table in tables
    ]
    return [table.sort_by([("source", "ascending"), ("task", "ascending")]).combine_chunks() for table in plain]


def tasks_per_s(engine: Engine, system: System) -> float:
    """Return the tasks completed per second of wall-clock time, until the files are closed."""
    with tempfile.TemporaryDirectory() as folder:
        gc.collect()
        gc.disable()
        start = time.perf_counter()
        with Records(Path(folder)) as records:
            engine(system, records)
        elapsed_s = time.perf_counter() - start
        gc.enable()
        return int(pq.read_metadata(Path(folder) / "tasks.parquet").num_rows) / elapsed_s


def memory_rows(tasks: int = TASKS) -> Iterator[Row]:
    """Yield the peak memory of a process that simulates ten times as long as another."""
    short, long = (call_in_process(simulate_and_measure_memory, 10, tasks * times) for times in (1, 10))
    yield row(
        "sim_memory_growth", round(long, 1), "MiB", "the same run, a tenth as long", round(short, 1), long / short
    )


def simulate_and_measure_memory(clients: int, tasks: int) -> float:
    """Return the peak memory of this process in MiB, after a run of about so many tasks."""
    with tempfile.TemporaryDirectory() as folder, Records(Path(folder)) as records:
        compiled_engine(workload(clients, tasks * NS_PER_S // clients), records)
    return peak_memory_mib()
