"""Arrays in scratch files: equal to those in memory, while memory holds only what was used last."""

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.registry import make_policy
from agents.split_inference.bound import bounds
from emulator.core.arrays import Columns
from emulator.core.scratch import PIECE_ROWS, Scratch, empty_beside, joined, release, scratch_folder
from emulator.core.units import NS_PER_MS
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.trace import Trace
from tests.agents.systems import small_system


def columns(rows: int, first: int = 0) -> dict[str, np.ndarray]:
    """Return values of all kinds, which depend on the number of the row only."""
    numbers = np.arange(first, first + rows)
    return {
        "capacity_bits": numbers % 1_000 * 100,
        "harq_delay_ns": numbers % 7 * NS_PER_MS,
        "block_lost": numbers % 11 == 0,
        "sinr_db": (numbers % 300).astype(np.float32),
    }


def pieces(rows: int, size: int) -> Iterator[Columns]:
    for first in range(0, rows, size):
        yield columns(min(size, rows - first), first)


def scratch_trace(rows: int) -> Trace:
    return Trace(NS_PER_MS, joined(pieces(rows, 50_000), rows, Scratch()), "slot")


def resident_bytes(key: str) -> int:
    """Return a value of the process's status: VmRSS, or VmHWM, the greatest since the last reset."""
    text = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(key))


@settings(max_examples=20)
@given(sizes=st.lists(st.integers(0, 1_500_000), min_size=1, max_size=6))
def test_field_arrays_in_a_scratch_file_are_apart_and_keep_their_values(sizes: list[int]) -> None:
    scratch = Scratch()
    arrays = [scratch.empty(size, np.int64) for size in sizes]
    for number, array in enumerate(arrays):
        array[:] = number + 1
    beside = empty_beside(arrays[0], 10, np.int8)
    beside[:] = -1
    release(*arrays, beside, np.zeros(3))
    assert all((array == number + 1).all() and len(array) == sizes[number] for number, array in enumerate(arrays))
    assert (beside == -1).all()


def test_field_trace_in_a_scratch_file_equals_one_in_memory(tmp_path: Path) -> None:
    """Digest, sums, parts and file are the same over several pieces."""
    rows = 2 * PIECE_ROWS + 77
    here, there = Trace(NS_PER_MS, columns(rows), "slot"), scratch_trace(rows)
    assert there.sha256 == here.sha256
    np.testing.assert_array_equal(there.cumulative_bits, np.concatenate(([0], np.cumsum(here.capacity_bits))))
    np.testing.assert_array_equal(there.cumulative_bits, here.cumulative_bits)
    assert sum(len(part) for part in there.parts()) == rows
    there.save(tmp_path / "trace.parquet")
    for scratch in (None, Scratch()):
        loaded = Trace.load(tmp_path / "trace.parquet", scratch)
        assert loaded.sha256 == here.sha256
        for name, values in here.columns.items():
            np.testing.assert_array_equal(loaded.columns[name], values)


def test_field_memory_of_a_run_does_not_grow_with_its_traces(tmp_path: Path) -> None:
    """A run over 270 MB of trace, sums and tables, and its bound, take a fraction of that."""
    system = small_system(1, 1, 0.2, 60.0)
    with Records(tmp_path) as records:
        Simulation(system).run(make_policy("greedy", {}, system), "greedy", records)  # binds compiled functions
    bounds(system)
    rows = 5_000_000
    before = resident_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    trace = scratch_trace(rows)
    first, *others = system.links
    long = replace(system, links=(replace(first, trace=trace), *others), duration_ns=trace.period_ns)
    assert len(trace.sha256) == 64
    trace.save(tmp_path / "trace.parquet")
    with Records(tmp_path) as records:
        Simulation(long).run(make_policy("greedy", {}, long), "greedy", records)
    bounds(long)
    assert resident_bytes("VmHWM") - before < 110_000_000


def test_field_full_disk_of_the_scratch_file_names_its_folder() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with patch("os.posix_fallocate", side_effect=full), pytest.raises(OSError, match="No space left") as caught:
        Scratch().empty(10, np.int64)
    assert caught.value.filename == str(scratch_folder())


def test_scratch_files_lie_where_tmpdir_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert scratch_folder() == tmp_path
