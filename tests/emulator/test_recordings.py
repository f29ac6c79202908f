"""Every recording at hand of a covered format imports, with the mean rate that the file itself has.

The file's own mean is computed here without the importers. Mahimahi: 12,000 bits an opportunity over the
last value. Rates: the time-weighted mean of what was read, where rows of one stamp count as their mean,
each stamp's rate holds until the next, and the last for the most common step.
"""

import csv
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from emulator.formats import Format, export_mahimahi, import_trace, summary
from emulator.link import Link
from emulator.system import LinkSpec
from emulator.trace import Trace

FOLDER = Path(__file__).parents[2].parent / "shared" / "traces"


def recordings(format: Format) -> list[object]:
    found = {
        "mahimahi": [path for path in FOLDER.glob("mahimahi/*") if path.suffix in (".up", ".down")],
        "rate": list(FOLDER.glob("lumos5g/*/*_trace_*")),
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
    link = Link(LinkSpec("ue", "gnb", import_trace(path, "mahimahi"), queue_bytes=2**40), seed=1)
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


@pytest.mark.parametrize("path", recordings("csv"))
def test_csv_recordings(path: Path) -> None:
    trace = import_trace(path, "csv")
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    if "DL_bitrate" in rows[0]:
        epoch = datetime(2020, 1, 1)
        stamps = [(datetime.strptime(row["Timestamp"], "%Y.%m.%d_%H.%M.%S") - epoch).total_seconds() for row in rows]
        samples = [(stamp, float(row["DL_bitrate"]) * 1e3) for stamp, row in zip(stamps, rows, strict=True)]
    else:
        samples = [(float(row["time_since_start"]), float(row["Throughput"]) * 1e6) for row in rows]
    assert trace.mean_rate_bps == pytest.approx(held_mean_bps(samples), rel=1e-3)
    assert -140 < np.nanmin(trace.columns["rsrp_dbm"]) <= np.nanmax(trace.columns["rsrp_dbm"]) < -40
    assert summary(trace)["zero_seconds_share"] < 0.5
