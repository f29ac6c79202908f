"""Small tables as CSV files."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from emulator.core.files import atomic_write

Value = float | str | None


def write_table(path: Path, names: Sequence[str], rows: Iterable[Sequence[Value]]) -> None:
    """Write the columns' names and the rows; None is an empty field, a fraction has nine digits. The file appears
    whole or not at all. Raises ValueError where its folder is not there."""
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(names)
        for row in rows:
            table.writerow([_text(value) for value in row])


def _text(value: Value) -> str:
    if value is None:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)
