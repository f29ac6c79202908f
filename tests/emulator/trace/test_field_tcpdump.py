"""Packets as tcpdump prints them."""

from pathlib import Path

import pytest

from emulator.trace import Trace
from emulator.trace.formats import import_trace

PLAIN = "IP 10.0.0.1.5000 > 10.0.0.2.6000: UDP, length 1250"
BACK = "IP 10.0.0.2.6000 > 10.0.0.1.5000: UDP, length 125"


def imported(folder: Path, *lines: str, **where: str) -> Trace:
    (folder / "a.txt").write_text("".join(f"{line}\n" for line in lines))
    return import_trace(folder / "a.txt", "csv", None, where)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("10:00:00.000000", "10:00:00.150000"),
        ("23:59:59.900000", "00:00:00.050000"),
        ("1900000000.000000", "1900000000.150000"),
        ("2031-05-02 23:59:59.900000", "2031-05-03 00:00:00.050000"),
        (" 00:00:00.000000", " 00:00:00.150000"),
    ],
)
def test_field_lines_of_tcpdump_are_packets(first: str, second: str, tmp_path: Path) -> None:
    trace = imported(tmp_path, f"{first} {PLAIN}", f"{second} {PLAIN}", "2 packets captured")
    assert (trace.slot_ns, trace.capacity_bits.tolist()) == (100_000_000, [10_000, 10_000])
    assert trace.metadata["notes"][0].startswith("read as the lines of tcpdump")


@pytest.mark.parametrize(
    ("line", "size_bytes"),
    [
        ("aa:bb:cc:dd:ee:ff > 11:22:33:44:55:66, ethertype IPv4 (0x0800), length 1292: " + PLAIN[3:], 1292),
        (
            "IP (tos 0x0, ttl 64, proto UDP (17), length 1278)\n    10.0.0.1.5000 > 10.0.0.2.6000: UDP, length 1250",
            1278,
        ),
        ("IP 10.0.0.1.5353 > 10.0.0.2.53: 1234+ A? host.example. (30)", 30),
        ("IP6 fe80::1.5000 > fe80::2.6000: Flags [.], ack 1, win 5, length 1000", 1000),
        ("eth0  Out IP 10.0.0.1.5000 > 10.0.0.2.6000: UDP, length 1250", 1250),
    ],
)
def test_field_size_of_a_packet_is_the_first_length_of_its_line(line: str, size_bytes: int, tmp_path: Path) -> None:
    assert imported(tmp_path, f"10:00:00.000000 {line}").capacity_bits.tolist() == [8 * size_bytes]


def test_field_direction_of_tcpdump_is_chosen_by_the_sender(tmp_path: Path) -> None:
    lines = [f"10:00:00.000000 {PLAIN}", f"10:00:00.050000 {BACK}"]
    both = imported(tmp_path, *lines)
    assert both.capacity_bits.tolist() == [11_000] and "--where Source=ADDRESS" in both.metadata["notes"][1]
    assert imported(tmp_path, *lines, Source="10.0.0.2").capacity_bits.tolist() == [1_000]
