from pathlib import Path

import numpy as np
import pytest

from emulator.core.units import NS_PER_MS
from emulator.trace import Trace, constant
from results.figures.trace import Windows, bler_target, panels_of, plot_trace
from tests.emulator.strategies import nothing
from tests.results.conftest import rate_trace
from tests.results.figures.test_policies import assert_printable, width_in

SLOTS = 7_300


def radio_trace(seed: int) -> Trace:
    """All columns of a generated trace, with a handover, a stretch out of sight and some lost blocks."""
    rng = np.random.default_rng(seed)
    sinr_db = rng.normal(12, 4, SLOTS)
    new = rng.random(SLOTS) < 0.6
    mcs = np.where(new, np.clip(sinr_db, 0, 27), -1).astype(np.int8)
    columns = {
        "capacity_bits": np.where(new, 1_000 * (1 + mcs.astype(np.int64)), 0),
        "harq_delay_ns": np.zeros(SLOTS, dtype=np.int64),
        "block_lost": new & (np.arange(SLOTS) % 1_500 == 0),
        "mcs": mcs,
        "bler": np.where(new, rng.beta(0.3, 3, SLOTS), np.nan).astype(np.float32),
        "sinr_db": sinr_db.astype(np.float32),
        "path_loss_db": np.linspace(80, 100, SLOTS).astype(np.float32),
        "shadowing_db": rng.normal(0, 1, SLOTS).astype(np.float32),
        "los": np.arange(SLOTS) < 5_000,
        "serving": (np.arange(SLOTS) >= 4_000).astype(np.int8),
    }
    return Trace(NS_PER_MS // 2, columns, "slot", metadata={"radio": {"adaptation": {"bler_target": 0.1}}})


@pytest.mark.parametrize("trace", [rate_trace(0), constant(50e6), radio_trace(1), nothing(radio_trace(1))])
def test_page_fits_journals(trace: Trace, tmp_path: Path) -> None:
    path = plot_trace(trace, tmp_path / "trace.pdf")
    assert_printable(path.read_bytes())
    assert width_in(path.read_bytes()) == pytest.approx(7.16, abs=0.01)
    assert [child.name for child in tmp_path.iterdir()] == ["trace.pdf"]


@pytest.mark.parametrize(
    ("trace", "rows"),
    [
        (constant(50e6), ["_rate"]),
        (rate_trace(0), ["_sinr", "_rate"]),
        (radio_trace(1), ["_losses", "_sinr", "_mcs", "_rate", "_bler"]),
    ],
)
def test_page_has_a_row_for_each_quantity(trace: Trace, rows: list[str]) -> None:
    assert [panel.__name__ for panel in panels_of(trace)] == rows


def test_page_marks_events(tmp_path: Path) -> None:
    trace = radio_trace(2)
    text = plot_trace(trace, tmp_path / "trace.svg").read_text(encoding="utf-8")
    lost = int(trace.columns["block_lost"].sum())
    for words in ("with shadowing", "no line of sight", "site 0", "site 1", f"{lost} blocks lost", "target of the"):
        assert words in text, words
    assert "site 2" not in text


def test_windows_see_each_slot_once() -> None:
    trace = radio_trace(3)
    windows = Windows(trace)
    bits = trace.capacity_bits
    slots = windows.length_ns // trace.slot_ns
    sums = windows.of(bits, np.sum)
    assert sums.tolist() == [bits[first : first + slots].sum() for first in range(0, SLOTS - slots + 1, slots)]
    assert len(windows.edges_s) == len(sums) + 1
    assert windows.edges_s[1] == windows.length_ns / 1e9


def test_windows_leave_out_nan() -> None:
    trace = radio_trace(4)
    windows = Windows(trace)
    values = np.full(SLOTS, np.nan)
    values[5] = 3.0
    means = windows.of(values, np.mean)
    assert means[0] == 3.0
    assert np.isnan(means[1:]).all()


@pytest.mark.parametrize("metadata", [{}, {"radio": None}, {"radio": {"adaptation": 3}}, {"radio": {"adaptation": {}}}])
def test_a_trace_without_settings_has_no_target(metadata: dict[str, object]) -> None:
    assert bler_target(Trace(1, {"capacity_bits": np.ones(1, dtype=np.int64)}, metadata=metadata)) is None
