"""CSV recordings: a map says which column is the time, which the rate, and which describe the channel."""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from emulator.formats.samples import Sample, checked, trace_of
from emulator.formats.source import STAMP_LIMIT_S, digest, fault, number, stamp_ms, text
from emulator.trace import Trace
from emulator.trace_rules import BEHAVIOUR

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

    def __post_init__(self) -> None:
        if self.rate_unit not in get_args(RateUnit):
            raise ValueError(f"columns.rate_unit={self.rate_unit!r}: must be one of {', '.join(get_args(RateUnit))}")
        if not 0 <= self.skip_s <= STAMP_LIMIT_S:
            raise ValueError(f"columns.skip_s={self.skip_s}: must be at least 0 and at most {STAMP_LIMIT_S:g}")
        for name in self.keep:
            if name in BEHAVIOUR:
                raise ValueError(f"columns.keep={name!r}: must not be a column that decides when bits leave")

    @property
    def named(self) -> tuple[str, ...]:
        """The file's columns that are read."""
        return (self.time, self.rate, *self.keep.values())


# Two families of public recordings; units as their own documentation has them.
PRESETS: Mapping[str, CsvColumns] = {
    # SIGCOMM'21 "A Variegated Look at 5G in the Wild", merged logs. Uplink runs start with a spike while
    # the socket's buffer fills: skip_s=3 leaves it out.
    "sigcomm21": CsvColumns(
        time="time_since_start",
        rate="Throughput",
        keep={"rsrp_dbm": "nr_ssRsrp", "sinr_db": "nr_ssSinr", "speed_mps": "movingSpeed"},
    ),
    # Raca et al., "Beyond Throughput, The Next Generation", MMSys 2020 (G-NetTrack Pro). In its download
    # runs the rate falls to about 0 while a ping is measured.
    "uccmisl": CsvColumns(
        time="Timestamp",
        time_format="%Y.%m.%d_%H.%M.%S",
        rate="DL_bitrate",
        rate_unit="kbit/s",
        keep={"rsrp_dbm": "RSRP", "rsrq_db": "RSRQ", "snr_db": "SNR", "cqi": "CQI", "rssi_dbm": "RSSI"},
    ),
}


def parse_columns(text: str) -> CsvColumns:
    """A map from one line: a preset's name, or `time=T,rate=R,unit=kbit/s,format=%H:%M:%S,skip_s=3,rsrp_dbm=RSRP`,
    where any other name is a column to keep; a preset's name may stand first, what follows changes it."""
    head, *rest = text.split(",")
    values: dict[str, Any] = {"keep": {}}
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
            values["keep"][name] = value
    for name in ("time", "rate"):
        if name not in values:
            raise ValueError(f"columns={text!r}: must name the {name} column ({name}=...)")
    if "skip_s" in values:
        try:
            values["skip_s"] = float(values["skip_s"])
        except ValueError as error:
            raise ValueError(f"columns.skip_s={values['skip_s']!r}: must be a number of seconds") from error
    return CsvColumns(**values)


def import_csv(path: Path, columns: CsvColumns | None = None) -> Trace:
    """The file as a `fluid` trace, by the rule of `emulator.formats.samples`.

    A row whose rate is missing (empty or "-") is left out, so the sample before it holds. A kept
    column is the mean of a stamp's values and holds as the rate does; a missing value is NaN.
    Raises ValueError naming file, line (the header is line 1), value and rule.
    """
    data = path.read_bytes()
    rows = _rows(path, text(path, data))
    _, header = next(rows, (1, []))
    if not any(header):
        raise ValueError(f"{path}: header: must name the columns in the first line")
    columns = columns or _preset_of(path, header)
    places = [_place(path, header, name) for name in columns.named]
    samples: list[Sample] = []
    for row, cells in rows:
        if len(cells) != len(header):
            raise fault(path, row, "fields", len(cells), f"be {len(header)}, as the header has")
        shown_time, shown_rate, *described = (cells[place].strip() for place in places)
        if shown_rate in MISSING:
            continue
        sample = Sample(
            row,
            _stamp_ms(path, row, shown_time, columns),
            number(path, row, columns.rate, shown_rate) * BITS_PER_UNIT[columns.rate_unit],
            tuple(_described(path, row, name, value) for name, value in zip(columns.keep, described, strict=True)),
        )
        samples.append(checked(path, sample, samples[-1] if samples else None, shown_time, shown_rate))
    if not samples:
        raise ValueError(f"{path}: samples=0: must hold at least one row with a rate")
    metadata = {"kind": "recording", "format": "csv", "file": path.name, "columns": asdict(columns)}
    return trace_of(path, samples, tuple(columns.keep), digest(data), round(columns.skip_s * 1e3), metadata)


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


def _place(path: Path, header: list[str], name: str) -> int:
    if header.count(name) != 1:
        raise fault(path, 1, "column", name, f"stand once in the header, not {header.count(name)} times")
    return header.index(name)


def _stamp_ms(path: Path, row: int, value: str, columns: CsvColumns) -> int:
    if columns.time_format is None:
        return stamp_ms(path, row, columns.time, value)
    try:
        moment = datetime.strptime(value, columns.time_format)
    except ValueError as error:
        raise fault(path, row, columns.time, value, f"be a time like {columns.time_format!r}") from error
    return round((moment - datetime(1970, 1, 1, tzinfo=moment.tzinfo)) / timedelta(milliseconds=1))


def _described(path: Path, row: int, name: str, value: str) -> float:
    return math.nan if value in MISSING else number(path, row, name, value)
