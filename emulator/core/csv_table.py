"""Writes small tables as CSV files."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from emulator.core.files import atomic_write

Value = float | str | None


def write_table(path: Path, names: Sequence[str], rows: Iterable[Sequence[Value]]) -> None:
    """Write a header of column names, then the rows, atomically. None becomes an empty field; a float has nine
    significant digits. Raises ValueError if the folder does not exist."""
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(names)
        for row in rows:
            table.writerow([_text(value) for value in row])


def _text(value: Value) -> str:
    if value is None:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)
