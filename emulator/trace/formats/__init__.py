"""Import and export of recordings in other formats; docs/emulator-traces.md has the rules."""

from pathlib import Path
from typing import Literal, get_args

from emulator.trace import Trace
from emulator.trace.formats.columns import PRESETS, CsvColumns, import_csv, parse_columns
from emulator.trace.formats.lists import ListSeries, import_list, parse_series, ping_summary
from emulator.trace.formats.mahimahi import export_mahimahi, import_mahimahi
from emulator.trace.formats.rate import import_rate
from emulator.trace.formats.summary import summary

__all__ = [
    "PRESETS",
    "CsvColumns",
    "Format",
    "ListSeries",
    "cut_to_length_of",
    "export_mahimahi",
    "import_trace",
    "parse_choice",
    "parse_columns",
    "ping_summary",
    "read",
    "summary",
]

Format = Literal["mahimahi", "rate", "csv", "list"]


def import_trace(path: Path, format: Format, columns: CsvColumns | ListSeries | None = None) -> Trace:
    """Read a recording. The trace's lineage is the SHA-256 of the file's bytes.

    `columns`: the meaning of a CSV file's columns (None: the preset that fits the header), or the series of a list
    file to read (None: the first).
    Raises ValueError, one line with file, row, value and rule; OSError if there is no such file.
    """
    if format == "csv" and not isinstance(columns, ListSeries):
        return import_csv(path, columns)
    if format == "list" and not isinstance(columns, CsvColumns):
        return import_list(path, columns)
    if columns is not None:
        raise ValueError(f"{path}: columns: must be given for csv and list alone, each its own, not for {format}")
    if format == "mahimahi":
        return import_mahimahi(path)
    if format == "rate":
        return import_rate(path)
    raise ValueError(f"{path}: format={format!r}: must be one of {', '.join(get_args(Format))}")


def read(path: Path, format: Format | Literal["parquet"], columns: str | None = None) -> Trace:
    """Read a trace file (`parquet`) or a recording. `columns` is the text of `--columns` (see `parse_choice`).
    Raises as `import_trace` and `Trace.load` do."""
    if format != "parquet":
        return import_trace(path, format, None if columns is None else parse_choice(columns, format))
    if columns is not None:
        raise ValueError(f"{path}: columns: must be given for csv and list alone, not for a trace")
    return Trace.load(path)


def parse_choice(text: str, format: str) -> CsvColumns | ListSeries:
    """Parse the text of `--columns` by the file's format: see `parse_columns` and `parse_series`."""
    return parse_series(text) if format == "list" else parse_columns(text)


def cut_to_length_of(trace: Trace, other: Trace) -> Trace:
    """Cut the trace after its last whole slot within the other's period, so that two directions that were recorded
    together repeat after the same time."""
    return trace.slice(0, min(len(trace), max(other.period_ns // trace.slot_ns, 1)))
