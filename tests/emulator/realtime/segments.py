"""Superframes and their segments in plain Python, after the RFCs: the reference for the compiled code."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

VIRTIO, ETHERNET = struct.Struct("<BBHHHH"), struct.Struct("!6s6sH")
IPV4, TCP = struct.Struct("!BBHHHBBH4s4s"), struct.Struct("!HHIIBBHHH")
NEEDS_CHECKSUM, GSO_TCP = 1, 1
FIN, PSH, ACK, CWR = 1, 8, 16, 128
MACS = b"\x02\0\0\0\0\x02", b"\x02\0\0\0\0\x01"


@dataclass(frozen=True)
class Segment:
    """One TCP segment over IPv4."""

    source: bytes = b"\x0a\x4d\0\x01"
    target: bytes = b"\x0a\x4d\0\x02"
    identification: int = 7
    ip_options: bytes = b""
    ports: tuple[int, int] = (1, 2)
    sequence: int = 1_000
    acknowledged: int = 2_000
    flags: int = ACK
    window: int = 512
    tcp_options: bytes = b""
    payload: bytes = b""

    def tcp(self, checksum: int) -> bytes:
        words = (20 + len(self.tcp_options)) // 4 << 4
        numbers = (*self.ports, self.sequence, self.acknowledged, words, self.flags, self.window, checksum, 0)
        return TCP.pack(*numbers) + self.tcp_options + self.payload

    def pseudo_header(self) -> bytes:
        return self.source + self.target + struct.pack("!HH", 6, len(self.tcp(0)))

    def ip(self, of_transport: bytes) -> bytes:
        length = 20 + len(self.ip_options) + len(of_transport)
        first = 0x40 | (20 + len(self.ip_options)) // 4
        fields = [first, 0, length, self.identification, 0x4000, 64, 6, 0, self.source, self.target]
        fields[7] = complement(IPV4.pack(*fields) + self.ip_options)
        return IPV4.pack(*fields) + self.ip_options + of_transport

    def packet(self) -> bytes:
        """The IP packet as it would go over a wire."""
        return self.ip(self.tcp(complement(self.pseudo_header() + self.tcp(0))))


def complement(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    return ~(total % 0xFFFF or (0xFFFF if total else 0)) & 0xFFFF


def superframe(whole: Segment, segment_bytes: int, in_one_piece_bytes: int = 0) -> bytes:
    """The frame in which Linux passes a payload on, to be cut into segments of `segment_bytes`. A host that forwards it
    counts the payload's first `in_one_piece_bytes` among the headers."""
    open_checksum = ~complement(whole.pseudo_header()) & 0xFFFF
    ip = whole.ip(whole.tcp(open_checksum))
    start = 14 + 20 + len(whole.ip_options)
    headers_bytes = 14 + len(ip) - len(whole.payload) + in_one_piece_bytes
    kind = GSO_TCP if segment_bytes < len(whole.payload) else 0
    size = segment_bytes if kind else 0
    return VIRTIO.pack(NEEDS_CHECKSUM, kind, headers_bytes, size, start, 16) + ETHERNET.pack(*MACS, 0x0800) + ip


def plain(ip: bytes, ether_type: int = 0x0800) -> bytes:
    """A frame of one packet with complete checksums."""
    return VIRTIO.pack(0, 0, 0, 0, 0, 0) + ETHERNET.pack(*MACS, ether_type) + ip


def datagram(size_bytes: int, number: int = 0) -> bytes:
    """A frame with a numbered IP packet of `size_bytes`, at least 28."""
    whole = Segment(identification=number & 0xFFFF)
    return plain(whole.ip(number.to_bytes(8, "big") + bytes(size_bytes - 28)))


def number_of(frame: bytes) -> int:
    """The number of a `datagram`."""
    return int.from_bytes(frame[44:52], "big")


def segments(whole: Segment, segment_bytes: int) -> list[Segment]:
    """The segments on the wire (RFC 9293, 3.7; an identification each, RFC 6864)."""
    count = -(-len(whole.payload) // segment_bytes)
    found = []
    for place in range(count):
        flags = whole.flags
        if place < count - 1:
            flags &= ~(FIN | PSH)
        begin = place * segment_bytes
        found.append(
            replace(
                whole,
                identification=(whole.identification + place) % 2**16,
                sequence=(whole.sequence + begin) % 2**32,
                flags=flags,
                payload=whole.payload[begin : begin + segment_bytes],
            )
        )
    return found


def on_the_wire(frame: bytes) -> list[bytes]:
    """The IP packets that a network card with segmentation and checksum offload makes of a frame. Fails if the frame's
    headers contradict each other."""
    flags, kind, headers_bytes, size, start, offset = VIRTIO.unpack_from(frame)
    ip = frame[24:]
    assert headers_bytes <= len(frame) - 10  # Linux refuses others
    headers = ip[: start - 14 + (ip[start - 2] >> 4) * 4] if kind else b""
    assert len(ip) == struct.unpack_from("!H", ip, 2)[0]
    assert complement(ip[: (ip[0] & 15) * 4]) == 0
    if kind == 0:
        assert size == 0
        return [_filled_in(ip, start, offset)] if flags & NEEDS_CHECKSUM else [ip]
    assert (flags, kind, start, offset) == (NEEDS_CHECKSUM, GSO_TCP, 14 + (ip[0] & 15) * 4, 16)
    fields = IPV4.unpack_from(ip)
    tcp_at = start - 14
    tcp = TCP.unpack_from(ip, tcp_at)
    whole = Segment(
        fields[8], fields[9], fields[3], ip[20:tcp_at], (tcp[0], tcp[1]), tcp[2], tcp[3], tcp[5], tcp[6],
        headers[tcp_at + 20 :], ip[len(headers) :],
    )  # fmt: skip
    assert tcp[7] == ~complement(whole.pseudo_header()) & 0xFFFF
    assert len(whole.payload) > size
    return [segment.packet() for segment in segments(whole, size)]


def _filled_in(ip: bytes, start: int, offset: int) -> bytes:
    """Complete the checksum as a card does: the sum from `start` on, including the field's value."""
    at = start - 14 + offset
    return ip[:at] + struct.pack("!H", complement(ip[start - 14 :])) + ip[at + 2 :]


def payload_of(packets: Sequence[bytes]) -> bytes:
    """The joined payload of TCP packets."""
    parts = []
    for ip in packets:
        tcp_at = (ip[0] & 15) * 4
        parts.append(ip[tcp_at + (ip[tcp_at + 12] >> 4) * 4 :])
    return b"".join(parts)
