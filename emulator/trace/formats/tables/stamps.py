"""Timestamps of a table in milliseconds: numbers of a unit, ISO 8601, or a format; offsets and zones become UTC.

A format without a date has times of day: a fall of more than 12 hours is midnight.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from emulator.core.arrays import Floats
from emulator.trace.formats.source import STAMP_LIMIT_S, row_error
from emulator.trace.formats.tables.columns import CsvColumns
from emulator.trace.formats.tables.numbers import parse_numbers
from emulator.trace.formats.tables.units import MS_PER_TIME_UNIT
from emulator.trace.formats.tables.zones import ZONE_WORD, zone_of

MS_PER_DAY = 86_400_000
DATE_DIRECTIVES = frozenset("%" + letter for letter in "aAwdbBmyYjUWcxGuVs")
TIME_OF_DAY = re.compile(r"\d{1,2}:\d\d:\d\d([.,]\d+)?")
OFFSET_FROM_UTC = re.compile(r"\s*(?<![\w/])(?:UTC|GMT|UT)\s?([+-])(\d{1,2})(?::?(\d\d))?\b")
NUMBER = re.compile(r"[-+]?[\d.,]+([eE][-+]?\d+)?")


def stamps_ms(path: Path, cells: "pd.Series[str]", columns: CsvColumns) -> Floats:
    """Return the timestamps in ms, shape (rows,), not rounded. `cells`: text, indexed by row.

    Raises ValueError with file, row and value if a stamp is no time of its kind.
    """
    first = str(cells.iloc[0]) if len(cells) else ""
    if columns.time_format is None and (not cells.size or NUMBER.fullmatch(first) or not re.search(r"\d[:-]\d", first)):
        values = parse_numbers(path, columns.time, cells, columns.decimal, " (or a time of a format that is given)")
        too_far = np.abs(values) > STAMP_LIMIT_S * 1e3 / MS_PER_TIME_UNIT[columns.time_unit]
        if too_far.any():
            at = int(np.argmax(too_far))
            rule = f"lie within {STAMP_LIMIT_S:g} s of 0 (time_unit is {columns.time_unit}; ms, us and ns are others)"
            raise row_error(path, int(cells.index[at]), columns.time, cells.iloc[at], rule)
        values_ms: Floats = values * MS_PER_TIME_UNIT[columns.time_unit]
        return values_ms
    format = columns.time_format or ("%H:%M:%S.%f" if TIME_OF_DAY.fullmatch(first) else None)
    texts = cells if columns.time_format is not None else cells.str.replace(",", ".")
    moments = _moments(path, columns, texts, format)
    if moments.isna().any():
        at = int(np.argmax(moments.isna()))
        like = repr(format) if format else "'2031-04-19T16:23:00.25+02:00' (or name its format, or its unit)"
        raise row_error(path, int(cells.index[at]), columns.time, cells.iloc[at], f"be a time like {like}")
    values_ms = moments.dt.as_unit("us").astype(np.int64).to_numpy() / 1e3
    if format is not None and not DATE_DIRECTIVES & set(re.findall("%.", format)):
        values_ms = values_ms + MS_PER_DAY * np.cumsum(np.diff(values_ms, prepend=values_ms[:1]) < -MS_PER_DAY / 2)
    return values_ms


def _moments(path: Path, columns: CsvColumns, cells: "pd.Series[str]", format: str | None) -> "pd.Series[pd.Timestamp]":
    """Return UTC times, NaT where a cell has another form."""
    if format is not None and "%Z" not in format:
        return _in_zone(path, columns, cells, parsed_times(cells, format), columns.zone)
    if format is None:
        cells = cells.str.replace(
            OFFSET_FROM_UTC, lambda found: f"{found[1]}{found[2]:0>2}:{found[3] or '00'}", regex=True
        )
    words = cells.str.extract(ZONE_WORD, expand=False)
    bare = cells.str.replace(ZONE_WORD, " ", regex=True).str.split().str.join(" ")
    if not words.notna().any():
        return _in_zone(path, columns, cells, parsed_times(bare, format), columns.zone)
    found = pd.Series(pd.NaT, index=cells.index, dtype="datetime64[us, UTC]")
    for name in [None, *words.dropna().unique()]:
        rows = words.isna() if name is None else words == name
        if rows.any():
            moments = parsed_times(bare[rows], format)
            found[rows] = _in_zone(path, columns, cells[rows], moments, columns.zone if name is None else name)
    return found


def parsed_times(cells: "pd.Series[str]", format: str | None) -> "pd.Series[pd.Timestamp]":
    """Parse times, naive where they have no offset. A fraction of seconds may have any number of digits, or none."""
    if format is not None and "%Z" in format:
        format = " ".join(format.replace("%Z", " ").split())
        cells = cells.str.split().str.join(" ")
    texts = cells.str.replace(r"([.,]\d{9})\d+", r"\1", regex=True)
    offset = texts.str.contains(r":\d\d(?:[.,]\d+)?\s*(?:Z|[+-]\d{1,2}:?(?:\d\d)?)$", regex=True)
    aware = "%z" in format if format else bool(offset.any())
    moments = pd.to_datetime(texts, format=format or "ISO8601", errors="coerce", utc=aware)
    if format is None and aware:
        moments = moments.where(offset)  # of stamps with and without an offset the latter are in doubt
    if format is not None and moments.isna().any() and (whole := re.sub(r".%f", "", format)) != format:
        moments = moments.fillna(pd.to_datetime(texts, format=whole, errors="coerce", utc=aware))
    return moments


def _in_zone(
    path: Path, columns: CsvColumns, cells: "pd.Series[str]", moments: "pd.Series[pd.Timestamp]", name: str | None
) -> "pd.Series[pd.Timestamp]":
    """Return times in UTC; those without an offset are of the zone `name`, UTC if there is none.

    In the hour that a clock shows twice the order of the rows decides. Raises ValueError with file, row and value for
    an unknown zone, and for a time that the zone does not have or that the order does not decide."""
    if moments.dt.tz is not None:
        return moments.dt.tz_convert("UTC").dt.as_unit("us")
    zone = zone_of(name or "UTC")
    if zone is None:
        raise row_error(path, int(cells.index[0]), columns.time, cells.iloc[0], f"have a known zone, not {name!r}")
    try:
        local = moments.dt.tz_localize(zone, ambiguous="infer", nonexistent="NaT")
    except ValueError:  # the hour is shown once: as summer time, unless earlier rows are later
        local = moments.dt.tz_localize(zone, ambiguous=np.ones(len(moments), np.bool_), nonexistent="NaT")
    return local.dt.tz_convert("UTC").dt.as_unit("us")
