"""Small systems for the tests: one or more UEs, two edge servers, a cloud."""

from dataclasses import replace

import numpy as np

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.profile import Layer, ModelProfile
from emulator.system import Control, Cost, DeviceSpec, LinkSpec, Node, Ramp, System
from emulator.task import Partition, Placement, TaskKind
from emulator.trace import Interval, Trace, constant
from emulator.workload import Poisson, Recorded, Stream, Tokens

CONVNET = ModelProfile(
    "convnet",
    "vision",
    "fp32",
    (3, 32, 32),
    (
        Layer("conv1", 200_000_000, 7_000, 65_536),
        Layer("conv2", 400_000_000, 70_000, 16_384),
        Layer("conv3", 400_000_000, 300_000, 4_096),
        Layer("head", 2_000_000, 40_000, 10),
    ),
)
LLAMA = ModelProfile(
    "llama",
    "causal_lm",
    "fp16",
    (1,),
    (
        Layer("embed", 0, 1_000_000, 512),
        Layer("block1", 4_000_000, 4_000_000, 512, 2_048, 1_024),
        Layer("block2", 4_000_000, 4_000_000, 512, 2_048, 1_024),
        Layer("head", 2_000_000, 2_000_000, 1),
    ),
)
IMAGE = TaskKind("image", CONVNET, 20_000, 40, ("int8", "int4"), 200 * NS_PER_MS)
CHAT = TaskKind("chat", LLAMA, 0, 0, ("int8", "int4"), 2 * NS_PER_S)
SERVERS = ("edge1", "edge2", "cloud")


def fading(seed: int, mean_rate_bps: float, slots: int = 400, slot_ns: int = 10 * NS_PER_MS) -> Trace:
    """Return a trace of exponential capacities, each for ten slots, so that a measurement is informative."""
    rng = np.random.default_rng(seed)
    rates = np.repeat(rng.exponential(mean_rate_bps, slots // 10), 10)
    bits = np.rint(rates * slot_ns / NS_PER_S).astype(np.int64) + 1
    return Trace(slot_ns, {"capacity_bits": bits}, lineage=(Interval(f"fading {seed}", 0, slots * slot_ns),))


def candidates_of(source: str, kind: TaskKind, servers: tuple[str, ...]) -> tuple[Placement, ...]:
    """Return all layers at the source, all at one server, and each single cut between source and server in each
    codec."""
    layers = len(kind.model.layers)
    found: list[Placement] = [(Partition(source, 0, layers),)]
    for server in servers:
        found.append((Partition(server, 0, layers),))
        found += [
            (Partition(source, 0, cut), Partition(server, cut, layers, codec))
            for cut in range(1, layers)
            for codec in ("", "int4")
        ]
    found.append((Partition(source, 0, 1), Partition(servers[0], 1, 2), Partition(servers[-1], 2, layers, "int4")))
    return tuple(found)


def small_system(
    seed: int = 1,
    ues: int = 2,
    rate_per_s: float = 4.0,
    duration_s: float = 4.0,
    ramp: Ramp | None = None,
    loss: float = 0.0,
    arrivals: Recorded | None = None,
    trace_seed: int | None = None,
    servers: tuple[str, ...] = SERVERS,
    queue_bytes: int = 10_000_000,
) -> System:
    """Return UEs on fading links to a gNB, edge servers 1 ms behind it and a cloud 10 ms."""
    weak = DeviceSpec(10e9, 2**30, 10e9, 1e9, 20_000, busy_power_w=4.0, transmit_power_w=0.2)
    edge = DeviceSpec(60e9, 2**32, 50e9, 1e9, 20_000)
    cloud = DeviceSpec(200e9, 2**34, 200e9, 1e9, 20_000)
    names = [f"ue{index + 1}" for index in range(ues)]
    nodes = {name: Node(name, "ue", weak) for name in names} | {"gnb": Node("gnb", "gnb")}
    nodes |= {name: Node(name, "edge", edge) for name in servers if name != "cloud"}
    nodes |= {"cloud": Node("cloud", "cloud", cloud)} if "cloud" in servers else {}
    links = []
    first = seed if trace_seed is None else trace_seed
    for index, name in enumerate(names):
        for offset, (start, end, rate) in enumerate([(name, "gnb", 3e6), ("gnb", name, 10e6)]):
            trace = fading(1_000 * first + 10 * index + offset, rate)
            links.append(
                LinkSpec(start, end, trace, 2 * NS_PER_MS, queue_bytes, "am", loss, 1_500, 8 * NS_PER_MS, ramp)
            )
    wired = constant(1e9)
    for server in servers:
        delay_ns = (10 if server == "cloud" else 1) * NS_PER_MS
        links += [LinkSpec("gnb", server, wired, delay_ns), LinkSpec(server, "gnb", wired, delay_ns)]
    tokens = Tokens(20, 60, 8, 20)
    streams = tuple(
        stream
        for name in names
        for stream in (
            Stream(name, IMAGE, arrivals or Poisson(rate_per_s)),
            Stream(name, CHAT, arrivals or Poisson(rate_per_s / 4), tokens),
        )
    )
    placements = {(s.source, s.kind.name): candidates_of(s.source, s.kind, servers) for s in streams}
    control = Control("gnb", 5 * NS_PER_MS, 50 * NS_PER_MS)
    cost = Cost(10.0)
    return System("small", seed, round(duration_s * NS_PER_S), nodes, tuple(links), streams, placements, control, cost)


def powered(system: System, energy_s_per_j: float) -> System:
    """Return the system with radios and computers that draw power, and a cost of energy."""
    nodes = {
        name: node
        if node.device is None
        else replace(
            node,
            device=replace(node.device, busy_power_w=3.0 + number, transmit_power_w=0.7 * number, receive_power_w=0.3),
        )
        for number, (name, node) in enumerate(system.nodes.items(), 1)
    }
    return replace(system, nodes=nodes, cost=replace(system.cost, energy_s_per_j=energy_s_per_j))
