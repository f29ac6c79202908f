"""The relay delivers packets by the schedule of the simulation, and logs each of them."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.realtime.packet_log import (
    DELIVERED,
    FULL,
    LOST,
    NEVER_NS,
    NO_COVERAGE,
    UNFINISHED,
)
from emulator.realtime.relay.process import TOUCHED_ROWS
from emulator.realtime.verification.conformance import replay
from emulator.system import CellSpec, LinkSpec
from emulator.trace import Trace, constant
from tests.emulator.realtime.segments import (
    Segment,
    datagram,
    number_of,
    on_the_wire,
    payload_of,
    plain,
    segments,
    superframe,
)
from tests.emulator.realtime.wires import DURATION_NS, FAST, SEED, Columns, wires


def slotted(rate_bps: float, **columns: object) -> Trace:
    """Slots of half a millisecond, as of NR."""
    slots = 40
    bits = np.full(slots, round(rate_bps * 0.0005), np.int64)
    return Trace(500_000, {"capacity_bits": bits, **{name: np.array(each) for name, each in columns.items()}}, "slot")


def of_link(log: Columns, link: int, outcome: int = DELIVERED) -> list[int]:
    """The numbers of a link's packets with this outcome."""
    rows = (log["link"] == link) & (log["outcome"] == outcome)
    return [int(number) for number in log["number"][rows]]


def test_links_of_every_kind_at_once_do_what_the_simulation_does(tmp_path: Path) -> None:
    harq = [NS_PER_MS * (slot % 3) for slot in range(40)]
    lost = [slot % 7 == 0 for slot in range(40)]
    links = [
        LinkSpec("a", "b", constant(4e6), delay_ns=3_000_000, queue_bytes=2_000),
        LinkSpec("b", "a", constant(1e9), loss=0.3, retransmission_ns=2_000_000, fragment_bytes=400),
        LinkSpec("c", "d", slotted(6e6, harq_delay_ns=harq, block_lost=lost), retransmission_ns=NS_PER_MS),
        LinkSpec("d", "c", slotted(6e6, harq_delay_ns=harq, block_lost=lost), bearer="um", loss=0.1),
        LinkSpec("u1", "g", slotted(5e6), cell="up"),
        LinkSpec("u2", "g", slotted(7e6), cell="up", queue_bytes=2_000),
        LinkSpec("g", "u1", slotted(8e6), cell="down", bearer="um", loss=0.2),
        LinkSpec("g", "u2", slotted(9e6), cell="down", delay_ns=NS_PER_MS),
    ]
    cells = {"up": CellSpec("pf", 10), "down": CellSpec("rr", 5)}
    log = tmp_path / "log.parquet"
    draws = np.random.default_rng(3)
    with wires(links, cells) as net:
        net.begin(log)
        for number in range(700):
            link = int(draws.integers(len(links)))
            net.links[link].send(datagram(int(draws.integers(60, 1_500)), number))
            time.sleep(float(draws.exponential(0.000_3)))
        time.sleep(0.1)
        ended, rows = net.end(log)
        agreement = replay(links, cells, SEED, DURATION_NS, log)
        assert agreement.complete, agreement.first
        assert agreement.packets == ended.packets == len(rows["link"]) == 700
        assert list(rows["order"]) == list(range(700))
        outcomes = set(rows["outcome"])
        assert {DELIVERED, FULL, LOST} <= outcomes <= {DELIVERED, FULL, LOST, UNFINISHED}
        delivered = rows["outcome"] == DELIVERED
        assert (rows["departure_ns"] >= rows["release_ns"])[delivered].all()
        assert (rows["arrival_ns"] <= rows["start_ns"])[delivered].all()
        for link in range(len(links)):
            mine = rows["link"] == link
            delivered_rows = np.flatnonzero(mine & delivered)
            assert list(rows["number"][mine]) == list(range(mine.sum()))
            assert (np.diff(rows["departure_ns"][delivered_rows]) >= 0).all()
            frames = net.links[link].receive(len(delivered_rows))
            assert [number_of(frame) for frame in frames] == list(rows["order"][delivered_rows])
            assert [len(frame) - 24 for frame in frames] == list(rows["size_bytes"][delivered_rows])


def test_every_segment_of_a_superframe_is_a_packet_of_the_link(tmp_path: Path) -> None:
    link = LinkSpec("a", "b", constant(8e6))  # a byte a microsecond
    whole = Segment(payload=os.urandom(9_500))
    with wires([link]) as net:
        net.begin(tmp_path / "log")
        net.links[0].send(superframe(whole, 1_000))
        time.sleep(0.05)
        _, rows = net.end(tmp_path / "log")
        expected = [segment.packet() for segment in segments(whole, 1_000)]
        assert list(rows["size_bytes"]) == [len(packet) for packet in expected] == [1_040] * 9 + [540]
        assert list(rows["release_ns"] - rows["arrival_ns"]) == [1_000 * each for each in np.cumsum(rows["size_bytes"])]
        assert len(set(rows["arrival_ns"])) == 1
        frames = net.links[0].receive(len(set(rows["departure_ns"])))
        assert len(frames) > 1
        assert [packet for frame in frames for packet in on_the_wire(frame)] == expected


def test_a_superframe_that_is_released_at_once_stays_one(tmp_path: Path) -> None:
    frame = superframe(Segment(payload=os.urandom(60_000)), 1_448)
    with wires([FAST]) as net:
        net.begin(tmp_path / "log")
        net.links[0].send(frame)
        assert net.links[0].receive(1) == [frame]
        assert net.end(tmp_path / "log")[0].packets == 42


def test_dropped_segments_are_cut_out_of_a_superframe(tmp_path: Path) -> None:
    link = LinkSpec("a", "b", constant(8e6), queue_bytes=3_500)
    whole = Segment(payload=os.urandom(9_000))
    with wires([link]) as net:
        net.begin(tmp_path / "log")
        net.links[0].send(superframe(whole, 1_000))
        time.sleep(0.03)
        _, rows = net.end(tmp_path / "log")
        assert list(rows["outcome"]) == [DELIVERED] * 3 + [FULL] * 6
        assert set(rows["departure_ns"][3:]) == set(rows["release_ns"][3:]) == set(rows["start_ns"][3:]) == {NEVER_NS}
        frames = net.links[0].receive(len(set(rows["departure_ns"][:3])))
        packets = [packet for frame in frames for packet in on_the_wire(frame)]
        assert packets == [segment.packet() for segment in segments(whole, 1_000)[:3]]


def test_lost_segments_of_a_datagram_bearer_are_the_same_in_every_run(tmp_path: Path) -> None:
    link = replace(FAST, bearer="um", loss=0.4)
    whole = Segment(payload=os.urandom(30_000))
    found = []
    with wires([link]) as net:
        for log in (tmp_path / "one", tmp_path / "two"):
            net.begin(log)
            net.links[0].send(superframe(whole, 1_000))
            time.sleep(0.02)
            _, rows = net.end(log)
            survivors = of_link(rows, 0)
            assert 0 < len(survivors) < 30
            assert sorted(survivors + of_link(rows, 0, LOST)) == list(range(30))
            assert set(rows["departure_ns"][rows["outcome"] == LOST]) == {NEVER_NS}
            packets: list[bytes] = []
            while len(packets) < len(survivors):
                packets += on_the_wire(net.links[0].receive(1)[0])
            assert packets == [segments(whole, 1_000)[place].packet() for place in survivors]
            found.append(survivors)
    assert found[0] == found[1]


def test_a_link_without_capacity_drops_every_packet(tmp_path: Path) -> None:
    nothing = Trace(NS_PER_MS, {"capacity_bits": np.zeros(1, np.int64)}, "slot")
    links = [LinkSpec("a", "b", nothing), LinkSpec("b", "a", replace(nothing, slot_ns=500_000), cell="cell")]
    with wires([*links, LinkSpec("c", "a", slotted(1e6), cell="cell")], {"cell": CellSpec("rr", 1)}) as net:
        net.begin(tmp_path / "log")
        for wire in net.links[:2]:
            wire.send(datagram(100))
        time.sleep(0.02)
        assert [*net.end(tmp_path / "log")[1]["outcome"]] == [NO_COVERAGE] * 2
        assert net.links[0].is_silent() and net.links[1].is_silent()


def test_packets_inside_at_the_end_are_unfinished_and_written_then(tmp_path: Path) -> None:
    links = [
        LinkSpec("a", "b", constant(8e6), delay_ns=NS_PER_S),
        LinkSpec("u", "g", slotted(40e3), cell="cell"),
        LinkSpec("v", "g", slotted(40e3), cell="cell"),
    ]
    whole = Segment(payload=os.urandom(5_000))
    with wires(links, {"cell": CellSpec("rr", 1)}) as net:
        net.begin(tmp_path / "log")
        net.links[0].send(superframe(whole, 1_000), datagram(100, 6))
        net.links[1].send(datagram(1_000, 7))
        time.sleep(0.02)
        assert all(wire.is_silent() for wire in net.links)
        ended, rows = net.end(tmp_path / "log")
        assert ended.packets == 7
        assert list(rows["outcome"]) == [UNFINISHED] * 7
        assert set(rows["departure_ns"]) == {NEVER_NS}
        assert (rows["release_ns"][rows["link"] == 0] > NS_PER_S).all()
        assert list(rows["release_ns"][rows["link"] == 1]) == [NEVER_NS]
        frames = net.links[0].receive(2)
        assert payload_of(on_the_wire(frames[0])) == whole.payload
        assert number_of(frames[1]) == 6
        assert number_of(net.links[1].receive(1)[0]) == 7


def test_other_frames_than_ipv4_take_no_number_and_only_arp_passes(tmp_path: Path) -> None:
    arp, other = plain(b"who has", 0x0806), plain(bytes(60), 0x86DD)
    slow = LinkSpec("a", "b", constant(80e3), delay_ns=100 * NS_PER_MS)
    with wires([slow]) as net:
        net.links[0].send(other, arp)
        assert net.links[0].receive(1) == [arp]  # none of a run's
        net.begin(tmp_path / "log")
        net.links[0].send(datagram(100, 1), other, arp, datagram(100, 2))
        assert net.links[0].receive(1) == [arp]
        ended, rows = net.end(tmp_path / "log")
        assert (ended.packets, ended.non_ipv4) == (2, 2)
        assert list(rows["number"]) == [0, 1]


def test_outside_a_run_frames_pass_at_once_and_leave_no_row(tmp_path: Path) -> None:
    slow = LinkSpec("a", "b", constant(8e3), delay_ns=NS_PER_S, queue_bytes=100)
    frames = [datagram(1_000, number) for number in range(50)]
    with wires([slow]) as net:
        net.links[0].send(*frames)
        assert net.links[0].receive(50) == frames
        net.relay.begin(time.monotonic_ns() + NS_PER_S, tmp_path / "log")
        net.links[0].send(*frames)
        assert net.links[0].receive(50) == frames
        assert net.end(tmp_path / "log")[0] == (0, 0, 0, 0, ())
        net.links[0].send(*frames)
        assert net.links[0].receive(50) == frames


def test_a_run_begins_with_fresh_links(tmp_path: Path) -> None:
    link = LinkSpec("a", "b", constant(80e3), queue_bytes=1_000)  # 100 ms to send what the queue holds
    with wires([link]) as net:
        for log in (tmp_path / "one", tmp_path / "two"):
            net.begin(log)
            net.links[0].send(*[datagram(500, number) for number in range(4)])
            time.sleep(0.02)
            _, rows = net.end(log)
            assert list(rows["outcome"]) == [UNFINISHED, UNFINISHED, FULL, FULL]
            assert list(rows["number"]) == [0, 1, 2, 3]
            assert (rows["release_ns"] - rows["arrival_ns"][0])[0] == 50 * NS_PER_MS
            net.links[0].receive(2)


def test_links_and_cells_take_more_packets_than_their_tables_had_room_for(tmp_path: Path) -> None:
    specs = [
        LinkSpec("a", "b", constant(1e6), queue_bytes=10**9),
        LinkSpec("u", "g", slotted(1e6), cell="cell", queue_bytes=10**9),
    ]
    whole = Segment(payload=bytes(10_000))
    count = TOUCHED_ROWS // 10_000 + 2
    with wires(specs, {"cell": CellSpec("rr", 1)}) as net:
        net.begin(tmp_path / "log")
        for wire in net.links:
            wire.send(*[superframe(whole, 1)] * count)
        time.sleep(0.3)
        ended, rows = net.end(tmp_path / "log")
        assert ended.packets == len(rows["link"]) == 2 * count * 10_000
        assert set(rows["outcome"]) == {DELIVERED, UNFINISHED}
        agreement = replay(specs, {"cell": CellSpec("rr", 1)}, SEED, DURATION_NS, tmp_path / "log")
        assert agreement.complete, agreement.first
