"""More datagrams than a link can carry, and how many the other host's kernel gets of them: nobody reads them, and the
kernel counts those that reach the host whether there is room for them or not."""

import socket
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.realtime.hosts import Pair
from benchmarks.realtime.programs import expect, started, tell_ns
from benchmarks.realtime.traffic import PORT
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.realtime.sandbox.namespaces import network_of

LEAD_NS = 100 * NS_PER_MS
QUICK_NS = 200_000  # a reading that took longer was interrupted, and is repeated
READINGS = 20


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
        sender = started(pair.left, "flood", pair.right.address, f"{rate_bps:.0f}")
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
