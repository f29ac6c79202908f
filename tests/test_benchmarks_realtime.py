"""`make bench-realtime` measures what it says, in seconds instead of minutes. No test requires a speed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.realtime import __main__ as main_module
from benchmarks.realtime import ceiling, emulations, rates, schedule
from benchmarks.realtime.__main__ import REQUIREMENTS, UNMET
from benchmarks.realtime.cases import LinkCase, link_case, measurable, send_plan
from benchmarks.realtime.emulations import sojourn_rows
from benchmarks.realtime.end_to_end import compare_link
from benchmarks.realtime.exchanges import SEED, LinkResult
from benchmarks.realtime.lengths import FULL, quantile
from benchmarks.realtime.programs import ExchangeTimes, SendPlan
from benchmarks.rows import FAILED, Row, row
from emulator.core.errors import MissingDependency
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.link import Link
from emulator.realtime.sandbox.requirements import require
from emulator.realtime.verification.log_reader import LOGGED_PACKET
from emulator.system import LinkSpec
from results.agreement import PART_COLUMNS
from results.run.manifest import Check, Manifest
from tests.emulator.strategies import slots

REPOSITORY = Path(__file__).parents[1]
KEYS = ["name", "value", "unit", "peer", "peer_value", "ratio", "machine"]


def bench(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.realtime", *words],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_row_comes_out_of_a_short_run() -> None:
    try:
        require(REQUIREMENTS)
    except MissingDependency as error:
        pytest.skip(str(error))
    run = bench("short")
    assert run.returncode == 0, run.stderr
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert all(list(row) == KEYS for row in rows)
    values = {row["name"]: row["value"] for row in rows}
    assert len(values) == len(rows)
    for name in ("constant", "nr", "cell"):
        assert values[f"replay_differences_{name}"] == 0
        assert 0 < values[f"lateness_median_{name}"] <= values[f"lateness_p99_{name}"] <= values[f"lateness_max_{name}"]
    assert values["replay_drops_constant"] > 0
    for name in ("constant", "nr"):
        assert values[f"end_to_end_median_{name}"] > 0
    assert values["end_to_end_slot_slips_nr"] >= 0
    for name in ("tcp_rate_500", "udp_overload_500", "udp_overload_nr_down", "relay_ceiling_bps", "relay_delay10_bps"):
        assert values[name] > 1e7


def test_what_is_missing_is_one_line_and_exit_code_4(tmp_path: Path) -> None:
    run = bench(PATH=str(tmp_path))
    assert run.returncode == UNMET
    assert run.stdout == ""
    assert len(run.stderr.splitlines()) == 1


def one_row_then_failure() -> Iterator[Row]:
    yield row("broken_first", 1.0, "s", "peer", 2.0)
    raise RuntimeError("out of luck")


def interrupted_child() -> Iterator[Row]:
    """The exit code of a child that was sent SIGINT."""
    with subprocess.Popen(["sleep", "60"]) as child:
        child.send_signal(signal.SIGINT)
    yield row("interrupted", child.returncode, "exit code", "SIGINT", -signal.SIGINT)


def test_a_failed_benchmark_of_links_leaves_its_error_and_the_others_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main_module, "inside", lambda: True)
    monkeypatch.setattr(schedule, "benchmarks", lambda _: {"broken": one_row_then_failure})
    monkeypatch.setattr(rates, "benchmarks", lambda _: {})
    monkeypatch.setattr(ceiling, "benchmarks", lambda _: {"sound": lambda: [row("sound", 3, "s", "peer", 1)]})
    assert main_module.main(["short"]) == FAILED
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["name"] for each in printed] == ["broken_first", "broken", "sound"]
    assert printed[1]["error"] == "RuntimeError: out of luck"
    assert list(printed[2]) == KEYS


@pytest.mark.parametrize(("links_code", "code"), [(0, 0), (FAILED, FAILED)])
def test_emulations_run_after_failed_links_and_can_be_interrupted(
    links_code: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a background job of a shell, which ignores SIGINT."""
    monkeypatch.setattr(main_module, "require", lambda _: None)
    monkeypatch.setattr(main_module, "run_inside", lambda _: links_code)
    monkeypatch.setattr(emulations, "benchmarks", lambda _: {"emulate": interrupted_child})
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert main_module.main([]) == code
    finally:
        signal.signal(signal.SIGINT, before)
    assert json.loads(capsys.readouterr().out)["ratio"] == 1


def test_no_emulation_runs_after_the_links_were_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_module, "require", lambda _: None)
    monkeypatch.setattr(main_module, "run_inside", lambda _: 130)
    monkeypatch.setattr(emulations, "benchmarks", lambda _: pytest.fail("emulations were asked for"))
    assert main_module.main([]) == 130


@pytest.fixture(scope="module")
def all_cases() -> dict[str, LinkCase]:
    return {name: link_case(name, NS_PER_S) for name in measurable(FULL.cases)}


def test_datagrams_are_sent_in_bursts_that_fill_a_part_of_the_link(all_cases: dict[str, LinkCase]) -> None:
    for case in all_cases.values():
        for number, link in enumerate(case.links):
            planned = send_plan(link, number, NS_PER_S)
            share = planned.size_bytes.sum() * 8 / link.trace.rate_bps(0, NS_PER_S)
            assert 0.3 < share < 1.2
            assert (np.diff(planned.at_ns) == 0).any()
            assert (np.diff(planned.at_ns) >= 0).all()


def test_the_5g_case_has_slots_of_the_other_direction(all_cases: dict[str, LinkCase]) -> None:
    up, down = all_cases["nr"].links
    assert not ((up.trace.capacity_bits > 0) & (down.trace.capacity_bits > 0)).any()
    assert set(np.flatnonzero(up.trace.capacity_bits) % 5) == {4}


def crossed(link: LinkSpec, sent_ns: list[int], read_ns: list[int], stack_ns: int) -> tuple[LinkResult, np.ndarray]:
    """Datagrams of 1000 bytes that the relay read some time after they were sent, and the log of it."""
    relay = Link.standalone(link, SEED)
    log = np.zeros(len(sent_ns), LOGGED_PACKET)
    log["release_ns"] = -1
    arrived = []
    for number, at_ns in enumerate(read_ns):
        delivery = relay.enqueue(at_ns, 1_000, number)
        if delivery is not None and not delivery.erased_fraction:
            log["release_ns"][number] = delivery.arrival_ns
            arrived.append((number, delivery.arrival_ns + stack_ns))
    number, received_ns = np.array(arrived).T
    planned = SendPlan(np.array(sent_ns), np.full(len(sent_ns), 1_000))
    return LinkResult(link, planned, ExchangeTimes(np.array(sent_ns), number, received_ns)), log


# a datagram in each of three slots of five
TDD = slots(8_000, 8_000, 8_000, 0, 0, slot_ns=500_000, release="slot")


def test_a_slot_that_a_late_reading_missed_is_counted() -> None:
    link = LinkSpec("a", "b", TDD, 2 * NS_PER_MS)
    sent_ns, read_ns = [0, 499_990, 3_499_990, 5_900_000], [10, 500_010, 3_500_010, 5_900_010]
    result, log = crossed(link, sent_ns, read_ns, 30_000)
    ends = compare_link(result, 0, log)
    assert (ends.packets, ends.different_drops, ends.has_slots) == (4, 0, True)
    # the first would have had the slot that starts when it is sent; after the third's come two without capacity
    assert ends.later_slots.tolist() == [1, 1, 3, 0]
    assert ends.excess_ns.tolist() == [530_000, 530_000, 1_530_000, 30_000]


def test_a_drop_that_only_one_of_both_makes_is_counted() -> None:
    link = LinkSpec("a", "b", TDD, queue_bytes=1_000)
    result, log = crossed(link, [0, 499_990, 4_000_000], [0, 500_010, 4_000_000], 0)
    assert compare_link(result, 0, log).different_drops == 1


def test_means_of_the_parts_add_up_to_that_of_the_difference() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({name: rng.integers(-(10**6), 10**7, 50) for name in PART_COLUMNS})
    frame["simulated_ns"] = rng.integers(10**7, 10**8, 50)
    frame["real_ns"] = frame["simulated_ns"] + frame[list(PART_COLUMNS)].sum(axis=1)
    checks = (Check(name="a", subject="b", value=3, limit=2), Check(name="c", subject="d", value=0, limit=0))
    rows = {str(row["name"]): row for row in sojourn_rows(Manifest.model_construct(checks=checks), frame)}
    parts = [row for name, row in rows.items() if name.endswith("_mean_ms")]
    assert len(parts) == len(PART_COLUMNS)
    total_ms = (frame["real_ns"] - frame["simulated_ns"]).mean() / NS_PER_MS
    assert sum(float(row["value"]) for row in parts) == pytest.approx(total_ms, abs=1e-3)
    assert sum(float(row["ratio"]) for row in parts) == pytest.approx(1, abs=1e-2)
    assert (rows["emulate_failed_checks"]["value"], rows["emulate_failed_checks"]["peer_value"]) == (1, 2)


@pytest.mark.parametrize(("values", "percent", "expected"), [([3, 1, 2], 50, 2), ([1, 2, 3, 4], 50, 2), ([], 99, 0)])
def test_quantiles_are_values_that_were_seen(values: list[int], percent: int, expected: int) -> None:
    assert quantile(np.array(values, np.int64), percent) == expected
