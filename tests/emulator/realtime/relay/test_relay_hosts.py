"""Real TCP and UDP between hosts over the relay: every byte arrives as it was sent."""

import hashlib
import os
import socket
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pyarrow.parquet as pq

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.realtime.marks import ACKNOWLEDGED_TOS
from emulator.realtime.packet_log import DELIVERED, FULL, UNFINISHED
from emulator.realtime.relay.tap import open_tap
from emulator.realtime.sandbox.namespaces import network_of
from emulator.realtime.verification.conformance import replay
from emulator.system import LinkSpec, Node
from emulator.trace import Trace, constant
from tests.emulator.realtime.hosts import RelayedHosts, inside, namespace, needs_namespaces, network
from tests.emulator.realtime.segments import ACK, CWR, Segment, on_the_wire, payload_of, superframe

pytestmark = needs_namespaces

SEED = 1
DURATION_NS = 60 * NS_PER_S
NODES = {name: Node(name, "edge") for name in "ab"}
PORT = 5_000
SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python does not know it
SOL_PACKET, PACKET_VNET_HDR = 263, 15  # linux/socket.h, linux/if_packet.h
GSO_ECN = 0x80  # VIRTIO 1.2, 5.1.6


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sent_by_tcp(net: RelayedHosts, data: bytes) -> bytes:
    """The bytes that host b receives when a sends them by TCP."""
    with network_of(net.pids["b"]):
        server = socket.create_server((net.plan.addresses["b"], PORT))
    found: list[bytes] = []

    def take() -> None:
        connection, _ = server.accept()
        with connection:
            while part := connection.recv(1 << 16):
                found.append(part)

    with server:
        thread = Thread(target=take)
        thread.start()
        with network_of(net.pids["a"]):
            client = socket.create_connection((net.plan.addresses["b"], PORT), timeout=30)
        with client:
            client.sendall(data)
        thread.join(60)
    return b"".join(found)


def sent_by_udp(net: RelayedHosts, parts: list[bytes], gap_s: float, tos: int = 0) -> list[bytes]:
    """The datagrams that host b receives when a sends these with a type of service."""
    with network_of(net.pids["b"]):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with network_of(net.pids["a"]):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found: list[bytes] = []
    with server, client:
        server.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        server.bind((net.plan.addresses["b"], PORT))
        server.settimeout(1)
        client.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
        for part in parts:
            client.sendto(part, (net.plan.addresses["b"], PORT))
            time.sleep(gap_s)
        try:
            while len(found) < len(parts):
                found.append(server.recv(1 << 16))
        except TimeoutError:
            pass
    return found


def both_ways(trace: Trace, delay_ns: int = 0, queue_bytes: int = 10_000_000) -> list[LinkSpec]:
    return [
        LinkSpec("a", "b", trace, delay_ns, queue_bytes),
        LinkSpec("b", "a", trace, delay_ns, queue_bytes),
    ]


def test_tcp_carries_a_file_over_links_of_every_kind(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    bits = np.array([250_000, 0, 100_000, 400_000], np.int64)
    slots = Trace(500_000, {"capacity_bits": bits}, "slot")
    for links in (
        both_ways(constant(1e12)),
        both_ways(constant(50e6), 2 * NS_PER_MS),
        both_ways(constant(40e6), NS_PER_MS, queue_bytes=20_000),
        both_ways(slots, NS_PER_MS),
    ):
        log = tmp_path / "log"
        with network(NODES, links, {}, DURATION_NS) as net:
            net.relay.begin(time.monotonic_ns(), log)
            assert sha256(sent_by_tcp(net, data)) == sha256(data)
            ended = net.relay.end()
            assert (ended.unlogged, ended.overflowed, ended.non_ipv4, ended.broken) == (0, 0, 0, ())
        rows = pq.read_table(log)
        sizes, outcomes = rows["size_bytes"].to_numpy(), rows["outcome"].to_numpy()
        forward = rows["link"].to_numpy() == 0
        assert len(rows) == ended.packets
        assert sizes.max() == 1_500  # segments, however large the frames were
        assert sizes[forward & (outcomes == DELIVERED)].sum() >= len(data) * 1_500 / 1_460
        agreement = replay(links, {}, SEED, DURATION_NS, log)
        assert agreement.complete, agreement.first


def test_datagrams_arrive_complete_or_not_at_all(tmp_path: Path) -> None:
    parts = [number.to_bytes(4, "big") + os.urandom(20 + 37 * number % 1_440) for number in range(400)]
    links = both_ways(constant(20e6), queue_bytes=30_000)
    with network(NODES, links, {}, DURATION_NS) as net:
        net.relay.begin(time.monotonic_ns(), tmp_path / "log")
        found = sent_by_udp(net, parts, 0.0)
        net.relay.end()
    rows = pq.read_table(tmp_path / "log").sort_by("order").to_pydict()
    assert set(rows["outcome"]) == {DELIVERED, FULL}
    assert rows["size_bytes"] == [len(part) + 28 for part in parts]
    crossed = [part for part, outcome in zip(parts, rows["outcome"], strict=True) if outcome == DELIVERED]
    assert found == crossed


def test_each_ip_fragment_of_a_datagram_is_a_packet(tmp_path: Path) -> None:
    part = os.urandom(20_000)
    with network(NODES, both_ways(constant(100e6)), {}, DURATION_NS) as net:
        net.relay.begin(time.monotonic_ns(), tmp_path / "log")
        assert sent_by_udp(net, [part], 0.0) == [part]
        net.relay.end()
    sizes = pq.read_table(tmp_path / "log")["size_bytes"].to_pylist()
    assert sizes == [1_500] * 13 + [20_008 - 13 * 1_480 + 20]


def test_tcp_carries_a_file_hop_by_hop(tmp_path: Path) -> None:
    nodes = {name: Node(name, "edge") for name in ("a", "m", "b")}
    ways = [("a", "m"), ("m", "a"), ("m", "b"), ("b", "m")]
    links = [LinkSpec(source, target, constant(80e6), NS_PER_MS) for source, target in ways]
    data = os.urandom(1_000_000)
    with network(nodes, links, {}, DURATION_NS) as net:
        net.relay.begin(time.monotonic_ns(), tmp_path / "log")
        assert sha256(sent_by_tcp(net, data)) == sha256(data)
        net.relay.end()
    rows = pq.read_table(tmp_path / "log")
    for link in (0, 2):
        mine = rows["link"].to_numpy() == link
        assert rows["size_bytes"].to_numpy()[mine].sum() > len(data)


def test_a_forwarding_host_passes_superframes_on_to_the_next_link(tmp_path: Path) -> None:
    nodes = {name: Node(name, "edge") for name in ("a", "m", "b")}
    fast, slow = constant(1e12), constant(50e6)
    ways = [("a", "m", fast), ("m", "a", fast), ("m", "b", slow), ("b", "m", slow)]
    links = [LinkSpec(source, target, trace, NS_PER_MS) for source, target, trace in ways]
    data = os.urandom(500_000)
    with network(nodes, links, {}, DURATION_NS) as net:
        net.relay.begin(time.monotonic_ns(), tmp_path / "log")
        assert sha256(sent_by_tcp(net, data)) == sha256(data)
        net.relay.end()
    rows = pq.read_table(tmp_path / "log")
    assert set(rows["outcome"].to_pylist()) <= {DELIVERED, UNFINISHED}


def test_an_interface_that_is_down_does_not_end_the_relay(tmp_path: Path) -> None:
    with network(NODES, both_ways(constant(1e9)), {}, DURATION_NS) as net:
        net.relay.begin(time.monotonic_ns(), tmp_path / "log")
        interface = net.plan.ports["b"][0].interface
        inside(net.pids["b"], "ip", "link", "set", interface, "down")
        assert sent_by_udp(net, [b"lost"], 0.0) == []
        assert net.relay.end().broken == ()
    outcomes = pq.read_table(tmp_path / "log")["outcome"].to_pylist()
    assert len(outcomes) == 1
    assert outcomes[0] not in (DELIVERED, UNFINISHED)


def test_the_kernel_segments_tcp_with_cwr_before_the_relay_reads_it() -> None:
    whole = Segment(flags=ACK | CWR, payload=os.urandom(3_000))
    raw = bytearray(superframe(whole, 1_000))
    raw[1] |= GSO_ECN
    with namespace("a") as pid, network_of(pid):
        tap = open_tap("tap0")
        inside(pid, "ip", "link", "set", "tap0", "up")
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as host:
            host.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
            host.bind(("tap0", 0))
            host.send(raw)
        frames = [os.read(tap, 1 << 16) for _ in range(3)]
        os.close(tap)
    assert [len(frame) - 24 for frame in frames] == [1_040] * 3
    assert payload_of([on_the_wire(frame)[0] for frame in frames]) == whole.payload
    assert [bool(frame[57] & CWR) for frame in frames] == [True, False, False]


def test_marked_packets_survive_a_link_that_loses_most_others(tmp_path: Path) -> None:
    lossy = [replace(link, bearer="um", loss=0.9) for link in both_ways(constant(50e6), NS_PER_MS)]
    parts = [bytes([number]) * 1_000 for number in range(20)]
    arrived = {}
    for tos in (0, ACKNOWLEDGED_TOS):
        log = tmp_path / f"log-{tos}"
        with network(NODES, lossy, {}, DURATION_NS) as net:
            net.relay.begin(time.monotonic_ns(), log)
            arrived[tos] = sent_by_udp(net, parts, 0.001, tos)
            net.relay.end()
        assert set(pq.read_table(log)["acknowledged"].to_pylist()) == {int(tos == ACKNOWLEDGED_TOS)}
        assert replay(lossy, {}, SEED, DURATION_NS, log).complete
    assert len(arrived[0]) < 10
    assert arrived[ACKNOWLEDGED_TOS] == parts
