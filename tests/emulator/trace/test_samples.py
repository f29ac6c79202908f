"""Order of rows by time: a second that stands too late is put in its place, and several are refused."""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.trace import Trace
from emulator.trace.formats import import_trace, parse_columns


def imported(folder: Path, rows: Sequence[tuple[float, int]], columns: str | None) -> Trace:
    """Import rows as a table with these columns, or as a rate file."""
    lines = [f"{time:g},{rate}" for time, rate in rows]
    (folder / "recording").write_text("\n".join(lines if columns is None else ["t,r", *lines]))
    if columns is None:
        return import_trace(folder / "recording", "rate")
    return import_trace(folder / "recording", "csv", parse_columns(columns))


KINDS = [None, "time=t,rate=r", "time=t,rate=r,unit=kB/interval", "time=t,rate=r,unit=B-counter"]


@pytest.mark.parametrize("columns", KINDS)
@settings(max_examples=30)
@given(st.integers(12, 40), st.integers(1, 40), st.integers(1, 10))
def test_one_second_out_of_order_changes_nothing_and_is_said(columns: str | None, count: int, at: int, by: int) -> None:
    rows = [(float(time), time * time) for time in range(count)]
    at = 1 + at % (count - 2)
    moved = [*rows[:at], *rows[at + 1 : at + 1 + by], rows[at], *rows[at + 1 + by :]]
    late_s = min(by, count - 1 - at)
    with tempfile.TemporaryDirectory() as folder:
        clean, mended = (imported(Path(folder), each, columns) for each in (rows, moved))
    assert mended.sha256 == clean.sha256
    row = at + late_s + (1 if columns is None else 2)
    note = f"rows that stand too late, by up to {late_s:g} s, are put in order of time: 1, the first in row {row}"
    assert mended.metadata["notes"][0] == note and note not in clean.metadata["notes"]


def test_rows_of_one_second_move_together_to_the_others_of_it(tmp_path: Path) -> None:
    rows = [(0, 1), (1, 2), (2, 10), (1, 4), (1, 6), (2, 20), (3, 5)]
    trace = imported(tmp_path, rows, "time=t,rate=r")
    assert [bits / 1e6 for bits in trace.capacity_bits.tolist()] == [1, 4, 15, 5]
    assert trace.metadata["notes"] == [
        "rows that stand too late, by up to 1 s, are put in order of time: 2, the first in row 5"
    ]


@pytest.mark.parametrize(
    ("times", "row"),
    [
        ([0, 1, 2, 3, 0, 1, 2, 3], 5),  # two runs
        ([*range(20), 8, 20], 21),  # more than ten usual steps
        ([0, 1, 2, 6, 3, 4, 7], 5),  # two seconds, both too late
        ([5, 4, 3], 2),  # the file goes backwards
    ],
)
def test_rows_that_stand_too_late_otherwise_are_refused(times: list[int], row: int, tmp_path: Path) -> None:
    rows = [(float(time), 1) for time in times]
    rule = f"row {row}: time='{times[row - 1]}': must not be before row {row - 1}'s"
    with pytest.raises(ValueError, match=re.escape(rule)):
        imported(tmp_path, rows, None)
