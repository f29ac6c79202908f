"""Runs in which no task was offered."""

import pytest

from emulator.system import Cost
from results.figures.draw import draw_figures
from results.report import write_report
from results.run.folder import open_run, verify
from results.run.manifest import write_manifest
from results.run.tables import read_learning, write_learning
from results.statistics import read_summary, summarise
from results.text import table_lines
from tests.results.conftest import FAILURE_S, MakeRun, task_row

HEADER = (
    "policy,tasks,done,missed,failed,delay_mean_ms,delay_p50_ms,delay_p95_ms,delay_p99_ms,"
    "ttft_p50_ms,ttft_p95_ms,ttft_p99_ms,token_p50_ms,token_p95_ms,token_p99_ms,energy_mean_j,energy_ue_radio_mean_j,energy_ue_compute_mean_j,"
    "energy_edge_mean_j,energy_cloud_mean_j,quality_loss_mean,cost_mean_s,bound_mean_s,gap,gap_low,gap_high,compute"
)


@pytest.mark.parametrize("labels", [("exact", "random"), ()])
def test_a_run_without_tasks_from_records_to_report(make_run: MakeRun, labels: tuple[str, ...]) -> None:
    made = make_run([], None, facts={"policies": dict.fromkeys(labels, ""), "cost": Cost(FAILURE_S)})
    summarise(made)
    assert (made.path / "summary.csv").read_text().splitlines() == [
        HEADER,
        *(f"{label},0,0,0,0{22 * ','}" for label in labels),
    ]
    assert draw_figures(made) == []
    write_report(made)
    write_manifest(made.path, made.manifest)

    run = open_run(made.path)
    verify(run)
    html = write_report(run).read_text(encoding="utf-8")
    assert "No task was offered." in html
    assert "<h2>Figures</h2>" not in html and "nan" not in html
    heading, *lines = table_lines(read_summary(run))
    assert heading.split()[:2] == ["policy", "compute"]
    assert [line.split() for line in lines] == [[label, "0", "0", "0", *"--------"] for label in labels]


def test_policies_with_and_without_tasks(make_run: MakeRun) -> None:
    rows = [task_row("exact", "ue1", "image", 0, delay_ms=10)]
    run = make_run(rows, {("ue1", "image", 0): 0.01}, facts={"policies": {"idle": "", "exact": ""}})
    summarise(run)
    assert list(read_summary(run)["tasks"]) == [1, 0]
    assert draw_figures(run)
    assert "exact</strong> has the least mean cost" in write_report(run).read_text(encoding="utf-8")


def test_learning_curves_without_tasks(make_run: MakeRun) -> None:
    run = make_run([], None, learning="agent,seed,step,episode_return\nppo,0,10,-1\nppo,0,20,-0.5\n")
    summarise(run)
    assert {path.stem for path in draw_figures(run)} == {"learning-curves"}
    assert write_report(run).read_text(encoding="utf-8").count("<figure") == 1


def test_empty_learning_curve_is_not_drawn(make_run: MakeRun) -> None:
    run = make_run([], None)
    write_learning(run.path / "learning.csv", {"ppo": []})
    points = read_learning(run.path / "learning.csv")
    assert points is not None and len(points) == 0
    summarise(run)
    assert draw_figures(run) == []
