"""`airsplit figures` on runs and studies, with settings from the study's file and the command line; `compare`."""

import json
from pathlib import Path

import pytest

from results.run.folder import Run
from results.study.cell_table import CELLS_FILE, cell_table, write_cells
from tests.commands import call
from tests.results.conftest import finished  # noqa: F401 (a fixture)
from tests.results.study.conftest import made_up_cells
from topologies.loading.figure_settings import figure_settings
from topologies.schema.study_figures import StudyFiguresSection


@pytest.fixture
def study_folder(tmp_path: Path) -> Path:
    """A study with one setting of figures in its file."""
    write_cells(tmp_path / CELLS_FILE, cell_table(made_up_cells(("",)), ["speed_mps"]))
    (tmp_path / "study.yaml").write_text("name: s\nfigures: {policies: [exact, ppo], draw: [{kind: gap}]}\n")
    return tmp_path


def test_a_study_is_drawn_again_with_other_settings(study_folder: Path) -> None:
    done = call("figures", study_folder, "--set", "draw[0].name=again", "--set", "labels.ppo=PPO", "--json")
    assert done.returncode == 0, done.stderr
    names = {Path(path).name for path in json.loads(done.stdout)}
    assert {"again.pdf", "again.png", "again.txt", "means.csv", "comparisons.tex"} <= names
    assert "PPO" in (study_folder / "tables" / "means.tex").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "widht_in=3"), 'figures: widht_in=3: is not a known key; did you mean "width_in"?'),
        (("--set", "draw[0].kind=pie"), "figures: draw[0].kind=pie: must be 'lines', 'bars'"),
        (("--set", "policies=[a]"), "policies=a: must be one of ppo, exact"),
        (("--set", "draw[0].metric=delay_p99_ms"), "draw[0].metric=delay_p99_ms: no cell has one"),
        (("--only", "gap"), "--only gap: is for runs; of a study"),
    ],
)
def test_bad_settings_are_one_line(study_folder: Path, arguments: tuple[str, ...], message: str) -> None:
    done = call("figures", study_folder, *arguments)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(message) and done.stderr.count("\n") == 1


def test_axes_of_a_run_are_those_of_one_figure(finished: Run) -> None:  # noqa: F811 (the fixture)
    done = call("figures", finished.path, "--set", "x_limits=[0,1]")
    assert done.stderr == "--set x_limits: must be of one figure: name it by --only\n"


def test_settings_of_the_file_hold_unless_others_are_given(study_folder: Path) -> None:
    stored = study_folder / "study.yaml"
    assert figure_settings(StudyFiguresSection, [], stored).policies == ("exact", "ppo")
    assert figure_settings(StudyFiguresSection, ["policies=a"], stored).policies == ("a",)


def test_runs_to_compare_must_be_finished_and_two(finished: Run, tmp_path: Path) -> None:  # noqa: F811 (the fixture)
    for folders, message in (
        ([finished.path], "must be two runs or more"),
        ([finished.path, tmp_path], "manifest.json"),
    ):
        done = call("compare", *folders, "--out", tmp_path / "c.html")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
        assert message in done.stderr
    assert not (tmp_path / "c.html").exists()
