"""A measured loss of quality is in a task's row where no link lost anything, in both engines; a replay repeats it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from emulator.core.units import NS_PER_MS
from emulator.policy import Compute, EngineName, Execution
from emulator.record import Records, records_sha256
from emulator.simulation import Simulation
from emulator.simulation.replayed_compute import Replayed
from emulator.system import System
from emulator.task import Placement, Task, passes
from emulator.workload import Recorded, Stream
from tests.emulator.systems import IMAGE, judged, pairs, split_at_two, with_stream

FILES = ("tasks.parquet", "stages.parquet")


class Scoring:
    """Workers that measure the loss of all tasks but every fourth; every third task fails."""

    def execute(self, task: Task, placement: Placement) -> Execution:
        if task.number % 3 == 2:
            return Execution((), "measured", 3, "worker lost")
        loss = None if task.number % 4 == 0 else task.number / 8 - 0.5
        return Execution([[NS_PER_MS] * len(placement) for _ in passes(task)], "measured", quality_loss=loss)


def images(*, lossy: bool, known: bool) -> System:
    """A UE that sends sixty images to its server; `known`: there is a quality table."""
    arrivals = Recorded(tuple(range(0, 6_000 * NS_PER_MS, 100 * NS_PER_MS)))
    system = with_stream(pairs(1), Stream("ue1", IMAGE, arrivals))
    if lossy:
        links = tuple(replace(link, bearer="um", loss=0.1) for link in system.links)
        system = replace(system, links=links)
    return judged(system, 1) if known else system


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
@pytest.mark.parametrize(("lossy", "known"), [(False, False), (False, True), (True, True)])
def test_rows_have_the_measured_loss(engine: EngineName, lossy: bool, known: bool, tmp_path: Path) -> None:
    system = images(lossy=lossy, known=known)
    computes: dict[str, Callable[[], Compute | None]] = {"modelled": lambda: None, "measured": Scoring}
    computes["again"] = lambda: Replayed(tmp_path / "measured", "x", system)
    for name, compute in computes.items():
        (tmp_path / name).mkdir()
        with Records(tmp_path / name) as records:
            Simulation(system, compute(), engine).run(split_at_two(system), "x", records)
    modelled, measured = (pq.read_table(tmp_path / name / FILES[0]).to_pylist() for name in ("modelled", "measured"))
    expected = {row["task"]: row["quality_loss"] for row in modelled}
    erased = 0
    for row in measured:
        number, was_measured = row["task"], row["task"] % 4 != 0 and row["erased_fraction"] == 0
        erased += row["erased_fraction"] > 0
        if number % 3 == 2:
            assert row["quality_loss"] is None
        else:
            assert row["quality_loss"] == (number / 8 - 0.5 if was_measured else expected[number])
    assert (erased > 0) == lossy
    digests = [records_sha256([tmp_path / name / file for file in FILES]) for name in ("measured", "again")]
    assert digests[0] == digests[1]
