"""The same rows in every process, and whatever other UEs there are."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emulator.policy import Observation
from emulator.record import Records, records_sha256
from emulator.simulation import Simulation
from emulator.task import Placement, parse
from emulator.workload import Recorded, Stream
from tests.emulator.systems import (
    CHAT,
    Fixed,
    offered,
    pairs,
    random_system,
    scatter,
    simulate,
    split_at_two,
)

ROOT = Path(__file__).parents[3]


SCRIPT = """
import sys
from pathlib import Path
from emulator.record import records_sha256
from emulator.system import Background
from tests.emulator.systems import random_system, scatter, simulate
from tests.emulator.simulation.test_cells_in_runs import sharing
from dataclasses import replace
seed, scheduler, folder = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
system = replace(random_system(4), seed=seed)
if scheduler != "none":
    system = sharing(system, scheduler, Background(300.0, 3_000))
simulate(system, scatter(system), folder)
print(records_sha256([folder / "tasks.parquet", folder / "stages.parquet"]))
"""


@pytest.mark.parametrize("scheduler", ["none", "rr", "pf", "max-rate"])
def test_two_processes_with_different_hash_seeds_record_the_same_and_another_seed_does_not(
    scheduler: str, tmp_path: Path
) -> None:
    """Also where UEs share cells, with a background in the way."""
    digests = []
    for number, (seed, hash_seed) in enumerate([(5, "1"), (5, "4242"), (6, "1")]):
        command = [sys.executable, "-c", SCRIPT, str(seed), scheduler, str(tmp_path / str(number))]
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
