"""The quality of answers that hosts measured, beside what quality tables predict, by the share that was lost."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

from results.run.reading import readable
from results.run.tables import require_columns

MAX_GROUPS = 5  # of tasks with similar shares, for each policy and kind
MIN_TASKS = 8  # of a group
TEXTS = ("policy", "source", "kind", "cuts", "codecs", "delivery", "unit")
NUMBERS = ("task", "erased_share", "agreement", "quality_loss", "predicted", "low", "high")


def read_quality(path: Path) -> pd.DataFrame | None:
    """Return quality.csv, a row for each task whose answer was scored; None if the run has no such file.

    Raises ValueError, one line, for another file.
    """
    if not path.is_file():
        return None
    with readable(path):
        table = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values=[""])
        require_columns(table, (*TEXTS, *NUMBERS))
    table[list(TEXTS)] = table[list(TEXTS)].fillna("")
    return table


def sampling_error(values: pd.Series) -> float:
    """Return half the 95 % interval of the mean of independent values, by Student's t; NaN for less than two."""
    count = len(values)
    return float(t.ppf(0.975, count - 1) * values.std(ddof=1) / np.sqrt(count)) if count > 1 else float("nan")


def by_share(tasks: pd.DataFrame) -> pd.DataFrame:
    """Return the means of groups of tasks with similar lost shares, up to MAX_GROUPS for each policy and kind.

    Columns: `policy`, `kind`, `tasks`, `share`, `agreement`, `measured` (the loss), `error` (half the 95 % interval of
    its sampling error, NaN for one task), `predicted`, `low`, `high` (the interval of the table's mean). Rows of kinds
    without a loss or a prediction have NaN.
    """
    rows = []
    for key, own in tasks.sort_values(["erased_share", "task"], kind="stable").groupby(["policy", "kind"]):
        groups = max(1, min(MAX_GROUPS, len(own) // MIN_TASKS, own["erased_share"].nunique()))
        for places in np.array_split(np.arange(len(own)), groups):
            group = own.iloc[places]
            error = sampling_error(group["quality_loss"])
            means = group[list(NUMBERS[1:])].astype(float).mean().tolist()
            rows.append((*key, len(group), *means, error))
    measures = ["share", "agreement", "measured", "predicted", "low", "high", "error"]
    return pd.DataFrame(rows, columns=["policy", "kind", "tasks", *measures])
