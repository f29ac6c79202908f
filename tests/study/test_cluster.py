"""A study on a cluster of Dask has the rows of any other, also if one of two workers is killed in the middle."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from airsplit.study.cluster import DaskCluster
from airsplit.study.folder import FAILED_FILE
from airsplit.study.parts import PartOutcome, StudyCell, StudyJob
from airsplit.study.plan import plan_study
from airsplit.study.run import FinishedStudy, run_study
from emulator.core.errors import MissingDependency
from results.progress import RunProgress
from tests.extras import module_of_extra
from tests.study.small import Inline, run_inline, write_study
from topologies.loading.study import load_study

distributed = module_of_extra("distributed", "cluster")
config = module_of_extra("dask.config", "cluster")
module_of_extra("dask_jobqueue", "cluster")

# Dask leaves sockets to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def dask_process(folder: Path, program: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a scheduler or a worker on loopback; kill it at the end."""
    command = [
        sys.executable,
        "-m",
        f"distributed.cli.dask_{program}",
        *options,
        "--host",
        "127.0.0.1",
        "--no-dashboard",
    ]
    with (folder / f"{program}.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def scheduler(folder: Path) -> Iterator[str]:
    """Start a scheduler; yield its address."""
    port = free_port()
    with dask_process(folder, "scheduler", "--port", str(port)):
        yield f"tcp://127.0.0.1:{port}"


@contextmanager
def worker(folder: Path, address: str, threads: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """Start a worker without a nanny, which would start it again."""
    options = ("--nthreads", str(threads), "--no-nanny", "--local-directory", str(folder), "--death-timeout", "60")
    with dask_process(folder, "worker", address, *options) as process:
        yield process


def run_on(executor: Any, file: Path, out: Path) -> FinishedStudy:
    loaded = load_study(file)
    with executor:
        return run_study(loaded, plan_study(loaded), out, executor, RunProgress(quiet=True), ())


class Killing(DaskCluster):
    """Kills a worker that has work, after so many outcomes."""

    def __init__(self, address: str, victim: subprocess.Popen[bytes], after: int) -> None:
        super().__init__(address, 1)
        self.ended: list[StudyJob] = []
        self._victim, self._after = victim, after

    def outcomes(self) -> Iterator[tuple[StudyJob, PartOutcome]]:
        for job, outcome in super().outcomes():
            self.ended.append(job)
            if len(self.ended) == self._after:
                self._victim.send_signal(signal.SIGKILL)
                self._victim.wait()
            yield job, outcome


def test_a_killed_worker_changes_nothing(tmp_path: Path) -> None:
    file = write_study(tmp_path, grid={}, seeds={"channel": 3, "training": 1})
    expected = run_inline(file, Inline())
    with scheduler(tmp_path) as address, worker(tmp_path, address) as victim, worker(tmp_path, address):
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        executor = Killing(address, victim, after=3)
        done = run_on(executor, file, tmp_path / "other")
        assert victim.returncode == -signal.SIGKILL
    assert done.manifest.failed == 0 and not (done.path / FAILED_FILE).exists()
    assert done.manifest.study_sha256 == expected.manifest.study_sha256
    assert len({job.part.digest for job in executor.ended}) == len(executor.ended) == 1 + 9
    assert isinstance(executor.ended[-1].part, StudyCell)


def test_a_cell_that_ends_its_workers_is_given_up(tmp_path: Path) -> None:
    """On a cluster of this machine, whose workers are started again."""
    dies = "import os\nclass Dies:\n    def decide(self, observation):\n        os._exit(9)\n"
    (tmp_path / "one_that_ends.py").write_text(dies)
    file = write_study(tmp_path, grid={}, seeds={}, policies=["random", {"type": "one_that_ends:Dies"}, "pool1"])
    done = run_on(DaskCluster("local", 2), file, tmp_path)
    (reason,) = pd.read_csv(done.path / FAILED_FILE)["reason"]
    assert reason.startswith("its worker died, 4 times (the last was tcp://127.0.0.1:")


SBATCH = """#!/bin/sh
cp "$1" {folder}/job.sh
setsid sh {folder}/job.sh >{folder}/job.log 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
touch {folder}/cancelled
for job; do kill -s KILL -- "-$job"; done
"""


def test_jobs_of_slurm_are_submitted_and_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By programs in the place of SLURM's, which run a job on this machine."""
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(text.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    file = write_study(tmp_path, grid={}, seeds={}, policies=["random"])
    with pytest.raises(MissingDependency, match=r"--cluster slurm: .* specify how much cores and memory per job"):
        DaskCluster("slurm", 1)
    settings = {"cores": 1, "processes": 1, "memory": "2GB", "interface": "lo", "local-directory": str(tmp_path)}
    with config.set({f"jobqueue.slurm.{name}": value for name, value in settings.items()}):
        done = run_on(DaskCluster("slurm", 1), file, tmp_path / "other")
    assert done.manifest.study_sha256 == run_inline(file, Inline()).manifest.study_sha256
    assert (tmp_path / "cancelled").exists()


def test_workers_of_several_threads_are_refused(tmp_path: Path) -> None:
    file = write_study(tmp_path, grid={}, seeds={}, policies=["random"])
    with scheduler(tmp_path) as address, worker(tmp_path, address, threads=2):
        done = run_on(DaskCluster(address, 1), file, tmp_path)
    (reason,) = pd.read_csv(done.path / FAILED_FILE)["reason"]
    assert reason.startswith("workers of the cluster must have one thread each: dask worker --nworkers N --nthreads 1")


def test_a_lost_scheduler_is_said_and_the_study_goes_on(tmp_path: Path) -> None:
    file = write_study(tmp_path, grid={}, policies=["random"])
    with config.set({"distributed.comm.timeouts.connect": "1s"}), scheduler(tmp_path) as address:
        executor = DaskCluster(address, 1)
    with pytest.raises(MissingDependency, match="the scheduler was lost; the same command goes on"):
        run_on(executor, file, tmp_path)
    assert run_inline(file, Inline()).manifest.failed == 0


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "127.0.0.1", "no scheduler"])
def test_a_wrong_address_is_one_line(address: str) -> None:
    with config.set({"distributed.comm.timeouts.connect": "1s"}), pytest.raises(MissingDependency) as caught:
        DaskCluster(address, 1)
    assert str(caught.value).startswith(f"--cluster {address}: must be a scheduler of Dask (")
    assert "\n" not in str(caught.value)
