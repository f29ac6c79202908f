"""More datagrams than a link can carry, and how many the other host's kernel gets of them.

The program `ADDRESS RATE_BPS`, run in a host, says `ready`, is told on its standard input, in nanoseconds of
CLOCK_MONOTONIC, when to start and then when to stop, and says `done`. It hands the kernel up to `SEGMENTS` datagrams
at a time. Nobody reads them: the kernel counts those that reach the host whether there is room for them or not.
"""

import os
import socket
import struct
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.realtime.hosts import Pair
from benchmarks.realtime.traffic import HEADERS_BYTES, PORT, SO_SNDBUFFORCE, expect, tell_ns, told_ns
from emulator.realtime.namespaces import network_of
from emulator.units import NS_PER_MS, NS_PER_S

PACKET_BYTES = 1_500
SEGMENTS = 44  # of that size in 64 KiB
UDP_SEGMENT = 103  # linux/udp.h
BUFFER_BYTES = 64_000_000
PAUSE_S = 0.001
LEAD_NS = 100 * NS_PER_MS
QUICK_NS = 200_000  # a reading that took longer was interrupted, and is repeated
READINGS = 20
NICEST = -20


class Count(NamedTuple):
    """How many datagrams a host had got by an instant of CLOCK_MONOTONIC."""

    at_ns: int
    datagrams: int


def flood(pair: Pair, rate_bps: float, settle_ns: int, duration_ns: int) -> tuple[Count, Count]:
    """Send to the right host at a rate in IP bits; what it had got `settle_ns` after the start, and `duration_ns`
    after that."""
    with network_of(pair.right.pid):
        port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # open: without one, the host would answer
    with port:
        port.bind(("", PORT))
        module = [sys.executable, "-m", "benchmarks.realtime.flood"]
        sender = pair.left.start([*module, pair.right.address, f"{rate_bps:.0f}"])
        expect(sender, "ready")
        start_ns = time.monotonic_ns() + LEAD_NS
        tell_ns(sender, start_ns)
        tell_ns(sender, start_ns + settle_ns + duration_ns + LEAD_NS)
        counts = []
        for at_ns in (start_ns + settle_ns, start_ns + settle_ns + duration_ns):
            time.sleep(max(0, at_ns - time.monotonic_ns()) / NS_PER_S)
            counts.append(counted(pair))
        expect(sender, "done")
        sender.communicate()
    return counts[0], counts[1]


def counted(pair: Pair) -> Count:
    """Datagrams that the right host's kernel has got for programs, those included that found their buffers full."""
    with network_of(pair.right.pid), Path("/proc/thread-self/net/snmp").open(encoding="ascii") as file:
        for _ in range(READINGS):
            before_ns = time.monotonic_ns()
            file.seek(0)
            names, values = (line.split()[1:] for line in file.read().splitlines() if line.startswith("Udp:"))
            after_ns = time.monotonic_ns()
            if after_ns - before_ns < QUICK_NS:
                break
    found = dict(zip(names, map(int, values), strict=True))
    return Count((before_ns + after_ns) // 2, found["InDatagrams"] + found["RcvbufErrors"])


def send(address: str, rate_bps: float) -> None:
    """Keep to the rate on average; what this host or the way drops is not sent again."""
    payload = bytes(PACKET_BYTES - HEADERS_BYTES)
    segment = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", len(payload)))]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES)
        sender.connect((address, PORT))
        # over what else this machine does, for a link that was left idle would count as slow; not over the relay
        os.setpriority(os.PRIO_PROCESS, 0, NICEST)
        start_ns = told_ns()
        stop_ns = int(sys.stdin.readline())
        time.sleep(max(0, start_ns - time.monotonic_ns()) / NS_PER_S)
        sent = 0
        while (now_ns := time.monotonic_ns()) < stop_ns:
            due = int(rate_bps * (now_ns - start_ns) / (8 * PACKET_BYTES * NS_PER_S))
            while sent < due:
                count = min(SEGMENTS, due - sent)
                sender.sendmsg([payload * count], segment if count > 1 else [])
                sent += count
            time.sleep(PAUSE_S)
    print("done", flush=True)


if __name__ == "__main__":
    send(sys.argv[1], float(sys.argv[2]))
