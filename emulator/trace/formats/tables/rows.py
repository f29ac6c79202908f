"""Rows of a table become rate samples: what is left out is left out by a rule and counted."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from emulator.core.arrays import Flags, Floats, Ints
from emulator.trace.formats.samples import RateSamples, order_of_rows, require_rates
from emulator.trace.formats.source import row_error
from emulator.trace.formats.tables.columns import CsvColumns
from emulator.trace.formats.tables.counters import counter_rates
from emulator.trace.formats.tables.numbers import missing_cells, parse_numbers
from emulator.trace.formats.tables.packets import BIN_S, packet_rates
from emulator.trace.formats.tables.placeholders import placeholder_notes
from emulator.trace.formats.tables.stamps import stamps_ms
from emulator.trace.formats.tables.units import rate_unit

FALL = (
    "; if several runs stand in the file, choose one by where (trace info --runs lists them); if summer time ended, "
    "give zone"
)
ABSENT = " (missing.{} names words and numbers that mean missing)"
WRONG = " (missing.rate names values that mean missing, glitches=leave_out leaves out negative ones)"
REGULAR = 0.2  # of a step


@dataclass(frozen=True)
class MeasuredRows:
    """Rows with a rate, shape (rows,) each: line number, time and rate as written, time in ms, number in the rate
    column times its unit's bits, and the kept columns. `counts`, `notes`: see `RateSamples`."""

    path: Path
    rows: Ints
    time_cells: list[str]
    rate_cells: list[str]
    times_ms: Floats
    bits: Floats
    descriptive: dict[str, Floats]
    counts: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    end_ms: int | None = None
    """When the last row ends, where rows are a fixed step apart."""

    def only(self, kept: Flags | Ints, **counts: int) -> "MeasuredRows":
        """Return some of the rows, or all in another order (indices), with further counts."""
        indices = np.arange(len(self.rows))[kept].tolist()
        return MeasuredRows(
            self.path,
            self.rows[kept],
            [self.time_cells[at] for at in indices],
            [self.rate_cells[at] for at in indices],
            self.times_ms[kept],
            self.bits[kept],
            {name: values[kept] for name, values in self.descriptive.items()},
            {**self.counts, **counts},
            self.notes,
            self.end_ms,
        )

    @property
    def stamps_ms(self) -> Ints:
        """Times rounded to milliseconds."""
        stamps: Ints = np.rint(self.times_ms).astype(np.int64)
        return stamps

    def in_order(self) -> "MeasuredRows":
        """Return the rows in order of time, with a note if that moves some. Raises ValueError (`order_of_rows`)."""
        order, notes = order_of_rows(self.path, self.rows.tolist(), self.stamps_ms, self.time_cells, FALL)
        return replace(self.only(order), notes=(*self.notes, *notes)) if notes else self


def samples_of_rows(path: Path, columns: CsvColumns, rows: pd.DataFrame) -> tuple[RateSamples, int]:
    """Return the samples of a table's rows, and the number of rows with a rate within a pause. Raises ValueError with
    file, row, value and rule."""
    measured, pauses_ms = _measured(path, columns, rows)
    kind = rate_unit("columns.unit", columns.rate_unit).kind
    if kind == "packet":
        return _packets(columns, measured), 0
    samples = _counter(measured) if kind == "counter" else _rates(columns, measured, kind == "interval")
    outside = _outside_pauses(samples.stamps_ms, pauses_ms, columns.pause_s)
    if not outside.any():
        raise ValueError(f"{path}: samples=0: must hold at least one row with a rate")
    if outside.all():
        return samples, 0
    kept = {name: values[outside] for name, values in samples.descriptive.items()}
    left = RateSamples(
        samples.stamps_ms[outside], samples.rates_bps[outside], kept, samples.end_ms, samples.counts, samples.notes
    )
    return left, int((~outside).sum())


def words_for(columns: CsvColumns, name: str) -> tuple[str, ...]:
    """Return the further words that mean that a value of `rate` or a kept column is missing."""
    return (*columns.missing.get("", ()), *columns.missing.get(name, ()))


def _measured(path: Path, columns: CsvColumns, rows: pd.DataFrame) -> tuple[MeasuredRows, Ints]:
    """Return the rows with a rate, and the times in ms of the rows that mark a pause."""
    unit = rate_unit("columns.unit", columns.rate_unit)
    present = ~missing_cells(rows[columns.rate], words_for(columns, "rate"))
    marks = np.zeros(len(rows), np.bool_)
    for name in columns.paused_by:
        marks |= ~missing_cells(rows[name])
    times_ms: Floats = np.zeros(len(rows), np.float64)
    end_ms = None
    if columns.step_s is not None and unit.kind != "packet":
        times_ms[:] = np.arange(len(rows)) * columns.step_s * 1e3
        end_ms = round(len(rows) * columns.step_s * 1e3)
    elif (timed := present | marks).any():
        times_ms[timed] = stamps_ms(path, rows[columns.time][timed], columns)
    with_rate = rows[present]
    numbers = parse_numbers(path, columns.rate, with_rate[columns.rate], columns.decimal, ABSENT.format("rate"))
    notes = placeholder_notes("rate", numbers)
    descriptive: dict[str, Floats] = {}
    on_nr = np.ones(len(with_rate), np.bool_)
    for name, value in columns.nr_where.items():
        on_nr &= (with_rate[name] == value).to_numpy(np.bool_)
    for name, column in columns.kept.items():
        values = _kept(path, columns, name, with_rate[column])
        notes += placeholder_notes(name, values)
        descriptive[name] = np.where(on_nr, values, np.nan) if name in columns.radio else values
    if columns.nr_where:
        descriptive["nr"] = on_nr.astype(np.float64)
    row_numbers = with_rate.index.to_numpy(np.int64)
    shown = with_rate[columns.time].tolist() if columns.time else [f"step {at}" for at in range(len(with_rate))]
    cells = with_rate[columns.rate].tolist()
    counts = {"rows_without_rate": int((~present).sum())}
    bits = numbers * unit.bits
    found = MeasuredRows(
        path, row_numbers, shown, cells, times_ms[present], bits, descriptive, counts, tuple(notes), end_ms
    )
    return found, np.rint(times_ms[marks]).astype(np.int64)


def _kept(path: Path, columns: CsvColumns, name: str, cells: "pd.Series[str]") -> Floats:
    """Return the numbers of a kept column, NaN where missing."""
    present = ~missing_cells(cells, words_for(columns, name))
    values = np.full(len(cells), np.nan)
    values[present] = parse_numbers(path, name, cells[present], columns.decimal, ABSENT.format(name))
    return values


def _rates(columns: CsvColumns, measured: MeasuredRows, per_interval: bool) -> RateSamples:
    """Return the samples of rates, or of amounts from each row to the next.

    A negative rate is refused, or left out together with the row after it: both came of one misread counter."""
    negative = measured.bits < 0
    if columns.glitches == "leave_out" and negative.any():
        wrong = negative | np.append(False, negative[:-1])
        measured = measured.only(
            ~wrong, rows_negative=int(negative.sum()), rows_after_negative=int((wrong & ~negative).sum())
        )
    measured = measured.in_order()
    stamps = measured.stamps_ms
    bps = measured.bits if not per_interval else measured.bits * 1e3 / _interval_ms(measured, stamps)
    require_rates(measured.path, measured.rows.tolist(), bps, measured.rate_cells, WRONG)
    return RateSamples(stamps, bps, measured.descriptive, measured.end_ms, measured.counts, measured.notes)


def _interval_ms(measured: MeasuredRows, stamps: Ints) -> Floats:
    """Return the time in which the amount of each row was sent, shape (rows,): the usual step where all steps are
    multiples of it (rows are absent), else the step to the next row. Raises ValueError with file and row if that is
    no time."""
    steps = np.diff(stamps).astype(np.float64)
    if not steps.any():
        return np.full(len(stamps), 1e3)
    usual = float(np.median(steps[steps > 0]))
    multiples = steps / usual
    if np.all(np.abs(multiples - np.rint(multiples)) < REGULAR):
        return np.full(len(stamps), usual)
    if not steps.all():
        at = int(np.argmin(steps)) + 1
        rule = "differ from the row before where amounts are per interval, or step_s be given"
        raise row_error(measured.path, int(measured.rows[at]), "time", measured.time_cells[at], rule)
    return np.append(steps, usual)


def _counter(measured: MeasuredRows) -> RateSamples:
    """Return the samples of a running counter. Of rows with one time the last counts."""
    measured = measured.in_order()
    path, stamps = measured.path, measured.stamps_ms
    last = np.append(np.diff(stamps) > 0, True)[: len(stamps)]
    measured = measured.only(last)
    stamps = stamps[last]
    found = counter_rates(stamps.astype(np.float64), measured.bits)
    known = ~np.isnan(found.amount_per_ms)
    if not known.any():
        raise ValueError(f"{path}: counter={measured.rate_cells[:1]}: must grow between two rows at least")
    counts = {"rows_misread": int((~found.kept).sum()), "counter_resets": found.resets}
    measured = measured.only(found.kept, **counts)
    end_ms = int(measured.stamps_ms[-1])
    measured = measured.only(known)
    bps = found.amount_per_ms[known] * 1e3
    require_rates(path, measured.rows.tolist(), bps, measured.rate_cells)
    return RateSamples(measured.stamps_ms, bps, measured.descriptive, end_ms, measured.counts, measured.notes)


def _packets(columns: CsvColumns, measured: MeasuredRows) -> RateSamples:
    """Return the samples of packets with sizes."""
    path = measured.path
    if columns.kept:
        raise ValueError(f"{path}: columns.keep: must not be given for packets, which are added up")
    if not len(measured.rows):
        raise ValueError(f"{path}: samples=0: must hold at least one row with a size")
    if (measured.bits < 0).any():
        at = int(np.argmax(measured.bits < 0))
        raise row_error(path, int(measured.rows[at]), "size", measured.rate_cells[at], "not be negative")
    bin_ms = (columns.step_s or BIN_S) * 1e3
    try:
        starts_ms, rates_bps = packet_rates(measured.times_ms, measured.bits, bin_ms)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    end_ms = round(float(starts_ms[0]) + len(starts_ms) * bin_ms)
    counts = {**measured.counts, "packets": len(measured.rows)}
    return RateSamples(starts_ms, rates_bps, {}, end_ms, counts, measured.notes)


def _outside_pauses(stamps: Ints, pauses_ms: Ints, pause_s: tuple[float, float]) -> Flags:
    """Return which samples are outside all pauses, shape (samples,); the ends of a pause belong to it."""
    before_ms, after_ms = (round(each * 1e3) for each in pause_s)
    pauses = np.sort(pauses_ms)
    first = np.searchsorted(pauses, stamps - after_ms)  # the first pause that does not end before the sample
    starts = np.append(pauses - before_ms, np.iinfo(np.int64).max)
    outside: Flags = starts[first] > stamps
    return outside
