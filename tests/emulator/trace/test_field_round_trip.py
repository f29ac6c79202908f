"""However a table is written, the same samples give the same trace: random offsets, delimiters, units, encodings."""

import gzip
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.trace import Trace
from emulator.trace.formats import import_trace, parse_columns
from emulator.trace.formats.tables.units import RATE_UNITS, named_rate_unit

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " "}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1")
START = datetime(2031, 3, 30, 0, 59, 50, tzinfo=UTC)  # ten seconds before summer time begins in Europe


class Row(NamedTuple):
    """A sample: milliseconds after the start, rate in kbit/s, SINR in tenths of a dB."""

    at_ms: int
    rate_kbps: int
    sinr_tenths: int | None


@st.composite
def samples(draw: st.DrawFn) -> list[Row]:
    steps = draw(st.lists(st.sampled_from([100, 200, 250, 1_000, 3_000]), min_size=1, max_size=25))
    stamps = np.cumsum([0, *steps]).tolist()
    rates = draw(st.lists(st.integers(0, 900_000), min_size=len(stamps), max_size=len(stamps)).filter(any))
    sinrs = draw(st.lists(st.none() | st.integers(-200, 400), min_size=len(stamps), max_size=len(stamps)))
    return [Row(*each) for each in zip(stamps, rates, sinrs, strict=True)]


def plain_trace(rows: list[Row]) -> Trace:
    """Return the trace of the plainest table: seconds, Mbit/s, commas, points, UTF-8."""
    lines = [f"{row.at_ms / 1e3},{row.rate_kbps / 1e3},{tenths(row.sinr_tenths)}" for row in rows]
    return trace_of("\n".join(["t,r,s", *lines]).encode(), "time=t,rate=r,sinr_db=s")


def trace_of(data: bytes, columns: str) -> Trace:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.csv").write_bytes(data)
        return import_trace(Path(folder) / "a.csv", "csv", parse_columns(columns))


def tenths(value: int | None) -> str:
    return "" if value is None else str(value / 10)


def number_of_unit(unit: str) -> Callable[[Row], str]:
    scale = {"s": 10**3, "ms": 1, "us": 10**-3, "ns": 10**-6}[unit]
    epoch_ms = int(START.timestamp()) * 1_000
    if unit in ("us", "ns"):
        return lambda row: str((epoch_ms + row.at_ms) * round(1 / scale) + 123)  # a fraction that rounding drops
    return lambda row: repr(row.at_ms / scale)


def time_with_offsets(hours: list[int]) -> Callable[[Row], str]:
    def text(row: Row) -> str:
        zone = timezone(timedelta(hours=hours[row.at_ms // 100 % len(hours)]))
        return (START + timedelta(milliseconds=row.at_ms)).astimezone(zone).isoformat(timespec="milliseconds")

    return text


def local_time(row: Row) -> str:
    hours = 1 if row.at_ms < 10_000 else 2
    local = START + timedelta(milliseconds=row.at_ms, hours=hours)
    return local.strftime("%d.%m.%Y_%H:%M:%S.%f") + "000"


TIMES: dict[str, tuple[Callable[[Row], str], str]] = {
    **{unit: (number_of_unit(unit), f",time_unit={unit}") for unit in ("s", "ms", "us", "ns")},
    "one offset": (time_with_offsets([2]), ""),
    "mixed offsets": (time_with_offsets([2, 0, -5, 9]), ",format=%Y-%m-%dT%H:%M:%S.%f%z"),
    "zone": (local_time, ",format=%d.%m.%Y_%H:%M:%S.%f,zone=Europe/Berlin"),
    "time of day": (
        lambda row: (START + timedelta(hours=22, minutes=59, milliseconds=row.at_ms + 59_000)).strftime("%H:%M:%S.%f"),
        "",
    ),
}
RATES: dict[str, Callable[[Row], str]] = {
    "bit/s": lambda row: str(row.rate_kbps * 1_000),
    "kbit/s": lambda row: str(row.rate_kbps),
    "Mbit/s": lambda row: str(row.rate_kbps / 1e3),
    "Gbit/s": lambda row: f"{row.rate_kbps / 1e6:.9f}",
    "kB/s": lambda row: str(row.rate_kbps / 8),
}


@settings(max_examples=80, deadline=None)
@given(
    rows=samples(),
    time=st.sampled_from(sorted(TIMES)),
    unit=st.sampled_from(sorted(RATES)),
    delimiter=st.sampled_from(sorted(DELIMITERS)),
    encoding=st.sampled_from(ENCODINGS),
    comma=st.booleans(),
    header=st.booleans(),
    named=st.booleans(),
    compressed=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n"]),
    trailer=st.sampled_from(["", "#eof", "\n\n"]),
    missing=st.sampled_from(["-", "NaN", "null", "N/A", "none"]),
)
def test_a_table_gives_the_same_trace_however_it_is_written(
    rows: list[Row],
    time: str,
    unit: str,
    delimiter: str,
    encoding: str,
    comma: bool,
    header: bool,
    named: bool,
    compressed: bool,
    newline: str,
    trailer: str,
    missing: str,
) -> None:
    comma = comma and delimiter != "comma"
    point = (lambda text: text.replace(".", ",")) if comma else str
    write_time, meaning = TIMES[time]
    as_number = time in ("s", "ms", "us", "ns")
    mark = DELIMITERS[delimiter]
    cells = [
        [
            point(write_time(row)) if as_number else write_time(row),
            point(RATES[unit](row)),
            missing if row.sinr_tenths is None else point(tenths(row.sinr_tenths)),
        ]
        for row in rows
    ]
    lines = [mark.join(each) for each in cells]
    names = ["Zeit", "Débit", "SINR"] if header else ["1", "2", "3"]
    text = newline.join([*([mark.join(names)] if header else []), *lines, trailer])
    data = text.encode(encoding)
    columns = f"time={names[0]},rate={names[1]},unit={unit},sinr_db={names[2]}{meaning}"
    columns += "" if header else ",header=none"
    if named:
        columns += f",delimiter={delimiter},encoding={encoding},decimal={'comma' if comma else 'point'}"
    trace, plain = trace_of(gzip.compress(data) if compressed else data, columns), plain_trace(rows)
    assert (trace.slot_ns, len(trace)) == (plain.slot_ns, len(plain))
    assert np.abs(trace.cumulative_bits - plain.cumulative_bits).max() <= 1  # units round differently
    np.testing.assert_allclose(trace.columns["sinr_db"], plain.columns["sinr_db"])


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(st.integers(1, 5), min_size=4, max_size=30),
    growth=st.lists(st.integers(0, 10**6), min_size=30, max_size=30),
    glitches=st.sets(st.integers(1, 28), max_size=4),
    first=st.integers(10**7, 10**12),
)
def test_counter_gives_its_bytes_whatever_single_rows_were_misread(
    steps: list[int], growth: list[int], glitches: set[int], first: int
) -> None:
    stamps = np.cumsum([0, *steps])
    grown = np.append(0, np.cumsum(np.array(growth[: len(steps)]) + 1))
    alone = {at for at in glitches if at < len(stamps) - 1 and at - 1 not in glitches}
    shown = [0 if at in alone else first + int(grown[at]) for at in range(len(stamps))]
    content = "t,b\n" + "".join(f"{at},{count}\n" for at, count in zip(stamps, shown, strict=True))
    trace = trace_of(content.encode(), "time=t,rate=b,unit=B-counter")
    assert trace.period_ns == int(stamps[-1]) * 10**9
    assert abs(int(trace.cumulative_bits[-1]) - 8 * int(grown[-1])) <= 1
    assert trace.metadata["counts"]["rows_misread"] == len(alone)


@settings(max_examples=50, deadline=None)
@given(
    packets=st.lists(st.tuples(st.integers(0, 20_000_000), st.integers(1, 9_000)), min_size=1, max_size=60),
    step_ms=st.sampled_from([1, 10, 100, 250, 1_000]),
)
def test_packets_carry_their_bits_in_their_intervals(packets: list[tuple[int, int]], step_ms: int) -> None:
    content = "Time,Length\n" + "".join(f"{at / 1e6:.6f},{size}\n" for at, size in packets)
    trace = trace_of(content.encode(), f"time=Time,rate=Length,unit=B/packet,step_s={step_ms / 1e3}")
    first = min(at for at, _ in packets)
    expected = np.zeros(trace.period_ns // (step_ms * 10**6))
    for at, size in packets:
        expected[(at - first) // (step_ms * 1_000)] += 8 * size
    edges = np.arange(len(expected) + 1) * step_ms * 10**6
    assert np.abs(np.diff(trace.bits_before(edges)) - expected).max() <= 1


@given(
    st.sampled_from([unit for unit in RATE_UNITS if unit.endswith("/s")]),
    st.sampled_from(["UL", "thr.put ", "rate, ", "DL_"]),
    st.sampled_from(["{}", "[{}]", "({})"]),
)
def test_field_unit_in_the_name_of_a_column_is_found(unit: str, what: str, brackets: str) -> None:
    assert named_rate_unit(what + brackets.format(unit)) == unit
    short = unit.replace("bit/s", "bps").replace("B/s", "Bps")
    assert named_rate_unit(what + brackets.format(short)) == unit
