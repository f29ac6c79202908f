"""Available recordings of all formats are imported with the mean rate of the file.

The file's mean is computed here without the importers. Mahimahi: 12,000 bits per opportunity, over the last value.
Rates: the time-weighted mean, where rows of one timestamp count as their mean, a rate holds until the next timestamp,
and the last holds for the most common step. Rows that the recording's documentation calls artefacts do not count: the
start of an uplink test, the seconds around a ping.
"""

import csv
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from emulator.link import Link
from emulator.system import LinkSpec
from emulator.trace import Trace
from emulator.trace.formats import Format, ListSeries, export_mahimahi, import_trace, ping_summary, summary

FOLDER = Path(__file__).parents[3].parent / "shared" / "traces"


def recordings(format: Format) -> list[object]:
    found = {
        "mahimahi": [path for path in FOLDER.glob("mahimahi/*") if path.suffix in (".up", ".down")],
        "rate": list(FOLDER.glob("lumos5g/*/*_trace_*")),
        "list": list(FOLDER.glob("nuwins_mmwave_uplink/throughput/**/*.list")),
        "csv": [*FOLDER.glob("sigcomm21_walking/*.csv"), *FOLDER.glob("uccmisl_5g/*.csv")],
    }[format]
    if not found:
        return [pytest.param(FOLDER, marks=pytest.mark.skip(reason=f"no {format} recordings under {FOLDER}"))]
    return [pytest.param(path, id=path.name) for path in sorted(found)]


def held_mean_bps(samples: list[tuple[float, float]]) -> float:
    by_stamp: dict[float, list[float]] = {}
    for stamp_s, rate_bps in samples:
        by_stamp.setdefault(stamp_s, []).append(rate_bps)
    stamps = np.array(sorted(by_stamp))
    rates = np.array([np.mean(by_stamp[stamp]) for stamp in stamps])
    values, counts = np.unique(np.diff(stamps), return_counts=True)
    holds = np.append(np.diff(stamps), values[np.argmax(counts)])
    return float((rates * holds).sum() / holds.sum())


@pytest.mark.parametrize("path", recordings("mahimahi"))
def test_mahimahi_recordings(path: Path, tmp_path: Path) -> None:
    trace = import_trace(path, "mahimahi")
    lines = path.read_bytes().split()
    assert trace.mean_rate_bps == pytest.approx(len(lines) * 12_000 / (int(lines[-1]) / 1e3), rel=1e-12)
    trace.save(tmp_path / "t.parquet")
    export_mahimahi(Trace.load(tmp_path / "t.parquet"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("path", recordings("mahimahi"))
def test_a_full_queue_leaves_at_the_files_own_opportunities(path: Path) -> None:
    link = Link.standalone(LinkSpec("ue", "gnb", import_trace(path, "mahimahi"), queue_bytes=2**40), seed=1)
    values_ms = [int(line) for line in path.read_bytes().split()]
    round_ms = sorted(ms or values_ms[-1] for ms in values_ms)  # 0 ms is the end of the round before
    expected_ms = round_ms + [values_ms[-1] + ms for ms in round_ms[:1_000]]
    deliveries = [link.enqueue(0, 1_500) for _ in expected_ms]
    assert [delivery.arrival_ns / 1e6 for delivery in deliveries if delivery is not None] == expected_ms


@pytest.mark.parametrize("path", recordings("rate"))
def test_rate_recordings(path: Path) -> None:
    trace = import_trace(path, "rate")
    samples = [(float(a), float(b) * 1e6) for a, b in (line.split() for line in path.read_text().splitlines())]
    assert trace.mean_rate_bps == pytest.approx(held_mean_bps(samples), rel=1e-3)
    assert trace.slot_ns == 10**9
    assert trace.period_ns == (samples[-1][0] - samples[0][0] + 1) * 10**9


def stamp_s(row: dict[str, str]) -> float:
    return (datetime.strptime(row["Timestamp"], "%Y.%m.%d_%H.%M.%S") - datetime(2020, 1, 1)).total_seconds()


def measured(rows: list[dict[str, str]]) -> list[tuple[float, float]]:
    if "DL_bitrate" not in rows[0]:
        first_s = 3 if rows[0]["direction"] == "uplink" else 0
        samples = [(float(row["time_since_start"]), float(row["Throughput"]) * 1e6) for row in rows]
        return [sample for sample in samples if sample[0] >= first_s]
    pings_s = {stamp_s(row) for row in rows if row["PINGAVG"] != "-" or row["PINGLOSS"] != "-"}
    paused_s = {ping + shift for ping in pings_s for shift in (-1, 0, 1, 2)}
    return [(stamp_s(row), float(row["DL_bitrate"]) * 1e3) for row in rows if stamp_s(row) not in paused_s]


@pytest.mark.parametrize("path", recordings("csv"))
def test_csv_recordings(path: Path) -> None:
    trace = import_trace(path, "csv")
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert trace.mean_rate_bps == pytest.approx(held_mean_bps(measured(rows)), rel=1e-3)
    assert -140 < np.nanmin(trace.columns["rsrp_dbm"]) <= np.nanmax(trace.columns["rsrp_dbm"]) < -40
    assert -20 < np.nanmin(trace.columns["sinr_db"]) <= np.nanmax(trace.columns["sinr_db"]) < 45
    mark = ("NetworkMode", "5G") if "DL_bitrate" in rows[0] else ("nrStatus", "CONNECTED")
    assert trace.columns["nr"].mean() == pytest.approx(np.mean([row[mark[0]] == mark[1] for row in rows]), abs=0.1)
    assert np.isnan(trace.columns["rsrp_dbm"][trace.columns["nr"] == 0]).all()
    assert summary(trace)["zero_seconds_share"] < 0.5


@pytest.mark.parametrize("path", recordings("csv"))
def test_slots_shorter_than_the_samples_carry_the_same(path: Path) -> None:
    trace = import_trace(path, "csv")
    short = trace.resample(20_000_000)
    assert short.cumulative_bits[-1] == trace.cumulative_bits[-1]
    assert np.abs(short.cumulative_bits[::50] - trace.cumulative_bits).max() <= 1
    np.testing.assert_array_equal(short.columns["sinr_db"][::50], trace.columns["sinr_db"])


@pytest.mark.parametrize("path", recordings("list"))
def test_list_recordings(path: Path) -> None:
    """A run's values are a tenth of a second each. Where it has stamps, they and the trace end together to a
    second, and the trace is longer than its values only by gaps."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    runs = [index for index, line in enumerate(lines) if line.startswith("Run ")]
    for first, stop in zip(runs, [*runs[1:], len(lines)], strict=True):
        number = int(lines[first].split()[1])
        body = [[float(field) for field in line.split(",")] for line in lines[first + 1 : stop]]
        for series, values in enumerate(body[-1:] if len(body) == 1 else body[1::2], 1):
            trace = import_trace(path, "list", ListSeries(number, series))
            extra = len(trace) - len(values)
            assert trace.slot_ns == 100_000_000 and extra >= 0
            if len(body) > 1:
                stamps = body[2 * series - 2]
                assert trace.period_ns / 1e9 == pytest.approx(stamps[-1] - stamps[0] + 0.1, abs=1.1)
            if extra == 0:
                assert trace.mean_rate_bps == pytest.approx(np.mean(values) * 1e6, rel=1e-6)


def test_ping_recordings() -> None:
    files = list(FOLDER.glob("nuwins_mmwave_uplink/ping/**/*.list"))
    if not files:
        pytest.skip(f"no pings under {FOLDER}")
    for path in files:
        for run in ping_summary(path):
            assert run["probes"] > 100 and 5 < run["p5_ms"] < run["p50_ms"] < 30 < run["max_ms"] < 1_000
