"""Columns of numbers: decimal point or comma, separators of thousands, words that mean missing."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from emulator.core.arrays import Flags, Floats
from emulator.trace.formats.source import parse_number, row_error
from emulator.trace.formats.tables.grid import DECIMAL_COMMA, THOUSANDS_COMMA, number_of

MISSING_WORDS = frozenset(
    (
        *("", "-", "--", "nan", "-nan", "null", "(null)", "none", "nil", "na", "n/a", "n.a.", "#n/a", "<na>", "nat"),
        *("\\n", "undefined", "#div/0!", "#value!", "#num!", "#ref!"),  # of databases, JavaScript and spreadsheets
    )
)


def missing_cells(cells: "pd.Series[str]", further: Iterable[str] = ()) -> Flags:
    """Return which cells mean that a value is missing, shape (rows,): the usual words in any case, and `further`."""
    absent = {cell for cell in cells.unique() if cell.lower() in MISSING_WORDS}
    flags: Flags = cells.isin(absent).to_numpy(np.bool_)
    return flags | equal_cells(cells, further)


def equal_cells(cells: "pd.Series[str]", words: Iterable[str]) -> Flags:
    """Return which cells are one of the words, shape (rows,), compared as numbers where both are numbers."""
    wanted = {word.strip() for word in words}
    values = {value for word in wanted if (value := number_of(word)) is not None}
    found = [each for each in cells.unique() if each in wanted or number_of(each) in values]
    flags: Flags = cells.isin(found).to_numpy(np.bool_)
    return flags


def parse_numbers(
    path: Path, name: str, cells: "pd.Series[str]", decimal: str | None = None, advice: str = ""
) -> Floats:
    """Return finite numbers, shape (rows,). `cells`: text, indexed by row, of a column `name`. `decimal`: point,
    comma, or None: a comma if no number has a point and one has a comma that ends in digits. `advice` ends the error
    about a cell that is no number.

    Raises ValueError with file, row and value for the first cell that is no finite number.
    """
    texts = cells
    if (with_comma := cells.str.contains(",", regex=False)).any():
        texts = _with_point(path, name, cells, with_comma, decimal)
    elif decimal == "comma" and (points := cells.str.contains(".", regex=False)).any():
        at = int(np.argmax(points))
        raise row_error(path, int(cells.index[at]), name, cells.iloc[at], "have a decimal comma, as was given")
    try:
        values = np.array(list(map(float, texts)), dtype=np.float64)
    except ValueError:
        values = np.array([math.nan])
    if not np.isfinite(values).all() or texts.str.contains("_", regex=False).any():
        return np.array(
            [_one(path, row, name, text, cell, advice) for (row, cell), text in zip(cells.items(), texts, strict=True)]
        )
    return values


def _with_point(
    path: Path, name: str, cells: "pd.Series[str]", with_comma: "pd.Series[bool]", decimal: str | None
) -> "pd.Series[str]":
    """Return the numbers of a column with commas as Python writes them."""
    commas = cells[with_comma]
    points = cells.str.contains(r"^[^,]*\.[^,]*$", regex=True)
    if decimal is None:
        as_thousands = commas.str.fullmatch(THOUSANDS_COMMA.pattern)
        beyond_doubt = points.any() or commas.str.contains(".", regex=False).any() or (commas.str.count(",") > 1).any()
        decimal = "point" if as_thousands.all() and beyond_doubt else "comma"
    allowed = commas.str.fullmatch((DECIMAL_COMMA if decimal == "comma" else THOUSANDS_COMMA).pattern)
    if not allowed.all():
        at = int(np.argmin(allowed))
        raise row_error(path, int(commas.index[at]), name, commas.iloc[at], f"be a number with a decimal {decimal}")
    if decimal == "point":
        return cells.str.replace(",", "", regex=False)
    if points.any():
        at = int(np.argmax(points))
        rule = "have a decimal comma, as other rows have (give decimal=point or decimal=comma)"
        raise row_error(path, int(cells.index[at]), name, cells.iloc[at], rule)
    return cells.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)


def _one(path: Path, row: object, name: str, text: str, cell: str, advice: str) -> float:
    try:
        return parse_number(path, int(str(row)), name, text)
    except ValueError as error:
        raise row_error(path, int(str(row)), name, cell, f"be a finite number{advice}") from error
