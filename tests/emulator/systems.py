"""Small systems that the tests share: with every number known, or drawn at random from a seed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from emulator.activation.delivery import parse_delivery
from emulator.core.draws import uniform
from emulator.core.randomness import draw_key
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.policy import Observation, Totals
from emulator.profile import Layer, ModelProfile
from emulator.quality import QualityRow, QualityTable
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.system import Bearer, Control, Cost, DeviceSpec, LayerTimes, LinkSpec, Node, Ramp, System
from emulator.task import Partition, Placement, Task, TaskKind, parse
from emulator.trace import Release, Trace
from emulator.workload import Periodic, Poisson, Stream, Tokens

CONVNET = ModelProfile(
    "convnet",
    "vision",
    "fp32",
    (3, 32, 32),
    tuple(Layer(f"conv{i}", 40_000_000 * (i + 1), 50_000 * (i + 1), 6_000 // (i + 1)) for i in range(5)),
)
LLAMA = ModelProfile(
    "llama",
    "causal_lm",
    "fp16",
    (1,),
    tuple(Layer(f"block{i}", 3_000_000, 400_000, 128, 2_000, 256) for i in range(4)),
)
IMAGE = TaskKind("image", CONVNET, 8_000, 40, ("int8", "int4"), 120 * NS_PER_MS)
CHAT = TaskKind("chat", LLAMA, 0, 0, ("int8", "int4"), 500 * NS_PER_MS)

Row = dict[str, Any]
Key = tuple[str, str, int]  # source, kind, number


class Outcome(NamedTuple):
    """A run: its totals, and its rows as they stand in the files."""

    totals: Totals
    tasks: list[Row]
    stages: list[Row]


class Fixed:
    """Always the same placement for a (source, kind)."""

    def __init__(self, placements: dict[tuple[str, str], Placement]) -> None:
        self._placements = placements

    def decide(self, observation: Observation) -> Placement:
        return self._placements[observation.task.source, observation.task.kind.name]


class Scatter:
    """Any cut into at most four partitions, on any of the source's nodes, drawn by the task's address: the same
    task goes the same way whatever the other tasks do."""

    def __init__(self, seed: int, nodes: dict[str, Sequence[str]]) -> None:
        self._seed = seed
        self._nodes = nodes

    def decide(self, observation: Observation) -> Placement:
        return self.place(observation.task)

    def place(self, task: Task) -> Placement:
        key = draw_key(self._seed, task.source, f"placement of {task.kind.name}")
        nodes, layers = self._nodes[task.source], len(task.kind.model.layers)
        parts = 1 + int(4 * uniform(key, task.number, 0, 0))
        cuts = {1 + int((layers - 1) * uniform(key, task.number, 1, each)) for each in range(parts - 1)}
        edges = [0, *sorted(cuts), layers]
        where = [nodes[int(len(nodes) * uniform(key, task.number, 2, each))] for each in range(len(edges) - 1)]
        known = ("", *task.kind.codecs)[: 1 if len(task.kind.codecs) == 1 else None]  # the default, perhaps by its name
        codecs = [known[int(len(known) * uniform(key, task.number, 3, each))] for each in range(len(where))]
        return tuple(Partition(node, edges[i], edges[i + 1], codecs[i] if i else "") for i, node in enumerate(where))


def simulate(system: System, policy: Any, folder: Path, label: str = "tested") -> Outcome:
    """Run a policy through the simulation and read what it recorded."""
    folder.mkdir(parents=True, exist_ok=True)
    with Records(folder) as records:
        totals = Simulation(system).run(policy, label, records)
    tasks, stages = (pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("tasks", "stages"))
    return Outcome(totals, tasks, stages)


def pairs(
    count: int,
    seed: int = 1,
    *,
    bearer: Bearer = "am",
    loss: float = 0.0,
    release: Release = "fluid",
    rate_per_s: float = 30.0,
    duration_ns: int = 2 * NS_PER_S,
) -> System:
    """UEs that share nothing: each is joined to an edge server of its own by a link of its own each way."""
    ue = DeviceSpec(4e9, 2**30, 4e9, 1e9, 10_000, idle_power_w=0.5, busy_power_w=4.0, transmit_power_w=0.3)
    ue = replace(ue, receive_power_w=0.1)
    edge = DeviceSpec(60e9, 2**30, 50e9, 1e9, 10_000, idle_power_w=20.0, busy_power_w=90.0)
    nodes: dict[str, Node] = {}
    links, streams, placements = [], [], {}
    for number in range(1, count + 1):
        source, server = f"ue{number}", f"edge{number}"
        nodes |= {source: Node(source, "ue", ue), server: Node(server, "edge", edge)}
        for offset, (start, end) in enumerate([(source, server), (server, source)]):
            trace = random_trace(np.random.default_rng([number, offset]), 8e6, release)
            links.append(LinkSpec(start, end, trace, 2 * NS_PER_MS, 10**7, bearer, loss, 500, 3 * NS_PER_MS))
        streams.append(Stream(source, IMAGE, Poisson(rate_per_s)))
        streams.append(Stream(source, CHAT, Poisson(rate_per_s / 10), Tokens(12, 40, 6, 12)))
        for kind in (IMAGE, CHAT):
            layers = len(kind.model.layers)
            placements[source, kind.name] = (
                (Partition(source, 0, layers),),
                (Partition(server, 0, layers),),
                (Partition(source, 0, 2), Partition(server, 2, layers)),
            )
    control = Control("ue1", 5 * NS_PER_MS, 50 * NS_PER_MS)
    return System("pairs", seed, duration_ns, nodes, tuple(links), tuple(streams), placements, control, Cost(10.0))


def split_at_two(system: System) -> Fixed:
    """The split of `pairs`: two layers at the UE, the rest at its server."""
    return Fixed({key: candidates[-1] for key, candidates in system.placements.items()})


def offered(system: System) -> dict[Key, Task]:
    """The tasks that a run of the system must have a row for."""
    tasks = (task for stream in system.streams for task in stream.tasks(system.seed, system.duration_ns))
    return {(task.source, task.kind.name, task.number): task for task in tasks}


def key_of(row: Row) -> Key:
    """The task that a row is about."""
    return row["source"], row["kind"], row["task"]


def stages_of(outcome: Outcome) -> dict[Key, list[Row]]:
    """The rows of each task's stages, in order."""
    found: dict[Key, list[Row]] = defaultdict(list)
    for row in outcome.stages:
        found[key_of(row)].append(row)
    return found


def with_stream(system: System, stream: Stream) -> System:
    """The same system with this stream alone."""
    key = stream.source, stream.kind.name
    return replace(system, streams=(stream,), placements={key: system.placements[key]})


def input_bytes(task: Task) -> int:
    """What the source sends when another node runs the first layer."""
    return 4 * task.prompt_tokens if task.prompt_tokens else task.kind.input_bytes


def result_bytes(task: Task) -> int:
    """What comes back to the source when another node runs the last layer."""
    return 4 * task.output_tokens if task.output_tokens else task.kind.result_bytes


def random_trace(rng: np.random.Generator, mean_rate_bps: float, release: Release) -> Trace:
    """Capacities that vary and stop at times; under the slot rule with HARQ delays and lost blocks."""
    slot_ns = int(rng.choice([250_000, NS_PER_MS, 10 * NS_PER_MS]))
    count = int(rng.integers(5, 60))
    bits = rng.exponential(mean_rate_bps * slot_ns / NS_PER_S, count) * (rng.random(count) > 0.2)
    bits[0] = mean_rate_bps * slot_ns / NS_PER_S
    columns: dict[str, Any] = {"capacity_bits": np.rint(bits).astype(np.int64)}
    if release == "slot":
        columns["harq_delay_ns"] = rng.choice([0, 0, 0, 2, 5], count) * NS_PER_MS
        columns["block_lost"] = rng.random(count) < 0.05
    return Trace(slot_ns, columns, release)


def random_system(seed: int) -> System:
    """UEs behind one gNB, one or two edge servers and a cloud, perhaps a broker; queues and memories that
    sometimes do not suffice, links of both rules and both bearers, with and without losses and ramps."""
    rng = np.random.default_rng(seed)
    ues = [f"ue{number}" for number in range(1, int(rng.integers(1, 4)) + 1)]
    servers = ["edge1", "edge2", "cloud"][: int(rng.integers(1, 4))]
    nodes = {"gnb": Node("gnb", "gnb"), "mq": Node("mq", "broker")}
    nodes |= {name: Node(name, "ue", _random_device(rng, 4e9)) for name in ues}
    nodes |= {name: Node(name, "edge", _random_device(rng, 60e9)) for name in servers}
    bearer: Bearer = "um" if rng.random() < 0.5 else "am"
    slotted = float(rng.choice([0.0, 0.6]))  # without slots, every nanosecond on the way shows at the end
    links = []
    for name in ues:
        links += [
            _random_link(rng, name, "gnb", 12e6, bearer, slotted),
            _random_link(rng, "gnb", name, 30e6, bearer, slotted),
        ]
    for name in [*servers, "mq"]:
        links += [
            _random_link(rng, "gnb", name, 200e6, "am", slotted),
            _random_link(rng, name, "gnb", 200e6, "am", slotted),
        ]
    streams = []
    for name in ues:
        images = Poisson(float(rng.uniform(5, 60))) if rng.random() < 0.8 else Periodic(25 * NS_PER_MS)
        streams.append(Stream(name, IMAGE, images))
        streams.append(Stream(name, CHAT, Poisson(float(rng.uniform(1, 6))), Tokens(10, 40, 5, 12)))
    placements = {
        (name, kind.name): tuple((Partition(node, 0, len(kind.model.layers)),) for node in (name, *servers))
        for name in ues
        for kind in (IMAGE, CHAT)
    }
    control = Control("gnb", int(rng.integers(0, 20)) * NS_PER_MS, 50 * NS_PER_MS)
    broker = "mq" if rng.random() < 0.3 else None
    preload = bool(rng.random() < 0.5)
    duration_ns = 1_500 * NS_PER_MS
    return System(
        "random",
        seed,
        duration_ns,
        nodes,
        tuple(links),
        tuple(streams),
        placements,
        control,
        Cost(10.0),
        broker,
        preload,
    )


def judged(system: System, seed: int) -> System:
    """The same system with the quality of its answers: losses drawn at random, also some below 0."""
    rng = np.random.default_rng([seed, 1])
    tables, kinds = {}, {}
    for kind in system.kinds.values():
        tokens = "/t3" if kind.model.family == "causal_lm" and rng.random() < 0.5 else ""
        delivery = parse_delivery(f"packets:500/scatter/mean{tokens}" + rng.choice(["", "/d7"]))
        kinds[kind.name] = replace(kind, delivery=delivery)
        rows = [
            QualityRow(cut, name, how, level, float(rng.normal(level, 0.1)), np.nan, np.nan, 1.0)
            for cut in range(1, len(kind.model.layers))
            for name in ("fp32", *kind.codecs)
            for how, levels in (("", (0.0,)), (str(delivery), (0.05, 0.4, 1.0)))
            for level in levels
        ]
        tables[kind.name] = QualityTable(kind.model.name, "accuracy", 1.0, tuple(rows))
    streams = tuple(replace(stream, kind=kinds[stream.kind.name]) for stream in system.streams)
    cost = replace(system.cost, quality_s={name: float(rng.uniform(0, 2)) for name in kinds})
    return replace(system, streams=streams, quality=tables, cost=cost)


def tied_system(seed: int) -> System:
    """Two UEs and two servers where everything takes whole milliseconds and begins on one, so that arrivals,
    messages and partitions meet in the same nanosecond all the time, and the order of scheduling decides."""
    rng = np.random.default_rng(seed)
    nodes = {"gnb": Node("gnb", "gnb")}
    for name in ("ue1", "ue2", "edge1", "edge2"):
        layer_ns = tuple((rng.integers(0, 3, len(CONVNET.layers)) * NS_PER_MS).tolist())
        nothing = (0,) * len(CONVNET.layers)
        measured = {CONVNET.name: LayerTimes(layer_ns, nothing, nothing)}
        device = DeviceSpec(1e9, 2**30, 1e9, 1e9, 0, int(rng.choice([3, 1_000])), measured=measured)
        nodes[name] = Node(name, "ue" if name.startswith("ue") else "edge", device)
    links = []
    for name in ("ue1", "ue2", "edge1", "edge2"):
        for start, end in ((name, "gnb"), ("gnb", name)):
            trace = Trace(NS_PER_MS, {"capacity_bits": rng.choice([16_000, 64_000], 7)}, "slot")
            links.append(LinkSpec(start, end, trace, int(rng.integers(0, 10)) * NS_PER_MS, 100_000))
    kind = replace(IMAGE, input_bytes=8_000, result_bytes=int(rng.choice([0, 2_000])))
    streams = tuple(
        Stream(name, kind, Periodic(int(rng.integers(4, 9)) * NS_PER_MS, int(rng.integers(0, 3)) * NS_PER_MS))
        for name in ("ue1", "ue2")
    )
    layers = len(CONVNET.layers)
    placements = {
        (ue, kind.name): tuple(parse(f"{ue}:0-2|{server}:2-{layers}") for server in ("edge1", "edge2"))
        + tuple(parse(f"{node}:0-{layers}") for node in (ue, "edge1", "edge2"))
        for ue in ("ue1", "ue2")
    }
    control = Control("gnb", int(rng.choice([0, 0, 1, 3])) * NS_PER_MS, 50 * NS_PER_MS)
    return System("tied", seed, NS_PER_S, nodes, tuple(links), streams, placements, control, Cost(10.0))


def scatter(system: System) -> Scatter:
    """Any cut anywhere: every UE may use itself and all that is no UE."""
    servers = [node.name for node in system.nodes.values() if node.device is not None and node.role != "ue"]
    return Scatter(system.seed, {stream.source: [stream.source, *servers] for stream in system.streams})


def _random_device(rng: np.random.Generator, flops_per_s: float) -> DeviceSpec:
    return DeviceSpec(
        flops_per_s * float(rng.uniform(0.5, 2)),
        int(rng.choice([500_000, 1_000_000, 2**30])),
        flops_per_s,
        1e9,
        10_000,
        int(rng.choice([1, 4, 1_000])),
        *rng.uniform(0, 5, 4).tolist(),
    )


def _random_link(
    rng: np.random.Generator, source: str, target: str, rate_bps: float, bearer: Bearer, slotted: float
) -> LinkSpec:
    release: Release = "slot" if rng.random() < slotted else "fluid"
    return LinkSpec(
        source,
        target,
        random_trace(rng, rate_bps, release),
        int(rng.integers(0, 5)) * NS_PER_MS,
        int(rng.choice([9_000, 40_000, 10_000_000])),
        bearer,
        float(rng.choice([0.0, 0.05])),
        1_500,
        4 * NS_PER_MS,
        Ramp(20 * NS_PER_MS, 3 * NS_PER_MS) if rng.random() < 0.3 else None,
    )
