"""Frames as a TAP interface gives them, in compiled code: what they carry, and cutting segments out of superframes.

A frame is a header of 10 bytes (struct virtio_net_hdr, VIRTIO 1.2, 5.1.6), the Ethernet header and an IP packet. Linux
hands TCP over in superframes: many segments behind one set of headers, to be told apart by whoever sends them on
(segmentation offload). On a link each segment is a packet of its own.
"""

from typing import NamedTuple

from emulator.core.compiled import Table, in_place

VIRTIO_BYTES, ETHERNET_BYTES = 10, 14
LONGEST_BYTES = VIRTIO_BYTES + ETHERNET_BYTES + 65_535
HEADERS_BYTES = VIRTIO_BYTES + ETHERNET_BYTES + 60 + 60  # at most: IPv4 and TCP with all their options
PACKET, ARP, OTHER = range(3)

_ETHERNET_IPV4, _ETHERNET_ARP = 0x0800, 0x0806
# VIRTIO 1.2, 5.1.6
_GSO_NONE, _GSO_TCPV4, _GSO_ECN = 0, 1, 0x80
_HEADERS_SIZE, _SEGMENT_SIZE = 2, 4  # places in the header
_IP = VIRTIO_BYTES + ETHERNET_BYTES
_TCP = 6
_FIN, _PSH, _CWR = 0x01, 0x08, 0x80  # RFC 9293, 3.1


class Frame(NamedTuple):
    """`headers_bytes` of IP and TCP come again with each of `segments`, which carry `segment_bytes` of the payload
    each, the last what is left. What is no superframe is one segment."""

    kind: int
    headers_bytes: int
    payload_bytes: int
    segment_bytes: int
    segments: int


@in_place
def look(pool: Table, at: int, size_bytes: int) -> Frame:
    """What the frame is that lies at `at` in the pool. An IP packet whose lengths are not what its header says
    is none."""
    ip = at + _IP
    kind = number(pool, ip - 2) if size_bytes >= _IP else 0
    if kind == _ETHERNET_ARP:
        return Frame(ARP, 0, 0, 0, 0)
    if kind != _ETHERNET_IPV4 or size_bytes < _IP + 20 or pool[ip] >> 4 != 4 or number(pool, ip + 2) > size_bytes - _IP:
        return Frame(OTHER, 0, 0, 0, 0)
    ip_bytes = number(pool, ip + 2)  # short frames may be padded
    gso = pool[at + 1] & ~_GSO_ECN
    headers_bytes = (pool[ip] & 15) * 4
    if not 20 <= headers_bytes <= ip_bytes:
        return Frame(OTHER, 0, 0, 0, 0)
    if gso == _GSO_NONE:
        return Frame(PACKET, headers_bytes, ip_bytes - headers_bytes, ip_bytes - headers_bytes, 1)
    segment = pool[at + _SEGMENT_SIZE] + pool[at + _SEGMENT_SIZE + 1] * 256
    if ip_bytes > headers_bytes + 20:
        headers_bytes += (pool[ip + headers_bytes + 12] >> 4) * 4
    payload_bytes = ip_bytes - headers_bytes
    if gso != _GSO_TCPV4 or segment == 0 or payload_bytes < 1:
        return Frame(OTHER, 0, 0, 0, 0)
    return Frame(PACKET, headers_bytes, payload_bytes, segment, -(-payload_bytes // segment))


@in_place
def segment_bytes(frame: Frame, segment: int) -> int:
    """The IP bytes of one segment."""
    return int(frame.headers_bytes + min(frame.segment_bytes, frame.payload_bytes - segment * frame.segment_bytes))


@in_place
def cut(pool: Table, at: int, frame: Frame, first: int, stop: int, headers: Table) -> tuple[int, int, int]:
    """Make a frame of the segments `first` up to, not including, `stop` of the superframe at `at`: write its headers
    into `headers`, and tell how many bytes these are, where in the pool its payload is and of how many bytes.

    What differs from segment to segment is what Linux's `inet_gso_segment` and `tcp_gso_segment` change.
    """
    size = _IP + frame.headers_bytes
    for place in range(size):
        headers[place] = pool[at + place]
    begin = first * frame.segment_bytes
    payload_bytes = min(stop * frame.segment_bytes, frame.payload_bytes) - begin
    if stop - first == 1:
        headers[1] = _GSO_NONE
        set_number(headers, _SEGMENT_SIZE, 0)
    elif first > 0:
        headers[1] &= ~_GSO_ECN
    # Where a host passes a superframe on, it names more than the headers here: all that it keeps in one piece of
    # memory. Linux takes no frame that is shorter than that.
    headers[_HEADERS_SIZE], headers[_HEADERS_SIZE + 1] = ETHERNET_BYTES + frame.headers_bytes, 0
    ip_bytes = frame.headers_bytes + payload_bytes
    set_number(headers, _IP + 2, ip_bytes)
    set_number(headers, _IP + 4, (number(headers, _IP + 4) + first) & 0xFFFF)
    tcp = _IP + (headers[_IP] & 15) * 4
    set_number(headers, _IP + 10, 0)
    set_number(headers, _IP + 10, ~folded(sum_of(headers, _IP, tcp)) & 0xFFFF)
    sequence = number(headers, tcp + 4) * 65_536 + number(headers, tcp + 6) + begin
    set_number(headers, tcp + 4, (sequence >> 16) & 0xFFFF)
    set_number(headers, tcp + 6, sequence & 0xFFFF)
    if first > 0:
        headers[tcp + 13] &= ~_CWR
    if stop < frame.segments:
        headers[tcp + 13] &= ~(_FIN | _PSH)
    # an open checksum: the sum over the pseudo-header (RFC 9293, 3.1), from which the rest is counted on
    tcp_bytes = size + payload_bytes - tcp
    set_number(headers, tcp + 16, folded(sum_of(headers, _IP + 12, _IP + 20) + _TCP + tcp_bytes))
    return size, at + size + begin, payload_bytes


@in_place
def sum_of(table: Table, begin: int, stop: int) -> int:
    """The 16-bit numbers of a stretch of bytes, added up."""
    total = 0
    for place in range(begin, stop, 2):
        total += number(table, place)
    return total


@in_place
def folded(total: int) -> int:
    """A sum in the ones' complement arithmetic of checksums (RFC 1071)."""
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@in_place
def number(table: Table, place: int) -> int:
    """The 16-bit number there, in network order."""
    return int(table[place]) * 256 + int(table[place + 1])


@in_place
def set_number(table: Table, place: int, value: int) -> None:
    """Put a 16-bit number there, in network order."""
    table[place] = value >> 8
    table[place + 1] = value & 0xFF
