"""The runs of a file, whatever its format."""

from pathlib import Path
from typing import Any

from emulator.trace.formats.iperf3 import is_report, report_runs
from emulator.trace.formats.lists import list_runs
from emulator.trace.formats.tables.column_map import parse_columns
from emulator.trace.formats.tables.runs import runs_of_table
from emulator.trace.formats.text import read_text


def runs_of(path: Path, columns: str | None = None, by: str | None = None) -> list[dict[str, Any]]:
    """Return a row for each run of a recording: how it is chosen, and what it holds. `columns`: the map of a table;
    `by`: the column of a table that tells runs apart.

    Raises ValueError if the file has no runs."""
    if path.suffix == ".list":
        return list_runs(path)
    chosen = None if columns is None else parse_columns(columns)
    recording = read_text(path, None if chosen is None else chosen.encoding)
    if chosen is None and by is None and is_report(recording):
        return report_runs(recording)
    return runs_of_table(recording, chosen, by)
