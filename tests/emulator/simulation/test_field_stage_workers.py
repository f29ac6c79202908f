"""Stage rows name the worker that measured them, in both engines, and a replay repeats them."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from emulator.core.units import NS_PER_MS
from emulator.policy import EngineName, Execution
from emulator.record import STAGE_SCHEMA, Records, records_sha256
from emulator.simulation import Simulation
from emulator.simulation.replayed_compute import Replayed
from emulator.system import System
from emulator.task import Placement, Task, passes
from emulator.workload import Recorded, Stream
from tests.emulator.systems import IMAGE, pairs, split_at_two, with_stream

FILES = ("tasks.parquet", "stages.parquet")


class Moving:
    """Workers that change from task to task; every third task fails."""

    def execute(self, task: Task, placement: Placement) -> Execution:
        if task.number % 3 == 2:
            return Execution((), "measured", 3, "worker lost")
        workers = [f"w{(task.number + stage) % 4}" for stage in range(len(placement))]
        return Execution([[NS_PER_MS] * len(placement) for _ in passes(task)], "measured", workers=workers)


def images() -> System:
    """A UE that sends twelve images to its server."""
    return with_stream(pairs(1), Stream("ue1", IMAGE, Recorded(tuple(range(0, 1_200 * NS_PER_MS, 100 * NS_PER_MS)))))


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
def test_field_stage_rows_name_the_worker_that_measured_them(engine: EngineName, tmp_path: Path) -> None:
    system = images()
    digests = []
    for name in ("first", "again"):
        folder = tmp_path / name
        folder.mkdir()
        compute = Moving() if name == "first" else Replayed(tmp_path / "first", "x", system)
        with Records(folder) as records:
            Simulation(system, compute, engine).run(split_at_two(system), "x", records)
        digests.append(records_sha256([folder / file for file in FILES]))
    assert digests[0] == digests[1]
    rows = pq.read_table(tmp_path / "first" / "stages.parquet").to_pylist()
    assert {row["worker"] for row in rows} == {"w0", "w1", "w2", "w3", ""}
    for row in rows:
        is_measured = row["first_layer"] < row["stop_layer"] and row["task"] % 3 != 2
        assert row["worker"] == (f"w{(row['task'] + row['stage']) % 4}" if is_measured else "")


def test_field_records_without_the_column_are_replayed_and_compared(tmp_path: Path) -> None:
    """As a run of an older version: its digest is that of the columns that it has."""
    system = images()
    with Records(tmp_path) as records:
        Simulation(system, Moving()).run(split_at_two(system), "x", records)
    old = set(STAGE_SCHEMA.names) - {"worker"}
    before = records_sha256([tmp_path / "stages.parquet"], old)
    stages = pq.read_table(tmp_path / "stages.parquet").drop_columns(["worker"])
    pq.write_table(stages, tmp_path / "stages.parquet")
    assert records_sha256([tmp_path / "stages.parquet"]) == before
    again = tmp_path / "again"
    again.mkdir()
    with Records(again) as records:
        Simulation(system, Replayed(tmp_path, "x", system)).run(split_at_two(system), "x", records)
    assert records_sha256([again / "stages.parquet"], old) == before
