"""The cells of a study, of the tasks alone that arrive in a window of time, from the stored rows."""

from pathlib import Path

import numpy as np
import pandas as pd

from results.figures.policy_data import within
from results.statistics import policies_of, rows_of, summary_row
from results.study.cell_table import CellTable, cell_table
from results.study.rows import rows_file


def windowed(folder: Path, table: CellTable, window_s: tuple[float, float]) -> CellTable:
    """Return the table with each cell's summary of the tasks that arrive in the window. Rows do not have costs and
    bounds, so that the columns of these are empty. Raises ValueError if no task arrives, or a file is damaged."""
    cells = [
        {
            **row,
            **window_summary(folder / rows_file(row["variant"], row["policy"], row["cell"]), row["policy"], window_s),
        }
        for row in table.cells.to_dict("records")
    ]
    if not any(cell["tasks"] for cell in cells):
        raise ValueError(f"window_s=[{window_s[0]:g}, {window_s[1]:g}]: no task arrives in it")
    return cell_table(pd.DataFrame(cells).astype({"training_seed": "Int64"}), table.parameters)


def window_summary(path: Path, policy: str, window_s: tuple[float, float]) -> dict[str, object]:
    """Return the summary of a cell's tasks that arrive in the window."""
    tasks = within(rows_of(path, policy, policies_of(path).get(policy, [])), window_s)
    delay_ms = (tasks["sojourn_ns"] * 1e-6).where(tasks["outcome"] != "failed")
    return summary_row(policy, tasks.assign(delay_ms=delay_ms, cost_s=np.nan))
