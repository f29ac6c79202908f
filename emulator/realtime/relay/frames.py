"""Frames of TAP interfaces, in compiled code: parse their headers, and cut segments out of superframes.

A frame is a header of 10 bytes (struct virtio_net_hdr, VIRTIO 1.2, 5.1.6), the Ethernet header and an IP packet. With
segmentation offload, Linux sends TCP in superframes: one set of headers and the payload of many segments, which the
receiver of the frame has to segment. On a link each segment is a packet.
"""

from typing import NamedTuple

from emulator.core.compiled import Table, entry_point, in_place
from emulator.realtime.marks import ACKNOWLEDGED_TOS

VIRTIO_BYTES, ETHERNET_BYTES = 10, 14
MAX_FRAME_BYTES = VIRTIO_BYTES + ETHERNET_BYTES + 65_535
MAX_HEADERS_BYTES = VIRTIO_BYTES + ETHERNET_BYTES + 60 + 60  # IPv4 and TCP with all options
IPV4, ARP, OTHER = range(3)

_ETHERNET_IPV4, _ETHERNET_ARP = 0x0800, 0x0806
# VIRTIO 1.2, 5.1.6
_GSO_NONE, _GSO_TCPV4 = 0, 1
_GSO_TYPE_AT, _HEADERS_SIZE_AT, _SEGMENT_SIZE_AT = 1, 2, 4  # little-endian, unlike all other fields
_IP = VIRTIO_BYTES + ETHERNET_BYTES
_TCP = 6
_FIN, _PSH = 0x01, 0x08  # RFC 9293, 3.1


class Frame(NamedTuple):
    """A parsed frame. Each of its `segments` repeats the `headers_bytes` of IP and TCP and carries `segment_bytes` of
    the payload. The last segment carries the rest. A frame that is no superframe has one segment. `acknowledged`: the
    sender marked it as to be acknowledged on every bearer."""

    kind: int
    headers_bytes: int
    payload_bytes: int
    segment_bytes: int
    segments: int
    acknowledged: bool


@entry_point
def parse_frame(pool: Table, at: int, size_bytes: int) -> Frame:
    """Parse the frame at offset `at` of the pool. A packet whose lengths contradict its headers is of kind OTHER."""
    ip = at + _IP
    kind = get_uint16(pool, ip - 2) if size_bytes >= _IP else 0
    if kind == _ETHERNET_ARP:
        return Frame(ARP, 0, 0, 0, 0, False)
    if kind != _ETHERNET_IPV4 or size_bytes < _IP + 20 or pool[ip] >> 4 != 4:
        return Frame(OTHER, 0, 0, 0, 0, False)
    ip_bytes = get_uint16(pool, ip + 2)  # a short frame may be padded
    gso = pool[at + _GSO_TYPE_AT]
    acknowledged = pool[ip + 1] & 0xFC == ACKNOWLEDGED_TOS  # the last two bits report congestion (RFC 3168)
    headers_bytes = (pool[ip] & 15) * 4
    if not 20 <= headers_bytes <= ip_bytes <= size_bytes - _IP:
        return Frame(OTHER, 0, 0, 0, 0, False)
    if gso == _GSO_NONE:
        return Frame(IPV4, headers_bytes, ip_bytes - headers_bytes, ip_bytes - headers_bytes, 1, acknowledged)
    segment = pool[at + _SEGMENT_SIZE_AT] + pool[at + _SEGMENT_SIZE_AT + 1] * 256
    tcp_headers_bytes = (pool[ip + headers_bytes + 12] >> 4) * 4 if ip_bytes >= headers_bytes + 20 else 0
    headers_bytes += tcp_headers_bytes
    payload_bytes = ip_bytes - headers_bytes
    if gso != _GSO_TCPV4 or segment == 0 or tcp_headers_bytes < 20 or payload_bytes < 1:
        return Frame(OTHER, 0, 0, 0, 0, False)
    return Frame(IPV4, headers_bytes, payload_bytes, segment, -(-payload_bytes // segment), acknowledged)


@entry_point
def packet_bytes(frame: Frame, segment: int) -> int:
    """Return the IP bytes of the packet that one segment is on a link."""
    return int(frame.headers_bytes + min(frame.segment_bytes, frame.payload_bytes - segment * frame.segment_bytes))


@entry_point
def cut_segments(pool: Table, at: int, frame: Frame, first: int, stop: int, headers: Table) -> tuple[int, int, int]:
    """Make a frame of the segments `first` to `stop` - 1 of the superframe at offset `at`: write its headers into
    `headers`. Return their size, and the pool offset and the size of the payload.

    The fields that change from segment to segment are those of Linux's `inet_gso_segment` and `tcp_gso_segment`.
    """
    size = _IP + frame.headers_bytes
    for offset in range(size):
        headers[offset] = pool[at + offset]
    begin = first * frame.segment_bytes
    payload_bytes = min(stop * frame.segment_bytes, frame.payload_bytes) - begin
    if stop - first == 1:
        headers[_GSO_TYPE_AT] = _GSO_NONE
        headers[_SEGMENT_SIZE_AT] = headers[_SEGMENT_SIZE_AT + 1] = 0
    # A host that forwards a superframe counts more than the headers here: all bytes of its first piece of memory. Linux
    # refuses a frame that is shorter than this number.
    headers[_HEADERS_SIZE_AT], headers[_HEADERS_SIZE_AT + 1] = ETHERNET_BYTES + frame.headers_bytes, 0  # below 256
    ip_bytes = frame.headers_bytes + payload_bytes
    set_uint16(headers, _IP + 2, ip_bytes)
    set_uint16(headers, _IP + 4, (get_uint16(headers, _IP + 4) + first) & 0xFFFF)
    tcp = _IP + (headers[_IP] & 15) * 4
    set_uint16(headers, _IP + 10, 0)
    set_uint16(headers, _IP + 10, ~fold_carries(sum_uint16(headers, _IP, tcp)) & 0xFFFF)
    sequence = get_uint16(headers, tcp + 4) * 65_536 + get_uint16(headers, tcp + 6) + begin
    set_uint16(headers, tcp + 4, (sequence >> 16) & 0xFFFF)
    set_uint16(headers, tcp + 6, sequence & 0xFFFF)
    if stop < frame.segments:
        headers[tcp + 13] &= ~(_FIN | _PSH)
    # a partial checksum: the sum over the pseudo-header (RFC 9293, 3.1), which the receiver completes
    tcp_bytes = size + payload_bytes - tcp
    set_uint16(headers, tcp + 16, fold_carries(sum_uint16(headers, _IP + 12, _IP + 20) + _TCP + tcp_bytes))
    return size, at + size + begin, payload_bytes


@in_place
def sum_uint16(table: Table, begin: int, stop: int) -> int:
    """Return the sum of the 16-bit numbers from `begin` to `stop`."""
    total = 0
    for offset in range(begin, stop, 2):
        total += get_uint16(table, offset)
    return total


@in_place
def fold_carries(total: int) -> int:
    """Fold the carries of a sum into 16 bits (ones' complement arithmetic, RFC 1071)."""
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@in_place
def get_uint16(table: Table, offset: int) -> int:
    """Return the 16-bit number at an offset, in network byte order."""
    return int(table[offset]) * 256 + int(table[offset + 1])


@in_place
def set_uint16(table: Table, offset: int, value: int) -> None:
    """Store a 16-bit number at an offset, in network byte order."""
    table[offset] = value >> 8
    table[offset + 1] = value & 0xFF
