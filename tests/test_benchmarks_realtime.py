"""`make bench-realtime` measures what it says, in seconds instead of minutes. Nothing here is held to a speed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.realtime.__main__ import MISSING, NEEDS
from benchmarks.realtime.cases import Case, cases, plan
from benchmarks.realtime.emulations import sojourn_rows
from benchmarks.realtime.end_to_end import one
from benchmarks.realtime.exchanges import SEED, Crossing
from benchmarks.realtime.programs import Exchanged, Plan
from benchmarks.realtime.rows import FULL, quantile
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
        require(NEEDS)
    except MissingDependency as error:
        pytest.skip(str(error))
    run = bench("short")
    assert run.returncode == 0, run.stderr
    rows = json.loads(run.stdout)
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
    assert run.returncode == MISSING
    assert run.stdout == ""
    assert len(run.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def all_cases() -> dict[str, Case]:
    return {case.name: case for case in cases(FULL.cases, NS_PER_S)}


def test_datagrams_are_sent_in_bursts_that_fill_a_part_of_the_link(all_cases: dict[str, Case]) -> None:
    for case in all_cases.values():
        for number, link in enumerate(case.links):
            planned = plan(link, number, NS_PER_S)
            share = planned.size_bytes.sum() * 8 / link.trace.rate_bps(0, NS_PER_S)
            assert 0.3 < share < 1.2
            assert (np.diff(planned.at_ns) == 0).any()
            assert (np.diff(planned.at_ns) >= 0).all()


def test_the_5g_case_has_slots_of_the_other_direction(all_cases: dict[str, Case]) -> None:
    up, down = all_cases["nr"].links
    assert not ((up.trace.capacity_bits > 0) & (down.trace.capacity_bits > 0)).any()
    assert set(np.flatnonzero(up.trace.capacity_bits) % 5) == {4}


def crossed(link: LinkSpec, sent_ns: list[int], read_ns: list[int], stack_ns: int) -> tuple[Crossing, np.ndarray]:
    """Datagrams of 1000 bytes that the relay read some time after they were sent, and the log of it."""
    relay = Link(link, SEED)
    log = np.zeros(len(sent_ns), LOGGED_PACKET)
    log["release_ns"] = -1
    arrived = []
    for number, at_ns in enumerate(read_ns):
        delivery = relay.enqueue(at_ns, 1_000, number)
        if delivery is not None and not delivery.erased_fraction:
            log["release_ns"][number] = delivery.arrival_ns
            arrived.append((number, delivery.arrival_ns + stack_ns))
    number, received_ns = np.array(arrived).T
    planned = Plan(np.array(sent_ns), np.full(len(sent_ns), 1_000))
    return Crossing(link, planned, Exchanged(np.array(sent_ns), number, received_ns)), log


# a datagram in each of three slots of five
TDD = slots(8_000, 8_000, 8_000, 0, 0, slot_ns=500_000, release="slot")


def test_a_slot_that_a_late_reading_missed_is_counted() -> None:
    link = LinkSpec("a", "b", TDD, 2 * NS_PER_MS)
    sent_ns, read_ns = [0, 499_990, 3_499_990, 5_900_000], [10, 500_010, 3_500_010, 5_900_010]
    crossing, log = crossed(link, sent_ns, read_ns, 30_000)
    ends = one(crossing, 0, log)
    assert (ends.packets, ends.different_drops, ends.has_slots) == (4, 0, True)
    # the first would have had the slot that starts when it is sent; after the third's come two without capacity
    assert ends.later_slots.tolist() == [1, 1, 3, 0]
    assert ends.excess_ns.tolist() == [530_000, 530_000, 1_530_000, 30_000]


def test_a_drop_that_only_one_of_both_makes_is_counted() -> None:
    link = LinkSpec("a", "b", TDD, queue_bytes=1_000)
    crossing, log = crossed(link, [0, 499_990, 4_000_000], [0, 500_010, 4_000_000], 0)
    assert one(crossing, 0, log).different_drops == 1


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
