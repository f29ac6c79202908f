"""A study runs what its folder lacks, whatever happened before, and its digest depends on its rows alone."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from airsplit.cli import app
from airsplit.study.folder import FAILED_FILE
from airsplit.study.parts import StudyCell, StudyTraining
from results.progress import time_left
from results.study.cell_table import CELLS_FILE, read_cells
from results.study.manifest import load_study_manifest
from results.study.rows import ROWS_FOLDER, rows_file
from tests.study.small import PPO, Inline, run_inline, write_study


def kinds(executor: Inline) -> tuple[int, int]:
    """Return the numbers of trainings and cells that were run."""
    parts = [type(job.part) for job in executor.ran]
    return parts.count(StudyTraining), parts.count(StudyCell)


class Ends(Exception):
    """Ends the process of a test in the middle of a study."""


class Mortal(Inline):
    """An executor that dies after so many parts."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self._left = parts

    def outcomes(self):  # type: ignore[no-untyped-def]  # as the parent's
        for each in super().outcomes():
            if self._left == 0:
                raise Ends
            self._left -= 1
            yield each


def test_table_and_rows_have_all_cells(tmp_path: Path) -> None:
    done = run_inline(write_study(tmp_path), Inline())
    table = read_cells(done.path / CELLS_FILE)
    assert len(table.cells) == done.manifest.cells == 16 and done.manifest.failed == 0
    assert table.parameters == ("delay",) and done.manifest == load_study_manifest(done.path)
    for row in table.cells.to_dict("records"):
        rows = pd.read_parquet(done.path / rows_file(row["variant"], row["policy"], row["cell"]))
        assert len(rows) == row["tasks"] and set(rows["policy"]) == {row["policy"]}
    assert not (done.path / FAILED_FILE).exists()
    means = table.cells.groupby("delay")["delay_mean_ms"].mean()
    assert means[30] > means[1]


def test_an_ended_study_goes_on_to_the_same_digest(tmp_path: Path) -> None:
    """In any order of its parts."""
    (tmp_path / "whole").mkdir()
    whole = run_inline(write_study(tmp_path / "whole"), Inline())
    file, ended, rest, again = write_study(tmp_path), Mortal(7), Inline(), Inline()
    with pytest.raises(Ends):
        run_inline(file, ended)
    folder = tmp_path / "out" / "small"
    with pytest.raises(ValueError, match=r"study\.json: must be there: the study did not finish"):
        load_study_manifest(folder)
    done = run_inline(file, rest)
    assert done.manifest.study_sha256 == whole.manifest.study_sha256
    assert sum(kinds(rest)) == 4 + 16 - 7
    assert run_inline(file, again).manifest.study_sha256 == whole.manifest.study_sha256 and kinds(again) == (0, 0)


def test_half_written_files_count_for_nothing(tmp_path: Path) -> None:
    file, rest = write_study(tmp_path, policies=["random"]), Inline()
    done = run_inline(file, Inline())
    cells = done.path / "cache" / "cells"
    one, other, *_ = sorted(cells.glob("*.parquet"))
    one.with_suffix(".json").unlink()  # written after the rows
    other.rename(other.with_name(f".{other.name}.partial"))
    assert run_inline(file, rest).manifest.study_sha256 == done.manifest.study_sha256
    assert {job.part.digest for job in rest.ran} == {one.stem, other.stem}


def test_a_changed_study_keeps_what_it_still_wants(tmp_path: Path) -> None:
    first = run_inline(write_study(tmp_path), Inline())
    wider, narrow, back = Inline(), Inline(), Inline()
    grid = {"delay": {"path": "links[1].delay_ms", "values": [1, 30, 60]}}
    run_inline(write_study(tmp_path, grid=grid, policies=["random"]), wider)
    assert kinds(wider) == (0, 2)
    done = run_inline(write_study(tmp_path, grid={}, set={"links[1].delay_ms": 60}, policies=["random"]), narrow)
    assert kinds(narrow) == (0, 2)  # tasks may be cut elsewhere: the former study set `tasks[0].cuts`
    assert len(list((done.path / ROWS_FOLDER).rglob("*.parquet"))) == len(read_cells(done.path / CELLS_FILE).cells) == 2
    assert [each.name for each in (done.path / ROWS_FOLDER / "variant=base").iterdir()] == ["policy=random"]
    assert run_inline(write_study(tmp_path), back).manifest.study_sha256 == first.manifest.study_sha256
    assert kinds(back) == (0, 0)


def test_labels_may_have_dots(tmp_path: Path) -> None:
    """Their folders of rows are not files."""
    file = write_study(tmp_path, policies=[{"type": "random", "label": "v1.2"}], variants={"a.b": {}})
    for _ in range(2):
        done = run_inline(file, Inline())
    assert len(list((done.path / ROWS_FOLDER).rglob("*.parquet"))) == done.manifest.cells == 4


def test_nothing_of_an_earlier_run_stays_where_all_cells_fail(tmp_path: Path) -> None:
    (tmp_path / "mine_that_breaks.py").write_text(FAILS.replace("raise", "return observation.candidates[0] #"))
    file = write_study(tmp_path, policies=[{"type": "mine_that_breaks:Fails"}], grid={})
    run_inline(file, Inline())
    (tmp_path / "mine_that_breaks.py").write_text(FAILS)
    done = run_inline(file, Inline())
    assert done.table is None and done.manifest.failed == done.manifest.cells == 2
    assert not (done.path / CELLS_FILE).exists() and not list((done.path / ROWS_FOLDER).iterdir())
    figures = CliRunner().invoke(app, ["figures", str(done.path)])
    assert str(figures.exception) == f"{done.path}: no cell of the study is finished: failed.csv has the reasons"


def test_figures_of_a_study_that_did_not_finish_are_refused(tmp_path: Path) -> None:
    """Its table of cells is that of the run before."""
    run_inline(write_study(tmp_path, policies=["random"]), Inline())
    with pytest.raises(Ends):
        run_inline(write_study(tmp_path, policies=["pool1"]), Mortal(1))
    figures = CliRunner().invoke(app, ["figures", str(tmp_path / "out" / "small")])
    assert "study.json: must be there: the study did not finish" in str(figures.exception)


def test_settings_that_differ_by_name_alone_are_run_once(tmp_path: Path) -> None:
    executor = Inline()
    done = run_inline(write_study(tmp_path, variants={"a": {}, "b": {}}, policies=["random"]), executor)
    assert kinds(executor) == (0, 4) and done.manifest.cells == 8
    assert len(list((done.path / ROWS_FOLDER).rglob("*.parquet"))) == 8


FAILS = """
class Fails:
    def decide(self, observation):
        raise RuntimeError("no idea")
"""


def test_failed_cells_are_listed_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "mine_that_fails.py").write_text(FAILS)
    file, again = write_study(tmp_path, policies=["random", {"type": "mine_that_fails:Fails"}]), Inline()
    done = run_inline(file, Inline())
    failed = pd.read_csv(done.path / FAILED_FILE)
    assert (done.manifest.cells, done.manifest.failed) == (8, 4)
    assert list(failed["policy"]) == ["Fails"] * 4 and list(failed["delay"]) == [1, 1, 30, 30]
    assert failed["reason"].str.fullmatch(r"type=mine_that_fails:Fails: decide raised RuntimeError: no idea.*").all()
    assert run_inline(file, again).manifest.failed == 4 and kinds(again) == (0, 4)
    (tmp_path / "mine_that_fails.py").write_text(FAILS.replace("raise", "return observation.candidates[0] #"))
    mended = run_inline(file, again)
    assert mended.manifest.failed == 0 and not (done.path / FAILED_FILE).exists()
    assert set(read_cells(done.path / CELLS_FILE).cells["policy"]) == {"random", "Fails"}


def test_cells_of_a_training_that_fails_say_so(tmp_path: Path) -> None:
    few = {f"tasks[{index}].arrivals": {"recorded": {"arrival_ns": [5]}} for index in (0, 1)}
    file = write_study(tmp_path, set=few, grid={}, policies=["random", PPO], seeds={"training": [5]})
    done = run_inline(file, Inline())
    assert done.manifest.failed == 1
    (reason,) = pd.read_csv(done.path / FAILED_FILE)["reason"]
    assert reason.startswith("training of ppo with seed 5: tasks: ue1 must ask for more than 32 tasks to train on")


def test_files_that_change_meanwhile_fail_the_cells(tmp_path: Path) -> None:
    arrivals = tmp_path / "arrivals.json"
    arrivals.write_text('{"arrival_ns": [5]}')

    class Changing(Inline):
        def submit(self, job):  # type: ignore[no-untyped-def]  # as the parent's
            arrivals.write_text('{"arrival_ns": [6]}')
            super().submit(job)

    changed = {"tasks[1].arrivals": {"recorded": {"file": "arrivals.json"}}}
    done = run_inline(write_study(tmp_path, set=changed, grid={}, policies=["random"]), Changing())
    assert done.table is None and done.manifest.failed == 2
    assert "must not change while a study runs" in (done.path / FAILED_FILE).read_text()


def test_folders_of_others_are_refused(tmp_path: Path) -> None:
    file = write_study(tmp_path, grid={}, policies=["random"])
    folder = tmp_path / "out" / "small"
    folder.mkdir(parents=True)
    (folder / "mine.txt").touch()
    with pytest.raises(ValueError, match=r"out/small: must be empty, or the folder of a study: name another folder"):
        run_inline(file, Inline())
    (folder / "mine.txt").unlink()
    run_inline(file, Inline())
    other = tmp_path / "other.yaml"
    other.write_text(file.read_text())
    with pytest.raises(ValueError, match=r"out/small: is the folder of .*small\.yaml: name another folder with --out"):
        run_inline(other, Inline())
    file.unlink()  # moved
    executor = Inline()
    run_inline(other, executor)
    assert kinds(executor) == (0, 0)
    assert json.loads((folder / "origin.json").read_text()) == {"file": str(other)}


def test_time_left_is_that_of_the_parts_before() -> None:
    assert (time_left(10, 1, 4), time_left(20, 2, 3)) == ("about 30 s left", "about 10 s left")
    assert (time_left(60, 1, 4), time_left(3600, 1, 4)) == ("about 3 min left", "about 3.0 h left")
    assert time_left(5, 0, 3) == time_left(5, 3, 3) == ""
