"""The checks of a run in real time, on logs with known content."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.realtime.packet_log import PACKETS, REFUSED
from emulator.realtime.relay import RelayCounts
from emulator.system import Control, Cost, LinkSpec, Node, System
from emulator.trace import constant
from results.agreement.checks import ALL_LINKS, examine
from results.run.manifest import Check, EmulationFacts
from tests.emulator.realtime.logs import LATE_NS, Arrival, LogRow, relayed, write

LINKS = (LinkSpec("a", "b", constant(10e6), queue_bytes=15_000), LinkSpec("b", "a", constant(1e9)))
SYSTEM = System(
    "two", 3, NS_PER_S, {name: Node(name, "edge") for name in "ab"}, LINKS, (), {}, Control("a", 0, 1), Cost(1.0)
)  # fmt: skip
FACTS = EmulationFacts(
    simulated="exact",
    emulated="exact@emulated",
    links=("a-b", "b-a"),
    lateness_limit_ms=2.0,
    packets=0,
    stray=0,
    scheduling="",
)
ENDED = RelayCounts(packets=1_400, unlogged=0, overflowed=0, non_ipv4=0, broken=())


def rows() -> list[LogRow]:
    """Return 1200 packets on the first link, of which its queue drops some, and 200 on the second."""
    many = [Arrival(0, number * NS_PER_MS, 1_500) for number in range(1_200)]
    few = [Arrival(1, number * 5 * NS_PER_MS, 100) for number in range(200)]
    return relayed(LINKS, {}, 3, sorted(many + few, key=lambda arrival: arrival.now_ns), 2 * NS_PER_S)


def examined(
    folder: Path, rows: Sequence[LogRow], ended: RelayCounts = ENDED
) -> tuple[dict[tuple[str, str], Check], tuple[str, ...]]:
    """Return the checks by name and subject, and the notes."""
    write(folder / "packets.parquet", rows)
    checks, notes = examine(folder, SYSTEM, FACTS, ended, ())
    return {(check.name, check.subject): check for check in checks}, notes


def failed(checks: dict[tuple[str, str], Check]) -> list[tuple[str, str]]:
    return [key for key, check in checks.items() if not check.passed]


def test_a_relay_that_keeps_to_the_schedule_is_valid(tmp_path: Path) -> None:
    checks, notes = examined(tmp_path, rows())
    assert failed(checks) == [] and notes == ()
    late = {subject: check for (name, subject), check in checks.items() if name == "lateness, p99 in ms"}
    assert late.keys() == {ALL_LINKS, "a-b"}  # too few packets on the other
    assert late["a-b"].value == pytest.approx(LATE_NS * 1e-6)
    with (tmp_path / "lateness.csv").open() as file:
        table = list(csv.DictReader(file))
    delivered = sum(row.outcome == 0 for row in rows())
    assert [(row["link"], int(row["packets"])) for row in table] == [
        (ALL_LINKS, delivered),
        ("a-b", delivered - 200),
        ("b-a", 200),
    ]


def test_one_late_packet_in_fifty_fails(tmp_path: Path) -> None:
    late = [
        row._replace(departure_ns=row.departure_ns + 3 * NS_PER_MS) if row.outcome == 0 and row.order % 50 == 0 else row
        for row in rows()
    ]
    checks, _ = examined(tmp_path, late)
    assert failed(checks) == [("lateness, p99 in ms", ALL_LINKS), ("lateness, p99 in ms", "a-b")]


def test_drop_that_differs_from_the_simulation_is_named(tmp_path: Path) -> None:
    wrong = rows()
    wrong[5] = wrong[5]._replace(outcome=1, start_ns=-1, release_ns=-1, departure_ns=-1)
    checks, (note,) = examined(tmp_path, wrong)
    assert failed(checks) == [("packets unlike the simulation's", ALL_LINKS)]
    assert note.startswith("The simulation differs at link 1 packet 1: logged full")


def test_packet_refused_at_the_other_end_fails(tmp_path: Path) -> None:
    some = rows()
    some[0] = some[0]._replace(outcome=REFUSED)
    checks, notes = examined(tmp_path, some)
    assert failed(checks) == [("packets refused at the other end", ALL_LINKS)] and notes == ()


@pytest.mark.parametrize(
    ("ended", "name"),
    [
        (ENDED._replace(unlogged=2), "packets without a row"),
        (ENDED._replace(overflowed=1), "packets without memory"),
        (ENDED._replace(broken=(1,)), "links that broke"),
    ],
)
def test_counts_of_missing_packets_fail(ended: RelayCounts, name: str, tmp_path: Path) -> None:
    checks, _ = examined(tmp_path, rows(), ended)
    assert failed(checks) == [(name, ALL_LINKS)]


def test_missing_row_fails(tmp_path: Path) -> None:
    checks, _ = examined(tmp_path, rows()[1:])
    assert ("packets unlike the simulation's", ALL_LINKS) in failed(checks)


def test_a_run_without_a_packet_is_valid(tmp_path: Path) -> None:
    pq.write_table(PACKETS.empty_table(), tmp_path / "packets.parquet")
    checks, notes = examine(tmp_path, SYSTEM, FACTS, RelayCounts(0, 0, 0, 0, ()), ())
    assert all(check.passed for check in checks) and notes == ()


def test_severity_with_limit_0() -> None:
    clean = Check(name="lost", subject="x", value=0, limit=0)
    assert clean.passed and clean.severity == 0
    assert Check(name="lost", subject="x", value=1, limit=0).severity == float("inf")
