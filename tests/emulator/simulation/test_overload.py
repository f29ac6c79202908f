"""Overload, loss of a worker and measured times are rows; what makes no sense is an error."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.policy import Execution
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.simulation.network import Network
from emulator.system import System
from emulator.task import Partition, Placement, Task, parse, passes
from emulator.workload import Recorded, Stream
from tests.emulator.systems import (
    IMAGE,
    Fixed,
    key_of,
    offered,
    pairs,
    simulate,
    split_at_two,
    with_stream,
)


def burst(system: System, count: int) -> System:
    """`count` images at once from ue1, and nothing else."""
    return with_stream(system, Stream("ue1", IMAGE, Recorded((NS_PER_MS,) * count)))


def test_a_full_link_queue_is_an_outcome(tmp_path: Path) -> None:
    """Room for three inputs of 8 000 bytes: of five, the first three get through."""
    system = burst(pairs(1), 5)
    system = replace(system, links=tuple(replace(link, queue_bytes=24_100) for link in system.links))
    outcome = simulate(system, Fixed({("ue1", "image"): parse("edge1:0-5")}), tmp_path)
    rows = {row["task"]: row for row in outcome.tasks}
    assert [rows[number]["reason"] for number in range(5)] == ["", "", "", "link queue full", "link queue full"]
    assert [rows[number]["sojourn_ns"] for number in (3, 4)] == [0, 0]
    assert outcome.totals.little_error == 0


def test_a_full_device_queue_is_an_outcome(tmp_path: Path) -> None:
    system = burst(pairs(1), 5)
    ue = system.nodes["ue1"]
    assert ue.device is not None
    small = replace(ue, device=replace(ue.device, queue_tasks=2))
    system = replace(system, nodes={**system.nodes, "ue1": small})
    outcome = simulate(system, Fixed({("ue1", "image"): parse("ue1:0-5")}), tmp_path)
    reasons = Counter(row["reason"] for row in outcome.tasks)
    assert reasons == {"": 2, "device queue full": 3}
    waits = sorted(row["waiting_ns"] for row in outcome.tasks if not row["reason"])
    assert waits[0] == 0 < waits[1]


def test_a_partition_that_does_not_fit_is_an_outcome(tmp_path: Path) -> None:
    """The task fails at the server; its transfer is in the row."""
    system = burst(pairs(1), 2)
    server = system.nodes["edge1"]
    assert server.device is not None
    system = replace(
        system,
        nodes={**system.nodes, "edge1": replace(server, device=replace(server.device, memory_bytes=10**5))},
        preload=False,
    )
    outcome = simulate(system, Fixed({("ue1", "image"): parse("ue1:0-2|edge1:2-5")}), tmp_path)
    assert [(row["outcome"], row["reason"]) for row in outcome.tasks] == [("failed", "memory")] * 2
    assert all(row["transfer_ns"] > 0 and row["service_ns"] > 0 for row in outcome.tasks)
    assert outcome.totals.little_error == 0


def test_a_worker_that_is_lost_is_an_outcome(tmp_path: Path) -> None:
    class Lost:
        def execute(self, task: Task, placement: Placement) -> Execution:
            if task.number % 2:
                return Execution((), "measured", 3, "worker lost")
            return Execution([[NS_PER_MS] * len(placement) for _ in passes(task)], "measured", 2)

    system = pairs(1)
    with Records(tmp_path) as records:
        totals = Simulation(system, Lost()).run(split_at_two(system), "tested", records)
    rows = pq.read_table(tmp_path / "tasks.parquet").to_pylist()
    assert len(rows) == len(offered(system)) and totals.little_error == 0
    for row in rows:
        lost = row["task"] % 2
        assert (row["reason"], row["attempts"]) == (("worker lost", 3) if lost else ("", 2))
        assert row["compute"] == "measured"
        steps = len(passes(offered(system)[key_of(row)]))
        assert row["service_ns"] == (0 if lost else 2 * steps * NS_PER_MS)


def test_a_long_overloaded_run_grows_its_tables_and_loses_nothing(tmp_path: Path) -> None:
    """70 000 images within a second, served in order, nearly all of them inside at once: the k-th ends after
    k + 1 services. More rows than one group of the file, more of everything than there is room for at first."""
    count = 70_000
    arrivals = tuple(range(0, count * 10_000, 10_000))
    system = with_stream(pairs(1), Stream("ue1", IMAGE, Recorded(arrivals)))
    ue = system.nodes["ue1"]
    assert ue.device is not None
    system = replace(system, nodes={**system.nodes, "ue1": replace(ue, device=replace(ue.device, queue_tasks=count))})
    with Records(tmp_path) as records:
        totals = Simulation(system).run(Fixed({("ue1", "image"): parse("ue1:0-5")}), "tested", records)
    table = pq.read_table(tmp_path / "tasks.parquet").sort_by("task")
    service_ns = Network(system).devices["ue1"].service_ns("convnet", 0, 5, 1, 0)
    assert service_ns > 10_000
    assert (table["task"].to_numpy() == np.arange(count)).all()
    ends_ns = table["arrival_ns"].to_numpy() + table["sojourn_ns"].to_numpy()
    assert (ends_ns == service_ns * np.arange(1, count + 1)).all()
    assert (table["waiting_ns"].to_numpy() == table["sojourn_ns"].to_numpy() - service_ns).all()
    inside = np.arange(1, count + 1) - np.searchsorted(ends_ns, table["arrival_ns"].to_numpy(), side="right")
    assert inside.max() > 60_000
    assert totals.little_error == 0


def test_times_that_were_measured_stand_in_the_rows_and_in_the_energy(tmp_path: Path) -> None:
    """One partition runs all its passes in one visit: the sum of what each took."""

    class Measured:
        def execute(self, task: Task, placement: Placement) -> Execution:
            return Execution([[1_000_000 + step for _ in placement] for step in range(len(passes(task)))], "mixed")

    system = pairs(1)
    with Records(tmp_path) as records:
        whole = Fixed({key: candidates[0] for key, candidates in system.placements.items()})
        Simulation(system, Measured()).run(whole, "tested", records)
    ue = system.nodes["ue1"].device
    assert ue is not None
    for row in pq.read_table(tmp_path / "tasks.parquet").to_pylist():
        steps = len(passes(offered(system)[key_of(row)]))
        assert row["service_ns"] == sum(1_000_000 + step for step in range(steps))
        assert row["energy_j"] == pytest.approx(ue.busy_power_w * row["service_ns"] * 1e-9)


def test_a_policy_whose_placement_covers_no_model_is_refused(tmp_path: Path) -> None:
    system = pairs(1)
    with pytest.raises(ValueError, match="must end at layer 5 of convnet"):
        simulate(system, Fixed({("ue1", "image"): parse("ue1:0-3"), ("ue1", "chat"): parse("ue1:0-4")}), tmp_path)


def test_an_unreachable_node_is_an_error_of_the_system(tmp_path: Path) -> None:
    system = pairs(2, duration_ns=NS_PER_S)
    away = Fixed({key: (Partition("edge2", 0, 5 if key[1] == "image" else 4),) for key in system.placements})
    with pytest.raises(ValueError, match="edge2 must be reachable from ue1"):
        simulate(system, away, tmp_path)
