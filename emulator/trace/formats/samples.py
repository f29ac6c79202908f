"""Rate samples with timestamps become the slots of a trace: the rules of the formats `rate`, `csv` and `list`.

Timestamps are rounded to milliseconds; time starts at the first. Samples with the same timestamp are averaged. A
sample holds until the next timestamp, also over a gap; the last holds for the most common step (the shortest of
equals; 1 s for a single timestamp). The slot is the longest that divides every step; it is cut to a tenth, a
hundredth or a thousandth if a rate is too high for the link's exact arithmetic. Bits are integers: the running sum
is rounded.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from emulator.core.arrays import Floats, Ints
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.trace import Interval, Trace, whole_bits
from emulator.trace.formats.source import SLOTS_LIMIT, row_error

RATE_LIMIT_BPS = 1e12
LONE_STEP_MS = 1_000


class Sample(NamedTuple):
    """One row of a recording; `descriptive` holds a value for each descriptive column, NaN if missing."""

    row: int
    stamp_ms: int
    rate_bps: float
    descriptive: tuple[float, ...] = ()


def checked(path: Path, sample: Sample, before: Sample | None, shown_time: str, shown_rate: str) -> Sample:
    """Return the sample. Raises ValueError if its rate is out of range or its timestamp is before the last one."""
    if sample.rate_bps < 0:
        raise row_error(path, sample.row, "rate", shown_rate, "not be negative")
    if sample.rate_bps > RATE_LIMIT_BPS:
        raise row_error(path, sample.row, "rate", shown_rate, "be at most 1 Tbit/s")
    if before is not None and sample.stamp_ms < before.stamp_ms:
        raise row_error(path, sample.row, "time", shown_time, f"not be before row {before.row}'s")
    return sample


def trace_of(
    path: Path, samples: list[Sample], names: tuple[str, ...], source: str, skip_ms: int, metadata: Mapping[str, Any]
) -> Trace:
    """Make the trace of checked samples, without those of the first `skip_ms`."""
    kept = [sample for sample in samples if sample.stamp_ms >= samples[0].stamp_ms + skip_ms]
    if not kept:
        raise ValueError(f"{path}: samples=0: must hold at least one row with a rate, after any that are skipped")
    stamps_ms, first_row = np.unique([sample.stamp_ms for sample in kept], return_index=True)
    hold_ms = _hold_ms(stamps_ms)
    step_ms = int(np.gcd.reduce(hold_ms))
    if hold_ms.sum() // step_ms > SLOTS_LIMIT:
        raise ValueError(f"{path}: slots={hold_ms.sum() // step_ms} of {step_ms} ms: must be at most {SLOTS_LIMIT}")
    rates_bps = _means(np.array([sample.rate_bps for sample in kept]), first_row)
    parts = _parts(step_ms, float(rates_bps.max()))
    slot_ns = step_ms * NS_PER_MS // parts
    slots = hold_ms // step_ms * parts
    columns: dict[str, npt.NDArray[Any]] = {
        "capacity_bits": whole_bits(np.repeat(rates_bps * (slot_ns / NS_PER_S), slots))
    }
    for index, name in enumerate(names):
        values = np.array([sample.descriptive[index] for sample in kept])
        columns[name] = np.repeat(_means(values, first_row), slots)
    start_ns = (int(stamps_ms[0]) - samples[0].stamp_ms) * NS_PER_MS
    lineage = (Interval(source, start_ns, start_ns + int(slots.sum()) * slot_ns),)
    try:
        trace = Trace(slot_ns, columns, "fluid", lineage, metadata)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not trace.carries:  # more often a failed measurement or the wrong column than no coverage
        raise ValueError(f"{path}: rate=0 in all {len(kept)} rows: some must be above 0")
    return trace


def _hold_ms(stamps_ms: Ints) -> Ints:
    """Return how long each timestamp's rate holds, shape (timestamps,)."""
    steps_ms = np.diff(stamps_ms)
    if not len(steps_ms):
        return np.array([LONE_STEP_MS])
    lengths, counts = np.unique(steps_ms, return_counts=True)
    return np.append(steps_ms, lengths[np.argmax(counts)])


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
