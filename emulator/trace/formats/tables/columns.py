"""The meaning of a table's columns, in which the public recordings' presets and users' own maps are written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from emulator.trace.formats.source import STAMP_LIMIT_S, require_step
from emulator.trace.formats.tables.grid import DELIMITERS, Header
from emulator.trace.formats.tables.units import MS_PER_TIME_UNIT, rate_unit
from emulator.trace.formats.tables.zones import require_zone
from emulator.trace.rules import BEHAVIOUR

Decimal = Literal["point", "comma"]
Glitches = Literal["refuse", "leave_out"]
DIRECTIVES = frozenset("aAwdbBmyYHIMSfzZjpUWcxXGuV%")


@dataclass(frozen=True)
class CsvColumns:
    """Column map of a table. `time` is a number of `time_unit`, an ISO 8601 time, or a time in `time_format` (of
    `datetime.strptime`); empty where `step_s` gives the time. `keep` maps descriptive columns of the trace, named with
    their unit, to columns of the file. The first `skip_s` seconds are left out (speed tests often start with a spike).

    Raises ValueError if a value breaks a rule.
    """

    time: str
    rate: str
    rate_unit: str = "Mbit/s"
    """See `units.RATE_UNITS`: a rate, an amount per interval, a running counter, or the size of a packet."""
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
    time_unit: str = "s"
    zone: str | None = None
    """Zone of stamps without an offset: an IANA name or an offset such as +02:00; None: UTC."""
    step_s: float | None = None
    """Rows are this far apart, whatever their stamps say. For packets: the length of the intervals they are added
    in, 0.1 s by default."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Only rows with these values count."""
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Further words and numbers that mean that a value is missing: by `rate` or a kept column's name, "" for all."""
    glitches: Glitches = "refuse"
    """Whether a negative rate is an error, or is left out together with the row after it."""
    max_gap_s: float | None = None
    """A sample holds at most so long: the rest of a longer gap is left out. None: without a limit."""
    delimiter: str | None = None
    """None: found in the file."""
    decimal: Decimal | None = None
    """None: found in each column."""
    encoding: str | None = None
    """None: found in the file."""
    header: Header = "first"
    """`none`: the file has no header; columns are named by their numbers, from 1."""

    def __post_init__(self) -> None:
        rate_unit("columns.unit", self.rate_unit)
        if self.time_format is not None and (wrong := set(re.findall("%(.?)", self.time_format)) - DIRECTIVES):
            rule = f"must have directives of Python's strptime alone, not %{min(wrong)}"
            raise ValueError(f"columns.format={self.time_format!r}: {rule}")
        _require("time_unit", self.time_unit, tuple(MS_PER_TIME_UNIT))
        _require("decimal", self.decimal, (None, *get_args(Decimal)))
        _require("header", self.header, get_args(Header))
        _require("glitches", self.glitches, get_args(Glitches))
        if not 0 <= self.skip_s <= STAMP_LIMIT_S:
            raise ValueError(f"columns.skip_s={self.skip_s}: must be at least 0 and at most {STAMP_LIMIT_S:g}")
        for name in ("step_s", "max_gap_s"):
            if (value := getattr(self, name)) is not None:
                require_step(name, value, STAMP_LIMIT_S)
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '\n\r"'):
            names = ", ".join(DELIMITERS)
            raise ValueError(f"columns.delimiter={self.delimiter!r}: must be one character, or one of {names}")
        if self.zone is not None:
            require_zone("columns.zone", self.zone)
        for name in (*self.keep, *self.radio):
            if name in BEHAVIOUR:
                raise ValueError(f"columns.keep={name!r}: must not be a column that decides when bits leave")
        for name in self.missing:
            if name not in ("", "rate", *self.kept):
                raise ValueError(f"columns.missing.{name}: must be missing.rate, or that of a kept column")
        if not self.time and self.step_s is None:
            raise ValueError("columns.time='': must name a column, or step_s must be given")

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that the file must have."""
        return (*([self.time] if self.time else []), self.rate, *self.kept.values())

    @property
    def kept(self) -> dict[str, str]:
        """Column of the file for each descriptive column of the trace."""
        return {**self.keep, **self.radio}

    @property
    def descriptive(self) -> tuple[str, ...]:
        """Names of the descriptive columns of the trace."""
        return (*self.kept, *(["nr"] if self.nr_where else []))


def _require(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"columns.{name}={value!r}: must be one of {', '.join(str(each) for each in allowed if each)}")
