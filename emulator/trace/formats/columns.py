"""CSV recordings: a map says which column is the time, which the rate, and which describe the channel."""

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
from emulator.trace.formats.source import STAMP_LIMIT_S, digest, fault, number, seconds_of, stamp_ms, text
from emulator.trace.rules import BEHAVIOUR

RateUnit = Literal["bit/s", "kbit/s", "Mbit/s"]
BITS_PER_UNIT: Mapping[str, float] = {"bit/s": 1.0, "kbit/s": 1e3, "Mbit/s": 1e6}
MISSING = ("", "-")


@dataclass(frozen=True)
class CsvColumns:
    """What a CSV file's columns mean. `time` is a number of seconds, or a timestamp in `time_format`
    (as of `datetime.strptime`); `keep` maps a trace's column, its unit in its name, to the file's.
    The first `skip_s` seconds are left out (speed tests often start with a spike).

    Raises ValueError when a value breaks a rule.
    """

    time: str
    rate: str
    rate_unit: RateUnit = "Mbit/s"
    time_format: str | None = None
    keep: Mapping[str, str] = field(default_factory=dict)
    skip_s: float = 0.0
    skip_where: Mapping[str, str] = field(default_factory=dict)
    """Seconds are skipped in files alone whose first row has these values (all files when empty)."""
    nr_where: Mapping[str, str] = field(default_factory=dict)
    """A row tells of an NR cell when it has these values: column `nr` is 1 there and 0 elsewhere."""
    radio: Mapping[str, str] = field(default_factory=dict)
    """Kept as `keep` is, but NaN in rows that do not tell of an NR cell."""
    paused_by: tuple[str, ...] = ()
    """A row with a value in one of these was taken while the rate was not measured. Such marks are used as far as
    a file has the columns."""
    pause_s: tuple[float, float] = (0.0, 0.0)
    """How long before and after such a row's stamp rows are left out."""

    def __post_init__(self) -> None:
        if self.rate_unit not in get_args(RateUnit):
            raise ValueError(f"columns.rate_unit={self.rate_unit!r}: must be one of {', '.join(get_args(RateUnit))}")
        if not 0 <= self.skip_s <= STAMP_LIMIT_S:
            raise ValueError(f"columns.skip_s={self.skip_s}: must be at least 0 and at most {STAMP_LIMIT_S:g}")
        for name in (*self.keep, *self.radio):
            if name in BEHAVIOUR:
                raise ValueError(f"columns.keep={name!r}: must not be a column that decides when bits leave")

    @property
    def named(self) -> tuple[str, ...]:
        """The file's columns that must be there; those that mark rows are used where the file has them."""
        return (self.time, self.rate, *self.kept.values())

    @property
    def kept(self) -> dict[str, str]:
        """All of a trace's columns that describe, and the file's that they come from."""
        return {**self.keep, **self.radio}


# Two families of public recordings; units as their own documentation has them.
PRESETS: Mapping[str, CsvColumns] = {
    # SIGCOMM'21 "A Variegated Look at 5G in the Wild", merged logs. Uplink runs start with a spike of one or two
    # seconds while the socket's buffer fills. Where NR is not connected, rsrp and its like are LTE's or of the past.
    "sigcomm21": CsvColumns(
        time="time_since_start",
        rate="Throughput",
        keep={"speed_mps": "movingSpeed"},
        skip_s=3.0,
        skip_where={"direction": "uplink"},
        nr_where={"nrStatus": "CONNECTED"},
        radio={"rsrp_dbm": "nr_ssRsrp", "sinr_db": "nr_ssSinr"},
    ),
    # Raca et al., "Beyond Throughput, The Next Generation", MMSys 2020 (G-NetTrack Pro). While it pings, every 14 s,
    # it does not follow the download (the dataset's issue 2): the rate falls to about 0 from a second before the
    # ping's row, and is back two seconds after it.
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
    """A map from one line: a preset's name, or `time=T,rate=R,unit=kbit/s,format=%H:%M:%S,skip_s=3,rsrp_dbm=RSRP`,
    where any other name is a column to keep; a preset's name may stand first, what follows changes it."""
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
        values |= {"skip_s": seconds_of("columns.skip_s", values["skip_s"]), "skip_where": {}}
    return CsvColumns(**values)


def import_csv(path: Path, columns: CsvColumns | None = None) -> Trace:
    """The file as a `fluid` trace, by the rule of `emulator.trace.formats.samples`.

    A row whose rate is missing (empty or "-") or was not measured is left out, so the sample before it holds. A
    kept column is the mean of a stamp's values and holds as the rate does; a missing value is NaN.
    Raises ValueError naming file, line (the header is line 1), value and rule.
    """
    data = path.read_bytes()
    rows = _rows(path, text(path, data))
    _, header = next(rows, (1, []))
    if not any(header):
        raise ValueError(f"{path}: header: must name the columns in the first line")
    columns = _as_far_as_marked(columns or _preset_of(path, header), header)
    for name in columns.named:
        if header.count(name) != 1:
            raise fault(path, 1, "column", name, f"stand once in the header, not {header.count(name)} times")
    samples: list[Sample] = []
    pauses_ms: list[int] = []
    skipped_s = 0.0
    for row, cells in rows:
        if len(cells) != len(header):
            raise fault(path, row, "fields", len(cells), f"be {len(header)}, as the header has")
        named = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
        if not samples and _matches(named, columns.skip_where):
            skipped_s = columns.skip_s
        if any(named[name] not in MISSING for name in columns.paused_by):
            pauses_ms.append(_stamp_ms(path, row, named[columns.time], columns))
        if named[columns.rate] not in MISSING:
            sample = _sample(path, row, named, columns)
            before = samples[-1] if samples else None
            samples.append(checked(path, sample, before, named[columns.time], named[columns.rate]))
    measured = _without(samples, pauses_ms, columns.pause_s)
    if not measured:
        raise ValueError(f"{path}: samples=0: must hold at least one row with a rate")
    paused = len(samples) - len(measured)
    about = {"format": "csv", "file": path.name, "columns": asdict(columns), "rows_paused": paused}
    metadata = {"kind": "recording"} | about
    return trace_of(path, measured, _described(columns), digest(data), round(skipped_s * 1e3), metadata)


def _as_far_as_marked(columns: CsvColumns, header: list[str]) -> CsvColumns:
    """The map without the marks that the file has no column for, and what hangs on them."""
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


def _described(columns: CsvColumns) -> tuple[str, ...]:
    """The trace's columns beside the capacity, in the order of a sample's values."""
    return (*columns.kept, *(["nr"] if columns.nr_where else []))


def _sample(path: Path, row: int, named: Mapping[str, str], columns: CsvColumns) -> Sample:
    """One row's sample."""
    on_nr = _matches(named, columns.nr_where)
    values = {name: _value(path, row, name, named[column]) for name, column in columns.kept.items()}
    if not on_nr:
        values |= dict.fromkeys(columns.radio, math.nan)
    if columns.nr_where:
        values["nr"] = float(on_nr)
    rate_bps = number(path, row, columns.rate, named[columns.rate]) * BITS_PER_UNIT[columns.rate_unit]
    return Sample(row, _stamp_ms(path, row, named[columns.time], columns), rate_bps, tuple(values.values()))


def _matches(named: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(named[name] == value for name, value in wanted.items())


def _without(samples: list[Sample], pauses_ms: list[int], pause_s: tuple[float, float]) -> list[Sample]:
    """The samples outside every pause, its ends belonging to it."""
    before_ms, after_ms = (round(each * 1e3) for each in pause_s)
    stamps_ms = np.array([sample.stamp_ms for sample in samples], dtype=np.int64)
    pauses = np.sort(np.array(pauses_ms, dtype=np.int64))
    first = np.searchsorted(pauses, stamps_ms - after_ms)  # the first pause that still covers the stamp or comes later
    ends = np.append(pauses - before_ms, np.iinfo(np.int64).max)
    return [sample for sample, free in zip(samples, ends[first] > stamps_ms, strict=True) if free]


def _rows(path: Path, content: str) -> Iterator[tuple[int, list[str]]]:
    """(line, its cells) of each row that is not blank."""
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise ValueError(f"{path}: row {reader.line_num}: must be CSV ({error})") from error


def _preset_of(path: Path, header: list[str]) -> CsvColumns:
    for preset in PRESETS.values():
        if set(preset.named) <= set(header):
            return preset
    raise ValueError(f"{path}: columns: must be named, as no preset ({', '.join(PRESETS)}) fits the header")


def _stamp_ms(path: Path, row: int, value: str, columns: CsvColumns) -> int:
    if columns.time_format is None:
        return stamp_ms(path, row, columns.time, value)
    try:
        moment = datetime.strptime(value, columns.time_format)
    except ValueError as error:
        raise fault(path, row, columns.time, value, f"be a time like {columns.time_format!r}") from error
    return round((moment - datetime(1970, 1, 1, tzinfo=moment.tzinfo)) / timedelta(milliseconds=1))


def _value(path: Path, row: int, name: str, value: str) -> float:
    return math.nan if value in MISSING else number(path, row, name, value)
