"""Two hundred systems with a number each, whose records' digests are stored: `python -m tests.emulator.stored_systems`
prints them, one JSON object. Each number gives a system, a policy and, for some, measured service times; every policy
that learns nothing takes part, both bearers, cells under every scheduler, brokers, and language models."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from agents.registry import make_policy
from emulator.core.units import NS_PER_MS
from emulator.policy import Compute, Execution, Policy
from emulator.record import ENERGY_PARTS, STAGE_SCHEMA, TASK_SCHEMA, Records, records_sha256
from emulator.simulation import Simulation
from emulator.system import Background, CellSpec, Ramp, Scheduler, System
from emulator.task import Partition, Placement, Task, passes
from emulator.trace import Trace
from tests.emulator.systems import random_system, scatter, tied_system

COUNT = 200
SCHEDULERS: tuple[Scheduler, ...] = ("rr", "pf", "max-rate")
POLICIES = ("scatter", "random", "all-device", "all-edge", "greedy", "exact", "fixed")


class Measured:
    """A `Compute` whose hosts take drawn times that depend on the task alone, and sometimes lose it."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def execute(self, task: Task, placement: Placement) -> Execution:
        rng = np.random.default_rng([self._seed, task.arrival_ns, task.number, len(placement)])
        if rng.random() < 0.05:
            return Execution((), "measured", 2, "worker lost")
        times_ns = rng.integers(0, 9 * NS_PER_MS, (len(passes(task)), len(placement))).tolist()
        return Execution(times_ns, "mixed" if len(times_ns) > 1 else "measured", int(rng.integers(1, 3)))


def stored_case(number: int) -> tuple[System, Policy, Compute | None]:
    """System, policy and compute of a number below `COUNT`."""
    system = with_fp16(tied_system(number) if number % 5 == 4 else with_cuts(random_system(number)))
    if number % 4 == 1:
        system = each_alone_in_a_cell(system)
    elif number % 4 == 3:
        system = shared_cells(system, SCHEDULERS[number // 4 % 3], number % 8 == 3)
    name = POLICIES[number % len(POLICIES)]
    if number % 5 == 4 and name in ("fixed", "scatter"):
        name = "greedy"
    compute = Measured(number) if number % 6 == 5 else None
    return system, a_policy(name, system), compute


def a_policy(name: str, system: System) -> Policy:
    """The policy of a name."""
    if name == "scatter":
        return scatter(system)
    servers = [node.name for node in system.nodes.values() if node.role == "edge"]
    splits = {"image": {"cut": 2, "node": servers[-1]}, "chat": {"cut": 1, "node": servers[0]}}
    return make_policy(name, {"splits": splits} if name == "fixed" else {}, system)


def with_fp16(system: System) -> System:
    """The same system with activations in fp16 alone, whose size has never changed."""
    kinds = {name: replace(kind, codecs=("fp16",)) for name, kind in system.kinds.items()}
    streams = tuple(replace(stream, kind=kinds[stream.kind.name]) for stream in system.streams)
    return replace(system, streams=streams)


def with_cuts(system: System) -> System:
    """Candidates that split, beside those of one partition."""
    servers = [node.name for node in system.nodes.values() if node.role == "edge"]
    placements = {}
    for (source, kind), whole in system.placements.items():
        layers = len(system.kinds[kind].model.layers)
        splits = [(Partition(source, 0, cut), Partition(name, cut, layers)) for name in servers for cut in (1, 3)]
        placements[source, kind] = (*whole, *splits)
    return replace(system, placements=placements)


def each_alone_in_a_cell(system: System) -> System:
    """Every link that has the slot rule in a cell of its own."""
    links = [
        replace(link, cell=f"{link.source}-{link.target}") if link.trace.release == "slot" else link
        for link in system.links
    ]
    names = [link.cell for link in links if link.cell]
    cells = {name: CellSpec(SCHEDULERS[place % 3], 5) for place, name in enumerate(names)}
    return replace(system, links=tuple(links), cells=cells)


def shared_cells(system: System, scheduler: Scheduler, background: bool) -> System:
    """The UEs' links share a cell each way, in slots of 1 ms, perhaps with cross-traffic and a first grant."""
    links = []
    for link in system.links:
        cell = "up" if link.source.startswith("ue") else "down" if link.target.startswith("ue") else ""
        changes: dict[str, Any] = {}
        if cell:
            changes = {"cell": cell, "trace": Trace(NS_PER_MS, link.trace.columns, "slot")}
        if cell and background:
            ramp = Ramp(10 * NS_PER_MS, 2 * NS_PER_MS, 5 * NS_PER_MS, 400, 3 * NS_PER_MS)
            changes |= {"background": Background(60.0, 2_000), "ramp": ramp}
        links.append(replace(link, **changes))
    cells = {name: CellSpec(scheduler, 6, 50) for name in ("up", "down")}
    return replace(system, links=tuple(links), cells=cells)


# The digests were stored before these columns were recorded.
TOKEN_COLUMNS = ("prompt_tokens", "output_tokens", "ttft_ns", "token_ns")
LATER_COLUMNS = {"worker", "codec", "quality_loss", "missed", *TOKEN_COLUMNS, *ENERGY_PARTS}
STORED_COLUMNS = {*TASK_SCHEMA.names, *STAGE_SCHEMA.names} - LATER_COLUMNS


def digest_of(number: int, folder: Path) -> str:
    """The digest of what the simulation records of a number's case."""
    system, policy, compute = stored_case(number)
    with Records(folder) as records:
        Simulation(system, compute).run(policy, "stored", records)
    return records_sha256([folder / "tasks.parquet", folder / "stages.parquet"], STORED_COLUMNS)


def digests(numbers: Sequence[int]) -> dict[str, str]:
    """The digests by number, as text."""
    found = {}
    for number in numbers:
        with tempfile.TemporaryDirectory() as folder:
            found[str(number)] = digest_of(number, Path(folder))
    return found


if __name__ == "__main__":
    print(json.dumps(digests(range(COUNT)), indent=0))
