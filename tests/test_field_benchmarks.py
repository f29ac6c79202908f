"""Benchmarks that end as none should: the rows before them, and those of the others, are kept."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.rows import Benchmark, Row, call_in_process, row, run_benchmarks

REPOSITORY = Path(__file__).parents[1]


def sound() -> Iterator[Row]:
    yield row("sound", 1.0, "s", "peer", 2.0)


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed() -> Iterator[Row]:
    yield row("before", 1.0, "s", "peer", 2.0)
    call_in_process(kill_itself)


def leaves() -> Iterator[Row]:
    yield row("before", 1.0, "s", "peer", 2.0)
    sys.exit("enough")


def say_and_sleep() -> None:
    print(os.getpid(), flush=True)
    time.sleep(60)


@pytest.mark.parametrize(("benchmark", "error"), [(killed, "BrokenProcessPool: "), (leaves, "SystemExit: enough")])
def test_field_a_benchmark_that_is_killed_or_leaves_is_a_row(
    benchmark: Benchmark, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_benchmarks({"broken": benchmark, "sound": sound}) == 1
    before, broken, after = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert [before["name"], broken["name"], after["name"]] == ["before", "broken", "sound"]
    assert broken["error"].startswith(error)


def test_field_a_row_is_json_whatever_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_benchmarks({"odd": lambda: [row("odd", float("nan"), "s", "peer", float("inf"))]}) == 0
    printed = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert printed == {"name": "odd", "value": None, "unit": "s", "peer": "peer", "peer_value": None, "ratio": None}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_field_a_killed_bench_leaves_no_process(number: signal.Signals) -> None:
    code = "from benchmarks.rows import call_in_process; from tests.test_field_benchmarks import say_and_sleep\n"
    code += "call_in_process(say_and_sleep)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as bench:
        assert bench.stdout is not None
        child = int(bench.stdout.readline())
        bench.send_signal(number)
        assert bench.stdout.read() == ""  # the child held the other end of the pipe
    assert bench.returncode == -number
    assert not Path(f"/proc/{child}/cmdline").is_file() or not Path(f"/proc/{child}/cmdline").read_bytes()
