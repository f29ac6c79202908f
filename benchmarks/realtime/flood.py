"""Send more datagrams than a link can carry, and count those that reach the other host's kernel. No program reads them;
the kernel counts arrivals even if the socket's buffer is full."""

import socket
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.realtime.hosts import HostPair
from benchmarks.realtime.programs import expect, start_program, write_ns
from benchmarks.realtime.traffic import PORT
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.realtime.sandbox.namespaces import network_of

START_DELAY_NS = 100 * NS_PER_MS
MAX_READING_NS = 200_000  # a reading that takes longer was interrupted and is repeated
READINGS = 20


class DatagramCount(NamedTuple):
    """How many datagrams a host had received at a time of CLOCK_MONOTONIC."""

    at_ns: int
    datagrams: int


def flood(pair: HostPair, rate_bps: float, settle_ns: int, duration_ns: int) -> tuple[DatagramCount, DatagramCount]:
    """Send to the right host at a rate in IP bits. Return its counts `settle_ns` after the start, and `duration_ns`
    later."""
    with network_of(pair.right.pid):
        port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # without an open port, the host would answer
    with port:
        port.bind(("", PORT))
        sender = start_program(pair.left, "flood", pair.right.address, f"{rate_bps:.0f}")
        start_ns = time.monotonic_ns() + START_DELAY_NS
        write_ns(sender, start_ns)
        write_ns(sender, start_ns + settle_ns + duration_ns + START_DELAY_NS)
        counts = []
        for at_ns in (start_ns + settle_ns, start_ns + settle_ns + duration_ns):
            time.sleep(max(0, at_ns - time.monotonic_ns()) / NS_PER_S)
            counts.append(read_count(pair))
        expect(sender, "done")
        sender.communicate()
    return counts[0], counts[1]


def read_count(pair: HostPair) -> DatagramCount:
    """Read how many datagrams the right host's kernel received, including those that found a full buffer."""
    with network_of(pair.right.pid), Path("/proc/thread-self/net/snmp").open(encoding="ascii") as file:
        for _ in range(READINGS):
            before_ns = time.monotonic_ns()
            file.seek(0)
            names, values = (line.split()[1:] for line in file.read().splitlines() if line.startswith("Udp:"))
            after_ns = time.monotonic_ns()
            if after_ns - before_ns < MAX_READING_NS:
                break
    found = dict(zip(names, map(int, values), strict=True))
    return DatagramCount((before_ns + after_ns) // 2, found["InDatagrams"] + found["RcvbufErrors"])
