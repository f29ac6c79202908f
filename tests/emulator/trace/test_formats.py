"""Importers keep a file's values and refuse errors with their place; Mahimahi files are exported byte for byte."""

import json
import re
import tempfile
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.trace import Release, Trace, constant
from emulator.trace.formats import (
    PRESETS,
    CsvColumns,
    Format,
    cut_to_length_of,
    export_mahimahi,
    import_trace,
    parse_columns,
    summary,
)

UCC_HEADER = "Timestamp,RSRP,RSRQ,SNR,CQI,RSSI,DL_bitrate\n"
PLAIN = CsvColumns(time="t", rate="r", keep={"snr_db": "s"})


def written(folder: Path, content: str | bytes, name: str = "recording") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_mahimahi_slot_ends_at_the_opportunity(tmp_path: Path) -> None:
    trace = import_trace(written(tmp_path, "1\n1\n3\n5\n"), "mahimahi")
    assert (trace.slot_ns, trace.release, trace.period_ns) == (1_000_000, "slot", 5_000_000)
    np.testing.assert_array_equal(trace.capacity_bits, [24_000, 0, 12_000, 0, 12_000])


def test_mahimahi_opportunity_at_zero_belongs_to_the_period_before(tmp_path: Path) -> None:
    trace = import_trace(written(tmp_path, "0\n0\n2\n"), "mahimahi")
    np.testing.assert_array_equal(trace.capacity_bits, [0, 36_000])


@pytest.mark.parametrize(
    "content",
    [
        b"1",
        b"1\n",
        b"0\n1\n",
        b"0\n0\n7\n7",
        b"0\r\n3\r\n3\r\n",
        b"5\r\n9",
        b"100\n",
    ],
)
def test_mahimahi_is_exported_byte_for_byte(content: bytes, tmp_path: Path) -> None:
    trace = import_trace(written(tmp_path, content), "mahimahi")
    trace.save(tmp_path / "t.parquet")
    export_mahimahi(Trace.load(tmp_path / "t.parquet"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content


@given(
    st.lists(st.integers(0, 2_000), max_size=300),
    st.integers(1, 2_000),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_any_mahimahi_file_is_exported_unchanged(values: list[int], last: int, newline: str, ends: bool) -> None:
    opportunities = [*sorted(value for value in values if value <= last), last]
    content = (newline.join(map(str, opportunities)) + newline * ends).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), content)
        trace = import_trace(path, "mahimahi")
        export_mahimahi(trace, path)
        assert path.read_bytes() == content
    counts = Counter(value or last for value in opportunities)
    assert trace.capacity_bits.tolist() == [12_000 * counts[ms] for ms in range(1, last + 1)]
    assert trace.mean_rate_bps == pytest.approx(len(opportunities) * 12_000 * 1_000 / last)


@given(
    st.lists(st.integers(0, 100_000), min_size=1, max_size=50).filter(any),
    st.sampled_from([250_000, 1_000_000, 3_000_000, 4_000_000]),
    st.sampled_from(["fluid", "slot"]),
)
def test_export_of_any_trace_carries_fractions_of_packets(bits: list[int], slot_ns: int, release: Release) -> None:
    bits = bits * 4  # whole milliseconds
    trace = Trace(slot_ns, {"capacity_bits": np.array(bits, dtype=np.int64)}, release)
    with tempfile.TemporaryDirectory() as folder:
        export_mahimahi(trace, Path(folder) / "out")
        opportunities = [int(line) for line in (Path(folder) / "out").read_text().splitlines()]
        again = import_trace(Path(folder) / "out", "mahimahi")
    assert len(opportunities) == -(-sum(bits) // 12_000)
    assert opportunities[-1] * 1_000_000 == trace.period_ns == again.period_ns
    running = [Fraction(0)]
    for slot in bits:
        running.append(running[-1] + slot)
    for packet, ms in enumerate(opportunities[:-1], 1):

        def sent_by(now_ns: int) -> Fraction:
            slot, part_ns = divmod(now_ns, slot_ns)
            inside = Fraction(bits[slot] * part_ns, slot_ns) if part_ns and release == "fluid" else 0
            return running[slot] + inside

        assert sent_by(ms * 1_000_000) >= packet * 12_000
        assert sent_by((ms - 1) * 1_000_000) < packet * 12_000


def test_export_uses_the_default_layout_for_changed_values(tmp_path: Path) -> None:
    trace = import_trace(written(tmp_path, "0\n0\n2\n4"), "mahimahi")
    export_mahimahi(trace.slice(0, 2), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"2\n"
    export_mahimahi(trace.scale(2.0), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"2\n2\n4\n4\n4\n4\n4\n4\n"


def test_export_needs_a_period_of_whole_milliseconds(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="period_ns=500000: must be whole milliseconds"):
        export_mahimahi(constant(1e9, 500_000), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_rate_holds_averages_and_keeps_zeros(tmp_path: Path) -> None:
    """Starts at 15 s; 16 s twice (2 and 4 average to 3); 17 and 18 s absent; 19 s zero."""
    trace = import_trace(written(tmp_path, "15 1.0\n16\t2\n16 4.0\n19 0.0\n20 7.5\n"), "rate")
    assert (trace.slot_ns, trace.release) == (1_000_000_000, "fluid")
    np.testing.assert_array_equal(trace.capacity_bits / 1e6, [1, 3, 3, 3, 0, 7.5])


@pytest.mark.parametrize(
    ("content", "slot_ms", "rates"),
    [
        ("0 8\n", 1_000, [8]),
        ("0 8\n0 4\n", 1_000, [6]),
        ("0 8\n0.5 4\n1.0 2\n", 500, [8, 4, 2]),
        ("0 8\n0.4 4\n1.0 2\n", 200, [8, 8, 4, 4, 4, 2, 2]),  # steps of 400 and 600 ms tie: the shorter holds last
        ("-2 8\n-1 4\n", 1_000, [8, 4]),
        ("1e3 8\r\n1001 4\r\n\r\n", 1_000, [8, 4]),
        ("\ufeff0 8\n2 4\n", 2_000, [8, 4]),
        ("0 8\n0.0004 4\n1 2\n", 1_000, [6, 2]),  # stamps are taken to the nearest millisecond
    ],
)
def test_rate_slots(content: str, slot_ms: int, rates: list[float], tmp_path: Path) -> None:
    trace = import_trace(written(tmp_path, content), "rate")
    assert trace.slot_ns == slot_ms * 1_000_000
    np.testing.assert_allclose(trace.capacity_bits * 1e3 / slot_ms / 1e6, rates)


def test_rates_too_high_for_long_slots_get_shorter_ones(tmp_path: Path) -> None:
    trace = import_trace(written(tmp_path, "0 20000\n1 1000000\n2 5\n"), "rate")
    assert trace.slot_ns in (1_000_000, 10_000_000)
    assert trace.period_ns == 3_000_000_000
    assert [trace.rate_bps(s * 10**9, (s + 1) * 10**9) for s in range(3)] == [2e10, 1e12, 5e6]


@given(
    st.lists(st.tuples(st.integers(0, 40), st.floats(0, 5_000)), min_size=1, max_size=60).filter(
        lambda samples: any(rate > 1 for _, rate in samples)
    )
)
def test_rate_mean_is_the_time_weighted_one(samples: list[tuple[int, float]]) -> None:
    samples = sorted(samples)
    by_stamp: dict[int, list[float]] = {}
    for stamp, rate in samples:
        by_stamp.setdefault(stamp, []).append(rate)
    stamps = sorted(by_stamp)
    steps = [after - before for before, after in pairwise(stamps)]
    last = min(steps, key=lambda step: (-steps.count(step), step)) if steps else 1
    means = [sum(by_stamp[stamp]) / len(by_stamp[stamp]) for stamp in stamps]
    holds = [*steps, last]
    with tempfile.TemporaryDirectory() as folder:
        content = "".join(f"{stamp} {rate!r}\n" for stamp, rate in samples)
        trace = import_trace(written(Path(folder), content), "rate")
    assert trace.period_ns == sum(holds) * 10**9
    expected = sum(mean * hold for mean, hold in zip(means, holds, strict=True)) * 1e6 / sum(holds)
    assert trace.mean_rate_bps == pytest.approx(expected, abs=1 / sum(holds))


def test_csv_is_read_by_its_column_map(tmp_path: Path) -> None:
    content = 't,who,r,s\n10,"a,b",100,1\n10,x,300,3\n11,x,-,9\n12,x,500,-\n13,x,0,\n'
    trace = import_trace(written(tmp_path, content), "csv", replace(PLAIN, rate_unit="kbit/s"))
    np.testing.assert_array_equal(trace.capacity_bits, [200_000, 200_000, 500_000, 0])
    np.testing.assert_array_equal(trace.columns["snr_db"], [2, 2, np.nan, np.nan])


def test_csv_leaves_out_the_first_seconds(tmp_path: Path) -> None:
    path = written(tmp_path, "t,r,s\n5,900,1\n6,800,1\n7,3,1\n8,4,2\n")
    trace = import_trace(path, "csv", replace(PLAIN, skip_s=2))
    np.testing.assert_array_equal(trace.capacity_bits, [3_000_000, 4_000_000])
    assert [(i.start_ns, i.stop_ns) for i in trace.lineage] == [(2 * 10**9, 4 * 10**9)]
    whole = import_trace(path, "csv", PLAIN)
    assert whole.shares_lineage(trace) and not whole.slice(0, 2).shares_lineage(trace)


def test_csv_preset_is_found_by_the_header(tmp_path: Path) -> None:
    content = UCC_HEADER + "2020.02.13_13.03.59,-100,-13,1.5,13,-,24\n2020.02.13_13.04.00,-99,-,2,8,-103,3\n"
    trace = import_trace(written(tmp_path, content), "csv")
    np.testing.assert_array_equal(trace.capacity_bits, [24_000, 3_000])
    np.testing.assert_array_equal(trace.columns["rsrp_dbm"], [-100, -99])
    np.testing.assert_array_equal(trace.columns["rsrq_db"], [-13, np.nan])
    assert trace.metadata["columns"]["rate_unit"] == "kbit/s"


SIGCOMM_HEADER = "time_since_start,Throughput,nr_ssRsrp,nr_ssSinr,movingSpeed,nrStatus,direction\n"


@pytest.mark.parametrize(("direction", "expected"), [("uplink", [20, 30, 40]), ("downlink", [471, 363, 9, 20, 30, 40])])
def test_sigcomm_uplinks_start_after_the_spike(direction: str, expected: list[int], tmp_path: Path) -> None:
    rates = [471, 363, 9, 20, 30, 40]
    lines = [f"{at},{rate},-90,12,1.5,CONNECTED,{direction}\n" for at, rate in enumerate(rates)]
    path = written(tmp_path, SIGCOMM_HEADER + "".join(lines))
    for columns in (None, parse_columns("sigcomm21")):
        np.testing.assert_array_equal(import_trace(path, "csv", columns).capacity_bits / 1e6, expected)
    assert len(import_trace(path, "csv", parse_columns("sigcomm21,skip_s=5"))) == 1
    assert len(import_trace(path, "csv", parse_columns("sigcomm21,skip_s=0"))) == 6


def test_sigcomm_radio_columns_are_of_nr_alone(tmp_path: Path) -> None:
    """Where NR is not connected, the file's RSRP is LTE's: NaN here. Speed and rate stay."""
    states = ["CONNECTED", "NOT_RESTRICTED", "NONE", "CONNECTED"]
    lines = [f"{at},5,-{90 + at},{at},1.5,{state},downlink\n" for at, state in enumerate(states)]
    trace = import_trace(written(tmp_path, SIGCOMM_HEADER + "".join(lines)), "csv")
    np.testing.assert_array_equal(trace.columns["nr"], [1, 0, 0, 1])
    np.testing.assert_array_equal(trace.columns["rsrp_dbm"], [-90, np.nan, np.nan, -93])
    np.testing.assert_array_equal(trace.columns["sinr_db"], [0, np.nan, np.nan, 3])
    np.testing.assert_array_equal(trace.columns["speed_mps"], [1.5] * 4)
    np.testing.assert_array_equal(trace.capacity_bits, [5_000_000] * 4)


def test_uccmisl_rows_around_a_ping_are_left_out(tmp_path: Path) -> None:
    """A ping in row 5's second: rows from one second before to two after it, and the sample before them holds."""
    header = UCC_HEADER.replace("\n", ",PINGAVG,PINGLOSS,NetworkMode\n")
    rates = [10, 11, 12, 13, 0, 1, 2, 7, 14, 15]
    pings = {5: "75.0,0.0"}
    lines = [
        f"2020.02.13_13.03.{20 + at},-100,-13,1.5,13,-99,{rate},{pings.get(at, '-,-')},{'LTE' if at == 9 else '5G'}\n"
        for at, rate in enumerate(rates)
    ]
    path = written(tmp_path, header + "".join(lines))
    trace = import_trace(path, "csv")
    np.testing.assert_array_equal(trace.capacity_bits / 1e3, [10, 11, 12, 13, 13, 13, 13, 13, 14, 15])
    np.testing.assert_array_equal(trace.columns["sinr_db"], [1.5] * 9 + [np.nan])
    assert trace.metadata["rows_paused"] == 4
    every = replace(PRESETS["uccmisl"], paused_by=())
    np.testing.assert_array_equal(import_trace(path, "csv", every).capacity_bits / 1e3, rates)
    lost = header + "2020.02.13_13.03.20,-100,-13,1.5,13,-99,5,-,100.0,5G\n"  # the ping itself was lost
    with pytest.raises(ValueError, match="samples=0"):
        import_trace(written(tmp_path, lost), "csv")


def test_the_longer_of_two_directions_is_cut_to_the_shorter(tmp_path: Path) -> None:
    up = import_trace(written(tmp_path, "1\n3\n7\n", "up"), "mahimahi")
    down = import_trace(written(tmp_path, "2\n5\n", "down"), "mahimahi")
    assert cut_to_length_of(up, down).period_ns == cut_to_length_of(down, up).period_ns == 5_000_000
    assert cut_to_length_of(down, up).sha256 == down.sha256
    np.testing.assert_array_equal(cut_to_length_of(up, down).capacity_bits, up.capacity_bits[:5])


def test_lineage_is_the_files_digest(tmp_path: Path) -> None:
    a = import_trace(written(tmp_path, "0 1\n1 2\n", "a"), "rate")
    b = import_trace(written(tmp_path, "0 1\n1 2\n", "b"), "rate")
    c = import_trace(written(tmp_path, "0 1\n1 3\n", "c"), "rate")
    assert a.lineage == b.lineage and a.shares_lineage(b) and not a.shares_lineage(c)
    assert re.fullmatch("sha256:[0-9a-f]{64}", a.lineage[0].source)
    assert (a.lineage[0].start_ns, a.lineage[0].stop_ns) == (0, a.period_ns)


BAD: list[tuple[Format, str | bytes, str]] = [
    ("mahimahi", "", "opportunities=0: must hold at least one line"),
    ("mahimahi", "0\n", "row 1: opportunity_ms=0: must be above 0 on the last line, which is the period"),
    ("mahimahi", "3\n2\n", "row 2: opportunity_ms=2: must not be below the line before it, 3"),
    ("mahimahi", "1\n-2\n", "row 2: opportunity_ms='-2': must be a whole number of ms"),
    ("mahimahi", "1\n2.5\n", "row 2: opportunity_ms='2.5': must be a whole number of ms"),
    ("mahimahi", "1\n\n2\n", "row 2: opportunity_ms='': must be a whole number of ms"),
    ("mahimahi", "1\n2 \n", "row 2: opportunity_ms='2 ': must be a whole number of ms"),
    ("mahimahi", "01\n", "row 1: opportunity_ms='01': must be a whole number of ms: digits alone, no leading zero"),
    ("mahimahi", "1\r\n2\n3\r\n", "row 2: opportunity_ms='2\\n3': must be a whole number of ms"),
    ("mahimahi", b"\xff\xfe\n", "row 1: opportunity_ms='\\\\xff\\\\xfe': must be a whole number of ms"),
    ("mahimahi", "1\n" + "9" * 5_000, "row 2: opportunity_ms='99999999999999999999999999999999999...: must be at most"),
    ("mahimahi", "86400001\n", "row 1: opportunity_ms='86400001': must be at most 86400000 (a day)"),
    ("rate", "", "row 1: line='': must hold two numbers: seconds and Mbit/s"),
    ("rate", "0 1\n1\n", "row 2: line='1': must hold two numbers"),
    ("rate", "0 1\n1 2 3\n", "row 2: line='1 2 3': must hold two numbers"),
    ("rate", "0 1\n\n2 3\n", "row 2: line='': must hold two numbers"),
    ("rate", "0 1\n1 fast\n", "row 2: rate='fast': must be a finite number"),
    ("rate", "0 1\n1 nan\n", "row 2: rate='nan': must be a finite number"),
    ("rate", "0 inf\n", "row 1: rate='inf': must be a finite number"),
    ("rate", "0 1_000\n", "row 1: rate='1_000': must be a finite number"),
    ("rate", "noon 1\n", "row 1: time='noon': must be a finite number"),
    ("rate", "0 1\n1 -0.5\n", "row 2: rate='-0.5': must not be negative"),
    ("rate", "0 1\n2 1\n1 1\n0 1\n", "row 3: time='1': must not be before row 2's"),
    ("rate", "0 1\n1 1e7\n", "row 2: rate='1e7': must be at most 1 Tbit/s"),
    ("rate", "0 1\n1 1\n1e9 1\n", "slots=1000000001 of 1000 ms: must be at most 86400000"),
    ("rate", "0 0\n1 0\n", "rate=0 in all 2 rows: some must be above 0"),
    ("rate", b"0 1\n1 \x80\n", "row 2: byte=b'\\x80': must be UTF-8 text"),
    ("csv", "", "header: must name the columns in the first line"),
    ("csv", "a,b\n1,2\n", "columns: must be named, as no preset (sigcomm21, uccmisl, gnettrack, "),
    ("csv", UCC_HEADER, "samples=0: must hold at least one row with a rate"),
    ("csv", UCC_HEADER + "2020.02.13_13.03.59,1,1,1,1,1,-\n", "samples=0: must hold at least one row with a rate"),
    ("csv", UCC_HEADER + "2020.02.13_13.03.59,1,1,1,1\n", "row 2: fields=5: must be 7, as the header has"),
    ("csv", UCC_HEADER + "13:03:59,1,1,1,1,1,1\n", "row 2: Timestamp='13:03:59': must be a time like '%Y.%m.%d_"),
    ("csv", UCC_HEADER + "-,1,1,1,1,1,1\n", "row 2: Timestamp='-': must be a time like"),
    ("csv", UCC_HEADER + "2020.02.13_13.03.59,1,1,1,1,1,x\n", "row 2: DL_bitrate='x': must be a finite number"),
    ("csv", UCC_HEADER + "2020.02.13_13.03.59,1,1,1,1,1,-4\n", "row 2: rate='-4': must not be negative"),
    ("csv", UCC_HEADER + "2020.02.13_13.03.59,1,bad,1,1,1,4\n", "row 2: rsrq_db='bad': must be a finite number"),
    (
        "csv",
        UCC_HEADER + "2020.02.13_13.03.59,1,1,1,1,1,4\n\n2020.02.13_13.03.58,1,1,1,1,1,4\n",
        "row 4: time='2020.02.13_13.03.58': must not be before row 2's",
    ),
    ("csv", UCC_HEADER + '2020.02.13_13.03.59,"1,1,1,1,1,4\n', "row 2: must be CSV"),
    ("csv", UCC_HEADER.replace("RSRP", "SNR"), "columns: must be named"),
]


@pytest.mark.parametrize(("format", "content", "rule"), BAD)
def test_a_file_that_breaks_a_rule_is_refused_in_one_line(
    format: Format, content: str | bytes, rule: str, tmp_path: Path
) -> None:
    path = written(tmp_path, content, "bad.recording")
    with pytest.raises(ValueError, match=re.escape(f"{path}: {rule}")) as caught:
        import_trace(path, format)
    assert "\n" not in str(caught.value)


def test_a_column_that_is_absent_or_doubled_is_refused(tmp_path: Path) -> None:
    for header, count in (("t,q,s", 0), ("t,r,r,s", 2)):
        path = written(tmp_path, f"{header}\n")
        with pytest.raises(ValueError, match=f"row 1: column='r': must stand once in the header, not {count} times"):
            import_trace(path, "csv", PLAIN)


def test_skipping_every_row_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "t,r,s\n5,900,1\n")
    with pytest.raises(ValueError, match="samples=0: must hold at least one row with a rate, after any that"):
        import_trace(path, "csv", replace(PLAIN, skip_s=1))


def test_format_and_columns_must_fit(tmp_path: Path) -> None:
    path = written(tmp_path, "1\n")
    with pytest.raises(ValueError, match="columns: must be given for csv, list, iperf3, oai alone"):
        import_trace(path, "mahimahi", PLAIN)
    with pytest.raises(ValueError, match="format='pcap': must be one of mahimahi, rate, csv, list, iperf3, oai"):
        import_trace(path, cast(Format, "pcap"))
    with pytest.raises(FileNotFoundError, match="absent"):
        import_trace(tmp_path / "absent", "rate")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uccmisl", PRESETS["uccmisl"]),
        ("sigcomm21,skip_s=5", replace(PRESETS["sigcomm21"], skip_s=5.0, skip_where={})),
        (
            "sigcomm21,rate=uplink_mbps,rsrp_dbm=rsrp",
            replace(PRESETS["sigcomm21"], rate="uplink_mbps", radio={**PRESETS["sigcomm21"].radio, "rsrp_dbm": "rsrp"}),
        ),
        ("time=t,rate=r,snr_db=s", PLAIN),
        (
            "time=T,rate=R,unit=bit/s,format=%H:%M:%S",
            CsvColumns("T", "R", "bit/s", "%H:%M:%S"),
        ),
    ],
)
def test_a_column_map_is_parsed(text: str, expected: CsvColumns) -> None:
    assert parse_columns(text) == expected


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "columns='': must be name=column"),
        ("lumos", "columns='lumos': must be name=column, or start with one of sigcomm21, uccmisl"),
        ("time=t", "must name the rate column"),
        ("rate=r", "must name the time column"),
        ("time=t,rate=r,unit=GB", "columns.unit='GB': must be one of bit/s, kbit/s, Mbit/s"),
        ("time=t,rate=r,skip_s=soon", "columns.skip_s='soon': must be a number of seconds"),
        ("time=t,rate=r,skip_s=-1", "columns.skip_s=-1.0: must be at least 0"),
        ("time=t,rate=r,skip_s=nan", "columns.skip_s=nan: must be at least 0"),
        ("time=t,rate=r,skip_s=1e307", "columns.skip_s=1e+307: must be at least 0 and at most 1e+10"),
        ("time=t,rate=r,block_lost=b", "columns.keep='block_lost': must not be a column that decides"),
    ],
)
def test_an_invalid_column_map_is_refused(text: str, rule: str) -> None:
    with pytest.raises(ValueError, match=re.escape(rule)):
        parse_columns(text)


@pytest.mark.parametrize("time", ["1e308", "-1e306", "1e11"])
def test_an_impossible_timestamp_is_refused(time: str, tmp_path: Path) -> None:
    rule = f"='{time}': must lie within 1e+10 s of 0"
    with pytest.raises(ValueError, match=re.escape(f"row 1: time{rule}")):
        import_trace(written(tmp_path, f"{time} 1\n"), "rate")
    with pytest.raises(ValueError, match=re.escape(f"row 2: t{rule}")):
        import_trace(written(tmp_path, f"t,r\n{time},1\n"), "csv", CsvColumns(time="t", rate="r"))


def test_seconds_since_1970_are_timestamps(tmp_path: Path) -> None:
    trace = import_trace(written(tmp_path, "1700000000 1\n1700000001 2\n"), "rate")
    np.testing.assert_array_equal(trace.capacity_bits, [1_000_000, 2_000_000])


def test_an_export_needs_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "t.mahimahi"
    with pytest.raises(ValueError) as caught:
        export_mahimahi(constant(12e6), path)
    assert str(caught.value) == f"{path}: folder must exist"


def test_summary_is_of_whole_seconds(tmp_path: Path) -> None:
    trace = import_trace(written(tmp_path, "".join(f"{s} {s}\n" for s in range(101))), "rate")
    facts = json.loads(json.dumps(summary(trace)))
    assert facts["mean_rate_bps"] == 50e6 and facts["duration_ns"] == 101 * 10**9 and facts["slots"] == 101
    assert (facts["rate_1s_p5_bps"], facts["rate_1s_p50_bps"], facts["rate_1s_p95_bps"]) == (5e6, 50e6, 95e6)
    assert facts["zero_seconds_share"] == pytest.approx(1 / 101)
    assert facts["sha256"] == trace.sha256 and facts["lineage"][0]["start_ns"] == 0


def test_summary_of_less_than_a_second_has_one_rate() -> None:
    facts = summary(constant(2e6))
    assert facts["rate_1s_p5_bps"] == facts["rate_1s_p95_bps"] == facts["mean_rate_bps"] == 2e6
