"""Rows and columns of a text: its delimiter is found or given, comments and empty rows are left out."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import pyarrow as pa

from emulator.trace.formats.source import names_in_line, row_error
from emulator.trace.formats.text import RecordingText

if TYPE_CHECKING:
    import pandas as pd

Header = Literal["first", "none"]
DELIMITERS: Mapping[str, str] = {"tab": "\t", "semicolon": ";", "pipe": "|", "comma": ",", "space": " "}
DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?|[-+]?\d{1,3}(?:\.\d{3})+,\d+")
THOUSANDS_COMMA = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")
SAMPLE_ROWS = 50
CHUNK_ROWS = 50_000


class Grid(NamedTuple):
    """A text whose delimiter and header are known. `header`: name of each column (its number from 1 where the text
    has no header). `head_row`: line of the header, 0 without one."""

    recording: RecordingText
    delimiter: str
    header: list[str]
    head_row: int

    @property
    def path(self) -> Path:
        """Path of the recording."""
        return self.recording.path

    @property
    def shown_header(self) -> str:
        """The header as errors show it, after the delimiter that separates it."""
        delimiter = next((name for name, mark in DELIMITERS.items() if mark == self.delimiter), self.delimiter)
        return f"the header (separated by {delimiter}): {names_in_line(name or '(no name)' for name in self.header)}"

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (line number, cells) of each row that is not blank, a comment, or the header again.

        Raises ValueError with file and row if a row has not as many cells as the header."""
        for row, cells in _split(self.path, self.recording.text, self.delimiter):
            if row <= self.head_row or cells[0].startswith("#") or cells[: len(self.header)] == self.header:
                continue
            while len(cells) > len(self.header) and not cells[-1]:
                cells.pop()
            if len(cells) != len(self.header):
                raise row_error(self.path, row, "fields", len(cells), f"be {len(self.header)}, as the header has")
            yield row, cells

    def sample(self) -> list[list[str]]:
        """Return the cells of the first rows."""
        return [cells for _, cells in islice(self.rows(), SAMPLE_ROWS)]

    def columns(self, names: Sequence[str]) -> "pd.DataFrame":
        """Return columns as text, shape (rows, names); the index is each row's line number.

        Raises ValueError with file and row unless each name stands once in the header."""
        for name in names:
            if (count := self.header.count(name)) != 1:
                rule = f"stand once in the header, not {count} times"
                rule += f"; {self.shown_header}" if not count else ""
                raise row_error(self.path, max(self.head_row, 1), "column", name, rule)
        places = [self.header.index(name) for name in names]
        schema = pa.schema([("row", pa.int64()), *((name, pa.string()) for name in names)])
        rows = self.rows()
        batches = []
        while chunk := list(islice(rows, CHUNK_ROWS)):
            cells = [pa.array([cells[place] for _, cells in chunk], pa.string()) for place in places]
            batches.append(pa.record_batch([pa.array([row for row, _ in chunk], pa.int64()), *cells], schema=schema))
        frame: pd.DataFrame = pa.Table.from_batches(batches, schema).to_pandas()
        return frame.set_index("row")


def open_grid(recording: RecordingText, delimiter: str | None, header: Header, names: Sequence[str] = ()) -> Grid:
    """Find delimiter and header of a text. `delimiter`: None to find it: the one whose header has all `names`, else
    one that cuts all of the first rows into equally many cells. `header`: `first` or `none`.

    Raises ValueError if the text has no row."""
    numbered = enumerate(io.StringIO(recording.text, newline=None), 1)
    lines = list(islice(((row, line.rstrip("\n")) for row, line in numbered if line.strip()), SAMPLE_ROWS))
    if lines and delimiter is None and lines[0][1].lower().startswith("sep=") and len(lines[0][1].strip()) == 5:
        delimiter = lines.pop(0)[1].strip()[4]  # as Excel writes it
    comments = list(takewhile(lambda each: each[1].lstrip().startswith("#"), lines))
    plain = [each for each in lines if not each[1].lstrip().startswith("#")]
    if header == "none":
        delimiter = delimiter or find_delimiter([line for _, line in plain], names)
        width = len(_cells(plain[0][1], delimiter)) if plain else 0
        head_row, head = (plain[0][0] - 1 if plain else 0), [str(number) for number in range(1, width + 1)]
    else:
        plain = _from_header(plain, delimiter, names)
        head_row, line, delimiter = _header(comments, plain, delimiter, names)
        head = _cells(line, delimiter)
    if not any(head):
        raise ValueError(f"{recording.path}: header: must name the columns in the first line")
    return Grid(recording, delimiter, head, head_row)


def find_delimiter(lines: Sequence[str], names: Sequence[str]) -> str:
    """Return the delimiter of rows: the first that cuts a header with all names, else the first that cuts all rows
    into equally many cells, else the one that cuts the first row into most. Comma if there is none."""
    cut = {delimiter: [_cells(line, delimiter) for line in lines] for delimiter in DELIMITERS.values()}
    for delimiter, rows in cut.items():
        if names and rows and set(names) <= set(rows[0]):
            return delimiter
    for delimiter, rows in cut.items():
        if rows and len(rows[0]) > 1 and all(len(row) == len(rows[0]) for row in rows):
            return delimiter
    widths = {delimiter: len(rows[0]) if rows else 1 for delimiter, rows in cut.items() if delimiter != " "}
    widest = max(widths, key=lambda delimiter: widths[delimiter])
    return widest if widths[widest] > 1 else ","


def number_of(cell: str) -> float | None:
    """Return the number in a cell, with a decimal point or comma; None if there is none."""
    if DECIMAL_COMMA.fullmatch(cell):
        cell = cell.replace(".", "").replace(",", ".")
    elif THOUSANDS_COMMA.fullmatch(cell):
        cell = cell.replace(",", "")
    try:
        return float(cell)
    except ValueError:
        return None


def is_number(cell: str) -> bool:
    """Whether a cell holds a number, with a decimal point or comma."""
    return number_of(cell) is not None


def _from_header(
    lines: Sequence[tuple[int, str]], delimiter: str | None, names: Sequence[str]
) -> list[tuple[int, str]]:
    """Return the lines from the first that names all columns on, all if none does: a preamble may stand above it.
    Without names from the first that has as many cells as most lines."""
    marks = [delimiter] if delimiter else [*DELIMITERS.values()]
    if not names:
        mark = delimiter or find_delimiter([line for _, line in lines[len(lines) // 2 :]], names)
        widths = [len(_cells(line, mark)) for _, line in lines]
        usual = Counter(widths).most_common(1)[0][0] if lines else 0
        return [*lines[widths.index(usual) if usual > 1 else 0 :]]
    for at, (_, line) in enumerate(lines):
        if any(set(names) <= set(_cells(line, mark)) for mark in marks):
            return [*lines[at:]]
    return [*lines]


def _header(
    comments: Sequence[tuple[int, str]], plain: Sequence[tuple[int, str]], delimiter: str | None, names: Sequence[str]
) -> tuple[int, str, str]:
    """Return line number, text and delimiter of the header: the first row, or a comment above it that names as many
    columns as a first row with numbers has."""
    if comments:
        row, line = comments[-1][0], comments[-1][1].lstrip().lstrip("#").strip()
        below = [text for _, text in plain]
        cut_by = delimiter or find_delimiter([line, *below], names)
        first = _cells(below[0], cut_by) if below else []
        if len(first) > 1 and len(_cells(line, cut_by)) == len(first) and any(map(is_number, first)):
            return row, line, cut_by
    row, line = plain[0] if plain else (1, "")
    return row, line, delimiter or find_delimiter([text for _, text in plain], names)


def _cells(line: str, delimiter: str) -> list[str]:
    reader = csv.reader([line], delimiter=delimiter, skipinitialspace=True)
    return [cell.strip() for cell in next(reader, [])]


def _split(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of each row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            if any(stripped := [cell.strip() for cell in cells]):
                yield reader.line_num, stripped
    except csv.Error as error:
        raise ValueError(f"{path}: row {reader.line_num}: must be CSV ({error})") from error
