"""Sockets at the ends of probed links: marked packets are sent from one end, and the kernel stamps them at the other.

Between hosts, packets are UDP datagrams. A switch has no address, so packets to or from a switch are frames at its
port. One process holds all sockets: a socket stays in the network namespace in which it was made.
"""

import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address
from types import TracebackType
from typing import NamedTuple, Self

from emulator.core.units import NS_PER_S
from emulator.realtime.sandbox.namespaces import network_of

PORT = 7_077
UNUSED_ADDRESS = "10.77.255.254"  # no node has this address
_MARK = struct.Struct("!HHI")
ETHERNET_BYTES, IP_BYTES, UDP_BYTES = 14, 20, 8
SMALLEST_BYTES, LARGEST_BYTES = IP_BYTES + UDP_BYTES + _MARK.size, 1_500  # IP bytes of a packet
SEGMENTS, DATAGRAM_BYTES = 64, 65_507  # limits of every kernel with UDP_SEGMENT for one call
BUFFER_BYTES = 64_000_000

# Python does not define these: <linux/udp.h>, <asm-generic/socket.h>, <linux/if_ether.h>
UDP_SEGMENT = 103
SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33
ETH_P_IP, ETH_P_ALL = 0x0800, 0x0003


class LinkEnd(NamedTuple):
    """One end of a link: an interface in the network namespace of process `pid`. A switch has no address."""

    pid: int
    interface: str
    mac: str
    address: str | None


class Mark(NamedTuple):
    """The content of a probe packet: its attempt, its link, and its number in the attempt."""

    attempt: int
    link: int
    number: int


class Sockets:
    """Sockets at both ends of each link. Raises OSError if a socket cannot be made."""

    def __init__(self, ends: Sequence[tuple[LinkEnd, LinkEnd]]) -> None:
        self._ends = ends
        self._open = ExitStack()
        self._hosts: dict[int, socket.socket] = {}
        self._ports: dict[LinkEnd, socket.socket] = {}
        try:
            for source, target in ends:
                if _between_hosts(source, target):
                    self._open_host(source)
                else:
                    self._open_port(source)
                if target.address is None:
                    self._open_port(target)
                else:
                    self._open_host(target)
        except BaseException:
            self._open.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def send(self, link: int, attempt: int, first: int, count: int, size_bytes: int) -> None:
        """Send `count` packets of `size_bytes` (IP bytes) on a link, marked with numbers from `first` on. Between
        hosts, at most `burst_packets(size_bytes)` at a time."""
        source, target = self._ends[link]
        rest = bytes(size_bytes - SMALLEST_BYTES)
        payloads = [_MARK.pack(attempt, link, number) + rest for number in range(first, first + count)]
        if not _between_hosts(source, target):
            header = _header(source, target, size_bytes)
            for payload in payloads:
                self._ports[source].send(header + payload)
            return
        segment = struct.pack("=H", size_bytes - IP_BYTES - UDP_BYTES)
        options = [(socket.IPPROTO_UDP, UDP_SEGMENT, segment)] if count > 1 else []
        self._hosts[source.pid].sendmsg([b"".join(payloads)], options, 0, (target.address, PORT))

    def received(self) -> Iterator[tuple[Mark, int]]:
        """Yield the packets received since the last call, and the kernel's stamps in ns (CLOCK_MONOTONIC)."""
        offset_ns = _realtime_ahead_ns()
        for each in self._hosts.values():
            for data, at_ns in _read(each, 0):
                yield Mark(*_MARK.unpack_from(data)), at_ns - offset_ns
        for port in self._ports.values():
            for data, at_ns in _read(port, ETHERNET_BYTES + IP_BYTES + UDP_BYTES):
                yield Mark(*_MARK.unpack_from(data)), at_ns - offset_ns

    def _open_host(self, end: LinkEnd) -> None:
        if end.pid not in self._hosts:
            with network_of(end.pid):
                made = self._open.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            _configure(made)
            made.bind((end.address, PORT))
            self._hosts[end.pid] = made

    def _open_port(self, end: LinkEnd) -> None:
        if end not in self._ports:
            with network_of(end.pid):
                made = self._open.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
            _configure(made)
            # All protocols: a socket for a single one does not see frames that a bridge takes.
            made.bind((end.interface, ETH_P_ALL))
            self._ports[end] = made


def burst_packets(size_bytes: int) -> int:
    """Return how many packets of this size one call can send."""
    return min(SEGMENTS, DATAGRAM_BYTES // (size_bytes - IP_BYTES - UDP_BYTES))


def _between_hosts(source: LinkEnd, target: LinkEnd) -> bool:
    return source.address is not None and target.address is not None


def _configure(made: socket.socket) -> None:
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)


def _read(each: socket.socket, skipped: int) -> Iterator[tuple[bytes, int]]:
    """Yield the mark of each probe packet that waits in a socket, `skipped` bytes into it, and its stamp."""
    room = socket.CMSG_SPACE(16)  # a struct timespec of two 64-bit numbers
    while True:
        try:
            data, options, _, origin = each.recvmsg(skipped + _MARK.size, room)
        except BlockingIOError:
            return
        if skipped and not _is_probe(data, origin):
            continue
        ((_, _, stamp),) = options
        seconds, nanoseconds = struct.unpack("=qq", stamp)
        yield data[skipped:], seconds * NS_PER_S + nanoseconds


def _is_probe(frame: bytes, origin: tuple[str, int, int]) -> bool:
    """Whether a frame at a port is incoming and a probe packet."""
    port = struct.pack("!H", PORT)
    return origin[2] != socket.PACKET_OUTGOING and frame[12:14] == struct.pack("!H", ETH_P_IP) and frame[36:38] == port


def _header(source: LinkEnd, target: LinkEnd, size_bytes: int) -> bytes:
    """Ethernet (IEEE 802.3), IPv4 (RFC 791), UDP without a checksum (RFC 768)."""
    ethernet = bytes.fromhex((target.mac + source.mac).replace(":", "")) + struct.pack("!H", ETH_P_IP)
    addresses = (IPv4Address(end.address or UNUSED_ADDRESS).packed for end in (source, target))
    plain = struct.pack("!BBHHHBBH4s4s", 0x45, 0, size_bytes, 0, 0, 64, socket.IPPROTO_UDP, 0, *addresses)
    total = sum(struct.unpack("!10H", plain))
    checksum = 0xFFFF - (total + (total >> 16)) % 0x10000
    ip = plain[:10] + struct.pack("!H", checksum) + plain[12:]
    return ethernet + ip + struct.pack("!HHHH", PORT, PORT, size_bytes - IP_BYTES, 0)


def _realtime_ahead_ns() -> int:
    """Return CLOCK_REALTIME, the clock of the kernel's stamps, minus CLOCK_MONOTONIC: the tightest of some readings."""
    readings = []
    for _ in range(9):
        before_ns = time.monotonic_ns()
        realtime_ns = time.time_ns()
        after_ns = time.monotonic_ns()
        readings.append((after_ns - before_ns, realtime_ns - (before_ns + after_ns) // 2))
    return min(readings)[1]
