"""Recordings on the command line: which run, in which slots, cut to which length, and what pings hold."""

import json
from pathlib import Path

from typer.testing import CliRunner

from airsplit.cli import app
from emulator.trace import Trace


def call(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_run_of_a_recording_is_imported_in_shorter_slots(tmp_path: Path) -> None:
    (tmp_path / "walk.list").write_text("Run 1\n1,2\nRun 2\n3,4,5\n")
    out = tmp_path / "t.parquet"
    call("trace", "import", tmp_path / "walk.list", "--format", "list", "--columns", "run=2", "--slot", "1ms",
         "--out", out)  # fmt: skip
    trace = Trace.load(out)
    assert trace.capacity_bits.tolist() == [3_000] * 100 + [4_000] * 100 + [5_000] * 100


def test_import_writes_only_trace_files(tmp_path: Path) -> None:
    arguments = ("trace", "import", "missing.txt", "--format", "rate", "--out", tmp_path / "t.csv")
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert str(done.exception) == f"{tmp_path / 't.csv'}: ending must be .parquet"


def test_import_can_end_with_the_other_direction(tmp_path: Path) -> None:
    (tmp_path / "walk.up").write_text("1\n900\n")
    (tmp_path / "walk.down").write_text("1\n700\n")
    for name, other in (("up", "down"), ("down", "up")):
        out = tmp_path / f"{name}.parquet"
        call("trace", "import", tmp_path / f"walk.{name}", "--format", "mahimahi", "--beside",
             tmp_path / f"walk.{other}", "--out", out)  # fmt: skip
        assert Trace.load(out).period_ns == 700_000_000


def test_pings_are_summarised_for_each_run(tmp_path: Path) -> None:
    (tmp_path / "ping").mkdir()
    (tmp_path / "ping" / "walk.list").write_text("Run 1\n10,30\nRun 3\n7\n")
    runs = json.loads(call("trace", "rtt", tmp_path / "ping" / "walk.list", "--json"))
    assert [run["p50_ms"] for run in runs] == [20, 7]
    assert call("trace", "rtt", tmp_path / "ping" / "walk.list").splitlines()[1].startswith("run=3 probes=1 p5_ms=7 ")


def test_rates_are_predicted_on_a_page_for_each_file(tmp_path: Path) -> None:
    header = "time_since_start,Throughput,nr_ssRsrp,nr_ssSinr,movingSpeed,nrStatus,direction\n"
    rows = [f"{at},{40 + at % 7},-90,{5 + at % 9},1.5,CONNECTED,downlink\n" for at in range(80)]
    (tmp_path / "walk.csv").write_text(header + "".join(rows))
    call("trace", "import", tmp_path / "walk.csv", "--format", "csv", "--out", tmp_path / "walk.parquet")
    files = (tmp_path / "walk.csv", tmp_path / "walk.parquet")
    told = json.loads(call("trace", "predict", *files, "--out", tmp_path / "pages.pdf", "--json"))
    first, second = told["predictions"]
    assert (first.pop("file"), second.pop("file")) == ("walk.csv", "walk.parquet")
    assert first == second and first["samples_judged"] == 40 and first["width_hz"] > 1e6
    assert (tmp_path / "pages.pdf").stat().st_size > 10_000
    plain = call("trace", "predict", files[0], "--out", tmp_path / "page.png", "--width-mhz", "20")
    assert plain.startswith("file=walk.csv width_hz=2e+07 anchor_bps=0 origin=declared samples_judged=40 ")


def test_recording_without_sinr_cannot_be_predicted(tmp_path: Path) -> None:
    (tmp_path / "walk.csv").write_text("time,rate\n" + "".join(f"{at},5\n" for at in range(60)))
    arguments = ("trace", "predict", tmp_path / "walk.csv", "--columns", "time=time,rate=rate", "--out")
    done = CliRunner().invoke(app, [*map(str, arguments), str(tmp_path / "page.pdf")])
    assert str(done.exception) == "walk.csv: columns: must hold sinr_db (kept on import), not capacity_bits"


def test_width_cannot_be_both_declared_and_fitted(tmp_path: Path) -> None:
    arguments = ("trace", "predict", "walk.csv", "--width-mhz", "20", "--fit", "width", "--out", tmp_path / "page.pdf")
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert str(done.exception) == "--fit width: must not be given beside --width-mhz, which declares what it fits"
