"""Nothing beats the bound, and nothing beats the optimum if tasks never overlap."""

from dataclasses import replace
from itertools import product
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.registry import make_policy
from agents.split_inference.bound import bounds, optimum
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.legs import legs
from emulator.link import Link
from emulator.policy import Policy
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.simulation.isolated_task import sojourn_ns
from emulator.simulation.network import Network
from emulator.system import Background, Bearer, CellSpec, Failure, OnFailure, Ramp, Scheduler, System
from emulator.task import describe, parse
from emulator.trace import Release, Trace
from emulator.workload import Recorded
from tests.agents.systems import powered, small_system
from tests.emulator.strategies import nothing
from tests.emulator.systems import judged, pairs

BASELINES = ("random", "all-device", "all-edge", "greedy", "exact")
Costs = dict[tuple[str, str, int], float]


def costs_s(system: System, policy: Policy) -> Costs:
    """Return each task's cost in the simulation."""
    with TemporaryDirectory() as folder:
        with Records(Path(folder)) as records:
            Simulation(system).run(policy, "policy", records)
        rows = pq.read_table(Path(folder) / "tasks.parquet").to_pylist()
    return {
        (row["source"], row["kind"], row["task"]): system.cost.of(
            row["kind"],
            row["sojourn_ns"],
            row["erased_fraction"],
            row["quality_loss"] or 0.0,
            row["energy_j"],
            row["outcome"] == "failed",
        )
        for row in rows
    }


def bounds_s(system: System) -> Costs:
    return {(row["source"], row["kind"], row["task"]): row["bound_s"] for row in bounds(system).to_pylist()}


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10**6),
    rate_per_s=st.sampled_from([1.0, 5.0, 30.0]),
    loss=st.sampled_from([0.0, 0.05]),
    ramp=st.sampled_from([None, Ramp(20 * NS_PER_MS, 7 * NS_PER_MS)]),
    queue_bytes=st.sampled_from([10_000_000, 30_000]),
    failure_s=st.sampled_from([0.05, 2.0]),
    release=st.sampled_from(["fluid", "slot"]),
    bearer=st.sampled_from(["am", "um"]),
    quality=st.booleans(),
    energy_s_per_j=st.sampled_from([0.0, 0.02, 0.5]),
)
def test_nothing_beats_the_bound(
    seed: int, rate_per_s: float, loss: float, ramp: Ramp | None, queue_bytes: int, failure_s: float, release: Release,
    bearer: Bearer, quality: bool, energy_s_per_j: float,
) -> None:  # fmt: skip
    system = small_system(seed, 2, rate_per_s, 2.0, ramp, loss, queue_bytes=queue_bytes)
    links = tuple(replace(link, trace=replace(link.trace, release=release), bearer=bearer) for link in system.links)
    system = replace(system, links=links, cost=replace(system.cost, failure_s=failure_s))
    system = judged(system, seed) if quality else system
    system = powered(system, energy_s_per_j)
    least = bounds_s(system)
    for name in BASELINES:
        costs = costs_s(system, make_policy(name, {}, system))
        assert costs.keys() == least.keys()
        assert all(costs[task] >= least[task] for task in costs)


@pytest.mark.parametrize("scheduler", ["rr", "pf", "max-rate"])
def test_nothing_beats_the_bound_in_shared_cells(scheduler: Scheduler) -> None:
    """Two UEs share a cell each way, request grants, and share the cell with a background; the optimum is refused."""
    system = small_system(3, 2, 30.0, 2.0, Ramp(20 * NS_PER_MS, NS_PER_MS, 5 * NS_PER_MS, 500, 4 * NS_PER_MS))
    links = []
    for link in system.links:
        cell = "up" if link.source.startswith("ue") else "down" if link.target.startswith("ue") else ""
        trace = replace(link.trace, release="slot") if cell else link.trace
        background = Background(20.0, 10_000) if link.source == "ue2" else None
        links.append(replace(link, trace=trace, cell=cell, background=background))
    cells = {name: CellSpec(scheduler, 8) for name in ("up", "down")}
    shared = powered(replace(system, links=tuple(links), cells=cells), 0.05)
    least = bounds_s(shared)
    for name in BASELINES:
        costs = costs_s(shared, make_policy(name, {}, shared))
        assert costs.keys() == least.keys()
        assert all(costs[task] >= least[task] for task in costs)
    with pytest.raises(ValueError, match="background: must be none for the optimum"):
        optimum(shared)


def darkened(system: System, *dark: tuple[str, str]) -> System:
    """Return the system with these links always out of coverage."""
    links = [
        replace(link, trace=nothing(link.trace)) if (link.source, link.target) in dark else link
        for link in system.links
    ]
    return replace(system, links=tuple(links))


@pytest.mark.parametrize("dark", [[("ue1", "gnb")], [("gnb", "ue1")], [("ue1", "gnb"), ("gnb", "ue2")]])
def test_nothing_beats_the_bound_out_of_coverage(dark: list[tuple[str, str]]) -> None:
    """A task that needs the link fails; others cost the same as before."""
    system = small_system(7, 2, 5.0)
    without = bounds_s(system)
    for failure_s in (0.02, 10.0):
        priced = replace(darkened(system, *dark), cost=replace(system.cost, failure_s=failure_s))
        least = bounds_s(priced)
        assert all(min(without[task], failure_s) <= least[task] <= failure_s for task in least)
        failures = 0
        for name in BASELINES:
            costs = costs_s(priced, make_policy(name, {}, priced))
            assert costs.keys() == least.keys()
            assert all(costs[task] >= least[task] for task in costs)
            failures += sum(cost == failure_s for cost in costs.values())
        assert failures
    at_home = {key: places[:1] for key, places in system.placements.items()}
    elsewhere = {key: places[1:2] for key, places in system.placements.items()}
    assert bounds_s(replace(priced, placements=at_home)) == bounds_s(replace(system, placements=at_home))
    away = bounds_s(replace(priced, placements=elsewhere))
    lost = {source for source, _ in dark} | {target for _, target in dark}
    assert {task[0] for task in away if away[task] == 10.0} == lost - {"gnb"}


def test_optimum_stays_at_the_source_without_coverage() -> None:
    system = darkened(spaced(None), ("ue1", "gnb"))
    rows = optimum(system).to_pylist()
    assert {row["placement"] for row in rows} == {describe(system.placements["ue1", "image"][0])}
    assert [row["bound_s"] for row in rows] == pytest.approx([row["bound_s"] for row in bounds(system).to_pylist()])
    away = replace(system, placements={("ue1", "image"): system.placements["ue1", "image"][1:]})
    assert {row["bound_s"] for row in optimum(away).to_pylist()} == {system.cost.failure_s}


def test_the_bound_is_the_least_of_all_candidates() -> None:
    system = small_system(5)
    network = Network(system)
    rows = bounds(system).to_pylist()
    assert len(rows) == len(list(system.tasks())) > 20
    for task, row in zip(system.tasks(), rows, strict=True):
        least_ns = [
            sojourn_ns(network, task, place, Link.earliest_ns)
            for place in system.placements[task.source, task.kind.name]
        ]
        assert row["bound_s"] == min(least_ns) * 1e-9
        assert sojourn_ns(network, task, parse(row["placement"]), Link.earliest_ns) == min(least_ns)


def test_the_bound_with_quality_is_the_least_of_all_candidates() -> None:
    """Nothing is lost here, so that the codec alone decides what an answer loses, and each codec is a candidate."""
    system = judged(small_system(5), 2)
    assert all(link.bearer == "am" for link in system.links)
    network, rows = Network(system), bounds(system).to_pylist()
    for task, row in zip(system.tasks(), rows, strict=True):
        kind = task.kind
        costs_s = {
            place: sojourn_ns(network, task, place, Link.earliest_ns) * 1e-9
            + system.cost.quality_s[kind.name]
            * sum(max(0.0, system.quality[kind.name].loss(part.first, kind.codec_of(part))) for part in place[1:])
            for place in system.placements[task.source, kind.name]
        }
        assert row["bound_s"] == pytest.approx(min(costs_s.values()), rel=1e-12)
        assert costs_s[parse(row["placement"])] == pytest.approx(min(costs_s.values()), rel=1e-12)


@pytest.mark.parametrize("release", ["fluid", "slot"])
def test_the_bound_with_energy_is_the_least_of_all_candidates(release: Release) -> None:
    """On a constant channel, the time on the air is known: that of the bits, or whole slots."""
    system = powered(small_system(5), 0.4)
    links = tuple(replace(link, trace=constant(link.trace, release)) for link in system.links)
    system = replace(system, links=links)
    network, rows = Network(system), bounds(system).to_pylist()
    for task, row in zip(system.tasks(), rows, strict=True):
        costs_s = {}
        for place in system.placements[task.source, task.kind.name]:
            drawn_j = 0.0
            for leg in legs(task, place):
                for link in network.route_of(leg):
                    per_slot = int(link.spec.trace.capacity_bits[0])
                    slots = leg.size_bytes * 8 / per_slot
                    sender, receiver = (system.nodes[end].device for end in (link.spec.source, link.spec.target))
                    power_w = (sender.transmit_power_w if sender else 0) + (receiver.receive_power_w if receiver else 0)
                    on_air = slots if release == "fluid" else ceil(slots)
                    drawn_j += power_w * on_air * link.spec.trace.slot_ns * 1e-9
                if leg.passes:
                    device = system.nodes[leg.target].device
                    drawn_j += device.busy_power_w * network.service_ns(task, leg) * 1e-9 if device else 0.0
            delay_s = sojourn_ns(network, task, place, Link.earliest_ns) * 1e-9
            costs_s[place] = delay_s + 0.4 * drawn_j
        assert row["bound_s"] == pytest.approx(min(costs_s.values()), rel=1e-6)


def constant(trace: Trace, release: Release) -> Trace:
    """Return a trace of the same mean with slots that are all alike."""
    bits = round(float(trace.capacity_bits.mean()))
    return Trace(trace.slot_ns, {"capacity_bits": np.full(len(trace), bits)}, release, trace.lineage)


def test_the_bound_never_exceeds_the_cost_of_failing() -> None:
    system = small_system()
    system = replace(system, cost=replace(system.cost, failure_s=0.03))
    least = bounds_s(system).values()
    assert max(least) == 0.03
    assert min(least) < 0.03


def test_a_system_without_tasks_has_an_empty_bound() -> None:
    assert bounds(replace(small_system(), duration_ns=0)).num_rows == 0


def spaced(ramp: Ramp | None, gap_ns: int = 3 * NS_PER_S, loss: float = 0.0) -> System:
    """Return a system with three images of one UE, far apart: on the UE, on a server, divided, or divided with int4."""
    arrivals = Recorded(tuple(NS_PER_S + number * gap_ns for number in range(3)))
    system = small_system(3, 1, duration_s=60.0, ramp=ramp, loss=loss, arrivals=arrivals)
    stream = system.streams[0]
    few = tuple(system.placements["ue1", "image"][number] for number in (0, 1, 3, 4))
    return replace(system, streams=(stream,), placements={("ue1", "image"): few})


@pytest.mark.parametrize("ramp", [None, Ramp(500 * NS_PER_MS, 30 * NS_PER_MS)], ids=["no ramp", "ramp"])
@pytest.mark.parametrize("loss", [0.0, 0.3], ids=["no loss", "loss"])
@pytest.mark.parametrize("bearer", ["am", "um"])
@pytest.mark.parametrize("energy_s_per_j", [0.0, 0.3])
def test_the_optimum_is_the_least_of_all_sequences_of_decisions(
    tmp_path: Path, ramp: Ramp | None, loss: float, bearer: Bearer, energy_s_per_j: float
) -> None:
    """On an unacknowledged bearer what is lost costs quality."""
    system = spaced(ramp, loss=loss)
    if bearer == "um":
        links = tuple(replace(link, bearer="um", fragment_bytes=500) for link in system.links)
        system = judged(replace(system, links=links), 4)
    system = powered(system, energy_s_per_j)
    candidates = system.placements["ue1", "image"]
    totals = {}
    for decisions in product(candidates, repeat=3):
        file = tmp_path / "decisions.jsonl"
        file.write_text(
            "".join(
                f'{{"source": "ue1", "kind": "image", "task": {i}, "placement": "{describe(each)}"}}\n'
                for i, each in enumerate(decisions)
            )
        )
        totals[decisions] = sum(costs_s(system, make_policy("replay", {"file": str(file)}, system)).values())
    rows = optimum(system).to_pylist()
    assert sum(row["bound_s"] for row in rows) == min(totals.values())
    chosen = tuple(parse(row["placement"]) for row in rows)
    assert totals[chosen] == min(totals.values())
    assert all(low["bound_s"] <= row["bound_s"] for low, row in zip(bounds(system).to_pylist(), rows, strict=True))


def test_optimum_refuses_tasks_that_can_overlap() -> None:
    with pytest.raises(ValueError, match="ue1 image 0: must be over, links idle, before ue1 image 1 arrives"):
        optimum(spaced(None, gap_ns=50 * NS_PER_MS))
    with pytest.raises(ValueError, match="use the bound where tasks overlap"):
        optimum(spaced(Ramp(10 * NS_PER_S, NS_PER_MS)))
    with pytest.raises(ValueError, match="preload=False"):
        optimum(replace(spaced(None), preload=False))
    with pytest.raises(ValueError, match="failures: must be none for the optimum"):
        optimum(replace(spaced(None), failures=(Failure("edge1", outages=((0, NS_PER_S),)),)))


@pytest.mark.parametrize("on_failure", ["wait", "retry", "fail"])
def test_bound_of_a_system_with_failures_is_that_without_and_holds(on_failure: OnFailure) -> None:
    system = pairs(3)
    failures = (Failure("edge1", outages=((NS_PER_S // 4, NS_PER_S),)), Failure("ue2", up_ns=10**8, down_ns=10**7))
    failing = replace(system, failures=failures, on_failure=on_failure)
    assert bounds_s(failing) == bounds_s(system)
    for name in BASELINES:
        costs = costs_s(failing, make_policy(name, {}, failing))
        assert all(costs[task] >= least_s for task, least_s in bounds_s(system).items())
