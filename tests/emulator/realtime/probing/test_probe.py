"""Links are probed with real packets through the real relay."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emulator.realtime.packet_log import NEVER_NS
from emulator.realtime.probing.estimates import rates
from emulator.realtime.probing.flood_plan import MAX_FLOOD_PACKETS, MIN_FLOOD_PACKETS, FloodPlanner
from emulator.realtime.probing.probe import probe
from emulator.realtime.probing.report import ProbeReport, write_probe_reports
from emulator.realtime.probing.sockets import SMALLEST_BYTES
from emulator.system import Background, CellSpec, LinkSpec, Node, Ramp, Role
from emulator.trace import Trace, constant
from tests.emulator.realtime.hosts import needs_namespaces, network

MS = 1_000_000
RATE_BOUND = 0.02
DELAY_BOUND_NS = 5 * MS  # the machine may have other work

Rows = Mapping[tuple[str, str], ProbeReport]


def nodes(**roles: Role) -> dict[str, Node]:
    return {name: Node(name, role) for name, role in roles.items()}


def probed(
    places: Mapping[str, Node],
    links: Sequence[LinkSpec],
    cells: Mapping[str, CellSpec],
    folder: Path,
    relayed: Sequence[LinkSpec] | None = None,
    duration_ns: int = 60_000 * MS,
) -> Rows:
    """The reports by direction; `relayed`: links of the relay that differ from those of the probe."""
    with network(places, links if relayed is None else relayed, cells, duration_ns) as net:
        rows = probe(net.relay, links, cells, 1, duration_ns, net.ends, folder / "packets.parquet")
    return {(row.source, row.target): row for row in rows}


def nr(every: int, seed: int) -> Trace:
    """Slots of 0.5 ms, of which each `every`-th has capacity."""
    bits = np.zeros(8_000, np.int64)
    bits[every - 1 :: every] = np.random.default_rng(seed).integers(20_000, 60_000, 8_000 // every)
    return Trace(MS // 2, {"capacity_bits": bits}, "slot")


def both(a: str, b: str, trace: Trace, delay_ns: int = 0) -> list[LinkSpec]:
    return [LinkSpec(a, b, trace, delay_ns), LinkSpec(b, a, trace, delay_ns)]


def is_as_scheduled(row: ProbeReport) -> None:
    assert row.rate_error is not None
    assert abs(row.rate_error) < RATE_BOUND
    assert row.is_filled
    assert row.delay_error_ns is not None
    assert 0 <= row.delay_error_ns < DELAY_BOUND_NS
    assert (row.unlogged_packets, row.unseen_packets) == (0, 0)


@needs_namespaces
def test_wired_links_carry_their_rates_and_delays(tmp_path: Path) -> None:
    fast, slow = constant(200e6), constant(1e6)
    links = [*both("gnb", "edge", fast, 5 * MS), *both("edge", "cloud", slow, MS)]
    rows = probed(nodes(gnb="gnb", edge="edge", cloud="cloud"), links, {}, tmp_path)
    for row in rows.values():
        is_as_scheduled(row)
        assert row.train_received == row.train_packets
    assert rows["gnb", "edge"].scheduled_rate_bps == pytest.approx(200e6, rel=1e-6)
    assert rows["gnb", "edge"].scheduled_delay_ns == 5 * MS + SMALLEST_BYTES * 8 * 5
    assert rows["edge", "cloud"].measured_rate_bps == pytest.approx(1e6, rel=RATE_BOUND)
    assert rows["edge", "cloud"].scheduled_delay_ns == MS + SMALLEST_BYTES * 8 * 1_000


@needs_namespaces
def test_a_relay_with_half_the_rate_and_more_delay_is_detected(tmp_path: Path) -> None:
    promised = both("gnb", "edge", constant(100e6), 5 * MS)
    kept = [replace(promised[0], trace=constant(50e6)), replace(promised[1], delay_ns=25 * MS)]
    rows = probed(nodes(gnb="gnb", edge="edge"), promised, {}, tmp_path, kept)
    assert rows["gnb", "edge"].rate_error == pytest.approx(-0.5, abs=RATE_BOUND)
    delay_error_ns = rows["edge", "gnb"].delay_error_ns
    assert delay_error_ns is not None
    assert 20 * MS <= delay_error_ns < 20 * MS + DELAY_BOUND_NS


@needs_namespaces
def test_links_over_the_air_are_measured_against_their_own_schedule(tmp_path: Path) -> None:
    ramp = Ramp(20 * MS, 2 * MS, 5 * MS, 100, 2 * MS)
    cells = {"ul": CellSpec("pf", 50), "dl": CellSpec("rr", 50)}
    links = []
    for number, name in enumerate(("ue1", "ue2")):
        background = Background(20.0, 20_000) if number else None
        links.append(LinkSpec(name, "gnb", nr(5, number), cell="ul", ramp=ramp, delay_ns=MS))
        links.append(LinkSpec("gnb", name, nr(1, number), cell="dl", background=background))
    lossy = LinkSpec("ue3", "gnb", nr(5, 3), bearer="um", loss=0.3)
    links += [lossy, LinkSpec("gnb", "ue3", nr(1, 3), ramp=ramp)]
    rows = probed(nodes(gnb="gnb", ue1="ue", ue2="ue", ue3="ue"), links, cells, tmp_path)
    for row in rows.values():
        is_as_scheduled(row)
    assert rows["ue1", "gnb"].train_received == rows["ue1", "gnb"].train_packets
    lost = rows["ue3", "gnb"]
    assert 0 < lost.flood_received < lost.flood_packets
    assert 0 < lost.train_received < lost.train_packets


@needs_namespaces
def test_background_traffic_ends_with_a_run_that_is_shorter_than_probing(tmp_path: Path) -> None:
    links = [
        LinkSpec("gnb", "ue1", nr(1, 1), cell="dl"),
        LinkSpec("ue1", "gnb", constant(20e6)),
        LinkSpec("gnb", "ue2", nr(1, 2), cell="dl", background=Background(200.0, 20_000)),
        LinkSpec("ue2", "gnb", constant(20e6)),
    ]
    cells = {"dl": CellSpec("rr", 50)}
    rows = probed(nodes(gnb="gnb", ue1="ue", ue2="ue"), links, cells, tmp_path, duration_ns=MS)
    is_as_scheduled(rows["gnb", "ue1"])


@needs_namespaces
def test_a_link_without_coverage_has_a_row_without_rates_and_delays(tmp_path: Path) -> None:
    later, never = np.zeros(60, np.int64), np.zeros(60, np.int64)
    later[50:] = 10_000_000
    links = [
        LinkSpec("ue1", "gnb", Trace(100 * MS, {"capacity_bits": later})),
        LinkSpec("gnb", "ue1", Trace(100 * MS, {"capacity_bits": never})),
        *both("gnb", "ue2", constant(50e6)),
    ]
    rows = probed(nodes(gnb="gnb", ue1="ue", ue2="ue"), links, {}, tmp_path)
    for direction in (("ue1", "gnb"), ("gnb", "ue1")):
        row = rows[direction]
        assert (row.flood_packets, row.flood_received, row.train_received) == (0, 0, 0)
        assert row.train_packets > 0
        assert (row.scheduled_rate_bps, row.measured_rate_bps, row.rate_error) == (None, None, None)
        assert (row.measured_delay_ns, row.delay_error_ns, row.delay_error_p99_ns) == (None, None, None)
        assert (row.unlogged_packets, row.unseen_packets) == (0, 0)
    is_as_scheduled(rows["gnb", "ue2"])


@needs_namespaces
def test_links_at_a_switch_are_probed_at_its_ports(tmp_path: Path) -> None:
    links = [*both("gnb", "s1", constant(100e6), MS), *both("s1", "edge", constant(50e6), 2 * MS)]
    rows = probed(nodes(gnb="gnb", s1="switch", edge="edge"), links, {}, tmp_path)
    assert len(rows) == 4
    for row in rows.values():
        is_as_scheduled(row)
        assert row.train_received == row.train_packets


def test_a_flood_is_what_its_link_can_carry_and_hold() -> None:
    specs = [
        LinkSpec("a", "b", constant(1e9), delay_ns=20 * MS),
        LinkSpec("a", "b", constant(1e5)),
        LinkSpec("a", "b", constant(100e6), queue_bytes=9_000),
        LinkSpec("a", "b", Trace(MS, {"capacity_bits": np.zeros(1, np.int64)})),
    ]
    plans = FloodPlanner(specs, 1)
    fast, slow, narrow, dark = (plans.flood(index, 7 * MS, 100 * MS) for index in range(4))
    assert (len(fast.start_ns), fast.size_bytes) == (MAX_FLOOD_PACKETS, 1_500)
    assert fast.end_ns == 27 * MS + MAX_FLOOD_PACKETS * 12_000
    assert len(slow.start_ns) >= MIN_FLOOD_PACKETS
    assert slow.size_bytes * 8 * len(slow.start_ns) <= 1e5 * 0.1 + slow.size_bytes * 8
    assert list(dark.start_ns) == []
    for plan, spec in zip((fast, slow, narrow), specs, strict=False):
        assert list(plan.due_ns) == sorted(plan.due_ns)
        for number, due_ns in enumerate(plan.due_ns):
            begun = int(np.searchsorted(plan.start_ns, due_ns, side="right"))
            assert due_ns <= plan.start_ns[number]
            assert (number - begun + 2) * plan.size_bytes <= spec.queue_bytes


def test_a_late_wake_up_leaves_the_rate_as_it_is() -> None:
    """Ten packets of a thousand, among them the last, are 3 ms late. By their times alone the rate is 3 % less."""
    release_ns = np.arange(1_000) * 100_000
    received_ns = release_ns + 40_000
    received_ns[-10:] += 3 * MS
    sizes = np.full(1_000, 1_250)
    measured = rates(sizes, release_ns, release_ns, received_ns)
    assert measured.scheduled_bps == pytest.approx(100e6)
    assert measured.measured_bps == pytest.approx(100e6)
    slower = rates(sizes, release_ns, release_ns, release_ns * 10 // 9)
    assert slower.measured_bps == pytest.approx(90e6, rel=1e-4)


def test_too_few_packets_or_no_time_between_them_give_no_rate() -> None:
    few, none = np.array([1, 2]), np.zeros(0, np.int64)
    assert rates(few, few, few, few) == rates(none, none, none, none) == (None, None, None)
    at_once = np.full(9, 5)
    assert rates(at_once, at_once, at_once, at_once + np.arange(9)).scheduled_bps is None


def test_the_table_has_a_row_for_each_link_and_leaves_unknown_values_empty(tmp_path: Path) -> None:
    known = ProbeReport(0, "ue1", "gnb", 5, 10, 10, 2e6, 3e6, 1e6, 50, 50, 1_000, 1_100, 100, 900, 80, 0, 0)
    unknown = ProbeReport(1, "gnb", "ue1", 6, 0, 0, None, None, None, 50, 0, None, None, None, None, None, 0, 0)
    write_probe_reports(tmp_path / "links.csv", [known, unknown])
    with (tmp_path / "links.csv").open() as file:
        first, second = csv.DictReader(file)
    assert (first["rate_error"], first["delay_error_p99_ns"], first["source"]) == ("-0.5", "900", "ue1")
    assert (second["rate_error"], second["measured_rate_bps"], second["train_packets"]) == ("", "", "50")
    assert str(NEVER_NS) not in second.values()
