"""Steps per second of the running simulator as an environment, beside the same decisions in SimPy.

The workload: four UEs with own links, an access point, two edge servers. Each UE asks ten times a second what its
camera sees; the network of four layers runs where a random candidate says: at the UE, at a server, or cut between
both. Both sides compute the features of each decision and the cost of each task. A step of the peer is a decision of a
policy in the SimPy engine, one run after the other: SimPy has no environments side by side.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from agents.offload.episodes import OffloadSettings, coupled_layout_of, episodes_of, system_of
from agents.offload.vector_environment import OffloadVector
from agents.split_inference.encoding import Encoder
from benchmarks.rows import Row, row
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.policy import Observation
from emulator.profile import Layer, ModelProfile
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.system import Control, Cost, DeviceSpec, LinkSpec, Node, System
from emulator.task import Partition, Placement, TaskKind
from emulator.trace import Trace, constant
from emulator.workload import Poisson, Stream

RUNS = 64
REPEATS = 5
SECONDS = 1.0  # of processor time of each repeat
UES, SERVERS = ("ue1", "ue2", "ue3", "ue4"), ("edge1", "edge2")
DURATION_NS = 60 * NS_PER_S


def rows() -> Iterator[Row]:
    """Yield the row; sides take turns, and the best repeat counts, since other load only slows a side down."""
    systems = [workload(seed) for seed in range(4)]
    settings = OffloadSettings(episodes=16)
    environment = OffloadVector(RUNS, systems, settings)
    environment.reset(seed=1)
    environment.step(np.zeros(RUNS, np.int64))  # compiles
    best, peer = 0.0, 0.0
    for repeat in range(REPEATS):
        best = max(best, environment_steps_per_s(environment, repeat))
        episode = episodes_of(systems, settings)[repeat]
        peer = max(peer, simpy_steps_per_s(system_of(systems, episode)))
    yield row(f"coupled_env_steps_per_s_n{RUNS}", best, "1/s", "SimPy", peer)


def environment_steps_per_s(environment: OffloadVector, seed: int) -> float:
    """Return the steps per second of processor time under random candidates."""
    rng = np.random.default_rng(seed)
    choices = environment.layout.choices
    random_actions = rng.integers(choices, size=(64, RUNS))  # all are candidates of all UEs
    steps, begun = 0, time.process_time()
    while (elapsed_s := time.process_time() - begun) < SECONDS:
        for actions in random_actions:
            environment.step(actions)
        steps += random_actions.size
    return steps / elapsed_s


def simpy_steps_per_s(system: System) -> float:
    """Return the decisions per second of processor time of a run under random candidates."""
    policy = RandomWithFeatures(system)
    with tempfile.TemporaryDirectory() as folder, Records(Path(folder)) as records:
        begun = time.process_time()
        Simulation(system, engine="simpy").run(policy, "random", records)
        return policy.decisions / (time.process_time() - begun)


class RandomWithFeatures:
    """Takes a random candidate, and computes the features that an agent would see."""

    def __init__(self, system: System) -> None:
        self._encoder = Encoder(coupled_layout_of(system))
        self._rng = np.random.default_rng(system.seed % 2**32)
        self.decisions = 0

    def decide(self, observation: Observation) -> Placement:
        """Return a random candidate."""
        self.decisions += 1
        self._encoder.features(observation)
        return observation.candidates[int(self._rng.integers(len(observation.candidates)))]


def workload(seed: int) -> System:
    """Return the system of the module's docstring; UEs' links fade by `seed`, in blocks of 100 ms."""
    layers = tuple(Layer(f"layer{number}", 100_000_000, 100_000, 40_000 >> number) for number in range(4))
    kind = TaskKind(
        "image", ModelProfile("network", "vision", "fp32", (3, 64, 64), layers), 20_000, 100, ("int8",), NS_PER_S
    )
    phone, server = DeviceSpec(10e9, 10**9, 10e9, 10e9), DeviceSpec(50e9, 10**9, 50e9, 50e9)
    nodes = {name: Node(name, "ue", phone) for name in UES} | {"gnb": Node("gnb", "gnb")}
    nodes |= {name: Node(name, "edge", server) for name in SERVERS}
    rng = np.random.default_rng(seed)
    radio = [LinkSpec(*ends, _fading(rng), NS_PER_MS) for name in UES for ends in ((name, "gnb"), ("gnb", name))]
    wired = [LinkSpec(*ends, constant(1e9), NS_PER_MS) for name in SERVERS for ends in ((name, "gnb"), ("gnb", name))]
    candidates = {(name, "image"): _candidates(name, len(layers)) for name in UES}
    streams = tuple(Stream(name, kind, Poisson(10.0)) for name in UES)
    control = Control("gnb", 5 * NS_PER_MS, 50 * NS_PER_MS)
    return System(f"coupled {seed}", 0, DURATION_NS, nodes, (*radio, *wired), streams, candidates, control, Cost(2.0))


def _candidates(source: str, layers: int) -> tuple[Placement, ...]:
    cuts = range(layers)
    whole = ((Partition(source, 0, layers),),)
    cut = ((Partition(source, 0, cut), Partition(server, cut, layers)) for server in SERVERS for cut in cuts[1:])
    return (*whole, *((Partition(server, 0, layers),) for server in SERVERS), *cut)


def _fading(rng: np.random.Generator) -> Trace:
    slot_ns = 100 * NS_PER_MS
    bits = np.rint(20e6 * rng.exponential(size=DURATION_NS // slot_ns) * slot_ns / NS_PER_S).astype(np.int64) + 1
    return Trace(slot_ns, {"capacity_bits": bits})
