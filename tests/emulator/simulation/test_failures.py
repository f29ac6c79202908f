"""Failures of nodes and links: both engines record the same, and no task is lost."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from emulator.core.randomness import generator
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.record import Records, records_sha256
from emulator.simulation import EngineName, Simulation
from emulator.simulation.failures import merged, outages_of
from emulator.system import Failure
from tests.emulator.failing_systems import failing_case
from tests.emulator.systems import key_of, offered

PARTS = ("waiting_ns", "load_ns", "service_ns", "transfer_ns")


def run(number: int, engine: EngineName, folder: Path) -> tuple[str, list[dict[str, object]]]:
    folder.mkdir()
    system, policy, compute = failing_case(number)
    with Records(folder) as records:
        totals = Simulation(system, compute, engine).run(policy, "x", records)
    assert totals.little_error == 0
    assert totals.tasks == len(offered(system))
    digest = records_sha256([folder / "tasks.parquet", folder / "stages.parquet"])
    return digest, pq.read_table(folder / "tasks.parquet").to_pylist()


@pytest.mark.parametrize("number", range(63))
def test_both_engines_record_the_same_failures_and_lose_no_task(number: int, tmp_path: Path) -> None:
    compiled, rows = run(number, "compiled", tmp_path / "compiled")
    defined, _ = run(number, "simpy", tmp_path / "simpy")
    assert compiled == defined
    assert sorted(map(key_of, rows)) == sorted(offered(failing_case(number)[0]))
    for row in rows:
        assert sum(int(str(row[part])) for part in PARTS) == row["sojourn_ns"]


def test_outages_that_overlap_or_touch_are_one() -> None:
    assert merged([(5, 9), (1, 3), (8, 12), (3, 4), (20, 21)]) == [(1, 4), (5, 12), (20, 21)]


def test_drawn_outages_have_their_means_and_belong_to_their_node() -> None:
    """4000 exponential times: the mean of each kind is within five standard errors of what is declared."""
    failure = Failure(node="edge1", up_ns=NS_PER_S, down_ns=100 * NS_PER_MS)
    found = list(outages_of(failure, 1, 4_400 * NS_PER_S))
    down_ns = [stop_ns - start_ns for start_ns, stop_ns in found]
    mean_down_ns = sum(down_ns) / len(found)
    mean_up_ns = (found[-1][1] - sum(down_ns)) / len(found)
    tolerance = 5 / len(found) ** 0.5
    assert abs(mean_down_ns / (100 * NS_PER_MS) - 1) < tolerance
    assert abs(mean_up_ns / NS_PER_S - 1) < tolerance
    assert found == list(outages_of(failure, 1, 4_400 * NS_PER_S))
    assert found[0] != next(outages_of(Failure(node="edge2", up_ns=NS_PER_S, down_ns=NS_PER_MS), 1, 10**13))
    assert generator(1, "edge1", "outages").random() != generator(1, "edge2", "outages").random()
