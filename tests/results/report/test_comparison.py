"""Runs side by side: pairs are of equal traces and arrivals, differences are those of the files."""

import re
from pathlib import Path

import pytest

from results.report.comparison import comparable, paired_rows, run_names, write_comparison
from results.report.run_differences import run_differences
from results.run.folder import Run
from results.run.tables import TASK_KEY
from results.statistics import policy_tasks, summarise
from tests.results.conftest import SOURCES, task_row, write_run


def run_with(root: Path, cost: float, sources: tuple[str, ...], setting: str = "") -> Run:
    """Return a run of one policy whose tasks cost that many times 0.1 s, on the traces of `rate_trace`."""
    rows = [
        task_row("exact", source, "image", number, delay_ms=100 * cost + 10 * place + number, arrival_s=number)
        for place, source in enumerate(sources)
        for number in range(4)
    ]
    run = write_run(
        root, rows, {(source, "image", number): 0.05 for source in sources for number in range(4)}, sources=sources
    )
    (run.path / "scenario.yaml").write_text(f"name: quickstart\nseed: 5\n{setting}", encoding="utf-8")
    summarise(run)
    return run


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Run]:
    """Two runs on six equal traces, of which the second costs 0.05 s more a task, and one with three of the traces."""
    six = tuple(f"ue{number}" for number in range(1, 7))
    return {
        "first": run_with(tmp_path / "a", 1.0, six, "links: [{delay_ms: 1}]\n"),
        "second": run_with(tmp_path / "b", 1.5, six, "links: [{delay_ms: 9}]\n"),
        "third": run_with(tmp_path / "c", 1.0, SOURCES),
    }


def test_paired_differences_are_those_of_the_tasks(runs: dict[str, Run]) -> None:
    rows = paired_rows(comparable(runs)).set_index("policy")
    costs = [dict(policy_tasks(run))["exact"].set_index(TASK_KEY)["cost_s"] for run in runs.values()]
    assert rows.loc["second", "value"] == pytest.approx((costs[1] - costs[0]).mean()) == pytest.approx(0.05)
    assert (rows.loc["second", "channels"], rows.loc["third", "channels"]) == (6, 3)
    assert rows.loc["second", "p"] == 2 / 2**6
    assert rows["low"].isna()["third"] and rows.loc["third", "value"] == pytest.approx(0)


def test_other_arrivals_are_not_paired(runs: dict[str, Run], tmp_path: Path) -> None:
    later = [task_row("exact", "ue1", "image", 0, delay_ms=100, arrival_s=0.5)]
    other = write_run(tmp_path / "d", later, {("ue1", "image", 0): 0.05}, sources=SOURCES)
    assert not len(paired_rows(comparable({"first": runs["first"], "other": other})))


def test_the_report_holds_all_runs_and_loads_nothing(runs: dict[str, Run], tmp_path: Path) -> None:
    page = write_comparison(runs, tmp_path / "c.html").read_text(encoding="utf-8")
    assert all(name in page for name in runs)
    assert "<script" not in page and not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "<code>links[0].delay_ms</code>" in page
    assert page.count("data:image/png") == 5


def test_what_differs_is_named_by_its_path(runs: dict[str, Run]) -> None:
    found = run_differences([runs["first"], runs["second"]])
    assert found == {"links[0].delay_ms": ["1", "9"]}
    assert set(run_differences(list(runs.values()))) == {"links[0].delay_ms", "traces"}
    assert run_differences([runs["first"], runs["first"]]) == {}


def test_runs_are_named_shortly_and_once(tmp_path: Path) -> None:
    a, b = tmp_path / "x" / "run", tmp_path / "y" / "run"
    assert list(run_names([a, b, tmp_path / "z"])) == ["x/run", "y/run", "z"]
    with pytest.raises(ValueError, match="run: must be two runs or more to compare"):
        run_names([a])
    with pytest.raises(ValueError, match="must be given once"):
        run_names([a, b, a])


def test_runs_without_tasks_are_refused(tmp_path: Path) -> None:
    empty = {name: write_run(tmp_path / name, [], None) for name in "ab"}
    with pytest.raises(ValueError, match="no task was offered in these runs"):
        comparable(empty)
