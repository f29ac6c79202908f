"""Summarise records: one row per policy, and the columns that figures need.

Definitions. A task's *delay* is its sojourn, from its arrival to its result at the source; only completed tasks have
one (`done`, or `missed`: after the deadline). Its *cost* is defined by the scenario: delay plus a penalty for erased
activations, or the penalty for a failure; every offered task has one. The *bound* of a task is the least cost that any
candidate placement gives it alone on an empty system. The mean over all offered tasks is a relaxation: no policy can
beat it, and it may be out of reach. The *gap* is (mean cost - mean bound) / mean bound. Energy is the mean over all
offered tasks, since a failed task has used energy too; its parts say who drew it. *TTFT* is the time to the first
output token (`emulator.record`), of the completed tasks of language models; *token* the mean time of each further one.

The bound is computed from a model profile and does not hold for measured compute times: only rows whose `compute` is
`modelled` have one.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from emulator.core.arrays import Floats
from emulator.core.files import atomic_write
from emulator.record import ENERGY_PARTS
from emulator.system import Cost
from results.intervals import ratio_interval
from results.run.folder import Run
from results.run.manifest import BOUND_FILE
from results.run.reading import readable
from results.run.tables import TASK_KEY, read_bound, require_columns

DELAY_PARTS = ("service_ns", "waiting_ns", "load_ns", "link_waiting_ns", "transfer_ns")
TASK_COLUMNS = [
    "policy",
    *TASK_KEY,
    "arrival_ns",
    "placement",
    *DELAY_PARTS,
    "sojourn_ns",
    "energy_j",
    *ENERGY_PARTS,
    "ttft_ns",
    "token_ns",
    "erased_fraction",
    "quality_loss",
    "outcome",
    "reason",
    "compute",
]
ENERGY_MEANS = tuple(part.replace("_j", "_mean_j") for part in ENERGY_PARTS)
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
TOKEN_QUANTILES = tuple(f"{name}_{title}_ms" for name in ("ttft", "token") for title in QUANTILES)
COUNT_COLUMNS = ("tasks", "done", "missed", "failed")
NUMBER_COLUMNS = (
    "delay_mean_ms",
    "delay_p50_ms",
    "delay_p95_ms",
    "delay_p99_ms",
    *TOKEN_QUANTILES,
    "energy_mean_j",
    *ENERGY_MEANS,
    "quality_loss_mean",
    "cost_mean_s",
    "bound_mean_s",
    "gap",
    "gap_low",
    "gap_high",
)
LATER_COLUMNS = frozenset(
    (*ENERGY_PARTS, "ttft_ns", "token_ns", *ENERGY_MEANS, *TOKEN_QUANTILES, "quality_loss", "quality_loss_mean")
)
"""Columns of records and summaries that runs of older versions lack; they are read as NaN."""
SUMMARY_COLUMNS: dict[str, type] = {
    "policy": str,
    **dict.fromkeys(COUNT_COLUMNS, np.int64),
    **dict.fromkeys(NUMBER_COLUMNS, np.float64),
    "compute": str,
}  # of summary.csv


def policies_of(path: Path) -> dict[str, list[int]]:
    """Return the policies in a tasks.parquet, in order of appearance, with the row groups that hold their rows."""
    groups: dict[str, list[int]] = {}
    with readable(path):
        file = pq.ParquetFile(path)
        missing = set(TASK_COLUMNS) - set(file.schema_arrow.names) - LATER_COLUMNS
        if missing:
            raise ValueError(f"columns must include {', '.join(sorted(missing))}")
        for group in range(file.num_row_groups):
            column = file.read_row_group(group, columns=["policy"])["policy"]
            for name in pc.unique(column.cast(pa.string())).to_pylist():
                groups.setdefault(name, []).append(group)
    return groups


def row_groups(run: Run) -> dict[str, list[int]]:
    """Return `policies_of` a run's records, followed by the policies that were offered no task."""
    found = policies_of(run.path / "tasks.parquet")
    return found | {policy: [] for policy in run.manifest.facts.policies if policy not in found}


def tasks_of(run: Run, policy: str) -> pd.DataFrame:
    """Read one policy's rows of a run's tasks.parquet."""
    path = run.path / "tasks.parquet"
    return rows_of(path, policy, row_groups(run)[policy])


def rows_of(path: Path, policy: str, groups: list[int]) -> pd.DataFrame:
    """Read one policy's rows of a tasks.parquet, from the row groups that hold them (`policies_of`)."""
    with readable(path):
        file = pq.ParquetFile(path)
        table = file.read_row_groups(groups, columns=[name for name in TASK_COLUMNS if name in file.schema_arrow.names])
    table = table.filter(pc.equal(table["policy"].cast(pa.string()), policy)).drop_columns(["policy"])
    frame: pd.DataFrame = table.unify_dictionaries().to_pandas()
    return frame.assign(**dict.fromkeys(LATER_COLUMNS.intersection(TASK_COLUMNS).difference(frame.columns), np.nan))


def policy_tasks(run: Run) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each policy's label and rows, in order of appearance. Holds one policy's columns in memory at a time.

    Adds the columns `completed`, `delay_ms` (NaN for a failed task), `cost_s`, `unit` and, if the run has
    bound.parquet, `bound_s`. Tasks of one unit saw the same channel: the unit is the digest of the trace of the
    source's own link, or the source if it has none. Raises ValueError if an offered task has no bound.
    """
    path = run.path / "tasks.parquet"
    bound_path = run.path / BOUND_FILE
    bound = read_bound(bound_path)
    units = {source: run.manifest.trace_sha256[trace] for source, trace in run.manifest.facts.uplinks.items()}
    for policy, groups in row_groups(run).items():
        yield policy, with_costs(rows_of(path, policy, groups), run.manifest.facts.cost, units, bound, bound_path)


def with_costs(
    tasks: pd.DataFrame, cost: Cost, units: Mapping[str, str], bound: pd.Series | None, bound_path: Path
) -> pd.DataFrame:
    """Return the rows of one policy (`rows_of`) with the columns that `policy_tasks` adds; `units` are those of sources
    on links, `bound_path` names the bounds in messages."""
    sources = tasks["source"].astype(str)
    completed = tasks["outcome"] != "failed"
    added = tasks.assign(
        completed=completed,
        delay_ms=(tasks["sojourn_ns"] * 1e-6).where(completed),
        cost_s=cost_of(tasks, cost),
        unit=sources.map({source: units.get(source, source) for source in sources.unique()}),
    )
    return added if bound is None else added.assign(bound_s=bound_of(tasks, bound, bound_path))


def cost_of(tasks: pd.DataFrame, cost: Cost) -> Floats:
    """Return each task's cost in seconds: `Cost.of` for columns."""
    whole_cost = tasks["sojourn_ns"] * 1e-9 + cost.erasure_s * tasks["erased_fraction"]
    if cost.quality_s:
        weight_s = tasks["kind"].astype(str).map(cost.quality_s).fillna(0.0)
        whole_cost += weight_s * tasks["quality_loss"].fillna(0.0)
    if cost.energy_s_per_j:
        whole_cost += cost.energy_s_per_j * tasks["energy_j"]
    return np.where(tasks["outcome"] == "failed", cost.failure_s, whole_cost)


def bound_of(tasks: pd.DataFrame, bound: pd.Series, path: Path) -> Floats:
    """Return the bound of each task in seconds, in the order of the tasks."""
    keys = pd.MultiIndex.from_arrays([tasks["source"].astype(str), tasks["kind"].astype(str), tasks["task"]])
    found = bound.reindex(keys).to_numpy()
    if np.isnan(found).any():
        source, kind, task = keys[int(np.isnan(found).argmax())]
        raise ValueError(f"{path}: must hold a bound for each offered task: {source}, {kind}, {task} has none")
    return found


def summarise(run: Run) -> pd.DataFrame:
    """Write summary.csv, a row per policy, and return the same table."""
    table = pd.DataFrame(
        [summary_row(policy, tasks) for policy, tasks in policy_tasks(run)], columns=list(SUMMARY_COLUMNS)
    )
    with atomic_write(run.path / "summary.csv") as partial:
        table.to_csv(partial, index=False, float_format="%.9g")
    return table


def read_summary(run: Run) -> pd.DataFrame:
    """Read summary.csv. Raises ValueError (one line with the file) if it does not match the run's records."""
    path = run.path / "summary.csv"
    labels = sorted(row_groups(run))
    with readable(path):
        table = pd.read_csv(path, dtype=SUMMARY_COLUMNS, keep_default_na=False, na_values=[""])
        table = table.assign(
            **dict.fromkeys(LATER_COLUMNS.intersection(SUMMARY_COLUMNS).difference(table.columns), np.nan)
        )
        require_columns(table, SUMMARY_COLUMNS)
        table = table[list(SUMMARY_COLUMNS)]
        table["compute"] = table["compute"].fillna("")
        if sorted(table["policy"].fillna("")) != labels:
            raise ValueError("rows must be one for each policy of tasks.parquet")
    return table


def ranked(summary: pd.DataFrame) -> pd.DataFrame:
    """Sort by mean cost, ascending; ties keep their order in the run."""
    return summary.sort_values("cost_mean_s", kind="stable", ignore_index=True)


def summary_row(policy: str, tasks: pd.DataFrame) -> dict[str, object]:
    """Summarise the rows that `policy_tasks` yields for one policy; numbers that do not exist are NaN."""
    delays = tasks["delay_ms"].dropna().to_numpy()
    first_tokens, further_tokens = (tasks[name].dropna().to_numpy() * 1e-6 for name in ("ttft_ns", "token_ns"))
    kinds_of_compute = sorted(tasks["compute"].astype(str).unique())
    compute = "mixed" if len(kinds_of_compute) > 1 else "".join(kinds_of_compute)
    bounded = compute == "modelled" and "bound_s" in tasks
    bound = float(tasks["bound_s"].mean()) if bounded else np.nan
    cost = float(tasks["cost_s"].mean())
    low, high = gap_interval(tasks) if bounded else (np.nan, np.nan)
    return {
        "policy": policy,
        "tasks": len(tasks),
        **{outcome: int((tasks["outcome"] == outcome).sum()) for outcome in ("done", "missed", "failed")},
        "delay_mean_ms": float(delays.mean()) if len(delays) else np.nan,
        **quantiles_of("delay", delays),
        **quantiles_of("ttft", first_tokens),
        **quantiles_of("token", further_tokens),
        "energy_mean_j": float(tasks["energy_j"].mean()),
        **{mean: float(tasks[part].mean()) for mean, part in zip(ENERGY_MEANS, ENERGY_PARTS, strict=True)},
        "quality_loss_mean": float(tasks["quality_loss"].mean()),
        "cost_mean_s": cost,
        "bound_mean_s": bound,
        "gap": (cost - bound) / bound,
        "gap_low": low,
        "gap_high": high,
        "compute": compute,
    }


def quantiles_of(name: str, values_ms: Floats) -> dict[str, float]:
    """Return the columns of the quantiles of a time; NaN without values."""
    return {
        f"{name}_{title}_ms": float(np.quantile(values_ms, level)) if len(values_ms) else np.nan
        for title, level in QUANTILES.items()
    }


def gap_interval(tasks: pd.DataFrame) -> tuple[float, float]:
    """Return the gap's interval over units, which are traces: in a run, a policy has one training seed."""
    sums = tasks.groupby("unit", observed=True)[["cost_s", "bound_s"]].sum()
    low, high = ratio_interval(sums["cost_s"].to_numpy(), sums["bound_s"].to_numpy())
    return low - 1, high - 1


def best_policy(summary: pd.DataFrame) -> str:
    """Return the label with the least mean cost among comparable rows: the modelled ones if there are any, and of
    those the ones with the most tasks."""
    modelled = summary[summary["compute"] == "modelled"]
    rows = modelled if len(modelled) else summary
    rows = rows[rows["tasks"] == rows["tasks"].max()]
    return str(rows.loc[rows["cost_mean_s"].idxmin(), "policy"])
