"""NUWiNS `.list` files: runs and series are selected, pings refused as rates."""

import re
from pathlib import Path

import numpy as np
import pytest

from emulator.trace.formats import ListSeries, import_trace, parse_choice, ping_summary

TWO_RUNS = "\n####\nRun 2\n1,0,2.5\n\n####\nRun 1\n4,5\n"
PAIRS = "Run 1\n0.1,0.2,0.3\n1,2,3\n0.05,0.15,0.45\n4,5,6\n"


def written(folder: Path, content: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recording.list").write_text(content)
    return folder / "recording.list"


@pytest.mark.parametrize(
    ("choice", "rates_mbps"),
    [(None, [1, 0, 2.5]), ("run=2", [1, 0, 2.5]), ("run=1", [4, 5]), ("run=2,skip_s=0.1", [0, 2.5])],
)
def test_a_run_is_chosen_by_its_number(choice: str | None, rates_mbps: list[float], tmp_path: Path) -> None:
    chosen = None if choice is None else parse_choice(choice, "list")
    trace = import_trace(written(tmp_path, TWO_RUNS), "list", chosen)
    assert (trace.slot_ns, trace.release) == (100_000_000, "fluid")
    np.testing.assert_array_equal(trace.capacity_bits * 10 / 1e6, rates_mbps)


def test_the_step_of_values_without_timestamps_can_be_set(tmp_path: Path) -> None:
    trace = import_trace(written(tmp_path, TWO_RUNS), "list", ListSeries(step_s=0.5))
    assert trace.slot_ns == 500_000_000
    assert trace.mean_rate_bps == pytest.approx(3.5e6 / 3, rel=1e-6)


def test_a_series_is_a_pair_of_lines(tmp_path: Path) -> None:
    path = written(tmp_path, PAIRS)
    first = import_trace(path, "list")
    np.testing.assert_array_equal(first.capacity_bits * 10 / 1e6, [1, 2, 3])
    second = import_trace(path, "list", ListSeries(series=2))
    np.testing.assert_array_equal(second.capacity_bits * 10 / 1e6, [4, 5, 5, 5, 6])  # a gap is held
    assert (second.metadata["run"], second.metadata["series"], second.metadata["step_s"]) == (1, 2, 0.1)


def test_a_gap_of_a_series_is_limited(tmp_path: Path) -> None:
    trace = import_trace(written(tmp_path, PAIRS), "list", ListSeries(series=2, max_gap_s=0.2))
    np.testing.assert_array_equal(trace.capacity_bits * 10 / 1e6, [4, 5, 5, 6])
    assert trace.metadata["counts"]["gap_left_out_s"] == pytest.approx(0.1)


def test_runs_share_no_lineage_but_the_series_of_one_run_do(tmp_path: Path) -> None:
    path = written(tmp_path, PAIRS + PAIRS.replace("Run 1", "Run 7"))
    first, beside, later = (import_trace(path, "list", ListSeries(*each)) for each in ((1, 1), (1, 2), (7, 1)))
    assert first.shares_lineage(beside) and not first.shares_lineage(later)
    assert re.fullmatch("sha256:[0-9a-f]{64} run 7", later.lineage[0].source)


BAD = [
    ("", "", "runs=0: must hold a line `Run N` and values"),
    ("1,2\n", "", "row 1: line='1,2': must come after a line `Run N`"),
    (TWO_RUNS, "run=3", "run=3: must stand once, with values, in the file (it has 2, 1)"),
    ("Run 1\n1\nRun 1\n2\n", "run=1", "run=1: must stand once, with values, in the file (it has 1, 1)"),
    ("Run 1\nRun 2\n1\n", "", "run=1: must stand once, with values"),
    (TWO_RUNS, "series=2", "series=2: must be at most 1 in run 2"),
    (PAIRS, "series=3", "series=3: must be at most 2 in run 1"),
    ("Run 1\n0.1\n1\n0.1\n", "", "run=1: must hold one line, or pairs of lines, not 3"),
    ("Run 1\n0.1,0.2,0.3\n1,2\n", "", "row 3: values=2: must be as many as the stamps, 3"),
    ("Run 1\n0.3,0.2,0.1\n1,2,3\n", "", "row 2: stamps=3: must be at least two, going on"),
    ("Run 1\n0.1,x,0.3\n1,2,3\n", "", "row 2: stamp 2='x': must be a finite number"),
    ("Run 1\n1,,3\n", "", "row 2: value 2='': must be a finite number"),
    ("Run 1\n1,-2\n", "", "row 2: rate='-2': must not be negative"),
    ("Run 1\n0,0\n", "", "rate=0 in all 2 rows: some must be above 0"),
]


@pytest.mark.parametrize(("content", "choice", "rule"), BAD)
def test_a_file_that_breaks_a_rule_is_refused_in_one_line(content: str, choice: str, rule: str, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ValueError, match=re.escape(f"{path}: {rule}")) as caught:
        import_trace(path, "list", parse_choice(choice, "list") if choice else None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("choice", "rule"),
    [
        ("", "columns='': must be one of run, series, step_s, skip_s, max_gap_s with =value"),
        ("time=t", "columns='time=t': must be one of run"),
        ("run=one", "columns.run='one': must be a whole number"),
        ("series=0", "columns.series=0: must be at least 1"),
        ("step_s=0", "columns.step_s=0.0: must be at least 0.001 and at most 3600"),
        ("step_s=nan", "columns.step_s=nan: must be at least 0.001"),
        ("max_gap_s=0", "columns.max_gap_s=0.0: must be at least 0.001"),
        ("skip_s=-1", "columns.skip_s=-1.0: must be at least 0"),
        ("skip_s=soon", "columns.skip_s='soon': must be a number of seconds"),
    ],
)
def test_a_choice_that_breaks_a_rule_is_refused(choice: str, rule: str) -> None:
    with pytest.raises(ValueError, match=re.escape(rule)):
        parse_choice(choice, "list")


def test_pings_are_refused_as_rates(tmp_path: Path) -> None:
    path = written(tmp_path / "ping" / "static", "Run 1\n10,20,30\nRun 4\n5.5\n")
    first, second = ping_summary(path)
    assert first == {"run": 1, "probes": 3, "p5_ms": 11, "p50_ms": 20, "p95_ms": 29, "max_ms": 30}
    assert second["run"] == 4 and second["p50_ms"] == second["max_ms"] == 5.5
    with pytest.raises(ValueError, match="values: must be rates, but below a folder `ping` they are round-trip times"):
        import_trace(path, "list")
    with pytest.raises(ValueError, match="values: must be round-trip times, which lie below a folder `ping`"):
        ping_summary(written(tmp_path / "throughput", TWO_RUNS))
    with pytest.raises(ValueError, match="run=1: must stand once, with one line of values"):
        ping_summary(written(tmp_path / "ping", PAIRS))
