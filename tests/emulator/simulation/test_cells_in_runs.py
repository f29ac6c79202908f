"""Cells in the simulation: one UE each changes nothing, and shared ones do what the walk over every slot says."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.policy import Observation
from emulator.record import Records, records_sha256
from emulator.simulation import Simulation
from emulator.system import Background, CellSpec, Control, LinkSpec, Node, Ramp, Scheduler, System
from emulator.task import Placement
from emulator.trace import Trace
from emulator.workload import Recorded, Stream
from tests.emulator.reference import Message
from tests.emulator.reference_cell import Offer, ReferenceCell
from tests.emulator.reference_cells_run import ReferenceCellsRun
from tests.emulator.selective_traces import named_table
from tests.emulator.simulation.test_simulation import PARTS, LeastLoaded
from tests.emulator.systems import (
    IMAGE,
    Fixed,
    key_of,
    offered,
    pairs,
    random_system,
    scatter,
    simulate,
    stages_of,
    tied_system,
)

SCHEDULERS: tuple[Scheduler, ...] = ("rr", "pf", "max-rate")


def each_in_a_cell(system: System) -> System:
    """Every link that has the slot rule in a cell of its own."""
    links = [
        replace(link, cell=f"{link.source}-{link.target}") if link.trace.release == "slot" else link
        for link in system.links
    ]
    names = [link.cell for link in links if link.cell]
    cells = {name: CellSpec(SCHEDULERS[number % 3], 5) for number, name in enumerate(names)}
    return replace(system, links=tuple(links), cells=cells)


def sharing(system: System, scheduler: Scheduler, background: Background | None = None) -> System:
    """The UEs' links share a cell each way, in slots of 1 ms, perhaps with a UE that only makes traffic."""
    links = []
    for link in system.links:
        cell = "up" if link.source.startswith("ue") else "down" if link.target.startswith("ue") else ""
        trace = Trace(NS_PER_MS, link.trace.columns, "slot") if cell else link.trace
        links.append(replace(link, cell=cell, trace=trace))
    nodes = dict(system.nodes)
    if background is not None:
        nodes["phone"] = Node("phone", "ue")
        up = next(link for link in links if link.cell == "up")
        links.append(replace(up, source="phone", background=background))
    cells = {name: CellSpec(scheduler, 6, 50) for name in ("up", "down")}
    return replace(system, links=tuple(links), nodes=nodes, cells=cells)


@pytest.mark.parametrize("seed", range(12))
def test_cells_with_one_link_each_change_no_row(seed: int, tmp_path: Path) -> None:
    """Nor the order of tasks in one nanosecond; the tied systems have many such ties."""
    for name, system, policy in (
        ("random", random_system(seed), scatter(random_system(seed))),
        ("tied", tied_system(seed), LeastLoaded()),
    ):
        plain = simulate(system, policy, tmp_path / name)
        apart = simulate(each_in_a_cell(system), policy, tmp_path / f"{name}-cells")
        assert sorted(plain.tasks, key=key_of) == sorted(apart.tasks, key=key_of)
        assert stages_of(plain) == stages_of(apart)
        assert apart.totals.little_error == 0


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_runs_with_shared_cells_owe_what_every_run_owes(seed: int, scheduler: Scheduler, tmp_path: Path) -> None:
    """Each task once, its parts its sojourn, Little's law, and the same rows once more."""
    system = sharing(random_system(seed), scheduler, Background(300.0, 3_000))
    digests = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        outcome = simulate(system, scatter(random_system(seed)), folder)
        digests.append(records_sha256([folder / "tasks.parquet", folder / "stages.parquet"]))
    assert digests[0] == digests[1]
    assert sorted(map(key_of, outcome.tasks)) == sorted(offered(system))
    assert outcome.totals.little_error == 0
    for row in outcome.tasks:
        assert sum(row[part] for part in PARTS) == row["sojourn_ns"]
        assert 0 <= row["link_waiting_ns"] <= row["transfer_ns"]
    transfers_ns = sum(row["transfer_ns"] for row in outcome.tasks)
    alone = simulate(each_in_a_cell(sharing(random_system(seed), scheduler)), scatter(random_system(seed)), tmp_path)
    assert transfers_ns != sum(row["transfer_ns"] for row in alone.tasks)  # they did contend


def fading(rng: np.random.Generator) -> Trace:
    """Forty slots that differ, a fifth of them empty."""
    bits = rng.integers(6, 30_000, 40) * (rng.random(40) > 0.2)
    bits[0] = 6
    return Trace(NS_PER_MS, {"capacity_bits": bits}, "slot")


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_first_hops_of_a_run_are_those_of_the_walk_over_every_slot(scheduler: Scheduler, tmp_path: Path) -> None:
    """Four UEs and a background send images straight through a cell; each row's transfer is the reference's."""
    rng = np.random.default_rng(1)
    system = sharing(
        pairs(4, release="slot", rate_per_s=60.0, duration_ns=NS_PER_S), scheduler, Background(50.0, 5_000)
    )
    ramp = Ramp(15 * NS_PER_MS, NS_PER_MS, 4 * NS_PER_MS, 800, 3 * NS_PER_MS)
    links = [replace(link, trace=fading(rng), ramp=ramp) if link.cell == "up" else link for link in system.links]
    images = {key: candidates for key, candidates in system.placements.items() if key[1] == "image"}
    streams = tuple(stream for stream in system.streams if stream.kind is IMAGE)
    system = replace(system, links=tuple(links), streams=streams, placements=images)
    policy = Fixed({key: candidates[1] for key, candidates in images.items()})
    stages = stages_of(simulate(system, policy, tmp_path))
    up = [link for link in links if link.cell == "up"]
    reference = ReferenceCell(system.cells["up"], up, system.seed, system.duration_ns)
    expected = defaultdict(list)
    tasks = sorted((task.arrival_ns, key) for key, task in offered(system).items())
    for arrival_ns, key in tasks:
        place = next(place for place, link in enumerate(up) if link.source == key[0])
        assert reference.offer(Offer(place, Message(arrival_ns, IMAGE.input_bytes)))
        expected[place].append((arrival_ns, stages[key][0]["transfer_ns"]))
    for place, found in enumerate(reference.deliveries(5_000)):
        assert [each.arrival_ns for each in found] == [sum(each) for each in expected[place]]
    assert len(tasks) > 150


def chained(seed: int) -> System:
    """A random or a tied system whose links are in up to three cells that messages cross one after the other, in slots
    of unlike lengths, on two sites, with ramps, small queues and background, narrow grants and unlike groups."""
    rng = np.random.default_rng([seed, 1])
    system = tied_system(seed) if seed % 2 else random_system(seed)
    slots_ns = {"up": NS_PER_MS, "down": int(rng.choice([1, 2, 4])) * NS_PER_MS // 2, "core": NS_PER_MS}
    links = []
    for link in system.links:
        cell = "up" if link.source.startswith("ue") else "down" if link.target.startswith("ue") else "core"
        if rng.random() < (0.5 if cell == "core" else 0.1):
            links.append(link)
            continue
        columns = dict(link.trace.columns)
        if rng.random() < 0.5:
            columns["serving"] = rng.integers(0, 2, len(link.trace)).astype(np.int8)
        idle, delay, report = (int(times) * NS_PER_MS for times in rng.integers(0, [20, 4, 5]))
        ramp = Ramp(idle, delay, int(rng.choice([0, 5])) * NS_PER_MS, int(rng.choice([0, 300])), report)
        background = Background(float(rng.choice([20, 300])), int(rng.choice([100, 1_500])))
        trace, queue_bytes = Trace(slots_ns[cell], columns, "slot"), int(rng.choice([9_000, 10**7]))
        member = replace(link, cell=cell, trace=trace, queue_bytes=queue_bytes)
        member = replace(member, ramp=ramp if rng.random() < 0.5 else None)
        links.append(replace(member, background=background if rng.random() < 0.3 else None))
    names = sorted({link.cell for link in links if link.cell})
    cells = {
        name: CellSpec(SCHEDULERS[int(rng.integers(3))], int(rng.integers(1, 7)), int(rng.integers(1, 60)))
        for name in names
    }
    links = [described(rng, link, cells[link.cell].groups) if link.cell else link for link in links]
    return replace(system, links=tuple(links), cells=cells, duration_ns=200 * NS_PER_MS)


def described(rng: np.random.Generator, link: LinkSpec, groups: int) -> LinkSpec:
    """Half of the links with traces that tell the width of each grant and the CQI of each group."""
    if rng.random() < 0.5:
        return link
    count = len(link.trace)
    width = np.where(rng.random(count) < 0.5, groups, rng.integers(1, groups + 1, count))
    columns = {
        **link.trace.columns,
        "grant_groups": width.astype(np.int8),
        "cqi": rng.integers(0, 16, count).astype(np.int8),
        "subband_cqi": rng.integers(0, 4**groups, count),
    }
    trace = Trace(link.trace.slot_ns, columns, "slot", metadata=named_table(int(rng.integers(1, 4))))
    return replace(link, trace=trace)


@pytest.mark.parametrize("seed", range(10))
def test_runs_through_several_cells_are_those_of_a_walk_over_every_slot_of_each(seed: int, tmp_path: Path) -> None:
    """Every row, also with ties in one nanosecond and messages that a full queue drops."""
    system = chained(seed)
    outcome = simulate(system, scatter(system), tmp_path)
    (tmp_path / "simpy").mkdir()
    with Records(tmp_path / "simpy") as records:
        Simulation(system, engine="simpy").run(scatter(system), "tested", records)
    files = ("tasks.parquet", "stages.parquet")
    assert len({records_sha256([folder / name for name in files]) for folder in (tmp_path, tmp_path / "simpy")}) == 1
    reference = ReferenceCellsRun(system, scatter(system))
    assert {key_of(row): row["reason"] for row in outcome.tasks} == {
        key: row["reason"] for key, row in reference.rows.items()
    }
    for row in outcome.tasks:
        expected = reference.rows[key_of(row)]
        for name in ("sojourn_ns", "waiting_ns", "transfer_ns", "link_waiting_ns"):
            assert row[name] == expected[name]
        for name in ("energy_j", "erased_fraction"):
            assert row[name] == pytest.approx(expected[name])


def test_the_heard_rate_is_shared_by_those_who_had_something_to_send(tmp_path: Path) -> None:
    """UE 2 sends for 30 of the first 40 ms: on average 0.75 others, as heard then, and before it began none."""
    system = pairs(2, release="slot")
    flat = Trace(NS_PER_MS, {"capacity_bits": np.array([80_000])}, "slot")
    system = sharing(system, "rr")
    links = tuple(replace(link, trace=flat) if link.cell else link for link in system.links)
    images = {key: candidates for key, candidates in system.placements.items() if key[1] == "image"}
    system = replace(system, links=links, placements=images, control=Control("edge1", 0, 50 * NS_PER_MS))
    arrivals_ns = (10 * NS_PER_MS, 40 * NS_PER_MS)
    kind = replace(IMAGE, input_bytes=300_000, result_bytes=0)
    streams = (Stream("ue2", kind, Recorded((10 * NS_PER_MS,))), Stream("ue1", kind, Recorded(arrivals_ns)))
    heard: list[float] = []

    class Listening:
        def decide(self, observation: Observation) -> Placement:
            heard.append(observation.rate_bps("ue1", "edge1"))
            return observation.candidates[0 if observation.task.source == "ue1" else 1]

    with Records(tmp_path) as records:
        Simulation(replace(system, streams=streams)).run(Listening(), "listening", records)
    assert heard == [80e6, 80e6, pytest.approx(80e6 / 1.75)]
