from collections.abc import Hashable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator import record
from emulator.system import Cost
from results.run.folder import Run
from results.statistics import best_policy, cost_of, read_summary, summarise
from tests.results.conftest import FAILURE_S, MakeRun, task_row


def test_summary_of_known_records(small: Run) -> None:
    table = summarise(small).set_index("policy")
    assert list(table.index) == ["exact", "random", "exact on workers"]
    exact = table.loc["exact"]
    assert (exact["tasks"], exact["done"], exact["missed"], exact["failed"]) == (4, 2, 1, 1)
    assert exact["delay_mean_ms"] == pytest.approx(200)
    assert exact["delay_p50_ms"] == pytest.approx(200)
    assert exact["delay_p95_ms"] == pytest.approx(290)
    assert exact["delay_p99_ms"] == pytest.approx(298)
    cost = (0.1 + 0.2 + 0.3 + FAILURE_S) / 4
    assert exact["cost_mean_s"] == pytest.approx(cost)
    assert exact["gap"] == pytest.approx((cost - 0.1) / 0.1)
    assert table.loc["random", "delay_mean_ms"] == pytest.approx(400)


def test_measured_rows_have_no_bound_and_no_gap(small: Run) -> None:
    measured = summarise(small).set_index("policy").loc["exact on workers"]
    assert measured["compute"] == "measured"
    assert np.isnan([measured["bound_mean_s"], measured["gap"], measured["gap_low"]]).all()


def test_summary_file_holds_the_same_numbers(small: Run) -> None:
    written = summarise(small)
    read = read_summary(small)
    assert list(read.columns) == list(written.columns)
    np.testing.assert_allclose(read["cost_mean_s"], written["cost_mean_s"], rtol=1e-8)
    last = (small.path / "summary.csv").read_text().splitlines()[-1]
    assert last == "exact on workers,2,2,0,0,80,80,80,80,,,,,,,0.5,0.25,0.125,0.125,0,,0.08,,,,,measured"


def test_a_policy_without_a_completed_task_has_no_delay(make_run: MakeRun) -> None:
    run = make_run([task_row("lost", "ue1", "image", 0, delay_ms=10, outcome="failed")], None)
    (row,) = summarise(run).to_dict("records")
    assert np.isnan(row["delay_mean_ms"])
    assert row["cost_mean_s"] == FAILURE_S


def test_each_offered_task_needs_a_bound(make_run: MakeRun) -> None:
    rows = [task_row("exact", "ue1", "image", number, delay_ms=10) for number in range(2)]
    run = make_run(rows, {("ue1", "image", 0): 0.01})
    with pytest.raises(ValueError, match=r"bound\.parquet: must hold a bound for each offered task: ue1, image, 1"):
        summarise(run)


def test_interval_needs_five_traces_and_contains_the_gap(make_run: MakeRun) -> None:
    def gap(units: int) -> dict[Hashable, float]:
        sources = tuple(f"ue{number}" for number in range(units))
        rows = [
            task_row("exact", source, "image", task, delay_ms=100 + 10 * number)
            for number, source in enumerate(sources)
            for task in range(3)
        ]
        bound = {(source, "image", task): 0.1 for source in sources for task in range(3)}
        return summarise(make_run(rows, bound, sources=sources)).to_dict("records")[0]

    few, enough = gap(4), gap(8)
    assert np.isnan(few["gap_low"]) and np.isnan(few["gap_high"])
    assert enough["gap"] == pytest.approx(0.35)
    assert 0 < enough["gap_low"] < 0.35 < enough["gap_high"] < 0.7


def test_interval_does_not_depend_on_tasks_per_trace(make_run: MakeRun) -> None:
    sources = tuple(f"ue{number}" for number in range(6))

    def interval(tasks: int) -> tuple[float, float]:
        rows = [
            task_row("exact", source, "image", task, delay_ms=100 + 10 * number)
            for number, source in enumerate(sources)
            for task in range(tasks)
        ]
        bound = {(source, "image", task): 0.1 for source in sources for task in range(tasks)}
        row = summarise(make_run(rows, bound, sources=sources)).to_dict("records")[0]
        return row["gap_low"], row["gap_high"]

    assert interval(20) == pytest.approx(interval(1))


def test_row_groups_with_several_policies(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "ROW_GROUP_ROWS", 3)
    rows = [
        task_row(policy, "ue1", kind, number, delay_ms=number + 1)
        for policy in ("a", "b", "c")
        for kind in ("image", "text")
        for number in range(5)
    ]
    run = make_run(rows, None)
    table = summarise(run)
    assert list(table["policy"]) == ["a", "b", "c"]
    assert list(table["tasks"]) == [10, 10, 10]
    np.testing.assert_allclose(table["delay_mean_ms"], 3.0)


@given(
    sojourn_ns=st.integers(0, 10**12),
    erased=st.floats(0, 1),
    loss=st.none() | st.floats(0, 10),
    failed=st.booleans(),
    erasure_s=st.floats(0, 10),
    quality_s=st.none() | st.floats(0, 10),
    energy_s_per_j=st.just(0.0) | st.floats(0, 10),
)
def test_cost_of_columns_equals_cost_of_tasks(
    sojourn_ns: int, erased: float, loss: float | None, failed: bool, erasure_s: float, quality_s: float | None,
    energy_s_per_j: float,
) -> None:  # fmt: skip
    cost = Cost(FAILURE_S, erasure_s, {} if quality_s is None else {"text": quality_s}, energy_s_per_j)
    frame = pd.DataFrame(
        {
            "kind": ["text", "image"],
            "sojourn_ns": sojourn_ns,
            "erased_fraction": erased,
            "quality_loss": np.array([loss, loss], np.float64),
            "energy_j": 2.5,
            "outcome": "failed" if failed else "done",
        }
    )
    expected = [cost.of(kind, sojourn_ns, erased, loss or 0.0, 2.5, failed) for kind in ("text", "image")]
    assert cost_of(frame, cost) == pytest.approx(expected)


def test_best_policy_is_chosen_among_comparable_rows(small: Run) -> None:
    table = summarise(small)
    assert table.set_index("policy")["cost_mean_s"].idxmin() == "exact on workers"  # but on fewer tasks, and measured
    assert best_policy(table) == "exact"
