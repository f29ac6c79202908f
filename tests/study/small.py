"""A small study, and an executor that runs its parts in this process."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from airsplit.study.execution import run_job
from airsplit.study.parts import PartOutcome, StudyJob
from airsplit.study.plan import plan_study
from airsplit.study.run import FinishedStudy, run_study
from results.progress import RunProgress
from tests.topologies.loading.bad_scenarios import GOOD
from topologies.loading.study import load_study

PPO = {"type": "ppo", "settings": {"total_timesteps": 2048}}
STUDY: dict[str, Any] = {
    "name": "small",
    "scenario": "good.yaml",
    "set": {"training.traces": 1, "training.duration_s": 1, "tasks[0].cuts": [2]},
    "grid": {"delay": {"path": "links[1].delay_ms", "values": [1, 30]}},
    "seeds": {"channel": 2, "training": 2},
    "policies": ["random", "pool1", PPO],
}


class Inline:
    """An executor in this process. It runs the newest job first, and notes what it ran."""

    def __init__(self) -> None:
        self.ran: list[StudyJob] = []
        self._waiting: deque[StudyJob] = deque()

    def submit(self, job: StudyJob) -> None:
        self._waiting.append(job)

    def outcomes(self) -> Iterator[tuple[StudyJob, PartOutcome]]:
        while self._waiting:
            self.ran.append(self._waiting.pop())
            yield self.ran[-1], run_job(self.ran[-1])


def write_study(folder: Path, **keys: Any) -> Path:
    """Write the study with other keys, and its scenario, whose first UE moves."""
    (folder / "good.yaml").write_text(GOOD.replace("at_m: [40, 0]", "ring: {}, speed_mps: 5"))
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(STUDY | keys, sort_keys=False))
    return path


def run_inline(file: Path, executor: Inline, *overrides: str) -> FinishedStudy:
    """Run a study in the folder of its file."""
    loaded = load_study(file, overrides)
    return run_study(loaded, plan_study(loaded), file.parent / "out", executor, RunProgress(quiet=True), ("airsplit",))
