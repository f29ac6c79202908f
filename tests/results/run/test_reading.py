"""Cut or garbled files give one line that names the file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from results.figures.draw import draw_figures
from results.report import write_report
from results.run.folder import Run, verify
from results.run.tables import read_learning
from results.statistics import read_summary, summarise


def refusal(read: Callable[[], object], path: Path) -> str:
    with pytest.raises(ValueError) as caught:
        read()
    text = str(caught.value)
    assert text.startswith(f"{path}: must be as airsplit wrote it (")
    assert "\n" not in text
    return text


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-20])
    return path


GOOD = "x,1,1,0,0,1,1,1,1,1,1,,,,,modelled"


@pytest.mark.parametrize(
    "garble",
    [
        lambda text: text.replace("cost_mean_s", "cost"),
        lambda text: text.replace("exact,4", "exact,four"),
        lambda text: text.replace("exact,4", "exact,"),
        lambda text: text.replace("random,", "randon,"),
        lambda text: text.rpartition("exact on")[0],
        lambda text: f"{text}{GOOD}\n",
        lambda _: "",
        lambda text: 'a"b\n' + text,
    ],
)
def test_a_garbled_summary(small: Run, garble: Callable[[str], str]) -> None:
    summarise(small)
    path = small.path / "summary.csv"
    path.write_text(garble(path.read_text()))
    readers: tuple[Callable[[Run], object], ...] = (read_summary, draw_figures, write_report)
    for read in readers:
        refusal(partial(read, small), path)


@pytest.mark.parametrize("name", ["tasks.parquet", "bound.parquet"])
def test_cut_records_and_bounds(small: Run, name: str) -> None:
    path = cut(small.path / name)
    refusal(lambda: summarise(small), path)


@pytest.mark.parametrize("name", ["tasks.parquet", "stages.parquet"])
def test_cut_records_are_named_by_verify(small: Run, name: str) -> None:
    path = cut(small.path / name)
    refusal(lambda: verify(small), path)


def test_table_without_task_columns(small: Run) -> None:
    path = small.path / "tasks.parquet"
    path.write_bytes((small.path / "bound.parquet").read_bytes())
    assert "columns must include arrival_ns, compute" in refusal(lambda: summarise(small), path)


@pytest.mark.parametrize("content", ["", "agent,seed\nppo,0\n", "agent,seed,step,episode_return\nppo,0,1,high\n"])
def test_a_garbled_learning_curve(tmp_path: Path, content: str) -> None:
    path = tmp_path / "learning.csv"
    path.write_text(content)
    refusal(lambda: read_learning(path), path)
