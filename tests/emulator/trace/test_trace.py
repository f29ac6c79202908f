"""Traces: storage, digest, rules, lineage, and exact slicing, scaling and resampling."""

import hashlib
import itertools
import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.trace import Interval, Release, Trace, constant, whole_bits
from emulator.trace.rules import BITS_LIMIT
from emulator.trace.writer import trace_writer


def make(bits: list[int], slot_ns: int = 1_000, release: Release = "fluid", **columns: np.ndarray[Any, Any]) -> Trace:
    values = {"capacity_bits": np.array(bits, dtype=np.int64), **columns}
    return Trace(slot_ns, values, release, (Interval("source", 0, len(bits) * slot_ns),), {"kind": "test"})


@pytest.fixture
def trace() -> Trace:
    return make(
        [8, 0, 12_000],
        release="slot",
        harq_delay_ns=np.array([0, 5, 7], dtype=np.int64),
        block_lost=np.array([False, True, False]),
        snr_db=np.array([1.5, np.nan, -3.0], dtype=np.float32),
    )


def test_a_saved_trace_is_loaded_unchanged(trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "t.parquet")
    loaded = Trace.load(tmp_path / "t.parquet")
    assert (loaded.slot_ns, loaded.release, loaded.lineage, loaded.metadata, loaded.sha256) == (
        trace.slot_ns,
        trace.release,
        trace.lineage,
        trace.metadata,
        trace.sha256,
    )
    assert loaded.columns.keys() == trace.columns.keys()
    for name, values in trace.columns.items():
        assert loaded.columns[name].dtype == values.dtype
        np.testing.assert_array_equal(loaded.columns[name], values)
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_a_header_nested_too_deeply_is_refused(trace: Trace, tmp_path: Path) -> None:
    header = b'{"metadata": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    table = pa.table(dict(trace.columns)).replace_schema_metadata({"airsplit.trace": header})
    pq.write_table(table, tmp_path / "deep.parquet")
    assert "must be a trace that airsplit wrote" in refusal(tmp_path / "deep.parquet")


def test_a_trace_needs_a_folder_to_be_saved_in(trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "t.parquet"
    with pytest.raises(ValueError) as caught:
        trace.save(path)
    assert str(caught.value) == f"{path}: folder must exist"


def test_digest_equals_its_definition() -> None:
    bits = hashlib.sha256((5).to_bytes(8, "little") + (7).to_bytes(8, "little")).hexdigest()
    lost = hashlib.sha256(bytes([0, 1])).hexdigest()
    expected = hashlib.sha256(f"1000 fluid block_lost |b1 2 {lost} capacity_bits <i8 2 {bits}".encode())
    assert make([5, 7], block_lost=np.array([False, True])).sha256 == expected.hexdigest()


def test_digest_depends_on_values_only(trace: Trace) -> None:
    reordered = dict(reversed(list(trace.columns.items())))
    strided = {name: np.repeat(values, 2)[::2] for name, values in reordered.items()}
    swapped = {**reordered, "snr_db": reordered["snr_db"].astype(">f4")}
    assert Trace(trace.slot_ns, strided, "slot", (), {}).sha256 == trace.sha256
    assert Trace(trace.slot_ns, swapped, "slot", (), {}).sha256 == trace.sha256


@pytest.mark.parametrize(
    "other",
    [
        make([8, 0, 12_001]),
        make([0, 8, 12_000]),
        make([8, 0, 12_000], slot_ns=999),
        make([8, 0, 12_000], release="slot"),
        make([8, 0, 12_000], snr_db=np.zeros(3)),
    ],
)
def test_different_traces_have_different_digests(other: Trace) -> None:
    assert other.sha256 != make([8, 0, 12_000]).sha256


@pytest.mark.parametrize("cuts", [[], [1], [2], [1, 2], [0, 1, 3]])
def test_a_trace_written_in_chunks_is_the_one_written_whole(trace: Trace, cuts: list[int], tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with trace_writer(path, trace.slot_ns, trace.release, trace.lineage, trace.metadata) as writer:
        for first, stop in itertools.pairwise([0, *cuts, len(trace)]):
            writer.append({name: values[first:stop] for name, values in trace.columns.items()})
            assert not path.exists()
    loaded = Trace.load(path)
    assert loaded.sha256 == writer.sha256 == trace.sha256
    assert (loaded.lineage, loaded.metadata) == (trace.lineage, trace.metadata)
    for name, values in trace.columns.items():
        np.testing.assert_array_equal(loaded.columns[name], values)


BROKEN: list[tuple[list[dict[str, Any]], str]] = [
    ([], "capacity_bits: must hold at least one slot"),
    ([{"capacity_bits": [3, 8]}, {"capacity_bits": [1, -1]}], "row 3: capacity_bits=-1: must not be negative"),
    ([{"capacity_bits": [3, 8]}, {"capacity_bits": [2**60]}], "row 2: capacity_bits=1152921504606846976: must stay"),
    ([{"capacity_bits": [2**52]}] * 1_024, "1024 slots must end before 2^63 ns and carry fewer than 2^62 bits in all"),
    ([{"capacity_bits": [3]}, {"capacity_bits": [3], "cqi": [1]}], "in every chunk"),
]


@pytest.mark.parametrize(("chunks", "rule"), BROKEN)
def test_chunks_that_break_a_rule_leave_no_file(chunks: list[dict[str, Any]], rule: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as caught, trace_writer(tmp_path / "t.parquet", 1_000, "slot", (), {}) as writer:
        for chunk in chunks:
            writer.append({name: np.array(values, dtype=np.int64) for name, values in chunk.items()})
    assert rule in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def rewritten(source: Path, target: Path, table: pa.Table | None = None, **header: Any) -> Path:
    """Rewrite the file at `source` with another table or other fields of its header."""
    stored = pq.ParquetFile(source).read()
    known = {**json.loads(stored.schema.metadata[b"airsplit.trace"]), **header}
    changed = stored if table is None else table
    pq.write_table(changed.replace_schema_metadata({"airsplit.trace": json.dumps(known)}), target)
    return target


def refusal(path: Path) -> str:
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        Trace.load(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_changed_value_is_detected(trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "t.parquet")
    for name, values in trace.columns.items():
        changed = np.roll(values, 1) if name != "snr_db" else values + np.float32(1)
        columns = {**trace.columns, name: changed}
        message = refusal(rewritten(tmp_path / "t.parquet", tmp_path / f"{name}.parquet", pa.table(columns)))
        assert "sha256" in message and "values were changed" in message


HEADERS: list[tuple[dict[str, Any], str]] = [
    ({"slot_ns": 0}, "slot_ns=0: must be a whole number of at least 1"),
    ({"slot_ns": 1.5}, "slot_ns=1.5: must be a whole number of at least 1"),
    ({"slot_ns": "1000"}, "slot_ns=1000: must be a whole number of at least 1"),
    ({"release": "packet"}, "release='packet': must be 'fluid' or 'slot'"),
    ({"sha256": "0" * 64}, "must be the stored 000000000000"),
    ({"slot_ns": 2_000}, "values were changed"),
    ({"release": "fluid"}, "values were changed"),
    ({"lineage": [["source", 0]]}, "must be a trace that airsplit wrote"),
    ({"lineage": 3}, "must be a trace that airsplit wrote"),
    ({"metadata": 3}, "must be a trace that airsplit wrote"),
    ({"sha256": None}, "must be the stored None: values were changed"),
    ({"sha256": 5}, "must be the stored 5: values were changed"),
    ({"slot_ns": 2**62}, "must stay below 2^63 / slot_ns"),
]


@pytest.mark.parametrize(("header", "rule"), HEADERS)
def test_a_changed_header_is_refused(header: dict[str, Any], rule: str, trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "t.parquet")
    assert rule in refusal(rewritten(tmp_path / "t.parquet", tmp_path / "bad.parquet", **header))


TABLES: list[tuple[dict[str, Any], str]] = [
    ({"capacity_bits": np.array([8, -1, 3])}, "row 1: capacity_bits=-1: must not be negative"),
    ({"capacity_bits": np.array([8, 3]), "harq_delay_ns": np.array([0, -4])}, "row 1: harq_delay_ns=-4: must not be"),
    ({"capacity_bits": np.zeros(0, dtype=np.int64)}, "capacity_bits: must hold at least one slot"),
    ({"snr_db": np.zeros(2)}, "capacity_bits: must hold at least one slot"),
    ({"capacity_bits": np.array([1.0, 2.0])}, "capacity_bits: must be int64, not float64"),
    ({"capacity_bits": np.array([1, 2], dtype=np.int32)}, "capacity_bits: must be int64, not int32"),
    ({"capacity_bits": [1, None]}, "capacity_bits: must be int64, not float64"),
    ({"capacity_bits": ["1", "2"]}, "capacity_bits: must be one number or truth value a slot, not object"),
    ({"capacity_bits": [1, 2], "block_lost": [0, 1]}, "block_lost: must be bool, not int64"),
    ({"capacity_bits": [1, 2], "operator": ["A", "B"]}, "operator: must be one number or truth value a slot"),
    ({"capacity_bits": [1, 2], "snr_db": [[1.0], [2.0]]}, "snr_db: must be one number or truth value a slot"),
    ({"capacity_bits": [1, 2**60]}, "row 1: capacity_bits=1152921504606846976: must stay below 2^63 / slot_ns"),
]


@pytest.mark.parametrize(("columns", "rule"), TABLES)
def test_values_that_break_a_rule_are_refused(columns: dict[str, Any], rule: str, trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "t.parquet")
    assert rule in refusal(rewritten(tmp_path / "t.parquet", tmp_path / "bad.parquet", pa.table(columns)))


def test_too_many_bits_or_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match=r"fewer than 2\^62 bits in all"):
        make([2**60] * 4, slot_ns=4)
    with pytest.raises(ValueError, match=r"must end before 2\^63 ns"):
        make([1, 1], slot_ns=2**62)
    with pytest.raises(ValueError, match=r"snr_db: must hold 2 values, one a slot, not 3"):
        make([1, 1], snr_db=np.zeros(3))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no trace at all", b'{"slot_ns": 1000}'])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(content)
    assert "must be a trace that airsplit wrote" in refusal(tmp_path / "t.parquet")


def test_a_table_without_the_header_a_folder_and_nothing_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"capacity_bits": [1]}), tmp_path / "t.parquet")
    assert "must be a trace that airsplit wrote" in refusal(tmp_path / "t.parquet")
    (tmp_path / "folder").mkdir()
    assert "must be a trace that airsplit wrote" in refusal(tmp_path / "folder")
    with pytest.raises(FileNotFoundError, match=r"absent\.parquet"):
        Trace.load(tmp_path / "absent.parquet")


def test_a_damaged_file_is_never_loaded_with_other_values(trace: Trace, tmp_path: Path) -> None:
    trace.save(tmp_path / "t.parquet")
    sound = (tmp_path / "t.parquet").read_bytes()
    damaged = tmp_path / "damaged.parquet"
    refused = 0
    for place in range(0, len(sound), 5):
        damaged.write_bytes(sound[:place] + bytes([sound[place] ^ 0x10]) + sound[place + 1 :])
        try:
            assert Trace.load(damaged).sha256 == trace.sha256
        except ValueError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 20
    for length in range(0, len(sound) - 1, 97):
        damaged.write_bytes(sound[:length])
        refusal(damaged)


traces = st.builds(
    make,
    st.lists(st.integers(0, 2**30), min_size=1, max_size=40).filter(any),
    st.integers(1, 10**6),
    st.sampled_from(["fluid", "slot"]),
)


@given(traces, st.data())
def test_slices_add_up_to_the_trace(trace: Trace, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(trace)))
    head, tail = trace.capacity_bits[:cut], trace.capacity_bits[cut:]
    for first, stop, expected in ((0, cut, head), (cut, len(trace), tail)):
        if expected.any():
            part = trace.slice(first, stop)
            np.testing.assert_array_equal(part.capacity_bits, expected)
            assert part.lineage == (Interval("source", first * trace.slot_ns, stop * trace.slot_ns),)


@given(traces, st.floats(1e-3, 1e3))
def test_scaling_rounds_the_running_sum(trace: Trace, factor: float) -> None:
    if np.rint(trace.cumulative_bits[-1] * factor) < 1:
        return
    scaled = trace.scale(factor)
    exact = [int(bits) * Fraction(factor) for bits in trace.cumulative_bits]
    assert all(abs(int(got) - want) <= Fraction(1, 2) + abs(want) * 2**-52 for got, want in zip(
        scaled.cumulative_bits, exact, strict=True
    ))  # fmt: skip
    assert (scaled.capacity_bits[trace.capacity_bits == 0] == 0).all()
    assert scaled.lineage == trace.lineage
    assert scaled.metadata["scaled_by"] == factor


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf"), 1e18])
def test_an_invalid_factor_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match=rf"factor={re.escape(str(factor))}: must be above 0"):
        make([8, 2]).scale(factor)


@given(traces, st.data())
def test_resampling_conserves_bits_up_to_every_common_edge(trace: Trace, data: st.DataObject) -> None:
    divisors = [n for n in range(1, 200) if trace.period_ns % n == 0]
    slots = data.draw(st.sampled_from(divisors))
    other = trace.resample(trace.period_ns // slots)
    assert int(other.cumulative_bits[-1]) == int(trace.cumulative_bits[-1])
    for index, edge_ns in enumerate(range(0, trace.period_ns + 1, other.slot_ns)):
        slot, part_ns = divmod(edge_ns, trace.slot_ns)
        here = int(trace.capacity_bits[slot]) if slot < len(trace) else 0
        exact = int(trace.cumulative_bits[slot]) + Fraction(here * part_ns, trace.slot_ns)
        assert int(other.cumulative_bits[index]) == exact.__floor__()
    assert other.lineage == trace.lineage


def test_descriptive_columns_hold_in_divided_slots() -> None:
    """Whole parts of a slot have its SINR; slots that straddle two have none, nor do blocks that were cut."""
    whole = make([3, 5, 7], sinr_db=np.array([1.5, np.nan, -3.0]), harq_delay_ns=np.array([5, 0, 5]))
    np.testing.assert_array_equal(whole.resample(500).columns["sinr_db"], [1.5, 1.5, np.nan, np.nan, -3, -3])
    assert set(whole.resample(500).columns) == {"capacity_bits", "sinr_db"}
    assert set(whole.resample(1_500).columns) == set(whole.resample(600).columns) == {"capacity_bits"}


def test_resampling_needs_a_divisor_of_the_period() -> None:
    for slot_ns in (0, -5, 7, 3_001):
        with pytest.raises(ValueError, match=rf"slot_ns={slot_ns}: must divide the period of 3000 ns"):
            make([1, 2, 3]).resample(slot_ns)


def test_resampling_to_finer_slots_keeps_the_bits_of_a_period() -> None:
    np.testing.assert_array_equal(make([3, 0, 5]).resample(500).capacity_bits, [1, 2, 0, 0, 2, 3])
    np.testing.assert_array_equal(make([3, 0, 5]).resample(3_000).capacity_bits, [8])


@given(traces, st.integers(0, 10**8), st.integers(1, 10**8))
@settings(max_examples=50)
def test_rate_over_any_window_is_the_bits_in_it(trace: Trace, start_ns: int, length_ns: int) -> None:
    def before(now_ns: int) -> Fraction:
        wraps, rest = divmod(now_ns, trace.period_ns)
        slot, part = divmod(rest, trace.slot_ns)
        inside = sum(int(bits) for bits in trace.capacity_bits[:slot])
        whole = wraps * sum(int(bits) for bits in trace.capacity_bits)
        return whole + inside + Fraction(int(trace.capacity_bits[slot]) * part, trace.slot_ns)

    stop_ns = start_ns + length_ns
    exact = (before(stop_ns) - before(start_ns)) * 10**9 / length_ns
    tolerance = float(before(stop_ns)) * 1e-15 * 1e9 / length_ns  # the running sum is a float
    assert trace.rate_bps(start_ns, stop_ns) == pytest.approx(float(exact), rel=1e-12, abs=tolerance + 1e-9)


def test_slices_out_of_range_are_refused() -> None:
    for first, stop in ((-1, 2), (0, 4), (2, 2), (2, 1)):
        with pytest.raises(ValueError, match=rf"slice {first}:{stop}: must lie within the 3 slots"):
            make([1, 2, 3]).slice(first, stop)


def test_lineage_is_shared_exactly_by_overlapping_intervals() -> None:
    whole = make([1] * 10)
    head, tail, middle = whole.slice(0, 5), whole.slice(5, 10), whole.slice(4, 6)
    assert not head.shares_lineage(tail) and not tail.shares_lineage(head)
    assert head.shares_lineage(middle) and tail.shares_lineage(middle) and whole.shares_lineage(head)
    assert head.scale(2.0).resample(2_500).shares_lineage(middle)
    assert not tail.scale(2.0).resample(2_500).shares_lineage(head)
    elsewhere = Trace(1_000, whole.columns, lineage=(Interval("another", 0, 10_000),))
    assert not elsewhere.shares_lineage(whole)
    assert tail.slice(1, 3).lineage == (Interval("source", 6_000, 8_000),)


def test_lineage_of_several_sources_is_kept_whole_when_sliced() -> None:
    lineage = (Interval("a", 0, 1_000), Interval("b", 0, 1_000))
    assert Trace(1_000, make([1, 2]).columns, lineage=lineage).slice(0, 1).lineage == lineage


@pytest.mark.parametrize("rate_bps", [1e9, 1_500_000.0, 999.0, 333_333.0, 0.6])
def test_a_constant_trace_has_its_rate(rate_bps: float) -> None:
    assert constant(rate_bps).mean_rate_bps == pytest.approx(rate_bps, abs=0.5)


def test_a_constant_trace_needs_a_positive_rate() -> None:
    for rate_bps in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=r"rate_bps=.*: must be above 0"):
            constant(rate_bps)
    with pytest.raises(ValueError, match=r"rate_bps=0.4: must be a bit a second, rounded"):
        constant(0.4)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300))
def test_rounding_errors_of_whole_bits_do_not_add_up(bits: list[float]) -> None:
    whole = whole_bits(bits)
    assert np.abs(np.cumsum(whole) - np.cumsum(bits)).max() <= 0.5
    assert whole.min() >= 0


def test_twice_the_limit_fits_64_bits() -> None:
    assert np.iinfo(np.int64).max >= 2 * BITS_LIMIT - 1
