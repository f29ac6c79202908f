"""Check a run against its bound: a task that chose among its candidates cannot cost less than the bound allows."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from emulator.core.arrays import Floats
from emulator.system import Cost
from emulator.task import Placement, parse
from results.run.folder import Run
from results.run.manifest import BOUND_FILE, Check
from results.run.tables import read_bound
from results.statistics import bound_of, cost_of, policies_of, rows_of

CHECK_NAME = "cost at least the bound"
Candidates = Mapping[tuple[str, str], Sequence[Placement]]  # by (source, kind), as a system has them
LIMIT = 1e-9  # relative; both sides are sums of whole nanoseconds, and of erased fractions


class SystemBound(NamedTuple):
    """The bound of each task (columns of `tables.BOUND`, and more), and the placements that it regards."""

    table: pa.Table
    candidates: Candidates


def check_bound(run: Run, candidates: Candidates) -> Iterator[Check]:
    """Yield a check for each simulated policy that has modelled tasks whose placement is one of the candidates: the
    greatest part of a task's bound that the task's cost is below it.

    The simulation and the bound are computed apart; if a cost is below the bound, one of them is wrong. The bound does
    not hold for measured times, nor for placements that it did not regard. Nothing is checked without bound.parquet.
    """
    path, tasks_path = run.path / BOUND_FILE, run.path / "tasks.parquet"
    bound = read_bound(path)
    if bound is None:
        return
    for label, groups in policies_of(tasks_path).items():
        if label not in run.manifest.facts.policies:  # real packets and processors owe nothing to the model
            continue
        tasks = rows_of(tasks_path, label, groups)
        worst = worst_shortfall(tasks[tasks["compute"] == "modelled"], run.manifest.facts.cost, bound, candidates, path)
        if worst is not None:
            yield Check(name=CHECK_NAME, subject=label, value=worst, limit=LIMIT)


def worst_shortfall(
    tasks: pd.DataFrame, cost: Cost, bound: pd.Series, candidates: Candidates, path: Path
) -> float | None:
    """Return by how much a task whose placement is one of the candidates costs less than its bound (`shortfall`); None
    if there is no such task. `path` names the bounds in messages."""
    keys = ["source", "kind", "placement"]
    chosen = tasks[keys].drop_duplicates().astype(str)
    known = [bool(where) and parse(where) in candidates.get((at, kind), ()) for at, kind, where in chosen.to_numpy()]
    tasks = tasks.astype(dict.fromkeys(keys, str)).merge(chosen[np.array(known, np.bool_)], on=keys)
    return shortfall(cost_of(tasks, cost), bound_of(tasks, bound, path)) if len(tasks) else None


def shortfall(costs_s: Floats, bounds_s: Floats) -> float:
    """Return by how much a cost is below its bound, as the greatest part of the bound; 0 if none is, NaN if a cost is
    not a number."""
    missing_s = np.maximum(bounds_s - costs_s, 0.0)
    return float(np.max(missing_s / np.where(bounds_s > 0, bounds_s, 1.0)))
