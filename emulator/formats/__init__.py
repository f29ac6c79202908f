"""Recordings of others, read into traces and written back; the rules are in docs/emulator-traces.md."""

from pathlib import Path
from typing import Literal

from emulator.formats.columns import PRESETS, CsvColumns, import_csv, parse_columns
from emulator.formats.mahimahi import export_mahimahi, import_mahimahi
from emulator.formats.rate import import_rate
from emulator.formats.summary import summary
from emulator.trace import Trace

__all__ = ["PRESETS", "CsvColumns", "Format", "export_mahimahi", "import_trace", "parse_columns", "summary"]

Format = Literal["mahimahi", "rate", "csv"]


def import_trace(path: Path, format: Format, columns: CsvColumns | None = None) -> Trace:
    """The recording at `path` as a trace, its lineage the SHA-256 of the file's bytes.

    `columns` says what a CSV file's columns mean; without it, the preset that the header fits is used.
    Raises ValueError, one line with file, row, value and rule, and OSError when there is no such file.
    """
    if format == "csv":
        return import_csv(path, columns)
    if columns is not None:
        raise ValueError(f"{path}: columns: must be given for csv alone, not for {format}")
    if format == "mahimahi":
        return import_mahimahi(path)
    if format == "rate":
        return import_rate(path)
    raise ValueError(f"{path}: format={format!r}: must be mahimahi, rate or csv")
