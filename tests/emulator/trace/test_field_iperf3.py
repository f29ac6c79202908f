"""Reports of iperf3 and counters of OpenAirInterface become traces."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from emulator.trace import Trace
from emulator.trace.formats import import_trace, parse_choice


def imported(folder: Path, content: str, choice: str | None = None, format: Any = "iperf3") -> Trace:
    (folder / "a.log").write_text(content)
    return import_trace(folder / "a.log", format, None if choice is None else parse_choice(choice, format))


def rates_mbps(trace: Trace) -> list[float]:
    return [round(bits * 1e3 / trace.slot_ns, 6) for bits in trace.capacity_bits.tolist()]


def part(start: float, end: float, mbps: float, omitted: bool = False, sender: bool = True) -> dict[str, Any]:
    size = round(mbps * 1e6 / 8 * (end - start))
    return {"start": start, "end": end, "seconds": end - start, "bytes": size, "bits_per_second": mbps * 1e6,
            "omitted": omitted, "sender": sender}  # fmt: skip


def report(*sums: dict[str, Any], back: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    intervals: list[dict[str, Any]] = [{"streams": [each], "sum": each} for each in sums]
    for interval, each in zip(intervals, back, strict=False):
        interval["sum_bidir_reverse"] = each
    return {"start": {"version": "iperf 3.12"}, "intervals": intervals, "end": {}}


TCP = report(*(part(at, at + 1, rate, True) for at, rate in enumerate([10, 20])),
             *(part(at, at + 1, rate) for at, rate in enumerate([30, 40, 50, 60])))  # fmt: skip


def test_omitted_intervals_are_left_out(tmp_path: Path) -> None:
    trace = imported(tmp_path, json.dumps(TCP, indent=1))
    assert (trace.slot_ns, rates_mbps(trace)) == (10**9, [30, 40, 50, 60])
    assert trace.metadata["counts"]["intervals_omitted"] == 2
    assert "the rates are those of the sender: what left it, not what arrived" in trace.metadata["notes"]


def test_jitter_of_intervals_does_not_cut_the_trace_into_milliseconds(tmp_path: Path) -> None:
    edges = [0, 1.000263, 1.999871, 3.0012, 4.000004, 4.0021]
    spans = [part(start, end, 10 + at) for at, (start, end) in enumerate(itertools.pairwise(edges))]
    trace = imported(tmp_path, json.dumps(report(*spans)))
    assert (trace.slot_ns, rates_mbps(trace)) == (10**9, [10, 11, 12, 13])


def test_a_side_of_a_test_in_both_directions_is_chosen(tmp_path: Path) -> None:
    sent = [part(at, at + 0.5, 5 + at) for at in (0, 0.5)]
    received = tuple(part(at, at + 0.5, 50 + at, sender=False) for at in (0, 0.5))
    both = json.dumps(report(*sent, back=received))
    assert rates_mbps(imported(tmp_path, both, "side=sent")) == [5, 5.5]
    assert rates_mbps(imported(tmp_path, both, "side=received")) == [50, 50.5]
    with pytest.raises(ValueError, match=re.escape("columns: must be side=sent or side=received")):
        imported(tmp_path, both)
    reverse = json.dumps(report(*received))
    assert rates_mbps(imported(tmp_path, reverse)) == [50, 50.5]
    with pytest.raises(ValueError, match="side=sent: must be in the report, which has received"):
        imported(tmp_path, reverse, "side=sent")


def test_streams_without_a_sum_are_added(tmp_path: Path) -> None:
    udp = {"intervals": [{"streams": [part(at, at + 1, 2), part(at, at + 1, 3)]} for at in range(3)]}
    assert rates_mbps(imported(tmp_path, json.dumps(udp))) == [5, 5, 5]


def test_reports_one_after_the_other_and_streams_of_events(tmp_path: Path) -> None:
    two = json.dumps(TCP) + "\n" + json.dumps(report(part(0, 1, 7)), indent=1)
    first, second = imported(tmp_path, two), imported(tmp_path, two, "run=2")
    assert (rates_mbps(first), rates_mbps(second)) == ([30, 40, 50, 60], [7])
    assert not first.shares_lineage(second)
    events = [{"event": "start", "data": {}}, *({"event": "interval", "data": each} for each in TCP["intervals"])]
    assert rates_mbps(imported(tmp_path, "\n".join(map(json.dumps, events)))) == [30, 40, 50, 60]


TEXT = """Connecting to host 10.9.0.2, port 5201
[  5] local 10.9.0.1 port 40000 connected to 10.9.0.2 port 5201
[ ID] Interval           Transfer     Bitrate         Retr  Cwnd
[  5]   0.00-1.00   sec  1.19 MBytes  10.0 Mbits/sec    0    130 KBytes       (omitted)
[  5]   0.00-1.00   sec  3.58 MBytes  30.0 Mbits/sec    0    130 KBytes
[  5]   1.00-2.00   sec  4.77 MBytes  40.0 Mbits/sec    0    130 KBytes
[  5]   2.00-3.00   sec  60.0 KBytes   500 Kbits/sec    0    130 KBytes
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID] Interval           Transfer     Bitrate         Retr
[  5]   0.00-3.00   sec  8.41 MBytes  23.5 Mbits/sec    0             sender
[  5]   0.00-3.04   sec  8.30 MBytes  22.9 Mbits/sec                  receiver

iperf Done.
"""
SERVER = """Server listening on 5201
Accepted connection from 10.9.0.1, port 40000
[ ID] Interval           Transfer     Bitrate         Jitter    Lost/Total Datagrams
[  5]   0.00-1.00   sec  1.25 MBytes  10.5 Mbits/sec  0.012 ms  0/906 (0%)
[  5]   1.00-2.00   sec  1.31 MBytes  11.0 Mbits/sec  0.011 ms  9/910 (1%)
"""
PARALLEL = """Connecting to host 10.9.0.2, port 5201
[  5][TX-C]   0.00-1.00   sec  1 MBytes  8 Mbits/sec    0    130 KBytes
[  7][TX-C]   0.00-1.00   sec  1 MBytes  9 Mbits/sec    0    130 KBytes
[SUM][TX-C]   0.00-1.00   sec  2 MBytes  17 Mbits/sec    0
[  9][RX-C]   0.00-1.00   sec  2 MBytes  25 Mbits/sec
"""


def test_text_reports_are_read_without_summary_and_omitted_intervals(tmp_path: Path) -> None:
    assert rates_mbps(imported(tmp_path, TEXT)) == [30, 40, 0.5]
    stamped = "".join(f"Sat Apr 19 16:23:0{at % 10} 2031 {line}\n" for at, line in enumerate(TEXT.splitlines()))
    assert rates_mbps(imported(tmp_path, stamped)) == [30, 40, 0.5]
    server = imported(tmp_path, SERVER)
    assert (rates_mbps(server), server.metadata["side"]) == ([10.5, 11], "received")
    assert rates_mbps(imported(tmp_path, PARALLEL, "side=sent")) == [17]
    assert rates_mbps(imported(tmp_path, PARALLEL, "side=received")) == [25]
    assert rates_mbps(imported(tmp_path, TEXT + SERVER, "run=2")) == [10.5, 11]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("{", "must be JSON as iperf3 -J writes it"),
        ('{"intervals": 3}', "must be a report as iperf3 -J writes it"),
        ('{"intervals": [{"sum": []}]}', "must be a report as iperf3 -J writes it"),
        ('{"intervals": [], "error": "unable to connect"}', "intervals=0: iperf3 says: unable to connect"),
        ("hello", "run=1: must be a report of iperf3 with intervals"),
        (json.dumps(report(part(0, 1, 5, True))), "intervals=0: must hold one that is not omitted"),
    ],
)
def test_other_files_are_refused_in_a_line(content: str, rule: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(rule)):
        imported(tmp_path, content)


@pytest.mark.parametrize(
    ("choice", "format", "rule"),
    [
        ("", "iperf3", "columns='': must be one of side, run with =value"),
        ("side=sent,way=up", "iperf3", "columns='way=up': must be one of side, run with =value"),
        ("side=", "iperf3", "columns='side=': must be one of side, run with =value"),
        ("side=up", "iperf3", "columns.side='up': must be one of sent, received"),
        ("run=two", "iperf3", "columns.run='two': must be a whole number"),
        ("run=0", "iperf3", "columns.run=0: must be at least 1"),
        ("rnti=c6a5", "oai", "columns='rnti=c6a5': must be one of direction, ue, step_s with =value"),
        ("direction=up", "oai", "columns.direction='up': must be one of downlink, uplink"),
        ("step_s=soon", "oai", "columns.step_s='soon': must be a number of seconds"),
        ("step_s=3601", "oai", "columns.step_s=3601.0: must be at least 0.001 and at most 3600"),
        ("time=t,rate=r,step_s=0", "csv", "columns.step_s=0.0: must be at least 0.001 and at most 1e+10"),
    ],
)
def test_a_choice_that_breaks_a_rule_is_refused(choice: str, format: str, rule: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(rule)}$"):
        parse_choice(choice, format)


def test_intervals_without_length_are_left_out(tmp_path: Path) -> None:
    content = json.dumps(report(part(0, 1, 5), part(1, 1.001, 90), part(1.001, 2, 7), part(2, 2.001, 90)))
    assert rates_mbps(imported(tmp_path, content)) == [5, 7]


def oai(*reports: tuple[int, int, int]) -> str:
    return "".join(
        f"[NR_MAC]   Frame.Slot {frame}.0\nUE RNTI c6a5 CU-UE-ID 1 in-sync PH 43 dB PCMAX 21 dBm, average RSRP -74\n"
        f"UE c6a5: MAC:    TX {sent:14d} RX {received:14d} bytes\nUE c6a5: LCID 4: TX 5 RX 6 bytes\n"
        for frame, sent, received in reports
    )


def test_counters_of_oai_pass_the_end_of_the_frame_number(tmp_path: Path) -> None:
    content = oai((768, 0, 0), (896, 1_280_000, 160_000), (0, 3_840_000, 480_000))
    uplink = imported(tmp_path, content, None, "oai")
    assert (uplink.slot_ns, rates_mbps(uplink)) == (1_280_000_000, [1, 2])
    assert rates_mbps(imported(tmp_path, content, "direction=downlink,ue=c6a5", "oai")) == [8, 16]
    with pytest.raises(ValueError, match=r"columns.ue=beef: must be one of the UEs with MAC counters \(c6a5\)"):
        imported(tmp_path, content, "ue=beef", "oai")
