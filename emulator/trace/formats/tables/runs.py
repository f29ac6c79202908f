"""The runs that stand in one table, told apart by the values of a column."""

from dataclasses import replace
from typing import Any

import pandas as pd

from emulator.core.units import NS_PER_S
from emulator.trace.formats.source import names_in_line
from emulator.trace.formats.tables.column_map import parse_columns
from emulator.trace.formats.tables.columns import CsvColumns
from emulator.trace.formats.tables.grid import Grid, open_grid
from emulator.trace.formats.tables.guesses import RUN_NAMES, guess_columns
from emulator.trace.formats.tables.presets import PRESETS, preset_of
from emulator.trace.formats.tables.table import open_table, rows_of, trace_of_rows
from emulator.trace.formats.text import RecordingText


def runs_of_table(recording: RecordingText, columns: CsvColumns | None, by: str | None) -> list[dict[str, Any]]:
    """Return a row for each value of the column `by` (None: the first whose name says that it numbers runs), in the
    order of the file: the choice, as `--where` takes it, and the number of rows; length and mean rate of the run where
    columns are given or can be guessed, or what is wrong with it.

    Raises ValueError if there is no such column.
    """
    known, grid = _map_and_grid(recording, columns)
    name = by or next((each for each in grid.header if RUN_NAMES.search(each)), None)
    if name is None or name not in grid.header:
        rule = f"must be a column that tells runs apart, one of {names_in_line(filter(None, grid.header))}"
        raise ValueError(f"{grid.path}: --by {name or 'COLUMN'}: {rule}")
    rows = grid.columns([name]) if known is None else rows_of(known, grid, name)
    found = []
    for value, run in rows.groupby(name, sort=False):
        facts = {} if known is None else _facts(grid, known, name, value, run)
        found.append({"where": f"{name}={value}", "rows": len(run), **facts})
    return found


def _map_and_grid(recording: RecordingText, columns: CsvColumns | None) -> tuple[CsvColumns | None, Grid]:
    """Return the map that is given, fits the header, or is guessed (None: it cannot be), and the table."""
    if columns is None:
        grid = open_grid(recording, None, "first")
        preset = preset_of(grid.header)
        text = None if preset is not None else guess_columns(grid)
        if preset is None and text is None:
            return None, grid
        columns = PRESETS[preset] if preset is not None else replace(parse_columns(text or ""), where={})
    return open_table(recording, columns)


def _facts(grid: Grid, columns: CsvColumns, name: str, value: object, rows: pd.DataFrame) -> dict[str, Any]:
    """Return length and mean rate of a run, or the error of its import."""
    try:
        trace = trace_of_rows(grid, replace(columns, where={**columns.where, name: str(value)}), rows)
    except ValueError as error:
        return {"error": str(error)}
    return {"duration_s": trace.period_ns / NS_PER_S, "mean_rate_mbps": trace.mean_rate_bps / 1e6}
