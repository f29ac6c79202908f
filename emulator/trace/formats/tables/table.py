"""Import of tables, CSV files above all, by the map of their columns."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd

from emulator.trace import Trace
from emulator.trace.formats.samples import trace_of
from emulator.trace.formats.tables.columns import CsvColumns
from emulator.trace.formats.tables.grid import Grid, is_number, open_grid
from emulator.trace.formats.tables.guesses import columns_of_header
from emulator.trace.formats.tables.numbers import equal_cells, missing_cells
from emulator.trace.formats.tables.rows import samples_of_rows, words_for
from emulator.trace.formats.tables.tcpdump import packet_table
from emulator.trace.formats.tables.units import named_amount, named_rate_unit, named_time_unit, rate_unit
from emulator.trace.formats.text import RecordingText, read_text

SENDERS = ("Source", "ip.src")  # columns of Wireshark and tshark
SHOWN_VALUES = 8


def import_csv(path: Path, columns: CsvColumns | None = None, where: Mapping[str, str] | None = None) -> Trace:
    """Read a `fluid` trace by the rules of `emulator.trace.formats.samples`. `columns`: None for the preset that fits
    the header. `where`: rows that count, beside those of the map.

    A row without a rate or within a pause is left out, so the sample before it holds. A kept column has the mean of
    the values of a timestamp and holds as the rate does; a missing value is NaN.
    Raises ValueError with file, row (the header is row 1), value and rule.
    """
    recording = packet_table(read_text(path, None if columns is None else columns.encoding))
    columns, grid = open_table(recording, columns, where)
    senders = _senders(columns, grid)
    rows = rows_of(columns, grid, *senders)
    if columns.where and not len(rows):
        chosen = ", ".join(f"{name}={value}" for name, value in columns.where.items())
        seen = "; ".join(
            f"{name} has {', '.join(grid.columns([name])[name].unique()[:SHOWN_VALUES])}" for name in columns.where
        )
        raise ValueError(f"{path}: where {chosen}: must be true of a row at least ({seen})")
    return trace_of_rows(grid, columns, rows, _senders_notes(rows[senders]))


def _senders(columns: CsvColumns, grid: Grid) -> list[str]:
    """Return the column of the senders where all packets of a table are added up, else none."""
    if columns.where or rate_unit("columns.unit", columns.rate_unit).kind != "packet":
        return []
    return [name for name in SENDERS if name in grid.header][:1]


def _senders_notes(columns: pd.DataFrame) -> list[str]:
    """Return a line for each column that has packets of several senders, which are added up."""
    notes = []
    for name in columns:
        senders = sorted(columns[name].unique())
        if len(senders) > 1:
            what = f"packets of {len(senders)} senders ({', '.join(senders[:4])}) are added up"
            notes.append(f"{what}: choose a direction with --where {name}=ADDRESS")
    return notes


def _unit_notes(columns: CsvColumns, rows: pd.DataFrame) -> list[str]:
    """Return a line if the name of the rate's column, or of a time in numbers, says another unit than the map."""
    unit = rate_unit("columns.unit", columns.rate_unit)
    found = []
    if (named := named_rate_unit(columns.rate)) and rate_unit("columns.unit", named) != unit:
        found.append((columns.rate, columns.rate_unit, f"unit={named}"))
    elif not named and unit.kind == "rate" and (amount := named_amount(columns.rate)):
        found.append((columns.rate, columns.rate_unit, f"unit={amount}/interval or unit={amount}-counter"))
    time_unit = named_time_unit(columns.time)
    if time_unit not in (None, columns.time_unit) and len(rows) and is_number(rows[columns.time].iloc[0]):
        found.append((columns.time, columns.time_unit, f"time_unit={time_unit}"))
    return [f"column {name} is read in {given}, but its name suggests {right}" for name, given, right in found]


def rows_of(columns: CsvColumns, grid: Grid, *further: str) -> pd.DataFrame:
    """Return the columns that the map needs, and further ones, of the rows that count."""
    wanted = (*columns.required, *columns.skip_where, *columns.nr_where, *columns.paused_by, *columns.where, *further)
    rows = grid.columns(tuple(dict.fromkeys(wanted)))
    for name, value in columns.where.items():
        rows = rows[equal_cells(rows[name], [value])]
    return rows


def trace_of_rows(grid: Grid, columns: CsvColumns, rows: pd.DataFrame, notes: Sequence[str] = ()) -> Trace:
    """Return the trace of rows; `notes` are added to its own. Raises ValueError with file, row, value and rule."""
    path = grid.path
    chosen = "".join(f" where {name}={value}" for name, value in sorted(columns.where.items()))
    samples, paused = samples_of_rows(path, columns, rows)
    samples = replace(samples, notes=(*grid.recording.notes, *notes, *_unit_notes(columns, rows), *samples.notes))
    about = {"format": "csv", "file": path.name, "columns": asdict(columns), "rows_paused": paused}
    max_gap_ms = None if columns.max_gap_s is None else round(columns.max_gap_s * 1e3)
    skipped_ms = round(columns.skip_s * 1e3) if _skips(columns, rows) else 0
    metadata = {"kind": "recording"} | about
    return trace_of(path, samples, grid.recording.source + chosen, skipped_ms, metadata, max_gap_ms)


def open_table(
    recording: RecordingText, columns: CsvColumns | None, where: Mapping[str, str] | None = None
) -> tuple[CsvColumns, Grid]:
    """Return the map that fits the text and the text's grid. Raises ValueError if there is no preset that fits."""
    if columns is None:
        grid = open_grid(recording, None, "first")
        columns = columns_of_header(grid)
    else:
        grid = open_grid(recording, columns.delimiter, columns.header, columns.required)
    columns = replace(columns, where={**columns.where, **(where or {})})
    may_skip = set(columns.skip_where) <= set(grid.header)
    return grid_columns(columns, grid.header, may_skip), grid


def grid_columns(columns: CsvColumns, header: list[str], may_skip: bool) -> CsvColumns:
    """Return the map without conditions on columns that the file does not have."""
    return replace(
        columns,
        skip_s=columns.skip_s if may_skip else 0.0,
        skip_where={name: value for name, value in columns.skip_where.items() if name in header},
        nr_where={name: value for name, value in columns.nr_where.items() if name in header},
        paused_by=tuple(name for name in columns.paused_by if name in header),
    )


def _skips(columns: CsvColumns, rows: pd.DataFrame) -> bool:
    """Whether the first seconds are left out: the first row with a rate, or one before it, has the values."""
    with_rate = ~missing_cells(rows[columns.rate], words_for(columns, "rate"))
    head = rows.iloc[: int(np.argmax(with_rate)) + 1]
    flags = [head[name] == value for name, value in columns.skip_where.items()]
    return bool(np.logical_and.reduce(flags).any()) if flags else True
