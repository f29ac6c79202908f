"""Loads recorded tracks of UEs, in metres or as latitude and longitude."""

import csv
import io
import math
from pathlib import Path

import numpy as np

from emulator.channel.large_scale.track import Track
from emulator.core.arrays import Floats
from emulator.core.units import ns_from_s
from emulator.trace.formats.source import STAMP_LIMIT_S, decode, parse_number, row_error

EARTH_M = 6_371_008.8  # the mean radius (IUGG)
METRES = ["time_s", "x_m", "y_m"]
DEGREES = ["time_s", "latitude", "longitude"]


def load_track(path: Path) -> Track:
    """Read a CSV file with the columns `time_s,x_m,y_m`, or `time_s,latitude,longitude` in degrees, which become metres
    east and north of the first place (equirectangular projection). Time starts at the first row.

    Raises ValueError, one line with path, row, value and rule; OSError if there is no file.
    """
    reader = csv.reader(io.StringIO(decode(path, path.read_bytes())))
    header = [name.strip() for name in next(reader, [])]
    if header not in (METRES, DEGREES):
        raise row_error(path, 1, "header", ",".join(header), f"be {','.join(METRES)} or {','.join(DEGREES)}")
    rows: list[tuple[float, float, float]] = []
    for row in reader:
        if row:
            rows.append(_place(path, reader.line_num, header, row))
            if len(rows) > 1 and ns_from_s(rows[-1][0] - rows[0][0]) <= ns_from_s(rows[-2][0] - rows[0][0]):
                raise row_error(path, reader.line_num, "time_s", row[0], "be above the one before")
    if not rows:
        raise row_error(path, 2, "row", "", "hold the first place")
    at_ns = np.array([ns_from_s(time_s - rows[0][0]) for time_s, _, _ in rows], np.int64)
    places = np.array([place for _, *place in rows])
    return Track(at_ns, _local_m(places) if header == DEGREES else places)


def _place(path: Path, line: int, header: list[str], row: list[str]) -> tuple[float, float, float]:
    """Parse time and place of a row. The limit of latitudes excludes the poles, where the projection degenerates."""
    if len(row) != len(header):
        raise row_error(path, line, "row", ",".join(row), f"have {len(header)} values")
    limits = (STAMP_LIMIT_S, 89.0, 180.0) if header == DEGREES else (STAMP_LIMIT_S, 1e7, 1e7)
    values = [parse_number(path, line, name, value) for name, value in zip(header, row, strict=True)]
    for name, value, limit in zip(header, values, limits, strict=True):
        if abs(value) > limit:
            raise row_error(path, line, name, str(value), f"lie within {limit:g} of 0")
    time_s, first, second = values
    return time_s, first, second


def _local_m(degrees: Floats) -> Floats:
    """Convert latitudes and longitudes, shape (n, 2), to metres east and north of the first. A track may cross the date
    line."""
    latitude, longitude = degrees[:, 0], degrees[:, 1]
    east = (longitude - longitude[0] + 180) % 360 - 180
    shrink = math.cos(math.radians(latitude[0]))
    return np.stack([np.radians(east) * EARTH_M * shrink, np.radians(latitude - latitude[0]) * EARTH_M], axis=1)
