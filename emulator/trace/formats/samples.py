"""Rate samples with timestamps become the slots of a trace: the rules of all formats but Mahimahi's.

Timestamps are rounded to milliseconds; time starts at the first. Samples with the same timestamp are averaged. A
sample holds until the next timestamp, also over a gap (at most for `max_gap_ms`, if that is given: the rest of the gap
is left out); the last holds for the most common step (the shortest of equals; 1 s for a single timestamp). The slot is
the longest that divides every step, unless jittered stamps would make far more slots than there are rows; it is cut to
a tenth, a hundredth or a thousandth if a rate is too high for the link's exact arithmetic. Bits are integers: the
running sum is rounded.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.core.arrays import Floats, Ints
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.trace import Interval, Trace, whole_bits
from emulator.trace.formats.doubts import rate_notes, time_counts, time_notes
from emulator.trace.formats.source import SLOTS_LIMIT, row_error

RATE_LIMIT_BPS = 1e12
LONE_STEP_MS = 1_000
SLOTS_PER_ROW = 20  # more, and more than FEW_SLOTS, only where stamps are jittered
FEW_SLOTS = 1_000_000
LATE_STEPS = 10  # of rows that stand below later ones; two runs in one file fall further, or several rows are late


@dataclass(frozen=True)
class RateSamples:
    """Samples in the order of the file, shape (samples,) each. `descriptive`: values of each descriptive column, NaN
    if missing. `end_ms`: when the last sample ends; None: after the most common step. `counts`: rows of each kind.
    `notes`: what was assumed or looks doubtful."""

    stamps_ms: Ints
    rates_bps: Floats
    descriptive: Mapping[str, Floats] = field(default_factory=dict)
    end_ms: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def require_rates(path: Path, rows: Sequence[int], rates_bps: Floats, shown: Sequence[str], advice: str = "") -> None:
    """Raise ValueError with file, row and value as written if a rate is negative or too high."""
    wrong = np.flatnonzero((rates_bps < 0) | (rates_bps > RATE_LIMIT_BPS))
    if len(wrong):
        at = int(wrong[0])
        rule = "not be negative" if rates_bps[at] < 0 else "be at most 1 Tbit/s"
        raise row_error(path, int(rows[at]), "rate", shown[at], rule + advice)


def order_of_rows(
    path: Path, rows: Sequence[int], stamps_ms: Ints, shown: Sequence[str], advice: str = ""
) -> tuple[Ints, tuple[str, ...]]:
    """Return the indices of rows in order of time, shape (rows,), and a line about those that stand too late.

    Rows of one time may stand too late, by at most `LATE_STEPS` usual steps. Raises ValueError with file, row and
    value as written for the first of other rows whose timestamp is before an earlier row's."""
    late_ms = np.maximum.accumulate(stamps_ms) - stamps_ms
    late = late_ms > 0
    if not late.any():
        return np.arange(len(stamps_ms)), ()
    steps_ms = np.diff(stamps_ms)
    usual_ms = float(np.median(steps_ms[steps_ms > 0])) if (steps_ms > 0).any() else 0.0
    wrong = late_ms > LATE_STEPS * usual_ms
    wrong[1:] |= late[1:] & late[:-1] & (steps_ms != 0)
    starts = np.flatnonzero(late & ~np.append(False, late[:-1]))  # each after a row that is not late
    if wrong.any():
        at = int(starts[starts <= np.argmax(wrong)][-1])
        raise row_error(path, int(rows[at]), "time", shown[at], f"not be before row {int(rows[at - 1])}'s{advice}")
    longest_s = int(late_ms.max()) / 1e3
    first = int(rows[int(starts[0])])
    note = (
        f"rows that stand too late, by up to {longest_s:g} s, are put in order of time: {int(late.sum())}, the first "
        f"in row {first}"
    )
    return np.argsort(stamps_ms, kind="stable"), (note,)


def trace_of(
    path: Path,
    samples: RateSamples,
    source: str,
    skip_ms: int,
    metadata: Mapping[str, Any],
    max_gap_ms: int | None = None,
) -> Trace:
    """Make the trace of samples whose timestamps do not decrease, without those of the first `skip_ms`."""
    kept = samples.stamps_ms >= samples.stamps_ms[:1] + skip_ms
    if not kept.any():
        raise ValueError(f"{path}: samples=0: must hold at least one row with a rate, after any that are skipped")
    stamps_ms, first_row = np.unique(samples.stamps_ms[kept], return_index=True)
    hold_ms = _hold_ms(stamps_ms, samples.end_ms)
    rates_bps = _means(samples.rates_bps[kept], first_row)
    rows = int(kept.sum())
    span_ms = int(hold_ms.sum())
    if max_gap_ms is not None:
        hold_ms = np.minimum(hold_ms, max_gap_ms)
    counts = {"rows": rows, "rows_averaged": rows - len(stamps_ms), **samples.counts, **time_counts(stamps_ms, hold_ms)}
    if max_gap_ms is not None:
        counts["gap_left_out_s"] = (span_ms - int(hold_ms.sum())) / 1e3
    notes = [*samples.notes, *time_notes(stamps_ms, hold_ms), *rate_notes(rates_bps, hold_ms)]
    step_ms = int(np.gcd.reduce(hold_ms))
    slots = int(hold_ms.sum()) // step_ms
    if slots > SLOTS_LIMIT and slots > SLOTS_PER_ROW * 1_000 * rows:
        raise ValueError(f"{path}: slots={slots} of {step_ms} ms: must be at most {SLOTS_LIMIT}")
    if slots > (most := max(SLOTS_PER_ROW * rows, FEW_SLOTS)):
        step_ms = _round_step_ms(int(hold_ms.sum()) / most)
        notes.append(f"stamps are jittered or far apart: slots of {step_ms} ms, over whose edges rates are shared")
    parts = _parts(step_ms, float(rates_bps.max()))
    slot_ns = step_ms * NS_PER_MS // parts
    columns = _columns(samples, kept, first_row, hold_ms, rates_bps, slot_ns)
    start_ns = (int(stamps_ms[0]) - int(samples.stamps_ms[0])) * NS_PER_MS
    cut = max_gap_ms is not None and span_ms != int(hold_ms.sum())
    stop_ns = start_ns + (span_ms * NS_PER_MS if cut else len(columns["capacity_bits"]) * slot_ns)
    try:
        about = {**metadata, "counts": counts, "notes": notes}
        trace = Trace(slot_ns, columns, "fluid", (Interval(source, start_ns, stop_ns),), about)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not trace.carries:  # more often a failed measurement or the wrong column than no coverage
        raise ValueError(f"{path}: rate=0 in all {rows} rows: some must be above 0")
    return trace


def _hold_ms(stamps_ms: Ints, end_ms: int | None) -> Ints:
    """Return how long each timestamp's rate holds, shape (timestamps,)."""
    steps_ms = np.diff(stamps_ms)
    if end_ms is not None:
        return np.append(steps_ms, end_ms - stamps_ms[-1])
    if not len(steps_ms):
        return np.array([LONE_STEP_MS])
    lengths, counts = np.unique(steps_ms, return_counts=True)
    return np.append(steps_ms, lengths[np.argmax(counts)])


def _columns(
    samples: RateSamples, kept: npt.NDArray[np.bool_], first_row: Ints, hold_ms: Ints, rates_bps: Floats, slot_ns: int
) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of the trace. Where slots do not divide the steps, a slot has the mean rate over its time
    and the other values at its start; the last sample then holds to the end of its slot."""
    values = {name: _means(each[kept], first_row) for name, each in samples.descriptive.items()}
    if not np.any(hold_ms * NS_PER_MS % slot_ns):
        slots = hold_ms * NS_PER_MS // slot_ns
        bits = whole_bits(np.repeat(rates_bps * (slot_ns / NS_PER_S), slots))
        return {"capacity_bits": bits} | {name: np.repeat(each, slots) for name, each in values.items()}
    ends_ns = np.cumsum(hold_ms) * NS_PER_MS
    ends_ns[-1] = -(-ends_ns[-1] // slot_ns) * slot_ns
    edges_ns = np.arange(0, ends_ns[-1] + 1, slot_ns)
    sums = np.cumsum(np.diff(ends_ns, prepend=0) * (rates_bps / NS_PER_S))
    bits = np.diff(np.rint(np.interp(edges_ns, np.append(0, ends_ns), np.append(0.0, sums)))).astype(np.int64)
    at = np.searchsorted(ends_ns, edges_ns[:-1], side="right")
    return {"capacity_bits": bits} | {name: each[at] for name, each in values.items()}


def _round_step_ms(least_ms: float) -> int:
    """Return the least 1, 2 or 5 times a power of ten that is not below `least_ms`."""
    power: int = 10 ** max(math.floor(math.log10(least_ms)), 0)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least_ms)


def _parts(step_ms: int, highest_bps: float) -> int:
    """Return the number of slots in a step, so that bits x slot_ns stays below 2^62."""
    for parts in (1, 10, 100):
        slot_ns = step_ms * NS_PER_MS // parts
        if highest_bps * slot_ns / NS_PER_S * slot_ns < 2**62:
            return parts
    return 1_000


def _means(values: Floats, first_row: Ints) -> Floats:
    """Return the mean of each group of rows that starts at `first_row`, without missing values (NaN)."""
    present = ~np.isnan(values)
    sums = np.add.reduceat(np.where(present, values, 0.0), first_row)
    counts = np.add.reduceat(present.astype(np.int64), first_row)
    means: Floats = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return means
