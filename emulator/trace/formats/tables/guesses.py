"""The columns of a table whose map is not given: a preset that fits the header, else an error with the best guess."""

import csv
import io
import re
import shlex
from collections.abc import Sequence

import numpy as np
import pandas as pd

from emulator.trace.formats.tables.columns import CsvColumns
from emulator.trace.formats.tables.grid import Grid, is_number, number_of
from emulator.trace.formats.tables.numbers import MISSING_WORDS
from emulator.trace.formats.tables.presets import PRESETS, preset_of
from emulator.trace.formats.tables.stamps import parsed_times
from emulator.trace.formats.tables.units import named_amount, named_rate_unit, named_time_unit
from emulator.trace.formats.tables.zones import ZONE_WORD

TIME_NAMES = re.compile(r"time|stamp|date|epoch|clock|when|zeit|temps|^t$|^ts$|^t[ _\[(]|sec|^ms$|^x$", re.I)
RUN_NAMES = re.compile(
    r"(^|[^a-z])runs?(?!time)|session|trial|experiment|iteration|(test|measurement|trace)[_ ]?(id|n)", re.I
)
RATE_NAMES = re.compile(
    r"bps|bit_?/?s|brate|bitrate|thro?ugh?put|goodput|bandwidth|speed.*test|rate|tput|[ud]l|bytes", re.I
)
NO_RATE = re.compile(r"mcs|snr|sinr|rsr|cqi|bler|buff|error|loss|lat|lon|duration|samplerate|rssi", re.I)
KEPT_NAMES = {
    "rsrp_dbm": r"rsrp", "rsrq_db": r"rsrq", "sinr_db": r"sinr|snr", "rssi_dbm": r"rssi", "cqi": r"cqi",
    "mcs": r"mcs", "rank": r"(^|[^a-z])(rank|ri|layers)([^a-z]|$)",
}  # fmt: skip
FORMATS = (
    "%Y.%m.%d_%H.%M.%S", "%Y-%m-%d_%H-%M-%S", "%Y-%m-%d %H-%M-%S.%f", "%Y/%m/%d %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S.%f",
    "%d/%m/%Y %H:%M:%S.%f", "%m/%d/%Y %H:%M:%S.%f", "%m/%d/%Y %I:%M:%S %p", "%Y-%m-%d %I:%M:%S %p",
    "%b %d, %Y %H:%M:%S.%f %Z", "%a %b %d %H:%M:%S %Z %Y", "%d-%b-%Y %H:%M:%S.%f", "%d-%m-%Y %H:%M:%S.%f",
    "%I:%M:%S %p", "%Y%m%d%H%M%S", "%Y%m%d-%H%M%S",
)  # fmt: skip
ISO = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?|\d{1,2}:\d\d:\d\d)([.,]\d+)?\s*(Z|[+-]\d\d:?(\d\d)?)?")
"""Times that need no format."""
STEADY = 0.8  # share of a counter's steps that do not fall, where it begins anew now and then


def columns_of_header(grid: Grid) -> CsvColumns:
    """Return the preset that fits the header. Raises ValueError with the header, and the command with the best guess
    of the columns."""
    if (name := preset_of(grid.header)) is not None:
        return PRESETS[name]
    seen = f"columns: must be named, as no preset ({', '.join(PRESETS)}) fits {grid.shown_header}"
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
    run = next((name for name in names if RUN_NAMES.search(name)), None)
    if run is not None and sample:
        first = sample[0][names.index(run)]
        sample = [row for row in sample if row[names.index(run)] == first]
        parts.append(f"where.{run}={first}")
    cells = {
        name: [row[at] for row in sample if row[at].lower() not in MISSING_WORDS]
        for at, name in enumerate(names)
        if name and name != run and names.count(name) == 1
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
    growing = [name for name in numbers if (at := _values(cells[name])) == sorted(at) and at[0] < at[-1]]
    return next(iter([*(name for name in named if name in times or name in growing), *times, *named, *growing]), None)


def _rate_column(numbers: Sequence[str], headed: bool) -> str | None:
    if not headed:
        return numbers[0] if numbers else None
    possible = [name for name in numbers if not NO_RATE.search(name)]
    with_unit = [name for name in possible if named_rate_unit(name)]
    return next(iter([*with_unit, *(name for name in possible if RATE_NAMES.search(name)), *possible]), None)


def _time_pairs(name: str, values: Sequence[str]) -> list[tuple[str, str]]:
    """Return unit or format of a time column."""
    if not all(map(is_number, values)):
        format = None if _is_iso(values) else _format(values)
        return [("format", format)] if format else []
    largest = max(map(abs, _values(values)))
    by_size = next((unit for unit, least in (("ns", 1e17), ("us", 1e14), ("ms", 1e11)) if largest >= least), "s")
    found = named_time_unit(name) or by_size
    return [("time_unit", found)] if found != "s" else []


def _unit(name: str, values: Sequence[str]) -> str:
    """Return the unit of a rate column: by its name, else bit/s for large numbers and Mbit/s for small ones."""
    if unit := named_rate_unit(name):
        return unit
    numbers = _values(values)
    if amount := named_amount(name):
        grows = len(numbers) > 1 and float(np.mean(np.diff(numbers) >= 0)) >= STEADY and numbers[0] != numbers[-1]
        return f"{amount}-counter" if grows else f"{amount}/interval"
    return "bit/s" if max(map(abs, numbers)) >= 1e6 else "kbit/s" if max(map(abs, numbers)) >= 1e4 else "Mbit/s"


def _format(values: Sequence[str]) -> str | None:
    """Return the first of the usual formats that all values have, with a decimal point or comma."""
    for format in (*FORMATS, *(format.replace(".%f", ",%f") for format in FORMATS if ".%f" in format)):
        parsed = parsed_times(pd.Series(values, dtype="str").str.replace(ZONE_WORD, "", regex=True), format)
        if parsed.notna().all():
            return format
    return None


def _is_iso(values: Sequence[str]) -> bool:
    return all(ISO.fullmatch(ZONE_WORD.sub("", value).strip()) for value in values)


def _values(cells: Sequence[str]) -> list[float]:
    """Return the numbers of cells that all hold one."""
    return [value for cell in cells if (value := number_of(cell)) is not None]
