"""The columns of a table whose map is not given: a preset that fits the header, else an error with the best guess."""

import csv
import io
import re
import shlex
from collections.abc import Sequence

import pandas as pd

from emulator.trace.formats.tables.columns import CsvColumns
from emulator.trace.formats.tables.grid import DELIMITERS, Grid, is_number
from emulator.trace.formats.tables.numbers import MISSING_WORDS
from emulator.trace.formats.tables.presets import PRESETS, preset_of
from emulator.trace.formats.tables.stamps import parsed_times
from emulator.trace.formats.tables.zones import ZONE_WORD

TIME_NAMES = re.compile(r"time|stamp|date|epoch|clock|^t$|^ts$|^t[ _\[(]|sec|^ms$|^x$", re.I)
RATE_NAMES = re.compile(
    r"bps|bit_?/?s|brate|bitrate|thro?ugh?put|goodput|bandwidth|speed.*test|rate|tput|[ud]l|bytes", re.I
)
NO_RATE = re.compile(r"mcs|snr|sinr|rsr|cqi|bler|buff|error|loss|lat|lon|duration|samplerate|rssi", re.I)
KEPT_NAMES = {"rsrp_dbm": r"rsrp", "rsrq_db": r"rsrq", "sinr_db": r"sinr|snr", "rssi_dbm": r"rssi", "cqi": r"cqi"}
FORMATS = (
    "%Y.%m.%d_%H.%M.%S", "%Y-%m-%d_%H-%M-%S", "%Y-%m-%d %H-%M-%S.%f", "%Y/%m/%d %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S.%f",
    "%d/%m/%Y %H:%M:%S.%f", "%m/%d/%Y %H:%M:%S.%f", "%m/%d/%Y %I:%M:%S %p", "%b %d, %Y %H:%M:%S.%f %Z",
    "%a %b %d %H:%M:%S %Z %Y", "%I:%M:%S %p", "%Y%m%d%H%M%S", "%Y%m%d-%H%M%S",
)  # fmt: skip
ISO = re.compile(r"(\d{4}-\d\d-\d\d[T ])?\d{1,2}:\d\d:\d\d")
"""Times that need no format."""


def columns_of_header(grid: Grid) -> CsvColumns:
    """Return the preset that fits the header. Raises ValueError with the header, and the command with the best guess
    of the columns."""
    if (name := preset_of(grid.header)) is not None:
        return PRESETS[name]
    shown = ", ".join(name or "(no name)" for name in grid.header)
    delimiter = next((name for name, mark in DELIMITERS.items() if mark == grid.delimiter), grid.delimiter)
    presets = ", ".join(PRESETS)
    seen = f"columns: must be named, as no preset ({presets}) fits the header (separated by {delimiter}): {shown}"
    guess = guess_columns(grid)
    if guess is None:
        raise ValueError(f"{grid.path}: {seen}; give --columns time=COLUMN,rate=COLUMN,unit=Mbit/s")
    command = f"airsplit trace import {shlex.quote(str(grid.path))} --format csv --columns {shlex.quote(guess)}"
    raise ValueError(f"{grid.path}: {seen}; the best guess: {command} --out trace.parquet")


def guess_columns(grid: Grid) -> str | None:
    """Return the map that fits the names and first values best, as text; None if there is no column of numbers."""
    sample = grid.sample()
    names, parts = list(grid.header), []
    if all(map(_is_value, names)):
        sample, parts = [names, *sample], ["header=none"]
        names = [str(number) for number in range(1, len(names) + 1)]
    cells = {
        name: [row[at] for row in sample if row[at].lower() not in MISSING_WORDS]
        for at, name in enumerate(names)
        if name and names.count(name) == 1
    }
    numbers = [name for name in cells if cells[name] and all(map(is_number, cells[name]))]
    time = _time_column(cells, numbers)
    rate = _rate_column([name for name in numbers if name != time], headed=not parts)
    if rate is None:
        return None
    pairs = [*([("time", time), *_time_pairs(time, cells[time])] if time else [("step_s", "1")]), ("rate", rate)]
    pairs.append(("unit", _unit(rate, cells[rate])))
    for kept, pattern in KEPT_NAMES.items():
        found = [name for name in numbers if re.search(pattern, name, re.I) and name not in (time, rate)]
        pairs += [(kept, found[0])] if found else []
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([*parts, *(f"{name}={value}" for name, value in pairs)])
    return text.getvalue()


def _is_value(cell: str) -> bool:
    """Whether a cell holds a number, a time or nothing, and so is no column's name."""
    return is_number(cell) or cell.lower() in MISSING_WORDS or _is_iso([cell]) or _format([cell]) is not None


def _time_column(cells: dict[str, list[str]], numbers: Sequence[str]) -> str | None:
    """Return the column that is most likely the time: by its name, else by its values, else the first of growing
    numbers."""
    times = [name for name, values in cells.items() if values and (_format(values) is not None or _is_iso(values))]
    named = [name for name in cells if cells[name] and TIME_NAMES.search(name) and (name in times or name in numbers)]
    growing = [
        name for name in numbers if (at := [_value(cell) for cell in cells[name]]) == sorted(at) and at[0] < at[-1]
    ]
    return next(iter([*(name for name in named if name in times or name in growing), *times, *named, *growing]), None)


def _rate_column(numbers: Sequence[str], headed: bool) -> str | None:
    if not headed:
        return numbers[0] if numbers else None
    if "Length" in numbers:
        return "Length"
    named = [name for name in numbers if RATE_NAMES.search(name) and not NO_RATE.search(name)]
    with_unit = [name for name in named if re.search(r"[kmg]?b(it)?p?/?s\b|bps", name, re.I)]
    return next(iter([*with_unit, *named, *(name for name in numbers if not NO_RATE.search(name))]), None)


def _time_pairs(name: str, values: Sequence[str]) -> list[tuple[str, str]]:
    """Return unit or format of a time column."""
    if not all(map(is_number, values)):
        format = None if _is_iso(values) else _format(values)
        return [("format", format)] if format else []
    largest = max(abs(_value(cell)) for cell in values)
    if unit := re.search(r"[_ \[(.](ms|us|µs|ns|msec|usec|nsec)[\])]?$", name, re.I):
        found = unit[1].lower().removesuffix("ec")
    else:
        found = next((unit for unit, least in (("ns", 1e17), ("us", 1e14), ("ms", 1e11)) if largest >= least), "s")
    return [("time_unit", found)] if found != "s" else []


def _unit(name: str, values: Sequence[str]) -> str:
    """Return the unit of a rate column: by its name, else bit/s for large numbers and Mbit/s for small ones."""
    if name in ("Length", "frame.len"):
        return "B/packet"
    found = re.search(r"(?P<prefix>[kmg])?(?P<amount>bits?|bytes?|b)[ _]?(?:/|p(?:er_?)?)[ _]?s", name, re.I)
    if found:
        prefix = {"k": "k", "m": "M", "g": "G"}.get((found["prefix"] or "").lower(), "")
        return f"{prefix}{'B' if found['amount'] in ('B', 'Bytes', 'Byte', 'bytes', 'byte') else 'bit'}/s"
    numbers = [_value(cell) for cell in values]
    if re.search(r"bytes", name, re.I):
        return "B-counter" if numbers == sorted(numbers) and numbers[0] < numbers[-1] else "B/interval"
    return "bit/s" if max(map(abs, numbers)) >= 1e6 else "kbit/s" if max(map(abs, numbers)) >= 1e4 else "Mbit/s"


def _format(values: Sequence[str]) -> str | None:
    """Return the first of the usual formats that all values have."""
    for format in FORMATS:
        parsed = parsed_times(pd.Series(values, dtype="str").str.replace(ZONE_WORD, "", regex=True), format)
        if parsed.notna().all():
            return format
    return None


def _is_iso(values: Sequence[str]) -> bool:
    return all(ISO.match(value) for value in values)


def _value(cell: str) -> float:
    return float(cell.replace(",", ".", 1))
