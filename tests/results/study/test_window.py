"""A window of time counts the tasks that arrive in it."""

import math
from pathlib import Path

import pytest

from emulator.record import Records
from results.study.cell_table import CELLS_FILE, cell_table, write_cells
from results.study.rows import rows_file
from results.study.selection import shown_study
from results.study.window import windowed
from results.study.write import write_results
from tests.results.conftest import task_row
from tests.results.study.conftest import made_up_cells
from topologies.schema.study_figures import StudyFiguresSection


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study of four cells, each with ten tasks, one a second: task n takes 100 n ms, and task 9 fails."""
    cells = made_up_cells(("",)).drop_duplicates("policy")
    write_cells(tmp_path / CELLS_FILE, cell_table(cells, ["speed_mps"]))
    for row in cells.to_dict("records"):
        path = tmp_path / rows_file("", row["policy"], row["cell"])
        path.parent.mkdir(parents=True)
        with Records(path.parent) as records:
            for number in range(10):
                outcome = "failed" if number == 9 else "done"
                records.tasks.append(
                    task_row(
                        row["policy"], "ue1", "image", number, delay_ms=100 * number, arrival_s=number, outcome=outcome
                    )
                )
        (path.parent / "tasks.parquet").rename(path)
        (path.parent / "stages.parquet").unlink()
    return tmp_path


def test_tasks_that_arrive_in_the_window_count(folder: Path) -> None:
    table = cell_table(made_up_cells(("",)).drop_duplicates("policy"), ["speed_mps"])
    cells = windowed(folder, table, (2, 5)).cells
    assert set(cells["tasks"]) == {3} and set(cells["delay_mean_ms"]) == {300.0}
    late = windowed(folder, table, (8.5, 100)).cells
    assert set(late["tasks"]) == {1} and set(late["failed"]) == {1} and late["delay_mean_ms"].isna().all()
    assert late["cost_mean_s"].isna().all() and list(late["cell"]) == list(table.cells["cell"])
    study = shown_study(windowed(folder, table, (0, 4)), StudyFiguresSection(metric="failed_share"))
    assert math.isclose(study.cells["failed_share"].max(), 0)


def test_figures_of_a_window_need_a_metric_that_rows_have(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"^metric=cost_mean_s: no cell has one with window_s; must be one of delay_m"):
        write_results(folder, StudyFiguresSection(window_s=(0, 5)))
    with pytest.raises(ValueError, match=r"^window_s=\[20, 30\]: no task arrives in it$"):
        write_results(folder, StudyFiguresSection(window_s=(20, 30)))
    section = StudyFiguresSection.model_validate(
        {"window_s": [0, 5], "metric": "delay_mean_ms", "draw": [{"kind": "bars", "name": "five"}]}
    )
    assert folder / "figures" / "five.pdf" in write_results(folder, section)
