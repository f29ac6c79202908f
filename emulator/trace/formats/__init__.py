"""Recordings of others, read into traces and written back; the rules are in docs/emulator-traces.md."""

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
    """The recording at `path` as a trace, its lineage the SHA-256 of the file's bytes.

    `columns` says what a CSV file's columns mean (without it, the preset that the header fits is used), or which
    series of a list file is wanted (without it, the first).
    Raises ValueError, one line with file, row, value and rule, and OSError when there is no such file.
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
    """A trace's own file (`parquet`), or a recording; `columns` is what one line, such as `--columns`, chooses in it
    (see `parse_choice`). Raises as `import_trace` and `Trace.load` do."""
    if format != "parquet":
        return import_trace(path, format, None if columns is None else parse_choice(columns, format))
    if columns is not None:
        raise ValueError(f"{path}: columns: must be given for csv and list alone, not for a trace")
    return Trace.load(path)


def parse_choice(text: str, format: str) -> CsvColumns | ListSeries:
    """What one line, such as `--columns`, chooses in a file of this format: see `parse_columns`, `parse_series`."""
    return parse_series(text) if format == "list" else parse_columns(text)


def cut_to_length_of(trace: Trace, other: Trace) -> Trace:
    """The trace, cut after its last whole slot within the other's period: of two directions that were recorded
    together and differ in length, both then start again at the same time."""
    return trace.slice(0, min(len(trace), max(other.period_ns // trace.slot_ns, 1)))
