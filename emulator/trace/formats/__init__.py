"""Import and export of recordings in other formats; docs/emulator-traces.md has the rules."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, get_args

from emulator.trace import Trace
from emulator.trace.formats.iperf3 import Iperf3Choice, import_iperf3, parse_iperf3
from emulator.trace.formats.lists import ListSeries, import_list, parse_series, ping_summary
from emulator.trace.formats.mahimahi import export_mahimahi, import_mahimahi
from emulator.trace.formats.oai import OaiChoice, import_oai, parse_oai
from emulator.trace.formats.rate import import_rate
from emulator.trace.formats.summary import summary
from emulator.trace.formats.tables.column_map import parse_columns
from emulator.trace.formats.tables.columns import CsvColumns
from emulator.trace.formats.tables.presets import PRESETS

__all__ = [
    "PRESETS",
    "Choice",
    "CsvColumns",
    "Format",
    "Iperf3Choice",
    "ListSeries",
    "OaiChoice",
    "cut_to_length_of",
    "export_mahimahi",
    "import_trace",
    "parse_choice",
    "parse_columns",
    "ping_summary",
    "read",
    "summary",
]

Format = Literal["mahimahi", "rate", "csv", "list", "iperf3", "oai"]
Choice = CsvColumns | ListSeries | Iperf3Choice | OaiChoice
"""What to read of a recording: each format has its own."""
PARSERS: Mapping[str, Callable[[str], Choice]] = {
    "csv": parse_columns,
    "list": parse_series,
    "iperf3": parse_iperf3,
    "oai": parse_oai,
}


def import_trace(
    path: Path, format: Format, choice: Choice | None = None, where: Mapping[str, str] | None = None
) -> Trace:
    """Read a recording. The trace's lineage is the SHA-256 of the file's bytes.

    `choice`: the meaning of a CSV file's columns (None: the preset that fits the header), or what to read of a file
    with several series (None: the first, or the only one). `where`: only rows of a CSV file with these values count.
    Raises ValueError, one line with file, row, value and rule; OSError if there is no such file.
    """
    if where and format != "csv":
        raise ValueError(f"{path}: where: must be given for csv alone, not for {format}")
    match format, choice:
        case "csv", CsvColumns() | None:
            from emulator.trace.formats.tables.table import import_csv  # loads pandas

            return import_csv(path, choice, where)
        case "list", ListSeries() | None:
            return import_list(path, choice)
        case "iperf3", Iperf3Choice() | None:
            return import_iperf3(path, choice)
        case "oai", OaiChoice() | None:
            return import_oai(path, choice)
        case "mahimahi", None:
            return import_mahimahi(path)
        case "rate", None:
            return import_rate(path)
    if format not in get_args(Format):
        raise ValueError(f"{path}: format={format!r}: must be one of {', '.join(get_args(Format))}")
    raise ValueError(f"{path}: columns: must be given for {', '.join(PARSERS)} alone, each its own, not for {format}")


def read(
    path: Path,
    format: Format | Literal["parquet"],
    columns: str | None = None,
    where: Mapping[str, str] | None = None,
) -> Trace:
    """Read a trace file (`parquet`) or a recording. `columns` is the text of `--columns` (see `parse_choice`),
    `where` the rows of a CSV file that count. Raises as `import_trace` and `Trace.load` do."""
    if format != "parquet":
        return import_trace(path, format, None if columns is None else parse_choice(columns, format), where)
    if columns is not None or where:
        raise ValueError(f"{path}: columns: must not be given for a trace")
    return Trace.load(path)


def parse_choice(text: str, format: str) -> Choice:
    """Parse the text of `--columns` by the file's format. Raises ValueError."""
    return PARSERS.get(format, parse_columns)(text)


def cut_to_length_of(trace: Trace, other: Trace) -> Trace:
    """Cut the trace after its last whole slot within the other's period, so that two directions that were recorded
    together repeat after the same time."""
    return trace.slice(0, min(len(trace), max(other.period_ns // trace.slot_ns, 1)))
