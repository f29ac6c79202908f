"""Cells have the rows of the same policies in a run."""

from pathlib import Path

import pandas as pd
import pytest

from airsplit.simulation_run import run_simulation
from airsplit.study.execution import run_cell, run_job
from airsplit.study.parts import StudyJob
from airsplit.study.plan import plan_study
from emulator.record import records_sha256
from results.progress import RunProgress
from results.statistics import policies_of, read_summary, rows_of
from tests.study.small import write_study
from topologies.loading.study import load_study


def test_cells_have_the_rows_and_the_summary_of_a_run(tmp_path: Path) -> None:
    """With an agent, too: trained with the seed, it decides as that of the run."""
    loaded = load_study(write_study(tmp_path, seeds={"channel": [4], "training": [3]}))
    plan = plan_study(loaded)
    scenario = loaded.settings[0].scenario
    training = scenario.training.model_copy(update={"seed": 3})
    scenario = scenario.model_copy(update={"seed": 4, "training": training})
    run = run_simulation(scenario, tmp_path / "good.yaml", tmp_path, (), RunProgress(True), left_out=("figures",))
    summary = read_summary(run).set_index("policy")
    tasks = run.path / "tasks.parquet"
    for planned in plan.cells[:3]:
        cell = planned.cell
        agent = run_job(StudyJob(plan.trainings[cell.training])).content if cell.training else b""
        outcome = run_cell(cell, StudyJob(cell, agent))
        (tmp_path / "rows.parquet").write_bytes(outcome.content)
        own = rows_of(tmp_path / "rows.parquet", cell.label, [0])
        pd.testing.assert_frame_equal(own, rows_of(tasks, cell.label, policies_of(tasks)[cell.label]))
        row = summary.loc[cell.label]
        for name in ("tasks", "cost_mean_s", "bound_mean_s", "gap", "delay_p95_ms", "energy_mean_j", "compute"):
            assert outcome.facts[name] == (pytest.approx(row[name]) if name != "compute" else row[name])
        assert outcome.facts["rows_sha256"] == records_sha256([tmp_path / "rows.parquet"])


def test_cells_of_one_channel_have_one_unit(tmp_path: Path) -> None:
    """Whatever the arrivals, the wired links and the policy are."""
    seeds = {"channel": [1, 2], "arrivals": [1, 2]}
    plan = plan_study(load_study(write_study(tmp_path, seeds=seeds, policies=["random"])))
    units = {(each.channel_seed, run_cell(each.cell, StudyJob(each.cell)).facts["unit"]) for each in plan.cells}
    assert len(plan.cells) == 8 and len(units) == len({unit for _, unit in units}) == 2
