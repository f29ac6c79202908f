"""Import of NUWiNS `.list` files (Ghoshal et al., SIGCOMM 5G-MeMU 2022): uplink rates or round-trip times of runs.

A run is an optional line of `#`, a line `Run N`, then lines of comma-separated values. A run of one line is one
series of values. A longer run has a pair of lines for each series: timestamps in seconds, then values. In a file
below a folder `ping` the values are round-trip times in ms, otherwise rates in Mbit/s.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from emulator.core.arrays import Ints
from emulator.trace import Trace
from emulator.trace.formats.clocks import clock_notes, regular_steps
from emulator.trace.formats.samples import RateSamples, require_rates, trace_of
from emulator.trace.formats.source import (
    STAMP_LIMIT_S,
    choice_pairs,
    decode,
    parse_number,
    parse_seconds,
    parse_stamp_ms,
    parse_whole,
    require_step,
    row_error,
    source_of,
)
from emulator.trace.formats.text import read_bytes


@dataclass(frozen=True)
class ListSeries:
    """A series of a list file: `run` by its number in the file (None: the first run), `series` of the run from 1.
    `step_s`: distance of values without timestamps (timestamps in such files are 100 ms apart); `skip_s`: seconds to
    leave out at the start; `max_gap_s`: a value holds at most so long (None: without a limit). Raises ValueError if a
    value breaks a rule."""

    run: int | None = None
    series: int = 1
    step_s: float = 0.1
    skip_s: float = 0.0
    max_gap_s: float | None = None

    def __post_init__(self) -> None:
        if self.series < 1:
            raise ValueError(f"columns.series={self.series}: must be at least 1")
        require_step("step_s", self.step_s)
        if self.max_gap_s is not None:
            require_step("max_gap_s", self.max_gap_s, STAMP_LIMIT_S)
        if not 0 <= self.skip_s <= STAMP_LIMIT_S:
            raise ValueError(f"columns.skip_s={self.skip_s}: must be at least 0 and at most {STAMP_LIMIT_S:g}")


class ValueLine(NamedTuple):
    """A line of values: its row in the file, from 1, and its fields as text."""

    row: int
    fields: list[str]


def parse_series(line: str) -> ListSeries:
    """Parse a choice such as `run=3,series=2` (also `step_s`, `skip_s`, `max_gap_s`)."""
    values: dict[str, Any] = {
        name: parse_seconds(f"columns.{name}", value) if name.endswith("_s") else parse_whole(f"columns.{name}", value)
        for name, value in choice_pairs(line, [*asdict(ListSeries())]).items()
    }
    return ListSeries(**values)


def import_list(path: Path, chosen: ListSeries | None = None) -> Trace:
    """Read one series as a `fluid` trace by the rules of `emulator.trace.formats.samples`, with timestamps corrected
    by `emulator.trace.formats.clocks`. Series of a run were recorded at the same time and share their lineage; runs do
    not.

    Raises ValueError with file, row, value and rule, also for a file of round-trip times.
    """
    if _holds_pings(path):
        raise ValueError(f"{path}: values: must be rates, but below a folder `ping` they are round-trip times")
    chosen = chosen or ListSeries()
    data = read_bytes(path)
    label, lines = _select_run(path, parse_runs(path, data), chosen.run)
    stamps_ms, values, step_ms, notes = _select_series(path, label, lines, chosen)
    rates = [parse_number(path, values.row, f"value {at}", field) for at, field in enumerate(values.fields, 1)]
    rates_bps = np.array([rate * 1e6 for rate in rates])  # without a warning for one that is no finite number then
    require_rates(path, [values.row] * len(rates), rates_bps, values.fields)
    metadata = {"kind": "recording", "format": "list", "file": path.name, "run": label, "series": chosen.series}
    metadata["step_s"] = step_ms / 1e3
    source = f"{source_of(data)} run {label}"
    max_gap_ms = None if chosen.max_gap_s is None else round(chosen.max_gap_s * 1e3)
    samples = RateSamples(stamps_ms, rates_bps, notes=notes)
    return trace_of(path, samples, source, round(chosen.skip_s * 1e3), metadata, max_gap_ms)


def round_trips_ms(path: Path) -> dict[int, npt.NDArray[np.float64]]:
    """Read the round-trip times of each run, shape (probes,), by the run's number. The files do not state the time
    between probes. Raises ValueError for a file that is not below a folder `ping`, or has other runs."""
    data = read_bytes(path)
    if not _holds_pings(path):
        raise ValueError(f"{path}: values: must be round-trip times, which lie below a folder `ping`")
    found: dict[int, npt.NDArray[np.float64]] = {}
    for label, lines in parse_runs(path, data):
        if len(lines) != 1 or label in found:
            raise ValueError(f"{path}: run={label}: must stand once, with one line of values")
        row, fields = lines[0]
        found[label] = np.array([parse_number(path, row, f"value {at}", field) for at, field in enumerate(fields, 1)])
    return found


def ping_summary(path: Path) -> list[dict[str, float]]:
    """Return a row for each run: number of probes, and percentiles of the round-trip times in ms."""
    marks = {"p5_ms": 5, "p50_ms": 50, "p95_ms": 95, "max_ms": 100}
    return [
        {"run": run, "probes": len(values)} | {name: float(np.percentile(values, at)) for name, at in marks.items()}
        for run, values in round_trips_ms(path).items()
    ]


def parse_runs(path: Path, data: bytes) -> list[tuple[int, list[ValueLine]]]:
    """Return (number, lines of values) of each run, in the order of the file."""
    runs: list[tuple[int, list[ValueLine]]] = []
    for row, line in enumerate(decode(path, data).splitlines(), 1):
        content = line.strip()
        if not content.strip("#"):
            continue
        head, _, rest = content.partition(" ")
        if head == "Run" and rest.strip().isdecimal():
            runs.append((int(rest), []))
        elif not runs:
            raise row_error(path, row, "line", content, "come after a line `Run N`")
        else:
            runs[-1][1].append(ValueLine(row, [field.strip() for field in content.removesuffix(",").split(",")]))
    if not runs:
        raise ValueError(f"{path}: runs=0: must hold a line `Run N` and values")
    return runs


def list_runs(path: Path) -> list[dict[str, Any]]:
    """Return a row for each run: its number as `--columns` takes it, its series, and the values of each."""
    return [
        {"columns": f"run={label}", "series": max(len(lines) // 2, 1), "values": len(lines[-1].fields) if lines else 0}
        for label, lines in parse_runs(path, read_bytes(path))
    ]


def _select_run(
    path: Path, runs: Sequence[tuple[int, list[ValueLine]]], wanted: int | None
) -> tuple[int, list[ValueLine]]:
    label = runs[0][0] if wanted is None else wanted
    found = [lines for number, lines in runs if number == label]
    if len(found) != 1 or not found[0]:
        there = ", ".join(str(number) for number, _ in runs)
        raise ValueError(f"{path}: run={label}: must stand once, with values, in the file (it has {there})")
    return label, found[0]


def _select_series(
    path: Path, run: int, lines: Sequence[ValueLine], chosen: ListSeries
) -> tuple[Ints, ValueLine, int, tuple[str, ...]]:
    """Return (corrected timestamps in ms, line of values, step in ms, notes on the correction) of the series."""
    if len(lines) > 1 and len(lines) % 2:
        raise ValueError(f"{path}: run={run}: must hold one line, or pairs of lines, not {len(lines)}")
    there = max(len(lines) // 2, 1)
    if chosen.series > there:
        raise ValueError(f"{path}: series={chosen.series}: must be at most {there} in run {run}")
    if len(lines) == 1:
        step_ms = round(chosen.step_s * 1e3)
        return np.arange(len(lines[0].fields)) * step_ms, lines[0], step_ms, ()
    stamps, values = lines[2 * chosen.series - 2 : 2 * chosen.series]
    if len(stamps.fields) != len(values.fields):
        raise row_error(
            path, values.row, "values", len(values.fields), f"be as many as the stamps, {len(stamps.fields)}"
        )
    read_ms = np.array(
        [parse_stamp_ms(path, stamps.row, f"stamp {at}", field) for at, field in enumerate(stamps.fields, 1)], np.int64
    )
    if len(read_ms) < 2 or np.diff(read_ms).max() <= 0:
        raise row_error(path, stamps.row, "stamps", len(read_ms), "be at least two, going on")
    steps, step_ms = regular_steps(read_ms)
    return read_ms[0] + steps * step_ms, values, step_ms, clock_notes(read_ms)


def _holds_pings(path: Path) -> bool:
    return "ping" in path.absolute().parent.parts
