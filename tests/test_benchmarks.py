"""The engines that `make bench` compares do the same work. No test here depends on a time."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.special import j0

from benchmarks import cell, channel, tasks
from benchmarks.__main__ import BENCHMARKS
from benchmarks.rows import Row, interruptible_children, row, run_benchmarks
from benchmarks.tasks import (
    ENGINES,
    SIMPY,
    check_equal,
    compiled_engine,
    heapq_peer,
    simpy_peer,
    simulate_and_measure_memory,
    speed_rows,
    workload,
    written,
)
from emulator.channel.generate import generate
from emulator.channel.small_scale.delay_profile import tapped_delay_line
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_S
from emulator.record import Records
from emulator.system import System

KEYS = ["name", "value", "unit", "peer", "peer_value", "ratio"]
REPOSITORY = Path(__file__).parents[1]


@pytest.mark.parametrize("clients", [1, 10, 30])
def test_the_simulation_and_its_peers_write_the_same_rows(clients: int) -> None:
    """At N = 1, 10 and 30 the servers' load is 0.02, 0.2 and 0.2: some tasks wait."""
    check_equal(workload(clients, 600 // clients * NS_PER_S), list(ENGINES.values()))


@pytest.mark.parametrize("peer", [simpy_peer, heapq_peer])
def test_one_more_nanosecond_of_service_is_noticed(
    peer: Callable[[System, Records], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    system = workload(10, 20 * NS_PER_S)
    monkeypatch.setattr(tasks, "SERVICE_NS", tasks.SERVICE_NS + 1)
    with pytest.raises(AssertionError, match="service_ns"):
        check_equal(system, [compiled_engine, peer])


def test_tasks_queue_at_links_and_servers_in_the_compared_workload() -> None:
    _, rows = written(compiled_engine, workload(10, 60 * NS_PER_S))
    assert sum(wait > 0 for wait in rows["waiting_ns"].to_pylist()) > 20
    assert sum(wait > 0 for wait in rows["link_waiting_ns"].to_pylist()) > 20


def test_rows_name_the_value_and_its_peer() -> None:
    rows = list(speed_rows(10, 200, 1))
    assert [each["name"] for each in rows][:2] == ["sim_tasks_per_s_n10", "sim_tasks_per_s_n10_heapq"]
    assert all(list(each) == KEYS for each in rows)
    assert all(isinstance(each[name], int | float) for each in rows for name in ("value", "peer_value", "ratio"))


def test_a_second_engine_adds_two_rows() -> None:
    rows = list(speed_rows(10, 200, 1, {**ENGINES, SIMPY: simpy_peer}))
    assert [each["name"] for each in rows][2:] == ["sim_simpy_tasks_per_s_n10", "sim_engines_ratio_n10"]


def test_peak_memory_is_that_of_this_process() -> None:
    assert simulate_and_measure_memory(10, 100) > 50


def test_the_channels_goodput_is_that_of_its_trace() -> None:
    way = channel.street(channel.SPEED_MPS, 2 * NS_PER_S)
    trace = generate(channel.radio(), way, 2 * NS_PER_S, 1, "ue1", "downlink")
    assert channel.goodput_bits(2, channel.SPEED_MPS) == trace.capacity_bits.sum() > 0


def test_the_channels_peer_generates_the_taps_of_the_same_delay_line() -> None:
    """Powers and autocorrelation J0 of each tap, over 300 sets of waves; errors from their spread."""
    rng = generator(1, "test", "waves")
    powers = tapped_delay_line("tdl-c", 100.0).powers
    shape = (len(powers), channel.SINUSOIDS)
    times_s = np.array([0.0, 0.001, 0.004, 0.02])
    shift_rad_s = 2 * np.pi * 97.0
    found = []
    for _ in range(300):
        turn, phase = shift_rad_s * np.cos(rng.uniform(0, 2 * np.pi, shape)), rng.uniform(0, 2 * np.pi, shape)
        taps = channel.impulse_response(np.sqrt(powers / channel.SINUSOIDS), turn, phase, times_s)
        found.append((taps * taps[:, :1].conj()).real)
    error = np.std(found, axis=0) / np.sqrt(len(found))
    np.testing.assert_array_less(
        np.abs(np.mean(found, axis=0) - np.outer(powers, j0(shift_rad_s * times_s))), 4.5 * error
    )
    assert channel.sum_of_sinusoids(1, 30.0) == pytest.approx(1, abs=0.5)


def test_rows_about_the_channel_name_the_value_and_its_peer() -> None:
    rows = [channel.speed_row("", channel.SPEED_MPS, 1, 1, 1), *channel.linear_rows(1, 1)]
    assert [each["name"] for each in rows] == [
        "channel_tdlc_realtime_factor",
        "channel_cost_by_ues",
        "channel_cost_by_duration",
    ]
    assert all(list(each) == KEYS for each in rows)
    assert channel.peak_mib(1) > 50


def test_the_cell_and_its_peer_deliver_the_same_messages() -> None:
    channels = cell.saturating_channels(1_500)
    cell.check_equal(channels)
    assert len(cell.run_cell(channels)[1]) > 500


def one_row_then_failure() -> Iterator[Row]:
    yield row("broken_first", 1.0, "s", "peer", 2.0)
    raise RuntimeError("out of luck")


def test_a_failed_benchmark_leaves_its_error_and_the_others_run(capsys: pytest.CaptureFixture[str]) -> None:
    code = run_benchmarks({"broken": one_row_then_failure, "sound": lambda: [row("sound", 3.0, "s", "peer", 0.0)]})
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == 1
    assert printed == [
        {"name": "broken_first", "value": 1.0, "unit": "s", "peer": "peer", "peer_value": 2.0, "ratio": 0.5},
        {"name": "broken", "error": "RuntimeError: out of luck"},
        {"name": "sound", "value": 3.0, "unit": "s", "peer": "peer", "peer_value": 0.0, "ratio": 0.0},
    ]


def test_each_row_is_printed_as_soon_as_it_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    def two_rows() -> Iterator[Row]:
        yield row("first", 1.0, "s", "peer", 2.0)
        assert "first" in capsys.readouterr().out
        yield row("second", 1.0, "s", "peer", 2.0)

    assert run_benchmarks({"both": two_rows}, extra={"machine": "this one"}) == 0
    assert json.loads(capsys.readouterr().out)["machine"] == "this one"


def test_words_select_benchmarks_by_the_beginnings_of_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[str] = []

    def measure(name: str) -> list[Row]:
        ran.append(name)
        return []

    benchmarks = {name: partial(measure, name) for name in BENCHMARKS}
    assert run_benchmarks(benchmarks, ["sim", "cell"]) == 0
    assert ran == ["sim_n10", "sim_n100", "sim_n1000", "sim_memory", "cell"]
    ran.clear()
    assert run_benchmarks(benchmarks, ["sim_n10"]) == 0
    assert ran == ["sim_n10"]
    assert run_benchmarks(benchmarks, ["sim", "sell"]) == 2
    assert ran == ["sim_n10"]
    assert capsys.readouterr().err.startswith("sell: no such benchmark; there are sim_n10, ")


def test_a_child_is_interrupted_although_its_parent_ignores_sigint() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible_children(), subprocess.Popen(["sleep", "60"]) as child:
            child.send_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert child.returncode == -signal.SIGINT


def test_an_unknown_benchmark_is_wrong_usage() -> None:
    command = [sys.executable, "-m", "benchmarks", "nothing"]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (2, "")
