"""A process that dies in the middle of a study costs its cell alone."""

from pathlib import Path

import pandas as pd

from airsplit.study.folder import FAILED_FILE
from airsplit.study.local_pool import LocalPool
from airsplit.study.plan import plan_study
from airsplit.study.run import run_study
from results.progress import RunProgress
from tests.study.small import write_study
from topologies.loading.study import load_study

DIES = """
import os, signal
class Dies:
    def decide(self, observation):
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_costs_its_cell_alone(tmp_path: Path) -> None:
    (tmp_path / "one_that_dies.py").write_text(DIES)
    policies = ["random", {"type": "one_that_dies:Dies"}, "pool1"]
    loaded = load_study(write_study(tmp_path, grid={}, policies=policies))
    with LocalPool(2) as pool:
        done = run_study(loaded, plan_study(loaded), tmp_path / "out", pool, RunProgress(quiet=True), ())
    assert (done.manifest.cells, done.manifest.failed) == (6, 2)
    failed = pd.read_csv(done.path / FAILED_FILE)
    assert list(failed["policy"]) == ["Dies"] * 2
    assert set(failed["reason"]) == {"its process ended (SIGKILL)"}
