"""Tasks per second of the simulation, beside two peers that do the same work by other means.

The workload: N clients, a router, N/10 servers; each client asks a task every Exp(1 s); its 10 kB cross
two FIFO hops of 10 Mbit/s and are served FIFO in 20 ms. Every engine gets the same tasks and writes the
same columns through the same writer, and what it wrote is compared row by row. All run with the garbage
collector held off, from which the process model gains most.
"""

import gc
import heapq
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import simpy

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
HOP_NS = SIZE_BYTES * 8 * NS_PER_S // RATE_BPS
SERVICE_NS = 20 * NS_PER_MS
DEADLINE_NS = NS_PER_S
BUSY_POWER_W = 10.0

CLIENTS = (10, 100, 1_000)
TASKS = 100_000  # offered in a run, on average
REPEATS = 5
KIB = 1_024

Engine = Callable[[System, Records], None]
Row = dict[str, str | float]


class OnlyCandidate:
    """A policy without a choice."""

    def decide(self, observation: Observation) -> Placement:
        return observation.candidates[0]


def workload(clients: int, duration_ns: int) -> System:
    """The system of the module's docstring."""
    model = ModelProfile("server", "vision", "fp32", (1,), (Layer("all", SERVICE_NS, 0, 0),))
    kind = TaskKind("message", model, SIZE_BYTES, 0, "int8", DEADLINE_NS)
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


def airsplit(system: System, records: Records) -> None:
    """The simulation itself: Link, Device, policy, occupancy, record writer."""
    Simulation(system).run(OnlyCandidate(), "only", records)


def simpy_processes(system: System, records: Records) -> None:
    """What a careful user of SimPy writes: a process a task, a Resource a hop."""
    environment = simpy.Environment()
    hops = {(link.source, link.target): simpy.Resource(environment) for link in system.links}
    servers = {name: simpy.Resource(environment) for name, node in system.nodes.items() if node.device}

    def client(stream: Stream) -> Generator[simpy.Event, Any, None]:
        placement = system.placements[stream.source, stream.kind.name][0]
        server = placement[0].node
        way = (hops[stream.source, "router"], hops["router", server], servers[server])
        text = describe(placement)
        for task in stream.tasks(system.seed, system.duration_ns):
            yield environment.timeout(task.arrival_ns - environment.now)
            environment.process(life(task, placement[0], text, *way))

    def life(
        task: Task, partition: Partition, text: str, up: simpy.Resource, down: simpy.Resource, server: simpy.Resource
    ) -> Generator[simpy.Event, Any, None]:
        link_waiting_ns: Any = 0  # SimPy's clock is typed as an int or a float; here it is always an int
        for hop in (up, down):
            asked_ns = environment.now
            with hop.request() as turn:
                yield turn
                link_waiting_ns += environment.now - asked_ns
                yield environment.timeout(HOP_NS)
        reached_ns: Any = environment.now
        with server.request() as turn:
            yield turn
            start_ns: Any = environment.now
            yield environment.timeout(SERVICE_NS)
        write(records, task, partition, text, reached_ns, start_ns, link_waiting_ns)

    for stream in system.streams:
        environment.process(client(stream))
    environment.run()


def bare_heapq(system: System, records: Records) -> None:
    """No library at all: busy-until times and a heap, the ceiling of pure Python."""
    up_ns, down_ns, server_ns = (dict.fromkeys(system.nodes, 0) for _ in range(3))
    later = [stream.tasks(system.seed, system.duration_ns) for stream in system.streams]
    partitions = [system.placements[stream.source, stream.kind.name][0][0] for stream in system.streams]
    texts = [describe((partition,)) for partition in partitions]
    heap: list[tuple[int, int, int, int, Task, int]] = []
    count = 0

    def push(when_ns: int, step: int, index: int, task: Task, waited_ns: int) -> None:
        nonlocal count
        count += 1
        heapq.heappush(heap, (when_ns, count, step, index, task, waited_ns))

    for index, tasks in enumerate(later):
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
        line, where = (up_ns, task.source) if step == 0 else (down_ns, server)
        start_ns = max(now_ns, line[where])
        line[where] = start_ns + HOP_NS
        push(start_ns + HOP_NS, step + 1, index, task, waited_ns + start_ns - now_ns)
        if step == 0:
            for following in islice(later[index], 1):
                push(following.arrival_ns, 0, index, following, 0)


def write(
    records: Records,
    task: Task,
    partition: Partition,
    placement: str,
    reached_ns: int,
    start_ns: int,
    link_waiting_ns: int,
) -> None:
    """The same two rows that the simulation writes."""
    energy_j = BUSY_POWER_W * SERVICE_NS * 1e-9
    sojourn_ns = start_ns + SERVICE_NS - task.arrival_ns
    who = ("only", task.source, task.kind.name, task.number)
    parts = (start_ns - reached_ns, 0, SERVICE_NS, reached_ns - task.arrival_ns, link_waiting_ns)
    in_time = sojourn_ns <= DEADLINE_NS
    outcome = ("done" if in_time else "missed", "", 1, "modelled")
    records.stages.append((*who, 0, *partition, *parts, energy_j, 0.0, "modelled"))
    records.tasks.append((*who, task.arrival_ns, placement, *parts, sojourn_ns, energy_j, 0.0, in_time, *outcome))


PEERS: dict[str, Engine] = {
    "SimPy, a process a task and a Resource a hop": simpy_processes,
    "bare heapq, busy-until times": bare_heapq,
}


def rows() -> list[Row]:
    """The rows of `make bench` about the simulation."""
    return [row for clients in CLIENTS for row in speed_rows(clients, TASKS, REPEATS)] + [memory_row(TASKS)]


def speed_rows(clients: int, tasks: int, repeats: int) -> list[Row]:
    """Tasks per second beside each peer: medians, the ratio's over runs that took turns.
    Raises AssertionError where a peer wrote another row than the simulation did."""
    system = workload(clients, tasks * NS_PER_S // clients)
    engines = {"airsplit": airsplit, **PEERS}
    check_equal(system, list(engines.values()))  # and whatever is to be compiled has been
    rates: dict[str, list[float]] = {name: [] for name in engines}
    for repeat in range(repeats):
        for name, engine in engines.items():
            rates[name].append(tasks_per_s(engine, system))
        print(f"sim_tasks_per_s_n{clients}: {repeat + 1} of {repeats}", file=sys.stderr)
    found: list[Row] = []
    for peer, ending in zip(PEERS, ("", "_heapq"), strict=True):
        ratio = median(own / other for own, other in zip(rates["airsplit"], rates[peer], strict=True))
        found.append(
            {
                "name": f"sim_tasks_per_s_n{clients}{ending}",
                "value": round(median(rates["airsplit"])),
                "unit": "tasks/s",
                "peer": peer,
                "peer_value": round(median(rates[peer])),
                "ratio": round(ratio, 2),
            }
        )
    return found


def check_equal(system: System, engines: list[Engine]) -> None:
    """Raise AssertionError unless all engines write the same rows, whatever their order."""
    first, *others = (written(engine, system) for engine in engines)
    for other in others:
        for one, two in zip(first, other, strict=True):
            assert one.num_rows > 0
            assert one.equals(two), f"rows differ in {[n for n in one.column_names if one[n] != two[n]]}"


def written(engine: Engine, system: System) -> list[pa.Table]:
    """What an engine writes: tasks and stages, in order of source and number, names as plain text."""
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
    """Tasks completed per second of wall-clock time, files written and closed."""
    with tempfile.TemporaryDirectory() as folder:
        gc.collect()
        gc.disable()
        start = time.perf_counter()
        with Records(Path(folder)) as records:
            engine(system, records)
        elapsed_s = time.perf_counter() - start
        gc.enable()
        return int(pq.read_metadata(Path(folder) / "tasks.parquet").num_rows) / elapsed_s


def memory_row(tasks: int) -> Row:
    """The most memory that a process holds that simulates ten times as long, beside one that does not."""
    short, long = (_in_a_process(peak_mib, 10, tasks * times) for times in (1, 10))
    print("sim_memory_growth: done", file=sys.stderr)
    return {
        "name": "sim_memory_growth",
        "value": round(long, 1),
        "unit": "MiB",
        "peer": "the same run, a tenth as long",
        "peer_value": round(short, 1),
        "ratio": round(long / short, 3),
    }


def peak_mib(clients: int, tasks: int) -> float:
    """The most memory that this process has held, after a run of about so many tasks."""
    with tempfile.TemporaryDirectory() as folder, Records(Path(folder)) as records:
        airsplit(workload(clients, tasks * NS_PER_S // clients), records)
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / KIB  # not `ru_maxrss`, which keeps what the parent process held


def _in_a_process(function: Callable[[int, int], float], clients: int, tasks: int) -> float:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, clients, tasks).result()
