"""Run the parts of a study on a cluster of Dask: a running scheduler, jobs of SLURM, or processes of this machine."""

import logging
import shutil
from collections.abc import Iterator
from concurrent.futures import CancelledError
from importlib.util import find_spec
from typing import Any, Self

from agents.user_errors import in_one_line
from airsplit.study.digests import digest
from airsplit.study.execution import run_job
from airsplit.study.parts import PartOutcome, StudyJob, StudyTraining
from emulator.core.errors import MissingDependency

LOCAL, SLURM = "local", "slurm"  # instead of an address


class DaskCluster:
    """An `Executor` of the workers of a cluster, each of one thread, until the `with` block ends.

    `where` is the address of a scheduler, `local` or `slurm`; the last two get so many `workers`. A worker that dies
    costs nothing but time: what it ran is run elsewhere, and fails once it has outlived several of them (Dask's
    setting `allowed-failures`). Raises MissingDependency if a package or the cluster is not there.
    """

    def __init__(self, where: str, workers: int) -> None:
        if find_spec("distributed") is None or find_spec("dask_jobqueue") is None:
            raise MissingDependency("--cluster: Dask must be installed: pip install 'airsplit[cluster]'")
        from distributed import Client, as_completed

        for name in ("distributed", "tornado"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # the outcomes say what happened
        self._where, self._cluster = where, self._started(where, workers)
        try:
            self._client = Client(self._cluster or where, set_as_default=False)
        except (OSError, ValueError) as error:
            self._close_cluster()
            raise MissingDependency(f"--cluster {where}: must be a scheduler of Dask ({in_one_line(error)})") from error
        self._ended = as_completed(loop=self._client.loop)
        self._jobs: dict[str, StudyJob] = {}  # by the keys of their futures
        self._code = digest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.clear()
        self._client.close()
        self._close_cluster()

    def submit(self, job: StudyJob) -> None:
        """Add a job, also between two outcomes. Trainings go first: cells wait for them."""
        priority = 1 if isinstance(job.part, StudyTraining) else 0
        future = self._client.submit(run_on_worker, job, self._code, pure=False, priority=priority)
        self._jobs[future.key] = job
        self._ended.add(future)

    def outcomes(self) -> Iterator[tuple[StudyJob, PartOutcome]]:
        """Yield each job with its outcome as soon as it ends. Raises MissingDependency if the scheduler is lost."""
        for future in self._ended:
            yield self._jobs.pop(future.key), self._outcome_of(future)

    def _outcome_of(self, future: Any) -> PartOutcome:
        from distributed import KilledWorker

        try:
            outcome: PartOutcome = future.result()
            return outcome
        except CancelledError as error:
            raise MissingDependency(
                f"--cluster {self._where}: the scheduler was lost; the same command goes on with the other cells"
            ) from error
        except KilledWorker as error:
            address, times = error.last_worker.address, error.allowed_failures + 1
            return PartOutcome(failure=f"its worker died, {times} times (the last was {address})")
        except Exception as error:  # a worker that cannot read the job, for one
            return PartOutcome(failure=in_one_line(error))

    def _started(self, where: str, workers: int) -> Any:
        """Start a cluster, or return None for the address of one that runs."""
        if where == LOCAL:
            from distributed import LocalCluster

            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=0,  # no limit, as in a pool
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            )
        if where != SLURM:
            return None
        from dask_jobqueue import SLURMCluster

        if shutil.which("sbatch") is None:
            raise MissingDependency("--cluster slurm: sbatch must be there: start airsplit on a node of SLURM")
        try:
            cluster = SLURMCluster()
        except ValueError as error:
            raise MissingDependency(
                f"--cluster slurm: jobqueue.slurm in ~/.config/dask: {in_one_line(error)}"
            ) from error
        cluster.scale(workers)
        return cluster

    def _close_cluster(self) -> None:
        if self._cluster is not None:
            self._cluster.close()


def run_on_worker(job: StudyJob, code: str) -> PartOutcome:
    """Run a job in a worker of a cluster, if it has one thread and the `code` of the study's process."""
    from distributed import get_worker

    worker = get_worker()
    if worker.state.nthreads != 1:
        rule = "must have one thread each: dask worker --nworkers N --nthreads 1"
        return PartOutcome(failure=f"workers of the cluster {rule} ({worker.address})")
    if digest() != code:
        rule = "must have the same airsplit, Python and libraries as the command"
        return PartOutcome(failure=f"workers of the cluster {rule} ({worker.address})")
    return run_job(job)
