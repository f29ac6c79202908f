"""Tables as the field has them: each failure that was met, with its right value."""

import bz2
import gzip
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.trace import Trace
from emulator.trace.formats import import_trace, parse_columns

LONG_GAP = "t,mbps\n" + "".join(f"{at},{300 if at == 59 else 10}\n" for at in [*range(60), *range(7200, 7260)])


def imported(folder: Path, content: str | bytes, columns: str | None, **where: str) -> Trace:
    path = folder / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return import_trace(path, "csv", None if columns is None else parse_columns(columns), where)


def rates_mbps(trace: Trace) -> list[float]:
    return [round(bits * 1e3 / trace.slot_ns, 6) for bits in trace.capacity_bits.tolist()]


def about(trace: Trace, name: str) -> Any:
    return trace.metadata["counts"][name]


def test_offset_that_changes_with_summer_time_leaves_no_gap(tmp_path: Path) -> None:
    stamps = ["2031-03-30T01:59:57+0100", "2031-03-30T01:59:58+0100", "2031-03-30T01:59:59+0100",
              "2031-03-30T03:00:00+0200", "2031-03-30T03:00:01+0200"]  # fmt: skip
    content = "time,mbps\n" + "".join(f"{at},{rate}\n" for at, rate in zip(stamps, [20, 20, 80, 20, 20], strict=True))
    for columns in ("time=time,format=%Y-%m-%dT%H:%M:%S%z,rate=mbps", "time=time,rate=mbps"):
        trace = imported(tmp_path, content, columns)
        assert (trace.period_ns, trace.mean_rate_bps) == (5 * 10**9, 32e6)


@pytest.mark.parametrize(
    ("stamps", "columns"),
    [
        (["2031-10-26T02:59:58+02:00", "2031-10-26T02:59:59+02:00", "2031-10-26T02:00:00+01:00"], "time=t"),
        (["2031-10-26T00:59:58Z", "2031-10-26T02:59:59+02:00", "2031-10-26T02:00:00+01:00"], "time=t"),
        (["2031-10-26T00:59:58Z", "2031-10-26T02:59:59+0200", "2031-10-26T02:00:00+01:00"],
         "time=t,format=%Y-%m-%dT%H:%M:%S%z"),
        (["2031-10-26 02:59:58 CEST", "2031-10-26 02:59:59 CEST", "2031-10-26 02:00:00 CET"], "time=t"),
        (["2031-10-26 00:59:58 UTC", "2031-10-26 02:59:59 CEST", "2031-10-26 01:00:00 GMT"],
         "time=t,format=%Y-%m-%d %H:%M:%S %Z"),
        (["Sun Oct 26 02:59:58 CEST 2031", "Sun Oct 26 02:59:59 CEST 2031", "Sun Oct 26 02:00:00 CET 2031"],
         "time=t,format=%a %b %d %H:%M:%S %Z %Y"),
        (["2031-10-26T02:59:58+02:00[Europe/Berlin]", "2031-10-26T02:59:59+02:00[Europe/Berlin]",
          "2031-10-26T02:00:00+01:00[Europe/Berlin]"], "time=t"),
        (["2031-10-26 02:59:58", "2031-10-26 02:59:59", "2031-10-26 02:00:00"], "time=t,zone=Europe/Berlin"),
        (["2031-03-30 01:59:58", "2031-03-30 01:59:59", "2031-03-30 03:00:00"], "time=t,zone=Europe/Berlin"),
        (["2031-10-26 02:59:58 Asia/Tokyo", "2031-10-26 02:59:59 Asia/Tokyo", "2031-10-25 18:00:00 UTC"], "time=t"),
        (["Oct 26, 2031 02:59:58.000116224 CEST", "Oct 26, 2031 02:59:59.0001 CEST",
          "Oct 26, 2031 02:00:00.000116 CET"],
         '"format=%b %d, %Y %H:%M:%S.%f %Z",time=t'),
        (["2031-07-26 23:59:58", "2031-07-26 23:59:59", "2031-07-27 00:00:00"], "time=t,zone=-05:00"),
    ],
)  # fmt: skip
def test_stamps_with_zones_are_a_second_apart(stamps: list[str], columns: str, tmp_path: Path) -> None:
    content = "t;mbps\n" + "".join(f"{stamp};{rate}\n" for stamp, rate in zip(stamps, [1, 2, 3], strict=True))
    assert rates_mbps(imported(tmp_path, content, f"{columns},rate=mbps")) == [1, 2, 3]


@pytest.mark.parametrize(
    ("unit", "stamps"),
    [
        ("ms", ["1900000000250", "1900000000500", "1900000000750"]),
        ("us", ["1900000000250000", "1900000000500000", "1900000000750000"]),
        ("ns", ["1900000000250000123", "1900000000500000456", "1900000000750000789"]),
        ("ms", ["0", "250", "500"]),
        ("ns", ["0", "250000000", "500000000"]),
        ("s", ["1900000000.250", "1900000000.500", "1900000000.750"]),
        ("min", ["0", "0.004166666", "0.008333333"]),
    ],
)
def test_unit_of_time_is_given_and_empty_header_cells_do_no_harm(unit: str, stamps: list[str], tmp_path: Path) -> None:
    content = "Timestamp,,ul [Mbps],,sinr\n" + "".join(f"{at},,{3.5 + i},,{20 + i}\n" for i, at in enumerate(stamps))
    trace = imported(tmp_path, content, f"time=Timestamp,time_unit={unit},rate=ul [Mbps],sinr_db=sinr")
    assert (trace.slot_ns, rates_mbps(trace)) == (250_000_000, [3.5, 4.5, 5.5])
    assert trace.columns["sinr_db"].tolist() == [20, 21, 22]


def test_epoch_of_ms_taken_for_seconds_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"row 2: t='1900000000250': must lie within 1e\+10 s of 0 \(time_unit is"):
        imported(tmp_path, "t,r\n1900000000250,1\n", "time=t,rate=r")


def test_step_is_given_where_stamps_come_in_bunches(tmp_path: Path) -> None:
    rows = [(2 * bunch + at / 1e3, 8 if at == 3 else 80) for bunch in range(3) for at in range(4)]
    content = "t,mbps\n" + "".join(f"{at:.3f},{rate}\n" for at, rate in rows)
    trace = imported(tmp_path, content, "time=t,rate=mbps,step_s=0.5")
    assert (trace.slot_ns, len(trace), trace.mean_rate_bps) == (500_000_000, 12, 62e6)
    assert imported(tmp_path, content, "rate=mbps,step_s=0.5").sha256 == trace.sha256
    believed = imported(tmp_path, content, "time=t,rate=mbps")
    assert [
        note for note in believed.metadata["notes"] if "stamps come in bunches" in note and "step_s (about 0.5)" in note
    ]


def test_row_without_a_rate_takes_its_step(tmp_path: Path) -> None:
    trace = imported(tmp_path, "r\n1\nNaN\n3\n4\n-\n", "rate=r,step_s=0.5")
    assert (trace.slot_ns, rates_mbps(trace)) == (500_000_000, [1, 1, 3, 4, 4])


def test_long_gap_is_told_and_limited(tmp_path: Path) -> None:
    held = imported(tmp_path, LONG_GAP, "time=t,rate=mbps")
    assert about(held, "longest_hold_s") == 7141 and about(held, "longest_hold_at_s") == 59
    assert [
        note for note in held.metadata["notes"] if "gaps of more than 10 usual steps (1 s) are held: 1, 98.4%" in note
    ]
    limited = imported(tmp_path, LONG_GAP, "time=t,rate=mbps,max_gap_s=2")
    assert limited.period_ns == 121 * 10**9 and limited.mean_rate_bps == pytest.approx((119 * 10 + 600) * 1e6 / 121)
    assert about(limited, "gap_left_out_s") == 7139 and about(limited, "longest_hold_s") == 2
    assert not [note for note in limited.metadata["notes"] if "max_gap_s" in note or "300 Mbit/s" in note]
    assert limited.lineage == held.lineage  # a part of it keeps the whole: slots and times have lost their alignment


def test_words_for_missing_values_leave_out_a_rate_and_are_no_number_in_a_kept_column(tmp_path: Path) -> None:
    content = "t,mbps,sinr\n0,10,20\n1,NaN,nan\n2,12,null\n3,11,N/A\n4,NA,3\n5,-,2\n6,,1\n7,None,0\n8,9,--\n"
    trace = imported(tmp_path, content, "time=t,rate=mbps,sinr_db=sinr")
    assert rates_mbps(trace) == [10, 10, 12, 11, 11, 11, 11, 11, 9]
    assert np.nan_to_num(trace.columns["sinr_db"], nan=-99).tolist() == [20, 20, -99, -99, -99, -99, -99, -99, -99]
    assert about(trace, "rows_without_rate") == 5


def test_values_that_mean_missing_are_named_per_column(tmp_path: Path) -> None:
    content = "t,mbps,sinr,rsrp\n0,10,20,-90\n1,-1,9999,-140\n2,12,out,-91\n"
    columns = "time=t,rate=mbps,sinr_db=sinr,rsrp_dbm=rsrp,missing.rate=-1.0,missing.sinr_db=9999|out"
    trace = imported(tmp_path, content, columns)
    assert rates_mbps(trace) == [10, 12] and trace.columns["rsrp_dbm"].tolist() == [-90, -91]
    assert np.isnan(trace.columns["sinr_db"]).tolist() == [False, True]
    everywhere = imported(tmp_path, content, "time=t,rate=mbps,rsrp_dbm=rsrp,missing=-1|-91")
    assert np.isnan(everywhere.columns["rsrp_dbm"]).tolist() == [False, True]


def test_placeholder_kept_as_a_value_is_told(tmp_path: Path) -> None:
    content = "t,mbps,sinr\n0,10,20\n1,11,2147483647\n2,12,3\n"
    trace = imported(tmp_path, content, "time=t,rate=mbps,sinr_db=sinr")
    assert [note for note in trace.metadata["notes"] if "sinr_db has the value 2147483647 in 1 rows" in note]


GLITCH = "t,sent_bytes,mbps\n0,1000000,8\n3,4000000,8\n6,0,-10.7\n9,10000000,26.7\n12,13000000,8\n"


def test_counter_misread_once_is_left_out(tmp_path: Path) -> None:
    trace = imported(tmp_path, GLITCH, "time=t,rate=sent_bytes,unit=B-counter")
    assert trace.period_ns == 12 * 10**9 and set(rates_mbps(trace)) == {8.0}
    assert (about(trace, "rows_misread"), about(trace, "counter_resets")) == (1, 0)


def test_counter_that_jumped_up_once_is_left_out(tmp_path: Path) -> None:
    counts = [1_000_000, 2_000_000, 4_294_967_295, 4_000_000, 5_000_000]
    content = "t,b\n" + "".join(f"{at},{count}\n" for at, count in enumerate(counts))
    trace = imported(tmp_path, content, "time=t,rate=b,unit=B-counter")
    assert trace.period_ns == 4 * 10**9 and set(rates_mbps(trace)) == {8.0}
    assert (about(trace, "rows_misread"), about(trace, "counter_resets")) == (1, 0)


def test_negative_rate_is_left_out_with_the_row_after_it_on_request(tmp_path: Path) -> None:
    trace = imported(tmp_path, GLITCH, "time=t,rate=mbps,glitches=leave_out")
    assert trace.period_ns == 15 * 10**9 and set(rates_mbps(trace)) == {8.0}
    assert (about(trace, "rows_negative"), about(trace, "rows_after_negative")) == (1, 1)
    with pytest.raises(ValueError, match=r"row 4: rate='-10.7': must not be negative"):
        imported(tmp_path, GLITCH, "time=t,rate=mbps")


def test_counter_that_begins_anew_holds_the_rate_before(tmp_path: Path) -> None:
    counts = [5_000_000, 6_000_000, 7_000_000, 20, 500_020, 1_000_020]
    content = "t,b\n" + "".join(f"{at},{count}\n" for at, count in enumerate(counts))
    trace = imported(tmp_path, content, "time=t,rate=b,unit=B-counter")
    assert rates_mbps(trace) == [8, 8, 8, 4, 4]
    assert (about(trace, "rows_misread"), about(trace, "counter_resets")) == (0, 1)


def test_fractions_of_seconds_have_any_number_of_digits(tmp_path: Path) -> None:
    stamps = ["2031-04-19 16:23:00.000116224", "2031-04-19 16:23:01.000148992", "2031-04-19 16:23:02.000133888"]
    content = "time,mbps\n" + "".join(f"{stamp},{rate}\n" for stamp, rate in zip(stamps, [12, 3, 7], strict=True))
    for columns in ("time=time,format=%Y-%m-%d %H:%M:%S.%f,rate=mbps", "time=time,rate=mbps"):
        trace = imported(tmp_path, content, columns)
        assert (len(trace), rates_mbps(trace)) == (3, [12, 3, 7])
    mixed = content.replace(".000148992", "").replace("02.000133888", "02.000133888123")
    assert rates_mbps(imported(tmp_path, mixed, "time=time,format=%Y-%m-%d %H:%M:%S.%f,rate=mbps")) == [12, 3, 7]


@pytest.mark.parametrize(
    ("stamps", "columns"),
    [
        (["23:59:59", "00:00:00", "00:00:01"], "time=t"),
        (["23:59:59.5", "00:00:00.5", "00:00:01.500001"], "time=t"),
        (["23:59:59", "00:00:00", "00:00:01"], "time=t,format=%H:%M:%S"),
        (["11:59:59 PM", "12:00:00 AM", "12:00:01 AM"], "time=t,format=%I:%M:%S %p"),
    ],
)
def test_times_of_day_pass_midnight(stamps: list[str], columns: str, tmp_path: Path) -> None:
    content = "t,mbps\n" + "".join(f"{stamp},{rate}\n" for stamp, rate in zip(stamps, [1, 2, 3], strict=True))
    assert rates_mbps(imported(tmp_path, content, f"{columns},rate=mbps")) == [1, 2, 3]


PACKETS = "No.,Time,Source,Destination,Protocol,Length\n" + "".join(
    f"{number},{at},10.9.0.1,10.9.0.2,UDP,1250\n" for number, at in enumerate(["0.000", "0.010", "0.020", "1.000"], 1)
)


def test_packets_are_added_up_in_intervals(tmp_path: Path) -> None:
    trace = imported(tmp_path, PACKETS, None)
    assert (trace.slot_ns, rates_mbps(trace)) == (100_000_000, [0.3, *[0] * 9, 0.1])
    seconds = imported(tmp_path, PACKETS, "wireshark,step_s=1")
    assert (seconds.slot_ns, rates_mbps(seconds)) == (10**9, [0.03, 0.01])
    assert about(trace, "packets") == 4


def test_packets_of_both_directions_are_told(tmp_path: Path) -> None:
    both = PACKETS + "5,1.010,10.9.0.2,10.9.0.1,UDP,250\n"
    (note,) = [each for each in imported(tmp_path, both, None).metadata["notes"] if "senders" in each]
    assert "(10.9.0.1, 10.9.0.2) are added up: choose a direction with --where Source=ADDRESS" in note
    assert rates_mbps(imported(tmp_path, both, "wireshark,step_s=1", Source="10.9.0.1")) == [0.03, 0.01]


RUNS = "carrier,run_num,seq_num,mbps\n" + "".join(
    f"X,{run},{at},{10 * run + at}\n" for run in (1, 2) for at in range(3)
)


def test_rows_are_chosen_by_the_value_of_a_column(tmp_path: Path) -> None:
    trace = imported(tmp_path, RUNS, "time=seq_num,rate=mbps", run_num="2")
    assert rates_mbps(trace) == [20, 21, 22]
    assert imported(tmp_path, RUNS, "time=seq_num,rate=mbps,where.run_num=2.0").sha256 == trace.sha256
    first = imported(tmp_path, RUNS, "time=seq_num,rate=mbps", run_num="1", carrier="X")
    assert not first.shares_lineage(trace)
    with pytest.raises(ValueError, match=r"where run_num=3: must be true of a row at least"):
        imported(tmp_path, RUNS, "time=seq_num,rate=mbps", run_num="3")
    with pytest.raises(ValueError, match=r"row 5: time='0': must not be before row 4's; if several runs .* by where"):
        imported(tmp_path, RUNS, "time=seq_num,rate=mbps")


SRSRAN = "time;cell;ul_rate;sinr\n0;1;12,5;18,0\n1;1;13,5;17,5\n2;1;9,25;16,0\n#eof\n"


def test_semicolons_and_decimal_commas_are_found_or_given_and_the_trailer_is_left_out(tmp_path: Path) -> None:
    for more in ("", ",delimiter=semicolon,decimal=comma", ",delimiter=;"):
        trace = imported(tmp_path, SRSRAN, f"time=time,rate=ul_rate,sinr_db=sinr{more}")
        assert rates_mbps(trace) == [12.5, 13.5, 9.25] and trace.columns["sinr_db"].tolist() == [18, 17.5, 16]


def test_tabs_are_found_or_given(tmp_path: Path) -> None:
    content = "Timestamp\tUL_kbps\tRSRP\n2031.05.02_10.00.00\t12000\t-91\n2031.05.02_10.00.01\t12500\t-92\n"
    for more in ("", ",delimiter=tab"):
        columns = f"time=Timestamp,format=%Y.%m.%d_%H.%M.%S,rate=UL_kbps,unit=kbit/s,rsrp_dbm=RSRP{more}"
        assert rates_mbps(imported(tmp_path, content, columns)) == [12, 12.5]


def test_header_is_not_needed(tmp_path: Path) -> None:
    content = "0,10\n1,12\n2,11\n"
    assert rates_mbps(imported(tmp_path, content, "header=none,time=1,rate=2")) == [10, 12, 11]
    assert rates_mbps(import_trace(tmp_path / "a.csv", "rate")) == [10, 12, 11]


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        ("bit/s", "8000000 16000000"), ("kbit/s", "8000 16000"), ("Mbit/s", "8 16"), ("Gbit/s", "0.008 0.016"),
        ("Mbps", "8 16"), ("B/s", "1000000 2000000"), ("kB/s", "1000 2000"), ("MB/s", "1 2"),
        ("B/interval", "2000000 4000000"), ("kB/interval", "2000 4000"), ("Mbit/interval", "16 32"),
    ],
)  # fmt: skip
def test_unit_of_the_rate_is_given(unit: str, values: str, tmp_path: Path) -> None:
    content = "t,x\n" + "".join(f"{2 * at},{value}\n" for at, value in enumerate(values.split()))
    assert rates_mbps(imported(tmp_path, content, f"time=t,rate=x,unit={unit}")) == [8, 16]


def test_amounts_of_an_interval_without_length_are_refused_with_their_row(tmp_path: Path) -> None:
    content = "t,b\n# begins\n0,5\n1.000,5\n1.0,5\n1.45,5\n3,5\n"
    rule = "row 5: time='1.0': must differ from the row before where amounts are per interval, or step_s be given"
    with pytest.raises(ValueError, match=f"^{re.escape(f'{tmp_path}/a.csv: {rule}')}$"):
        imported(tmp_path, content, "time=t,rate=b,unit=B/interval")
    assert imported(tmp_path, content, "rate=b,unit=B/interval,step_s=1").mean_rate_bps == 40


def test_amounts_per_interval_with_absent_rows_are_of_the_usual_interval(tmp_path: Path) -> None:
    content = "t,x\n0,1000000\n1,1000000\n2,1000000\n5,1000000\n6,1000000\n"
    assert rates_mbps(imported(tmp_path, content, "time=t,rate=x,unit=B/interval")) == [8] * 7


UTF = "t;débit\n0;1,5\n1;2,5\n"


@pytest.mark.parametrize(
    ("encode", "note"),
    [
        (lambda text: text.encode("utf-8-sig"), ""),
        (lambda text: text.encode("utf-16"), ""),
        (lambda text: text.encode("utf-16-le"), ""),
        (lambda text: b"\xfe\xff" + text.encode("utf-16-be"), ""),
        (lambda text: text.encode("latin-1"), "not UTF-8: read as latin-1"),
        (lambda text: gzip.compress(text.encode()), ""),
        (lambda text: gzip.compress(text.encode("utf-16")), ""),
        (lambda text: bz2.compress(text.encode()), ""),
        (lambda text: lzma.compress(text.encode()), ""),
        (lambda text: text.replace("\n", "\r\n").encode(), ""),
        (lambda text: ("sep=;\n" + text).encode(), ""),
        (lambda text: ("# recorded by hand; twice\n\n" + text).encode(), ""),
        (lambda text: ("#" + text).encode(), ""),
        (lambda text: ("Recorded by hand, twice\nversion 3\n\n" + text).encode(), ""),
        (
            lambda text: (
                (text + text).replace("\n0;", "\n0;").encode().replace(b"2,5\nt;", b"2,5\nt;")[: len(text.encode())]
            ),
            "",
        ),
    ],
)
def test_text_is_read_however_it_is_stored(encode: Callable[[str], bytes], note: str, tmp_path: Path) -> None:
    trace = imported(tmp_path, encode(UTF), "time=t,rate=débit")
    assert rates_mbps(trace) == [1.5, 2.5]
    assert [each for each in trace.metadata["notes"] if each.startswith("not UTF")] == ([note] if note else [])


def test_damaged_or_binary_files_are_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.csv: must be undamaged gzip data"):
        imported(tmp_path, gzip.compress(b"t,r\n0,1\n" * 99)[:-20], "time=t,rate=r")
    with pytest.raises(ValueError, match=r"row 2: byte=b'\\xff': must be UTF-8 text"):
        imported(tmp_path, b"t,r\n\xff\x00\x01", "time=t,rate=r")
    with pytest.raises(ValueError, match=r"encoding='klingon': must be an encoding that Python knows"):
        imported(tmp_path, "t,r\n0,1\n", "time=t,rate=r,encoding=klingon")


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("t;r\n0;1,5\n1;2.5\n", "row 3: r='2.5': must have a decimal comma, as other rows have"),
        ("t;r\n0;1,5\n1;2,x\n", "row 3: r='2,x': must be a number with a decimal comma"),
        ("t;r\n2031-04-19 16:23:00 IST;1\n", "row 2: t='2031-04-19 16:23:00 IST': must be a time like"),
        ("t;r\n2031-04-19T10:00:00Z;1\n2031-04-19T12:00:01;2\n", "row 3: t='2031-04-19T12:00:01': must be a time like"),
        ("t;r\n2031-10-26 02:59:59;1\n2031-10-26 02:00:00;2\n", "must not be before row 2's; if several runs"),
        ("t;r\n0;4294967295000\n", "must be at most 1 Tbit/s (missing.rate names values"),
        ("t;r\nnoon;1\n", "row 2: t='noon': must be a finite number"),
    ],
)
def test_what_stays_in_doubt_is_refused(content: str, rule: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(rule)):
        imported(tmp_path, content, "time=t,rate=r")


def test_separators_of_thousands_are_no_decimal_commas(tmp_path: Path) -> None:
    assert rates_mbps(imported(tmp_path, "t\tr\n0\t1,200.5\n1\t800\n", "time=t,rate=r")) == [1200.5, 800]
    assert rates_mbps(imported(tmp_path, "t;r\n0;1.200,5\n1;800\n", "time=t,rate=r")) == [1200.5, 800]
    assert rates_mbps(imported(tmp_path, 't,r\n0,"1,200"\n1,"2,000"\n', "time=t,rate=r,decimal=point")) == [1200, 2000]


def test_jittered_stamps_of_half_a_day_take_slots_in_proportion_to_the_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    stamps = np.arange(43_200) + rng.integers(-40, 40, 43_200) / 1e3 + 1
    rates = rng.integers(1, 100, 43_200)
    content = "t,mbps\n" + "".join(f"{at:.3f},{rate}\n" for at, rate in zip(stamps, rates, strict=True))
    trace = imported(tmp_path, content, "time=t,rate=mbps")
    assert len(trace) <= 1_000_000 and trace.slot_ns == 50_000_000
    holds = np.diff(stamps)
    assert trace.mean_rate_bps == pytest.approx((holds * rates[:-1]).sum() / holds.sum() * 1e6, rel=1e-4)
    assert [note for note in trace.metadata["notes"] if "stamps are jittered or far apart: slots of 50 ms" in note]


def test_rate_of_the_application_is_told(tmp_path: Path) -> None:
    steady = imported(tmp_path, "t,r\n" + "".join(f"{at},{10 + at % 2 / 10}\n" for at in range(40)), "time=t,rate=r")
    assert [note for note in steady.metadata["notes"] if "perhaps the application's limit" in note]
    idle = imported(tmp_path, "t,r\n" + "".join(f"{at},{at % 4 // 3}\n" for at in range(40)), "time=t,rate=r")
    assert [note for note in idle.metadata["notes"] if "the rate is 0 for 75% of the time" in note]


@pytest.mark.parametrize(
    ("header", "columns", "suggested"),
    [
        ("t,UL_kbps", "time=t,rate=UL_kbps", "column UL_kbps is read in Mbit/s, but its name suggests unit=kbit/s"),
        ("t,RATE MBPS", "time=t,rate=RATE MBPS,unit=MB/s", "read in MB/s, but its name suggests unit=Mbit/s"),
        ("t,MB/s", "time=t,rate=MB/s", "suggests unit=MB/s"),
        ("t,KiB/s", "time=t,rate=KiB/s", "suggests unit=KiB/s"),
        ("Time,Length", "time=Time,rate=Length", "suggests unit=B/packet"),
        ("t,sent_bytes", "time=t,rate=sent_bytes", "suggests unit=B/interval or unit=B-counter"),
        ("time_ms,r", "time=time_ms,rate=r", "column time_ms is read in s, but its name suggests time_unit=ms"),
        ("stampUs,r", "time=stampUs,rate=r,time_unit=ms", "read in ms, but its name suggests time_unit=us"),
        ("t,Mbps", "time=t,rate=Mbps", None),
        ("t,kbit/s", "time=t,rate=kbit/s,unit=kbps", None),
        ("times,DL_bitrate", "time=times,rate=DL_bitrate,unit=kbit/s", None),
        ("t,sent_bytes", "time=t,rate=sent_bytes,unit=B/interval", None),
    ],
)
def test_field_unit_that_the_name_of_a_column_contradicts_is_told(
    header: str, columns: str, suggested: str | None, tmp_path: Path
) -> None:
    notes = imported(tmp_path, f"{header}\n0,1250\n1,1251\n2,1249\n", columns).metadata["notes"]
    assert [suggested in note for note in notes] == ([True] if suggested else [])


def test_field_radio_values_that_no_ue_reports_are_told(tmp_path: Path) -> None:
    content = "t,r,rsrp,cqi\n" + "".join(
        f"{at},{at % 7},{0 if at % 5 else -90},{-1 if at == 3 else 7}\n" for at in range(9)
    )
    notes = imported(tmp_path, content, "time=t,rate=r,rsrp_dbm=rsrp,cqi=cqi").metadata["notes"]
    assert "column rsrp_dbm has values outside -156 to -31 in 7 rows, most often 0: if it means that" in notes[0]
    assert notes[1].endswith(
        "outside 0 to 15 in 1 rows, most often -1: if it means that the value is missing, give missing.cqi=-1"
    )
    named = "time=t,rate=r,rsrp_dbm=rsrp,cqi=cqi,missing.rsrp_dbm=0,missing.cqi=-1"
    assert imported(tmp_path, content, named).metadata["notes"] == []


@pytest.mark.parametrize(
    ("columns", "where", "error"),
    [
        (
            "time=tiem,rate=r",
            {},
            r"column='tiem': must stand once in the header, not 0 times; the header \(separated by comma\): run, t, r$",
        ),
        ("time=t,rate=r", {"run": "3"}, r"where run=3: must be true of a row at least \(run has 1, 2\)"),
        (
            "time=t,rate=r,format=%Y-%Q",
            {},
            "columns.format='%Y-%Q': must have directives of Python's strptime alone, not %Q",
        ),
        ("time=t,rate=r,unit=Mbits/s", {}, "columns.unit='Mbits/s': must be one of bit/s, kbit/s"),
        (
            "time=t,rate=r",
            {"run": "2"},
            r"row 4: r='lost': must be a finite number \(missing.rate names words and numbers",
        ),
    ],
)
def test_field_mistake_in_a_map_is_one_line_with_the_remedy(
    columns: str, where: dict[str, str], error: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=error):
        imported(tmp_path, "run,t,r\n1,0,5\n1,1,6\n2,0,lost\n2,1,7\n", columns, **where)


@pytest.mark.parametrize(
    "stamps",
    [
        ("2031-05-02 10:00:00 GMT+2", "2031-05-02 08:00:01 GMT"),
        ("2031-05-02 10:00:00 UTC+02:00", "2031-05-02 08:00:01 UTC"),
        ("2031-05-02T10:00:00 UTC+2", "2031-05-02T06:00:01 UTC-0200"),
        ("2031-05-02T10:00:00+02:00 CEST", "2031-05-02T08:00:01Z"),
    ],
)
def test_field_offsets_from_utc_and_names_of_zones_stand_in_one_column(stamps: tuple[str, str], tmp_path: Path) -> None:
    trace = imported(tmp_path, f"t,r\n{stamps[0]},10\n{stamps[1]},11\n", "time=t,rate=r")
    assert (trace.slot_ns, rates_mbps(trace)) == (10**9, [10, 11])


def test_field_long_gap_of_three_rows_is_told(tmp_path: Path) -> None:
    notes = imported(tmp_path, "t,r\n0,10\n1,11\n3600,12\n", "time=t,rate=r").metadata["notes"]
    assert len(notes) == 1 and "are held: 1, 99.9% of the time; the longest, 3599 s" in notes[0]
