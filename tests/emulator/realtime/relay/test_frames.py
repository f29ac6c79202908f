"""Superframes cut into segments, against a plain-Python reference that shares no code with it."""

import struct
from dataclasses import replace

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emulator.core.compiled import Table
from emulator.realtime.relay.frames import (
    ARP,
    IPV4,
    MAX_HEADERS_BYTES,
    OTHER,
    Frame,
    cut_segments,
    packet_bytes,
    parse_frame,
)
from tests.emulator.realtime.segments import (
    ACK,
    CWR,
    FIN,
    PSH,
    Segment,
    complement,
    on_the_wire,
    payload_of,
    plain,
    segments,
    superframe,
)

AT = 192  # in the pool
MANY = settings(max_examples=300)


def words(most: int) -> st.SearchStrategy[bytes]:
    return st.integers(0, most).flatmap(lambda count: st.binary(min_size=4 * count, max_size=4 * count))


def counting(size: int) -> bytes:
    """Bytes without long repeated stretches."""
    return np.arange(size // 2 + 1, dtype=">u2").tobytes()[:size]


SEGMENTS = st.builds(
    Segment,
    source=st.binary(min_size=4, max_size=4),
    target=st.binary(min_size=4, max_size=4),
    identification=st.integers(0, 2**16 - 1),
    ip_options=words(10),
    ports=st.tuples(st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1)),
    sequence=st.integers(0, 2**32 - 1),
    acknowledged=st.integers(0, 2**32 - 1),
    flags=st.integers(0, CWR - 1),
    window=st.integers(0, 2**16 - 1),
    tcp_options=words(10),
    payload=st.binary(min_size=1, max_size=200)
    | st.integers(1, 65_000).map(lambda size: bytes(range(251)) * (size // 251) + b"x"),
)


def in_pool(frame: bytes) -> Table:
    pool = np.full(AT + len(frame) + 64, 0xA5, np.uint8)
    pool[AT : AT + len(frame)] = np.frombuffer(frame, np.uint8)
    return pool


def cut_out(pool: Table, frame: Frame, first: int, stop: int) -> bytes:
    headers = np.full(MAX_HEADERS_BYTES, 0x5A, np.uint8)
    size, payload, payload_bytes = cut_segments(pool, AT, frame, first, stop, headers)
    return bytes(headers[:size]) + bytes(pool[payload : payload + payload_bytes])


@given(whole=SEGMENTS, data=st.data())
@MANY
def test_a_run_of_segments_goes_over_the_wire_as_the_reference_says(whole: Segment, data: st.DataObject) -> None:
    longest = min(len(whole.payload), 9_000)
    size = data.draw(st.integers(max(1, len(whole.payload) // 60), max(1, longest)))
    raw = superframe(whole, size, data.draw(st.integers(0, len(whole.payload))))
    expected = [segment.packet() for segment in segments(whole, size)]
    assert on_the_wire(raw) == expected
    pool = in_pool(raw)
    frame = parse_frame(pool, AT, len(raw))
    assert frame.kind == IPV4
    assert frame.segments == len(expected)
    assert [packet_bytes(frame, place) for place in range(frame.segments)] == [len(packet) for packet in expected]
    first = data.draw(st.integers(0, frame.segments - 1))
    stop = data.draw(st.integers(first + 1, frame.segments))
    if (first, stop) != (0, frame.segments):
        assert on_the_wire(cut_out(pool, frame, first, stop)) == expected[first:stop]
    assert bytes(pool[AT : AT + len(raw)]) == raw  # others still hold on to it


def test_every_run_of_a_superframe_and_all_ways_to_cut_it_in_two() -> None:
    whole = Segment(sequence=2**32 - 9, identification=2**16 - 2, flags=ACK | PSH | FIN, payload=bytes(range(47)))
    raw = superframe(whole, 10)
    pool = in_pool(raw)
    frame = parse_frame(pool, AT, len(raw))
    expected = [segment.packet() for segment in segments(whole, 10)]
    assert frame.segments == 5
    for first in range(5):
        for stop in range(first + 1, 5 + (first > 0)):
            assert on_the_wire(cut_out(pool, frame, first, stop)) == expected[first:stop]
    for middle in range(1, 5):
        halves = on_the_wire(cut_out(pool, frame, 0, middle)) + on_the_wire(cut_out(pool, frame, middle, 5))
        assert payload_of(halves) == whole.payload


def test_the_reference_makes_valid_packets() -> None:
    packet = Segment(payload=b"some bytes", flags=ACK | PSH).packet()
    pseudo = packet[12:20] + struct.pack("!HH", 6, len(packet) - 20)
    assert complement(packet[:20]) == 0
    assert complement(pseudo + packet[20:]) == 0


@given(raw=st.binary(max_size=120), kind=st.sampled_from((0x0800, 0x0806, 0x86DD)))
@example(raw=b"", kind=0x0800)
@example(raw=b"\x45", kind=0x0800)
@example(raw=b"\x45" + bytes(30), kind=0x0800)
@example(raw=b"\x40\0\0\x14" + bytes(16), kind=0x0800)
def test_whatever_comes_is_a_packet_an_arp_or_neither(raw: bytes, kind: int) -> None:
    whole = plain(raw, kind)
    frame = parse_frame(in_pool(whole), AT, len(whole))
    is_packet = (
        kind == 0x0800
        and len(raw) >= 20
        and raw[0] >> 4 == 4
        and 20 <= (raw[0] & 15) * 4 <= int.from_bytes(raw[2:4], "big") <= len(raw)
    )
    assert frame.kind == (IPV4 if is_packet else ARP if kind == 0x0806 else OTHER)


def test_a_frame_without_all_of_its_headers_is_neither() -> None:
    for size in range(24):
        assert parse_frame(in_pool(bytes(24)), AT, size).kind == OTHER


def test_the_bytes_of_a_packet_are_those_of_ip_without_padding() -> None:
    packet = Segment(payload=b"1234").packet()
    padded = plain(packet + bytes(18))
    frame = parse_frame(in_pool(padded), AT, len(padded))
    assert (frame.segments, packet_bytes(frame, 0)) == (1, len(packet))


def test_a_superframe_of_another_protocol_is_none_that_can_be_cut() -> None:
    raw = bytearray(superframe(Segment(payload=bytes(100)), 10))
    for kind in (3, 4, 5, 0x81):  # UDP, TCP over IPv6, UDP to be segmented, TCP with ECN (VIRTIO 1.2, 5.1.6)
        raw[1] = kind
        assert parse_frame(in_pool(bytes(raw)), AT, len(raw)).kind == OTHER


@given(
    whole=SEGMENTS.map(lambda segment: replace(segment, payload=segment.payload[:40])),
    ip_bytes=st.integers(20, 140),
    words=st.integers(0, 15),
)
@example(whole=Segment(payload=b"1"), ip_bytes=40, words=5)
@example(whole=Segment(payload=b"1"), ip_bytes=39, words=5)
@MANY
def test_a_superframe_without_all_of_its_tcp_header_or_payload_is_neither(
    whole: Segment, ip_bytes: int, words: int
) -> None:
    raw = bytearray(superframe(whole, 1))
    raw[1], raw[4] = 1, 1  # a superframe of bytes
    tcp = 20 + len(whole.ip_options)
    raw[26:28] = ip_bytes.to_bytes(2, "big")
    raw[24 + tcp + 12] = words << 4
    frame = parse_frame(in_pool(bytes(raw)), AT, len(raw))
    is_packet = words >= 5 and tcp + 4 * words < ip_bytes <= len(raw) - 24
    assert frame.kind == (IPV4 if is_packet else OTHER)
    if is_packet:
        assert (frame.headers_bytes, frame.segments) == (tcp + 4 * words, ip_bytes - tcp - 4 * words)


def test_packets_with_the_mark_are_acknowledged() -> None:
    raw = bytearray(superframe(Segment(payload=bytes(50)), 10))
    for tos, acknowledged in ((0, False), (12, True), (13, True), (16, False)):  # the last two bits are others' (ECN)
        raw[25] = tos
        assert parse_frame(in_pool(bytes(raw)), AT, len(raw)).acknowledged is acknowledged
