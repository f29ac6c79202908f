"""Service times of an earlier run, played again: a rerun of measured rows without the hosts."""

from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq

from emulator.device import decode_times_ns
from emulator.policy import Execution
from emulator.simulation.network import Network
from emulator.system import System
from emulator.task import Placement, Task


class _Row(NamedTuple):
    attempts: int
    compute: str
    reason: str
    service_ns: list[int]
    workers: list[str]
    quality_loss: float | None


class Replayed:
    """A `Compute` that repeats what the rows of one policy in a run's folder say.

    `system` is the one that the run used, with its measured layer times: a `mixed` row's decode passes
    came from them, so that the prefill is what remains of the recorded sum.
    """

    def __init__(self, folder: Path, label: str, system: System) -> None:
        self._devices = Network(system).devices
        chosen = pc.field("policy") == label
        stages = pq.read_table(folder / "stages.parquet", filters=chosen).to_pylist()
        tasks = pq.read_table(folder / "tasks.parquet", filters=chosen).to_pylist()
        services: dict[tuple[str, str, int], list[int]] = {}
        workers: dict[tuple[str, str, int], list[str]] = {}
        for row in stages:
            if row["first_layer"] < row["stop_layer"]:
                key = (row["source"], row["kind"], row["task"])
                services.setdefault(key, []).append(row["service_ns"])
                workers.setdefault(key, []).append(row.get("worker", ""))  # older runs lack the column
        self._rows = {
            key: _Row(
                row["attempts"],
                row["compute"],
                row["reason"],
                services.get(key, []),
                workers.get(key, []),
                row.get("quality_loss"),
            )
            for row in tasks
            for key in [(row["source"], row["kind"], row["task"])]
        }

    def execute(self, task: Task, placement: Placement) -> Execution:
        """What the task took then. Raises ValueError for a task that the run did not have."""
        key = (task.source, task.kind.name, task.number)
        if key not in self._rows:
            raise ValueError(f"records: must hold task {task.number} of {task.source} ({task.kind.name})")
        row = self._rows[key]
        if row.reason == "worker lost":
            return Execution((), row.compute, row.attempts, row.reason)
        decode = decode_times_ns(self._devices, task, placement)
        decoded_ns = [sum(column) for column in zip(*decode, strict=True)] or [0] * len(placement)
        prefill = [total - later for total, later in zip(row.service_ns, decoded_ns, strict=True)]
        times_ns = [prefill, *decode]
        return Execution(times_ns, row.compute, row.attempts, workers=row.workers, quality_loss=row.quality_loss)
