"""The runs of a file, whatever its format."""

from pathlib import Path
from typing import Any

from emulator.trace.formats.lists import list_runs
from emulator.trace.formats.tables.column_map import parse_columns
from emulator.trace.formats.tables.runs import runs_of_table


def runs_of(path: Path, columns: str | None = None, by: str | None = None) -> list[dict[str, Any]]:
    """Return a row for each run of a recording: how it is chosen, and what it holds. `columns`: the map of a table;
    `by`: the column of a table that tells runs apart.

    Raises ValueError if the file has no runs."""
    if path.suffix == ".list":
        return list_runs(path)
    return runs_of_table(path, None if columns is None else parse_columns(columns), by)
