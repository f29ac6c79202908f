"""A UE with three servers, some of which take longer than their profiles say: a system with a best choice that is known
and that no observation shows."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from agents.baselines import FixedSplit, Split
from emulator.core.arrays import Floats
from emulator.core.units import NS_PER_S
from emulator.policy import EngineName, Execution, Policy
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.simulation.network import Network
from emulator.system import System
from emulator.task import Placement, Task, passes
from emulator.trace import constant
from emulator.workload import Poisson, Stream
from tests.agents.systems import IMAGE, small_system

SERVERS = ("edge1", "edge2", "cloud")


def known_system(duration_s: float, seed: int = 1) -> System:
    """Return a UE that sends images at 20 Mbit/s, four a second: without the slow hosts, edge1 and edge2 are equal and
    a little better than the cloud, and much better than the UE."""
    system = small_system(seed=seed, ues=1, duration_s=duration_s)
    links = tuple(replace(link, trace=constant(20e6)) if "ue1" in (link.source, link.target) else link
                  for link in system.links)  # fmt: skip
    stream = Stream("ue1", IMAGE, Poisson(4.0))
    return replace(
        system, links=links, streams=(stream,), placements={("ue1", "image"): system.placements["ue1", "image"]}
    )


class SlowedHosts:
    """A `Compute` that takes the profile's times, at some nodes that times a factor, from a time on."""

    def __init__(self, system: System, factors: Mapping[str, float], from_s: float = 0.0) -> None:
        self._devices, self._factors, self._from_ns = Network(system).devices, factors, from_s * NS_PER_S

    def execute(self, task: Task, placement: Placement) -> Execution:
        factors = self._factors if task.arrival_ns >= self._from_ns else {}
        model = task.kind.model.name
        times_ns = [
            [
                round(self._devices[node].service_ns(model, first, stop, *each) * factors.get(node, 1.0))
                for node, first, stop, _ in placement
            ]
            for each in passes(task)
        ]
        return Execution(times_ns, "measured")


def run_policy(
    folder: Path, system: System, policy: Policy, compute: SlowedHosts | None = None, engine: EngineName = "compiled"
) -> list[dict[str, Any]]:
    """Return the rows of a run's tasks, in order of arrival."""
    with Records(folder) as records:
        Simulation(system, compute, engine).run(policy, "tested", records)
    rows = pq.read_table(folder / "tasks.parquet").to_pylist()
    return sorted(rows, key=lambda row: (row["arrival_ns"], row["source"], row["kind"]))


def costs_s(system: System, rows: list[dict[str, Any]]) -> Floats:
    """Return the cost of each task in seconds."""
    return np.array([
        system.cost.of(row["kind"], row["sojourn_ns"], row["erased_fraction"], row["quality_loss"] or 0.0,
                       row["energy_j"], row["outcome"] == "failed")
        for row in rows
    ])  # fmt: skip


def best_fixed_costs_s(folder: Path, system: System, compute: SlowedHosts | None) -> Floats:
    """Return the costs of the single cut with the least mean cost over the run."""
    tried = [
        costs_s(system, run_policy(folder, system, FixedSplit({"image": Split(cut, node, codec)}), compute))
        for node in SERVERS
        for cut in range(4)
        for codec in (("int8", "int4") if cut else ("",))
    ]
    return min(tried, key=np.mean)
