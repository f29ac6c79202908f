"""Time of a whole study: ten training seeds, six policies, eight channels of the quickstart; its agents are trained
before, its channels are not generated yet.

The peer runs the same cells one after the other in one process, those of one channel in eight.
"""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from airsplit.cli.sensitivity import processors
from airsplit.study.execution import run_job
from airsplit.study.folder import study_folder
from airsplit.study.local_pool import LocalPool
from airsplit.study.parts import StudyJob, StudyTraining
from airsplit.study.plan import StudyPlan, plan_study
from airsplit.study.run import run_study
from benchmarks.rows import Row, call_in_process, row
from emulator.core.user_folders import VARIABLE
from results.progress import RunProgress
from topologies.loading.study import LoadedStudy, load_study

CHANNELS, SEEDS = 8, 10
STUDY = {
    "name": "quickstart-seeds",
    "scenario": str(Path(__file__).parents[1] / "topologies" / "quickstart.yaml"),
    "set": {"training.steps": 10_000, "training.traces": 1},  # what agents have learned does not change the time
    "seeds": {"channel": CHANNELS, "training": SEEDS},
    "policies": ["random", "all-edge", "greedy", "exact", "ppo", "a2c"],
}


def rows() -> Iterable[Row]:
    """Yield the time of the study with a process for each processor."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        file = folder / "study.yaml"
        file.write_text(yaml.safe_dump(STUDY))
        with new_cache(folder / "training"):
            loaded = load_study(file)
            plan = plan_study(loaded)
            train(loaded, plan, folder)
        with new_cache(folder / "study"):
            study_s = timed_study(loaded, plan, folder)
        with new_cache(folder / "peer"):
            peer_s = CHANNELS * call_in_process(timed_cells, loaded, plan, folder)
    name = f"study_{SEEDS}_seeds_{len(STUDY['policies'])}_policies_{CHANNELS}_traces_s"
    yield row(name, study_s, "s", "the same cells one after the other in one process", peer_s)


@contextmanager
def new_cache(folder: Path) -> Iterator[None]:
    """Let this process and those that it starts keep channels in a folder of their own."""
    before = dict(os.environ)
    os.environ[VARIABLE] = str(folder)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def train(loaded: LoadedStudy, plan: StudyPlan, out: Path) -> None:
    """Train all agents of a study into its folder."""
    with study_folder(out, loaded) as folder, LocalPool(processors()) as pool:
        for training in plan.trainings.values():
            pool.submit(StudyJob(training))
        for (part, *_), outcome in pool.outcomes():
            assert isinstance(part, StudyTraining) and not outcome.failure, outcome.failure
            folder.keep(part, outcome)


def timed_study(loaded: LoadedStudy, plan: StudyPlan, out: Path) -> float:
    """Return how long a study takes whose agents are trained, without figures."""
    began_s = time.perf_counter()
    with LocalPool(processors()) as pool:
        done = run_study(loaded, plan, out, pool, RunProgress(quiet=True), ())
    assert done.manifest.failed == 0
    return time.perf_counter() - began_s


def timed_cells(loaded: LoadedStudy, plan: StudyPlan, out: Path) -> float:
    """Return how long the cells of the first channel take one after the other."""
    first = plan.cells[0].channel_seed
    cells = [each.cell for each in plan.cells if each.channel_seed == first]
    with study_folder(out, loaded) as folder:
        agents = {key: folder.file_of(each).read_bytes() for key, each in plan.trainings.items()}
    began_s = time.perf_counter()
    for cell in cells:
        assert not run_job(StudyJob(cell, agents.get(cell.training, b""))).failure
    return time.perf_counter() - began_s
