"""The table of a study's cells: a cell is the run of one policy, with one training seed, on one channel.

`cells.csv` has a row for each finished cell: its identity, the swept parameters between `variant` and `channel_seed`,
and the columns of a run's summary.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from emulator.core.files import atomic_write
from results.run.reading import readable
from results.run.tables import require_columns
from results.statistics import LATER_COLUMNS, SUMMARY_COLUMNS

CELLS_FILE = "cells.csv"
_BEFORE: dict[str, Any] = {"cell": str, "variant": str}
_SEEDS: dict[str, Any] = {
    "channel_seed": "int64",
    "arrival_seed": "int64",
    "training_seed": "Int64",  # missing if the policy is not trained
    "repetition": "int64",
}
_AFTER: dict[str, Any] = {**_SEEDS, "policy": str, "unit": str, "rows_sha256": str}
_SUMMARY = {name: kind for name, kind in SUMMARY_COLUMNS.items() if name != "policy"}
CELL_COLUMNS: dict[str, Any] = {**_BEFORE, **_AFTER, **_SUMMARY}
"""Columns of every cell table with their types; no swept parameter can have one of these names."""
IDENTITY = ("variant", *_SEEDS, "policy")  # with the swept parameters: what identifies a cell


class CellTable(NamedTuple):
    """`cells`: a row for each cell, with CELL_COLUMNS and the columns named in `parameters`, whose values are numbers
    or texts. Cells of one `unit` saw the same channel."""

    cells: pd.DataFrame
    parameters: tuple[str, ...]

    @property
    def settings(self) -> list[str]:
        """The columns whose values are a setting of the study: all seeds and policies are run in each."""
        return ["variant", *self.parameters]


def cell_table(cells: pd.DataFrame, parameters: Sequence[str]) -> CellTable:
    """Return a cell table with its columns in their order and its rows as they are. Raises ValueError if a column is
    missing, a parameter has the name of another column, or two rows are the same cell."""
    taken = [name for name in parameters if name in CELL_COLUMNS or list(parameters).count(name) > 1]
    if taken:
        raise ValueError(f"{taken[0]}: a parameter must have a name of its own, not that of a column of {CELLS_FILE}")
    cells = cells.assign(**dict.fromkeys(LATER_COLUMNS.intersection(_SUMMARY).difference(cells.columns), float("nan")))
    columns = [*_BEFORE, *parameters, *_AFTER, *_SUMMARY]
    require_columns(cells, columns)
    identity = cells[[*IDENTITY, *parameters]]
    if identity.duplicated().any():
        row = identity[identity.duplicated()].iloc[0].to_dict()
        raise ValueError(f"rows must be of different cells: {', '.join(f'{k}={v}' for k, v in row.items())} is twice")
    return CellTable(cells[columns].astype(CELL_COLUMNS).reset_index(drop=True), tuple(parameters))


def write_cells(path: Path, table: CellTable) -> None:
    """Write cells.csv with all digits, so that a read table gives the same statistics."""
    with atomic_write(path) as partial:
        table.cells.to_csv(partial, index=False)


def read_cells(path: Path) -> CellTable:
    """Read cells.csv. A parameter is numeric if all its values are numbers. Raises ValueError (one line with the path)
    if the file is damaged."""
    with readable(path):
        names = pd.read_csv(path, nrows=0).columns.tolist()
        require_columns(pd.DataFrame(columns=names), ("variant", "channel_seed"))
        parameters = names[names.index("variant") + 1 : names.index("channel_seed")]
        texts = pd.read_csv(path, dtype=dict.fromkeys(parameters, str) | _TEXTS, **_READING)
        numbers = {name: _numeric(texts[name]) for name in parameters}
        return cell_table(texts.assign(**numbers), parameters)


_TEXTS: dict[str, Any] = {name: kind for name, kind in CELL_COLUMNS.items() if kind in (str, "Int64")}
_READING: dict[str, Any] = {
    "keep_default_na": False,
    "na_values": {name: [""] for name, kind in CELL_COLUMNS.items() if kind is not str},
}


def _numeric(values: pd.Series) -> pd.Series:
    """Return the values as numbers, or as they are if one is not a number."""
    try:
        return pd.to_numeric(values)
    except ValueError:
        return values
