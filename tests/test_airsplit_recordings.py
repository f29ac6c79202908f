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
    assert plain.startswith("file=walk.csv width_hz=2e+07 anchor_bps=0 origin=declared layers=2 loss_db=2 ")


def test_recorded_mcs_fit_the_receivers_loss(tmp_path: Path) -> None:
    """The columns of MCS and rank are found by name; both errors are told, and the figure shows MCSs."""
    rows = "".join(f"{at},{40 + at % 7},{at % 24},{at % 24 // 2 + at % 2},{1 + at % 24 // 9}\n" for at in range(160))
    (tmp_path / "n78.csv").write_text("time,rate_mbps,ss_sinr,dl_mcs,RI\n" + rows)
    done = CliRunner().invoke(
        app, ["trace", "import", str(tmp_path / "n78.csv"), "--format", "csv", "--out", "x.parquet"]
    )
    guess = "time=time,rate=rate_mbps,unit=Mbit/s,sinr_db=ss_sinr,mcs=dl_mcs,rank=RI"
    assert f"--columns {guess} --out" in str(done.exception)
    command = ("trace", "predict", tmp_path / "n78.csv", "--columns", guess, "--out", tmp_path / "page.pdf")
    [found] = json.loads(call(*command, "--json"))["predictions"]
    assert found["loss_origin"] == "fitted" and found["layers"] == 4 and -20 <= found["loss_db"] <= 20
    assert found["mcs_samples"] == 80 and found["mcs_median_error"] < 1.5 and found["rank_mean_error"] < 1
    assert "layers=2 loss_db=" in call(*command, "--layers", "2")


def test_recording_without_sinr_cannot_be_predicted(tmp_path: Path) -> None:
    (tmp_path / "walk.csv").write_text("time,rate\n" + "".join(f"{at},5\n" for at in range(60)))
    arguments = ("trace", "predict", tmp_path / "walk.csv", "--columns", "time=time,rate=rate", "--out")
    done = CliRunner().invoke(app, [*map(str, arguments), str(tmp_path / "page.pdf")])
    assert str(done.exception) == "walk.csv: columns: must hold sinr_db (kept on import), not capacity_bits"


def test_width_cannot_be_both_declared_and_fitted(tmp_path: Path) -> None:
    arguments = ("trace", "predict", "walk.csv", "--width-mhz", "20", "--fit", "width", "--out", tmp_path / "page.pdf")
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert str(done.exception) == "--fit width: must not be given beside --width-mhz, which declares what it fits"
