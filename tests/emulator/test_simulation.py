"""What every run owes: each task once, its time accounted to the nanosecond, Little's law, energy by power,
and the same rows whatever the process."""

import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from emulator.device import Device, Service
from emulator.network import Network
from emulator.policy import Execution, Observation
from emulator.record import Records, records_sha256
from emulator.simulation import Simulation
from emulator.system import System
from emulator.task import Partition, Placement, Task, check_placement, describe, parse, passes, result_bytes
from emulator.units import NS_PER_MS, NS_PER_S
from emulator.workload import Recorded, Stream
from tests.emulator.systems import (
    CHAT,
    IMAGE,
    Fixed,
    Outcome,
    Row,
    pairs,
    random_system,
    scatter,
    simulate,
    split_at_two,
    with_stream,
)

SEEDS = range(40)
PARTS = ("waiting_ns", "load_ns", "service_ns", "transfer_ns")
ROOT = Path(__file__).parents[2]

Runs = Callable[[int], tuple[System, Outcome]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Random systems under scattered placements, each run once for all tests."""

    @cache
    def run(seed: int) -> tuple[System, Outcome]:
        system = random_system(seed)
        return system, simulate(system, scatter(system), tmp_path_factory.mktemp("run"))

    return run


def stages_of(outcome: Outcome) -> dict[tuple[str, str, int], list[Row]]:
    found = defaultdict(list)
    for row in outcome.stages:
        found[key_of(row)].append(row)
    return found


def key_of(row: Row) -> tuple[str, str, int]:
    return row["source"], row["kind"], row["task"]


def offered(system: System) -> dict[tuple[str, str, int], Task]:
    tasks = (task for stream in system.streams for task in stream.tasks(system.seed, system.duration_ns))
    return {(task.source, task.kind.name, task.number): task for task in tasks}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_offered_task_has_exactly_one_row(seed: int, runs: Runs) -> None:
    system, outcome = runs(seed)
    policy = scatter(system)
    tasks = offered(system)
    assert Counter(map(key_of, outcome.tasks)) == Counter(tasks.keys())
    assert outcome.totals.tasks == len(tasks)
    for row in outcome.tasks:
        task = tasks[key_of(row)]
        assert row["arrival_ns"] == task.arrival_ns
        assert row["placement"] == describe(policy.place(task))
        assert (row["policy"], row["attempts"], row["compute"]) == ("tested", 1, "modelled")


@pytest.mark.parametrize("seed", SEEDS)
def test_parts_add_up_to_the_sojourn_and_stages_to_their_task(seed: int, runs: Runs) -> None:
    _, outcome = runs(seed)
    stages = stages_of(outcome)
    for row in outcome.tasks:
        own = stages.pop(key_of(row))
        assert sum(row[part] for part in PARTS) == row["sojourn_ns"]
        for part in (*PARTS, "link_waiting_ns"):
            assert row[part] == sum(stage[part] for stage in own)
            assert all(stage[part] >= 0 for stage in own)
        assert 0 <= row["link_waiting_ns"] <= row["transfer_ns"]
        assert row["energy_j"] == pytest.approx(sum(stage["energy_j"] for stage in own))
        assert row["erased_fraction"] == pytest.approx(1 - prod(1 - stage["erased_fraction"] for stage in own))
    assert not stages


@pytest.mark.parametrize("seed", SEEDS)
def test_stages_are_the_placements_partitions_and_the_way_home(seed: int, runs: Runs) -> None:
    """A done task has them all; its services are the profile's."""
    system, outcome = runs(seed)
    devices, tasks = Network(system).devices, offered(system)
    stages = stages_of(outcome)
    for row in outcome.tasks:
        task, placement = tasks[key_of(row)], parse(row["placement"])
        own = stages[key_of(row)]
        layers = len(task.kind.model.layers)
        home = [Partition(task.source, layers, layers)] if placement[-1].node != task.source else []
        partitions = [Partition(stage["node"], stage["first_layer"], stage["stop_layer"]) for stage in own]
        assert [stage["stage"] for stage in own] == list(range(len(own)))
        assert partitions == [*placement, *home][: len(partitions)]
        if row["outcome"] != "failed":
            assert [part for part in partitions if part.first < part.stop] == list(placement)
            assert len(partitions) == len(placement) + len(home)
            for stage, (node, first, stop) in zip(own, placement, strict=False):
                model = task.kind.model.name
                expected = sum(devices[node].service_ns(model, first, stop, *each) for each in passes(task))
                assert stage["service_ns"] == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_littles_law_holds_against_the_occupancy_counter(seed: int, runs: Runs) -> None:
    """Arrivals times the mean recorded sojourn is the area under the number of tasks inside, exactly."""
    _, outcome = runs(seed)
    totals = outcome.totals
    assert totals.little_error == 0
    assert totals.occupancy_mean * totals.elapsed_ns == pytest.approx(written_area_ns(outcome), rel=1e-12)
    ends = [row["arrival_ns"] + row["sojourn_ns"] for row in outcome.tasks]
    assert totals.elapsed_ns == max([*ends, *(row["arrival_ns"] for row in outcome.tasks)])
    assert totals.occupancy_peak >= max(inside_at_arrivals(outcome))


def written_area_ns(outcome: Outcome) -> int:
    return sum(row["sojourn_ns"] for row in outcome.tasks)


def inside_at_arrivals(outcome: Outcome) -> list[int]:
    """How many are inside just after each arrival, by the rows."""
    begins = np.array([row["arrival_ns"] for row in outcome.tasks])
    ends = begins + np.array([row["sojourn_ns"] for row in outcome.tasks])
    return [int(((begins <= now) & (ends > now)).sum()) for now in begins]


@pytest.mark.parametrize("seed", SEEDS)
def test_outcomes_say_what_happened(seed: int, runs: Runs) -> None:
    system, outcome = runs(seed)
    deadlines = {name: kind.deadline_ns for name, kind in system.kinds.items()}
    for row in outcome.tasks:
        late = row["sojourn_ns"] > deadlines[row["kind"]]
        assert row["outcome"] == ("failed" if row["reason"] else "missed" if late else "done")
        assert row["deadline_met"] == (row["outcome"] == "done")
        assert 0 <= row["erased_fraction"] <= 1
        if all(link.bearer == "am" for link in system.links):
            assert row["erased_fraction"] == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_devices_energy_is_its_power_times_the_time_that_rows_account_to_it(seed: int, runs: Runs) -> None:
    system, outcome = runs(seed)
    elapsed_s = outcome.totals.elapsed_ns * 1e-9
    for name, node in system.nodes.items():
        if node.device is None:
            assert name not in outcome.totals.device_energy_j
            continue
        busy_s = sum(row["load_ns"] + row["service_ns"] for row in outcome.stages if row["node"] == name) * 1e-9
        expected = node.device.busy_power_w * busy_s + node.device.idle_power_w * (elapsed_s - busy_s)
        assert outcome.totals.device_energy_j[name] == pytest.approx(expected)


def test_the_random_systems_hold_what_the_tests_are_about(runs: Runs) -> None:
    """Every outcome and reason, erasures, loads, waits, several passes, and up to four partitions occur."""
    rows = [row for seed in SEEDS for row in runs(seed)[1].tasks]
    assert len(rows) > 3_000
    reasons = Counter(row["reason"] for row in rows)
    assert reasons.keys() == {"", "link queue full", "device queue full", "memory"}
    assert min(reasons.values()) > 50
    assert {row["outcome"] for row in rows} == {"done", "missed", "failed"}
    for part in ("waiting_ns", "load_ns", "link_waiting_ns", "erased_fraction"):
        assert sum(row[part] > 0 for row in rows) > 50
    assert Counter(len(parse(row["placement"])) for row in rows).keys() == {1, 2, 3, 4}
    assert sum(row["kind"] == "chat" and row["outcome"] != "failed" for row in rows) > 50


class Corrupted(Device):
    """Tells of one nanosecond of waiting more than there was."""

    def submit(self, now_ns: int, model: str, first: int, stop: int, service_ns: int) -> Service | str:
        service = super().submit(now_ns, model, first, stop, service_ns)
        return service if isinstance(service, str) else service._replace(start_ns=service.start_ns + 1)


def test_littles_check_notices_rows_that_account_for_too_much(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    system = pairs(1)
    monkeypatch.setattr("emulator.network.Device", Corrupted)
    outcome = simulate(system, split_at_two(system), tmp_path)
    assert outcome.totals.little_error > 0


@pytest.mark.parametrize("damage", ["drop", "shift"])
def test_little_notices_a_writer_that_drops_or_changes_one_row(damage: str, tmp_path: Path) -> None:
    """The counter stands against the file itself: one row of many, one nanosecond."""
    system = pairs(1)
    sound = simulate(system, split_at_two(system), tmp_path)
    tasks = list(sound.tasks)
    tasks[3] = {**tasks[3], "sojourn_ns": tasks[3]["sojourn_ns"] + 1}
    damaged = sound._replace(tasks=tasks if damage == "shift" else sound.tasks[1:])
    area = sound.totals.occupancy_mean * sound.totals.elapsed_ns
    assert area == pytest.approx(written_area_ns(sound), rel=1e-12)
    assert area != pytest.approx(written_area_ns(damaged), rel=1e-12)


@pytest.mark.parametrize("release", ["fluid", "slot"])
def test_energy_is_power_times_time(release: Any, tmp_path: Path) -> None:
    """One link each way: a stage draws its device's busy power while it loads and serves, and the powers of the
    radio's two ends from a message's first bit to its release."""
    system = replace(pairs(2, release=release), preload=False)
    outcome = simulate(system, split_at_two(system), tmp_path)
    tasks = offered(system)
    assert len(outcome.tasks) > 50 and any(row["load_ns"] for row in outcome.stages)
    for row in outcome.stages:
        task, source = tasks[key_of(row)], row["source"]
        specs = {name: node.device for name, node in system.nodes.items()}
        ue, server, own = specs[source], specs[f"edge{source[2:]}"], specs[row["node"]]
        assert ue and server and own
        down = row["stage"] == 2 or row["stage"] == 0  # the result, or each new token
        crossings = len(passes(task)) - (row["stage"] == 0) if row["stage"] < 2 else 1
        air_ns = row["transfer_ns"] - row["link_waiting_ns"] - crossings * 2 * NS_PER_MS
        radio_w = ue.receive_power_w + server.transmit_power_w if down else ue.transmit_power_w + server.receive_power_w
        busy_ns = row["load_ns"] + row["service_ns"]
        assert air_ns >= 0
        assert row["energy_j"] == pytest.approx((own.busy_power_w * busy_ns + radio_w * air_ns) * 1e-9)


SCRIPT = """
import sys
from pathlib import Path
from emulator.record import records_sha256
from tests.emulator.systems import random_system, scatter, simulate
from dataclasses import replace
seed, folder = int(sys.argv[1]), Path(sys.argv[2])
system = replace(random_system(4), seed=seed)
simulate(system, scatter(system), folder)
print(records_sha256([folder / "tasks.parquet", folder / "stages.parquet"]))
"""


def test_two_processes_with_different_hash_seeds_record_the_same_and_another_seed_does_not(tmp_path: Path) -> None:
    digests = []
    for number, (seed, hash_seed) in enumerate([(5, "1"), (5, "4242"), (6, "1")]):
        command = [sys.executable, "-c", SCRIPT, str(seed), str(tmp_path / str(number))]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        digests.append(done.stdout.strip())
    assert len(digests[0]) == 64
    assert digests[0] == digests[1] != digests[2]


def test_a_run_repeats_in_one_process_and_leaves_nothing_behind(tmp_path: Path) -> None:
    system = random_system(4)
    backend = Simulation(system)
    digests = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Records(folder) as records:
            backend.run(scatter(system), "tested", records)
        digests.append(records_sha256([folder / "tasks.parquet", folder / "stages.parquet"]))
    assert digests[0] == digests[1]


@pytest.mark.parametrize("bearer", ["am", "um"])
def test_another_ue_changes_nothing_for_those_it_shares_nothing_with(bearer: Any, tmp_path: Path) -> None:
    """Rows of ue1 and ue2, sojourns and losses included, are the same with and without ue3."""
    rows = []
    for count in (2, 3):
        system = pairs(count, bearer=bearer, loss=0.1)
        outcome = simulate(system, split_at_two(system), tmp_path / str(count))
        rows.append(sorted((tuple(row.values()) for row in outcome.tasks if row["source"] != "ue3"), key=repr))
    assert rows[0] == rows[1]
    assert len(rows[0]) > 50


def test_another_ue_in_a_shared_network_changes_no_others_arrivals_and_lengths() -> None:
    system = random_system(0)
    joined = replace(system, streams=(Stream("ue9", CHAT, Recorded((1, 2, 3), (4, 4, 4), (2, 2, 2))), *system.streams))
    alone = offered(system)
    assert {key: task for key, task in offered(joined).items() if key[0] != "ue9"} == alone


def test_losses_of_a_task_do_not_depend_on_what_the_other_tasks_do(tmp_path: Path) -> None:
    """Unacknowledged links: every second image stays at the UE, or goes up like the others."""
    system = pairs(1, bearer="um", loss=0.02)
    apart, whole = parse("ue1:0-2|edge1:2-5"), parse("ue1:0-5")

    class EverySecond:
        def decide(self, observation: Observation) -> Placement:
            if observation.task.kind is CHAT or observation.task.number % 2:
                return system.placements["ue1", "chat"][0] if observation.task.kind is CHAT else whole
            return apart

    both = {("ue1", "image"): apart, ("ue1", "chat"): system.placements["ue1", "chat"][-1]}
    erased = []
    for name, policy in (("all", Fixed(both)), ("half", EverySecond())):
        rows = simulate(system, policy, tmp_path / name).tasks
        erased.append({row["task"]: row["erased_fraction"] for row in rows if row["kind"] == "image"})
    sent = [number for number in erased[0] if number % 2 == 0]
    assert [erased[0][number] for number in sent] == [erased[1][number] for number in sent]
    assert sum(erased[0][number] > 0 for number in sent) > 5
    assert all(erased[1][number] == 0 for number in erased[1] if number % 2)


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
    """The way there was paid: the task fails at the server, after its transfer."""
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


def test_scattered_placements_are_placements() -> None:
    system = random_system(1)
    for task in offered(system).values():
        check_placement(scatter(system).place(task), task.kind.model)


def test_an_unreachable_node_is_an_error_of_the_system(tmp_path: Path) -> None:
    system = pairs(2, duration_ns=NS_PER_S)
    away = Fixed({key: (Partition("edge2", 0, 5 if key[1] == "image" else 4),) for key in system.placements})
    with pytest.raises(ValueError, match="edge2 must be reachable from ue1"):
        simulate(system, away, tmp_path)


def test_result_bytes_of_the_kinds_are_sent_home() -> None:
    """The tests above rely on a way home for every task."""
    assert all(result_bytes(task) > 0 for task in offered(pairs(1)).values())
