"""Import of CSV recordings: a column map names the columns of time, rate and channel descriptions."""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from emulator.trace import Trace
from emulator.trace.formats.samples import Sample, checked, trace_of
from emulator.trace.formats.source import (
    STAMP_LIMIT_S,
    decode,
    parse_number,
    parse_seconds,
    parse_stamp_ms,
    row_error,
    source_of,
)
from emulator.trace.rules import BEHAVIOUR

RateUnit = Literal["bit/s", "kbit/s", "Mbit/s"]
BITS_PER_UNIT: Mapping[str, float] = {"bit/s": 1.0, "kbit/s": 1e3, "Mbit/s": 1e6}
MISSING = ("", "-")


@dataclass(frozen=True)
class CsvColumns:
    """Column map of a CSV file. `time` is a number of seconds, or a timestamp in `time_format` (of
    `datetime.strptime`); `keep` maps descriptive columns of the trace, named with their unit, to columns of the file.
    The first `skip_s` seconds are left out (speed tests often start with a spike).

    Raises ValueError if a value breaks a rule.
    """

    time: str
    rate: str
    rate_unit: RateUnit = "Mbit/s"
    time_format: str | None = None
    keep: Mapping[str, str] = field(default_factory=dict)
    skip_s: float = 0.0
    skip_where: Mapping[str, str] = field(default_factory=dict)
    """Seconds are skipped only in files whose first row has these values (empty: in all files)."""
    nr_where: Mapping[str, str] = field(default_factory=dict)
    """Rows with these values were measured on an NR cell: column `nr` is 1 there and 0 elsewhere."""
    radio: Mapping[str, str] = field(default_factory=dict)
    """Columns kept as in `keep`, but NaN in rows that were not measured on an NR cell."""
    paused_by: tuple[str, ...] = ()
    """A row with a value in one of these columns marks a pause: the rate was not measured. Columns that a file does
    not have are ignored."""
    pause_s: tuple[float, float] = (0.0, 0.0)
    """Length of the pause before and after the timestamp of the marking row; rows within it are left out."""

    def __post_init__(self) -> None:
        if self.rate_unit not in get_args(RateUnit):
            raise ValueError(f"columns.rate_unit={self.rate_unit!r}: must be one of {', '.join(get_args(RateUnit))}")
        if not 0 <= self.skip_s <= STAMP_LIMIT_S:
            raise ValueError(f"columns.skip_s={self.skip_s}: must be at least 0 and at most {STAMP_LIMIT_S:g}")
        for name in (*self.keep, *self.radio):
            if name in BEHAVIOUR:
                raise ValueError(f"columns.keep={name!r}: must not be a column that decides when bits leave")

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that the file must have."""
        return (self.time, self.rate, *self.kept.values())

    @property
    def kept(self) -> dict[str, str]:
        """Column of the file for each descriptive column of the trace."""
        return {**self.keep, **self.radio}


# Two families of public recordings, with the units of their documentation.
PRESETS: Mapping[str, CsvColumns] = {
    # SIGCOMM'21 "A Variegated Look at 5G in the Wild", merged logs. Uplink runs start with a spike of one or two
    # seconds while the socket's buffer fills. While NR is not connected, the radio columns are LTE's or outdated.
    "sigcomm21": CsvColumns(
        time="time_since_start",
        rate="Throughput",
        keep={"speed_mps": "movingSpeed"},
        skip_s=3.0,
        skip_where={"direction": "uplink"},
        nr_where={"nrStatus": "CONNECTED"},
        radio={"rsrp_dbm": "nr_ssRsrp", "sinr_db": "nr_ssSinr"},
    ),
    # Raca et al., "Beyond Throughput, The Next Generation", MMSys 2020 (G-NetTrack Pro). While the app pings, every
    # 14 s, it does not measure the download (the dataset's issue 2): the rate falls to about 0 from one second before
    # the ping's row to two seconds after it.
    "uccmisl": CsvColumns(
        time="Timestamp",
        time_format="%Y.%m.%d_%H.%M.%S",
        rate="DL_bitrate",
        rate_unit="kbit/s",
        nr_where={"NetworkMode": "5G"},
        radio={"rsrp_dbm": "RSRP", "rsrq_db": "RSRQ", "sinr_db": "SNR", "cqi": "CQI", "rssi_dbm": "RSSI"},
        paused_by=("PINGAVG", "PINGLOSS"),
        pause_s=(1.0, 2.0),
    ),
}


def parse_columns(text: str) -> CsvColumns:
    """Parse a column map such as `time=T,rate=R,unit=kbit/s,format=%H:%M:%S,skip_s=3,rsrp_dbm=RSRP`; names other
    than the first five are columns to keep. A preset's name may come first; the rest then changes the preset."""
    head, *rest = text.split(",")
    values: dict[str, Any] = {"keep": {}, "radio": {}}
    if head in PRESETS:
        values = asdict(PRESETS[head])
    else:
        rest = [head, *rest]
    fields = {"time": "time", "rate": "rate", "unit": "rate_unit", "format": "time_format", "skip_s": "skip_s"}
    for part in rest:
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value):
            raise ValueError(f"columns={part!r}: must be name=column, or start with one of {', '.join(PRESETS)}")
        if name in fields:
            values[fields[name]] = value
        else:
            values["radio" if name in values["radio"] else "keep"][name] = value
    for name in ("time", "rate"):
        if name not in values:
            raise ValueError(f"columns={text!r}: must name the {name} column ({name}=...)")
    if isinstance(values.get("skip_s"), str):
        values |= {"skip_s": parse_seconds("columns.skip_s", values["skip_s"]), "skip_where": {}}
    return CsvColumns(**values)


def import_csv(path: Path, columns: CsvColumns | None = None) -> Trace:
    """Read a `fluid` trace by the rules of `emulator.trace.formats.samples`.

    A row without a rate (empty or "-") or within a pause is left out, so the sample before it holds. A kept column
    has the mean of the values of a timestamp and holds as the rate does; a missing value is NaN.
    Raises ValueError with file, row (the header is row 1), value and rule.
    """
    data = path.read_bytes()
    rows = _rows(path, decode(path, data))
    _, header = next(rows, (1, []))
    if not any(header):
        raise ValueError(f"{path}: header: must name the columns in the first line")
    columns = _without_absent_marks(columns or _preset_of(path, header), header)
    for name in columns.required:
        if header.count(name) != 1:
            raise row_error(path, 1, "column", name, f"stand once in the header, not {header.count(name)} times")
    samples: list[Sample] = []
    pauses_ms: list[int] = []
    skipped_s = 0.0
    for row, cells in rows:
        if len(cells) != len(header):
            raise row_error(path, row, "fields", len(cells), f"be {len(header)}, as the header has")
        values = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
        if not samples and _matches(values, columns.skip_where):
            skipped_s = columns.skip_s
        if any(values[name] not in MISSING for name in columns.paused_by):
            pauses_ms.append(_stamp_ms(path, row, values[columns.time], columns))
        if values[columns.rate] not in MISSING:
            sample = _sample(path, row, values, columns)
            before = samples[-1] if samples else None
            samples.append(checked(path, sample, before, values[columns.time], values[columns.rate]))
    measured = _outside_pauses(samples, pauses_ms, columns.pause_s)
    if not measured:
        raise ValueError(f"{path}: samples=0: must hold at least one row with a rate")
    paused = len(samples) - len(measured)
    about = {"format": "csv", "file": path.name, "columns": asdict(columns), "rows_paused": paused}
    metadata = {"kind": "recording"} | about
    return trace_of(path, measured, _descriptive(columns), source_of(data), round(skipped_s * 1e3), metadata)


def _without_absent_marks(columns: CsvColumns, header: list[str]) -> CsvColumns:
    """Drop conditions on columns that the file does not have."""
    may_skip = set(columns.skip_where) <= set(header)
    return replace(
        columns,
        skip_s=columns.skip_s if may_skip else 0.0,
        skip_where=_present(columns.skip_where, header),
        nr_where=_present(columns.nr_where, header),
        paused_by=tuple(name for name in columns.paused_by if name in header),
    )


def _present(wanted: Mapping[str, str], header: list[str]) -> dict[str, str]:
    return {name: value for name, value in wanted.items() if name in header}


def _descriptive(columns: CsvColumns) -> tuple[str, ...]:
    """Return the names of the descriptive columns, in the order of a sample's values."""
    return (*columns.kept, *(["nr"] if columns.nr_where else []))


def _sample(path: Path, row: int, values: Mapping[str, str], columns: CsvColumns) -> Sample:
    on_nr = _matches(values, columns.nr_where)
    descriptive = {name: _value(path, row, name, values[column]) for name, column in columns.kept.items()}
    if not on_nr:
        descriptive |= dict.fromkeys(columns.radio, math.nan)
    if columns.nr_where:
        descriptive["nr"] = float(on_nr)
    rate_bps = parse_number(path, row, columns.rate, values[columns.rate]) * BITS_PER_UNIT[columns.rate_unit]
    return Sample(row, _stamp_ms(path, row, values[columns.time], columns), rate_bps, tuple(descriptive.values()))


def _matches(values: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(values[name] == value for name, value in wanted.items())


def _outside_pauses(samples: list[Sample], pauses_ms: list[int], pause_s: tuple[float, float]) -> list[Sample]:
    """Return the samples outside all pauses; the ends of a pause belong to it."""
    before_ms, after_ms = (round(each * 1e3) for each in pause_s)
    stamps_ms = np.array([sample.stamp_ms for sample in samples], dtype=np.int64)
    pauses = np.sort(np.array(pauses_ms, dtype=np.int64))
    first = np.searchsorted(pauses, stamps_ms - after_ms)  # the first pause that does not end before the sample
    starts = np.append(pauses - before_ms, np.iinfo(np.int64).max)
    return [sample for sample, outside in zip(samples, starts[first] > stamps_ms, strict=True) if outside]


def _rows(path: Path, content: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of each row that is not blank."""
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise ValueError(f"{path}: row {reader.line_num}: must be CSV ({error})") from error


def _preset_of(path: Path, header: list[str]) -> CsvColumns:
    for preset in PRESETS.values():
        if set(preset.required) <= set(header):
            return preset
    raise ValueError(f"{path}: columns: must be named, as no preset ({', '.join(PRESETS)}) fits the header")


def _stamp_ms(path: Path, row: int, value: str, columns: CsvColumns) -> int:
    if columns.time_format is None:
        return parse_stamp_ms(path, row, columns.time, value)
    try:
        moment = datetime.strptime(value, columns.time_format)
    except ValueError as error:
        raise row_error(path, row, columns.time, value, f"be a time like {columns.time_format!r}") from error
    return round((moment - datetime(1970, 1, 1, tzinfo=moment.tzinfo)) / timedelta(milliseconds=1))


def _value(path: Path, row: int, name: str, value: str) -> float:
    return math.nan if value in MISSING else parse_number(path, row, name, value)
