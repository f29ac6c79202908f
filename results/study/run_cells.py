"""Cells from finished runs, so that the statistics of studies compare runs: a cell is one policy's tasks on one trace
of a run. Here the runs take the part of policies, and policies that of variants."""

import hashlib
from collections.abc import Mapping

import pandas as pd

from results.run.folder import Run
from results.statistics import policy_tasks, summary_row
from results.study.cell_table import CellTable, cell_table

TASK_IDENTITY = ["source", "kind", "task", "arrival_ns"]


def run_cells(runs: Mapping[str, Run]) -> CellTable:
    """Return the cells of runs by name. Cells of two runs are paired if the sources have equal traces and the same
    tasks at the same times: these give them their seeds."""
    rows = []
    for name, run in runs.items():
        for policy, tasks in policy_tasks(run):
            for unit, own in tasks.groupby("unit", sort=True):
                identity = own[TASK_IDENTITY].astype({"source": str, "kind": str}).sort_values(TASK_IDENTITY)
                arrivals = hashlib.sha256(identity.to_csv(index=False).encode()).hexdigest()
                row = {**summary_row(policy, own), "variant": policy, "policy": name}
                rows.append({**row, "unit": str(unit), "arrivals": arrivals, "rows_sha256": ""})
    frame = pd.DataFrame(rows)
    if not len(frame):
        raise ValueError("no task was offered in these runs")
    return cell_table(
        frame.assign(
            cell=frame.index.astype(str),
            channel_seed=pd.factorize(frame["unit"], sort=True)[0],
            arrival_seed=pd.factorize(frame["arrivals"], sort=True)[0],
            training_seed=None,
            repetition=0,
        ),
        [],
    )
