"""`airsplit trace import` and `trace info` on files as the field has them: what they say, and where."""

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from airsplit.cli import app
from emulator.trace import Trace

RUNS = "carrier,run_num,seq_num,mbps\n" + "".join(
    f"X,{run},{at},{10 * run + at}\n" for run in (1, 2) for at in range(3)
)


def call(*arguments: str | Path, input: bytes | None = None) -> Result:
    done = CliRunner().invoke(app, list(map(str, arguments)), input=input, catch_exceptions=False)
    assert done.exit_code == 0
    return done


def refusal(recording: Path) -> str:
    out = recording.with_name("refused.parquet")
    arguments = ["trace", "import", str(recording), "--format", "csv", "--out", str(out)]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, ValueError) and not out.exists()
    return str(done.exception)


def test_run_is_chosen_where_a_column_has_its_value(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(RUNS)
    out = tmp_path / "a.parquet"
    call("trace", "import", tmp_path / "a.csv", "--format", "csv", "--columns", "time=seq_num,rate=mbps", "--where",
         "run_num=2", "--out", out)  # fmt: skip
    assert (Trace.load(out).capacity_bits / 1e6).tolist() == [20, 21, 22]


def test_runs_of_a_file_are_listed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(RUNS)
    listed = call("trace", "info", tmp_path / "a.csv", "--runs", "--columns", "time=seq_num,rate=mbps")
    assert listed.stdout.splitlines() == [
        "where=run_num=1 rows=3 duration_s=3 mean_rate_mbps=11",
        "where=run_num=2 rows=3 duration_s=3 mean_rate_mbps=21",
    ]
    by = json.loads(call("trace", "info", tmp_path / "a.csv", "--runs", "--by", "carrier", "--json").stdout)
    assert [(row["where"], row["rows"]) for row in by] == [("carrier=X", 6)]
    (tmp_path / "walk.list").write_text("Run 1\n1,2\nRun 2\n3,4,5\n")
    listed = call("trace", "info", tmp_path / "walk.list", "--runs")
    assert listed.stdout.splitlines()[1] == "columns=run=2 series=1 values=3"


def test_standard_input_is_read(tmp_path: Path) -> None:
    out = tmp_path / "a.parquet"
    call("trace", "import", "-", "--format", "csv", "--columns", "time=t,rate=r", "--out", out, input=b"t;r\n0;1,5\n")
    assert Trace.load(out).mean_rate_bps == 1.5e6


def test_runs_of_standard_input_are_listed() -> None:
    listed = call("trace", "info", "-", "--runs", "--columns", "time=seq_num,rate=mbps", input=RUNS.encode("utf-16"))
    assert listed.stdout.splitlines() == [
        "where=run_num=1 rows=3 duration_s=3 mean_rate_mbps=11",
        "where=run_num=2 rows=3 duration_s=3 mean_rate_mbps=21",
    ]
    assert call("trace", "info", "-", "--runs", input=RUNS.encode()).stdout == listed.stdout
    nothing_guessed = call("trace", "info", "-", "--runs", input=b"run,place\nx,a\nx,b\n")
    assert nothing_guessed.stdout == "where=run=x rows=2\n"


def test_field_runs_of_iperf3_reports_are_listed_and_imported(tmp_path: Path) -> None:
    def report(mbps: float, *sides: str) -> str:
        rows = [
            {name: {"start": at, "end": at + 1, "bits_per_second": (mbps + at) * 1e6, "sender": name == "sum",
                    "omitted": at == 0} for name in sides}
            for at in range(4)
        ]  # fmt: skip
        return json.dumps({"start": {}, "intervals": rows})

    path, out = tmp_path / "a.json", tmp_path / "a.parquet"
    path.write_text(report(10, "sum") + "\n" + report(20, "sum", "sum_bidir_reverse"))
    listed = json.loads(call("trace", "info", path, "--runs", "--json").stdout)
    assert [row["columns"] for row in listed] == ["run=1", "run=2,side=sent", "run=2,side=received"]
    for row in listed:
        call("trace", "import", path, "--format", "iperf3", "--columns", row["columns"], "--out", out)
        trace = Trace.load(out)
        assert (row["intervals"], row["duration_s"]) == (3, trace.period_ns / 1e9)
        assert row["mean_rate_mbps"] == pytest.approx(trace.mean_rate_bps / 1e6)
    text = (
        "[  5]   0.00-1.00   sec  1.25 MBytes  10.5 Mbits/sec\n[  5]   1.00-2.00   sec  1.25 MBytes  11.5 Mbits/sec\n"
    )
    listing = call("trace", "info", "-", "--runs", input=text.encode()).stdout
    assert listing == "columns=run=1 intervals=2 duration_s=2 mean_rate_mbps=11\n"


def test_doubts_go_to_standard_error_and_stay_in_the_trace(tmp_path: Path) -> None:
    content = "t,mbps\n" + "".join(f"{at},{300 if at == 59 else at % 7}\n" for at in [*range(60), *range(7200, 7260)])
    (tmp_path / "a.csv").write_text(content)
    out = tmp_path / "a.parquet"
    done = call("trace", "import", tmp_path / "a.csv", "--format", "csv", "--columns", "time=t,rate=mbps", "--out", out)
    assert done.stderr.startswith(f"{tmp_path / 'a.csv'}: gaps of more than 10 usual steps (1 s) are held: 1, 98.4%")
    info = call("trace", "info", out).stdout
    assert "longest_hold_s: 7141.0\n" in info and "max_gap_s limits them" in info


def test_saw_teeth_of_a_list_are_said_and_add_no_time(tmp_path: Path) -> None:
    stamps_s = [at / 10 for at in range(1, 601)]
    stamps_s[200] += 12
    stamps_s[201:209] = [at - 0.8 for at in stamps_s[201:209]]
    values = [at // 60 % 2 * 10 + at % 7 for at in range(600)]
    (tmp_path / "a.list").write_text(f"Run 1\n{','.join(map(str, stamps_s))}\n{','.join(map(str, values))}\n")
    out = tmp_path / "a.parquet"
    done = call("trace", "import", tmp_path / "a.list", "--format", "list", "--out", out)
    note = "stamps go back at 1 of 600 values, by up to 12.7 s: the clock was set, so each value takes a step of 0.1 s"
    assert done.stderr.startswith(f"{tmp_path / 'a.list'}: {note}")
    info = call("trace", "info", out).stdout
    assert "duration_ns: 60000000000\n" in info and note in info


GUESSED = {
    "t,mbps\n0,10\n1,11\n": [10, 11],
    "Timestamp;UL [kbit/s];rsrp\n2031-04-19 16:23:00,5;12500;-90\n2031-04-19 16:23:01,5;11500;-91\n": [12.5, 11.5],
    "time_ms\tthroughput_bps\n0\t2000000\n1000\t3000000\n": [2, 3],
    "epoch,dl rate,cell\n1900000000250,8,1\n1900000001250,9,1\n": [8, 9],
    "0,10\n1,12\n2,11\n": [10, 12, 11],
    "date|rx_bytes\n19.04.2031 16:23:00|1000000\n19.04.2031 16:23:01|2000000\n19.04.2031 16:23:02|4000000\n": [8, 16],
    'when,"rate, Mbit/s"\n0,5\n1,6\n': [5, 6],
    "2031.05.02_10.00.00\t12\n2031.05.02_10.00.01\t13\n": [12, 13],
    RUNS: [10, 11, 12],
    "Timestamp;Rate\n02.05.2031 10:00:00,250;10,5\n02.05.2031 10:00:01,250;11,5\n": [10.5, 11.5],
    "time_min,Mbps\n0,10\n0.1,11\n": [10, 11],
    "Messung;iteration;zeit;Durchsatz (Mbit/s)\na;1;0;10,5\na;1;1;11,5\na;2;0;20,5\n": [10.5, 11.5],
    "when;down (kbit/s)\n10:00:00,5;12.000,5\n10:00:01,5;13.000,5\n": [12.0005, 13.0005],
    "time,Mbps\n2031-05-02 10:00,10\n2031-05-02 10:01,11\n": [*[10] * 10, *[11] * 10],
    "time,Mbps\n2031-05-02 11:59:59 PM,10\n2031-05-03 12:00:00 AM,11\n": [10, 11],
    "Log of a tool\n\nTIME|RATE MBPS\n0|10\n1|#DIV/0!\n2|12\n3|13\n": [10, 10, 12, 13],
    "time,rx_bytes\n" + "".join(f"{at},{at % 8 * 125_000}\n" for at in range(16)): [1] * 15,
}


@pytest.mark.parametrize(("content", "rates"), GUESSED.items())
def test_command_that_the_error_gives_works(content: str, rates: list[float], tmp_path: Path) -> None:
    path = tmp_path / "my log.csv"
    path.write_text(content)
    done = CliRunner().invoke(
        app, ["trace", "import", str(path), "--format", "csv", "--out", str(tmp_path / "x.parquet")]
    )
    message = str(done.exception)
    assert "\n" not in message and "fits the header (separated by " in message
    command = shlex.split(message.split("the best guess: ")[1])
    assert command[0] == "airsplit"
    call(*command[1:-1], tmp_path / "y.parquet")
    trace = Trace.load(tmp_path / "y.parquet")
    assert [bits * 1e3 / trace.slot_ns for bits in trace.capacity_bits.tolist()] == rates


def test_table_without_numbers_is_told_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,place\nx,y\n")
    assert refusal(tmp_path / "a.csv").endswith("name, place; give --columns time=COLUMN,rate=COLUMN,unit=Mbit/s")
