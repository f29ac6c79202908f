"""Run the parts of a study in processes of this machine."""

from collections.abc import Iterator
from typing import Self

from airsplit.study.execution import run_job
from airsplit.study.parts import PartOutcome, StudyJob
from emulator.core.processes import WorkerPool

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)  # a process: there is one for each processor


class LocalPool:
    """An `Executor` of so many processes, which start when there is work and end with the `with` block."""

    def __init__(self, processes: int) -> None:
        self._pool: WorkerPool[StudyJob, PartOutcome] = WorkerPool(run_job, processes, ONE_THREAD)
        self._jobs: dict[int, StudyJob] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.__exit__()

    def submit(self, job: StudyJob) -> None:
        """Add a job, also between two outcomes. Parts with the same inputs run in one process as long as others have
        work of their own."""
        self._jobs[self._pool.submit(job, job.part.inputs.digest)] = job

    def outcomes(self) -> Iterator[tuple[StudyJob, PartOutcome]]:
        """Yield each job with its outcome as soon as it ends. A process that dies costs its own job alone."""
        for number, result in self._pool.results():
            yield self._jobs.pop(number), PartOutcome(failure=result) if isinstance(result, str) else result
