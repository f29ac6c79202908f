"""Compile everything that a run needs, so that the first run is as fast as the second: `python -m airsplit.warm_up`.

Each part uses its functions on tiny inputs, as a run does: the types of their arguments then are those of a run.
"""

import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from agents.learning import fast_ppo
from agents.learning.settings import PpoSettings
from agents.offload.episodes import OffloadSettings
from agents.offload.vector_environment import OffloadVector
from agents.registry import make_policy
from agents.split_inference.episodes import Episodes, EpisodeSettings
from agents.split_inference.vector_environment import SplitInferenceVector
from airsplit.cli.output import fail
from emulator.channel.generate import generate
from emulator.channel.large_scale.track import static, waypoints
from emulator.channel.radio import Base, Fading, Radio
from emulator.core.draws import message_address, uniform
from emulator.core.machine_code import COMPLETE, REMEDY, cache_folder
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.link import Link
from emulator.profile import Layer, ModelProfile
from emulator.realtime.packet_log import PACKETS
from emulator.realtime.relay.process import RelayProcess
from emulator.realtime.verification.conformance import replay as replay_log
from emulator.realtime.verification.log_reader import LOGGED_PACKET
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.simulation.task_state import combined_loss
from emulator.system import (
    CellSpec,
    Control,
    Cost,
    DeviceSpec,
    Failure,
    LinkSpec,
    Node,
    Ramp,
    System,
)  # fmt: skip
from emulator.task import Partition, TaskKind
from emulator.trace import Trace, constant
from emulator.workload import Periodic, Stream, Tokens


def main() -> None:
    """Compile what is not in the cache, and say so in one line on standard error."""
    folder = cache_folder()
    if folder is None:
        fail(4, f"no folder for machine code can be written: {REMEDY}")
    if (folder / COMPLETE).exists():
        return
    print("compiling (50 s):", end="", file=sys.stderr, flush=True)
    for name, compile_part in PARTS.items():
        print(f" {name} ...", end="", file=sys.stderr, flush=True)
        compile_part()
    print(" done", file=sys.stderr)
    (folder / COMPLETE).touch()


def compile_simulation() -> None:
    """Run a system with a cell, failures and a language model through both engines."""
    system = small_system()
    with tempfile.TemporaryDirectory() as folder, Records(Path(folder)) as records:
        for policy in ("greedy", "exact"):
            Simulation(system, engine="compiled").run(make_policy(policy, {}, system), policy, records)
        Simulation(system, engine="simpy").run(make_policy("random", {}, system), "random", records)


def compile_channel() -> None:
    """Generate a slot or two of a moving UE's trace."""
    way = waypoints(((20.0, 20.0), (20.0, 180.0)), 15.0)
    for profile in ("tdl-c", "nakagami"):
        radio = Radio(base=Base(sites_m=((0.0, 0.0), (0.0, 200.0))), fading=Fading(profile=profile))
        generate(radio, way, NS_PER_MS, 1, "ue", "downlink")
    generate(Radio(), static(20.0, 0.0), NS_PER_MS, 1, "ue", "uplink")


def compile_agents() -> None:
    """Train in the vector environment, and bound and draw as agents and reports do."""
    slots = small_system().links[1]
    for trace in (slots.trace, constant(1e6)):
        link = Link.standalone(replace(slots, trace=trace), 1)
        link.earliest_ns(0, 100)
        link.rate_bps(NS_PER_MS, NS_PER_MS)
    episodes = Episodes([small_system()], EpisodeSettings(1, 1, 0))
    settings = PpoSettings(1, num_envs=1, num_steps=2, update_epochs=1, num_minibatches=1)
    fast_ppo.train(partial(SplitInferenceVector, episodes=episodes), settings, 0)
    uniform(1, 1, 1, 1)
    message_address(1, 1, 1, 1)
    combined_loss(0.0, 0.0)


def compile_offload() -> None:
    """Step a running system as an environment, and end it."""
    environment = OffloadVector(1, [replace(small_system(), failures=())], OffloadSettings(1))
    environment.reset(seed=0)
    environment.step(np.zeros(1, np.int64))
    environment.outstanding_s(0)


def compile_relay() -> None:
    """Compile the relay's loop for its tables, without running it."""
    ours, theirs = socket.socketpair()
    system = small_system()
    with ours, theirs:
        RelayProcess(ours, system.links, system.cells, system.seed, system.duration_ns).compile()


def compile_conformance() -> None:
    """Replay a relay's log of two packets, one through a cell."""
    system = small_system()
    packets = np.zeros(2, LOGGED_PACKET)
    packets["order"] = packets["link"] = 0, 1
    packets["size_bytes"] = 100
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "packets.parquet")
        pq.write_table(pa.table({name: packets[name] for name in PACKETS.names}, PACKETS), log)
        replay_log(system.links, system.cells, system.seed, system.duration_ns, log)


PARTS: dict[str, Callable[[], None]] = {
    "simulation": compile_simulation,
    "channel": compile_channel,
    "agents": compile_agents,
    "offload": compile_offload,
    "relay": compile_relay,
    "conformance": compile_conformance,
}


def small_system() -> System:
    """Return a UE whose uplink is in a cell, and an edge server that fails and is restored."""
    convnet = ModelProfile("convnet", "vision", "fp32", (3, 8, 8), (Layer("a", 10**6, 10**4, 10**3),) * 2)
    llama = ModelProfile("llama", "causal_lm", "fp16", (1,), (Layer("b", 10**6, 10**4, 128, 2_000, 256),) * 2)
    codecs = ("int8",)
    kinds = TaskKind("image", convnet, 8_000, 40, codecs, NS_PER_S), TaskKind("chat", llama, 0, 0, codecs, NS_PER_S)
    device = DeviceSpec(4e9, 2**30, 4e9, 1e9, 10_000)
    slots = {
        "capacity_bits": np.full(40, 8_000),
        "harq_delay_ns": np.zeros(40, np.int64),
        "block_lost": np.zeros(40, np.bool_),
    }
    trace = Trace(NS_PER_MS // 2, slots, "slot")
    up = LinkSpec("ue", "edge", trace, bearer="um", loss=0.1, ramp=Ramp(NS_PER_MS, NS_PER_MS), cell="up")
    placements = {
        ("ue", kind.name): ((Partition("ue", 0, 2),), (Partition("ue", 0, 1), Partition("edge", 1, 2)))
        for kind in kinds
    }
    return System(
        "warm-up", 1, NS_PER_S // 10,
        {"ue": Node("ue", "ue", device), "edge": Node("edge", "edge", device)},
        (up, LinkSpec("edge", "ue", trace)),
        tuple(Stream("ue", kind, Periodic(NS_PER_MS * 5), Tokens(2, 4, 2, 4)) for kind in kinds),
        placements, Control("ue", NS_PER_MS, 10 * NS_PER_MS), Cost(10.0),
        cells={"up": CellSpec("rr", 4)},
        failures=(Failure("edge", outages=((20 * NS_PER_MS, 40 * NS_PER_MS),)),),
        on_failure="retry",
    )  # fmt: skip


if __name__ == "__main__":
    main()
