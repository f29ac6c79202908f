"""Summary of tokens and energy by consumer; runs of versions without these columns."""

from math import isnan

import pandas as pd
import pyarrow.parquet as pq
import pytest

from emulator.record import ENERGY_PARTS
from results.run.folder import Run
from results.run.manifest import write_manifest
from results.statistics import ENERGY_MEANS, LATER_COLUMNS, read_summary, summarise, summary_row, tasks_of
from tests.results.conftest import MakeRun, task_row


def test_field_summary_has_quantiles_of_the_time_to_first_token(make_run: MakeRun) -> None:
    rows = [
        task_row("a", "ue1", "text", number, delay_ms=40 * (number + 1)) for number in range(101)
    ]  # TTFT 10, 20, ...
    rows += [task_row("a", "ue1", "image", number, delay_ms=1) for number in range(9)]
    rows.append(task_row("a", "ue1", "text", 101, delay_ms=1, outcome="failed"))
    rows.append(task_row("b", "ue1", "image", 0, delay_ms=1))
    with_tokens, without = summarise(make_run(rows, None)).to_dict("records")
    found = [with_tokens[f"ttft_{quantile}_ms"] for quantile in ("p50", "p95", "p99")]
    assert found == pytest.approx([510, 960, 1_000])
    assert pd.isna([without[f"ttft_{quantile}_ms"] for quantile in ("p50", "p95", "p99")]).all()


def test_field_mean_energies_of_consumers_add_up(finished: Run) -> None:
    table = read_summary(finished)
    assert table[list(ENERGY_MEANS)].sum(axis=1).to_numpy() == pytest.approx(table["energy_mean_j"].to_numpy())
    page = (finished.path / "report.html").read_text()
    assert "UE's<br>computer" in page and "TTFT" in page


def test_field_run_of_an_older_version_is_summarised_and_reported(small: Run) -> None:
    """Its records and summary lack the columns, which are then NaN."""
    run = small
    for name in ("tasks", "stages"):
        path = run.path / f"{name}.parquet"
        table = pq.read_table(path)
        pq.write_table(
            table.drop_columns([c for c in (*LATER_COLUMNS, "prompt_tokens") if c in table.column_names]), path
        )
    write_manifest(run.path, run.manifest)
    assert tasks_of(run, "exact")[[*ENERGY_PARTS, "ttft_ns"]].isna().all(axis=None)
    table = summarise(run)
    assert table[list(ENERGY_MEANS)].isna().all(axis=None) and table["energy_mean_j"].notna().all()
    older = table.drop(columns=[name for name in table if name in LATER_COLUMNS])
    older.to_csv(run.path / "summary.csv", index=False)
    assert list(read_summary(run).columns) == list(table.columns)


def test_field_summary_of_no_task_has_no_quantiles() -> None:
    times = ["ttft_ns", "token_ns", "delay_ms"]
    columns = [*ENERGY_PARTS, *times, "energy_j", "quality_loss", "cost_s", "outcome", "compute"]
    row = summary_row("a", pd.DataFrame({name: [] for name in columns}))
    assert row["tasks"] == 0 and isnan(float(str(row["ttft_p50_ms"])))
