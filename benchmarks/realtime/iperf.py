"""Measure with iperf3 (ESnet, BSD licence) and ping between two hosts."""

import json
import re
import time
from statistics import median
from typing import Any, NamedTuple

from benchmarks.realtime.hosts import HostPair
from benchmarks.realtime.lengths import Lengths

SERVER_START_S = 0.3  # until iperf3's server listens
PING_EVERY_S = 0.01


class TcpRate(NamedTuple):
    """Rate of payload at the receiving program, and the payload of a full segment."""

    goodput_bps: float
    segment_bytes: int


def tcp(pair: HostPair, lengths: Lengths, connections: int = 1) -> TcpRate:
    """Send from the left to the right host; return the receiver's rate of all connections after the first seconds."""
    server = pair.right.start(["iperf3", "--server", "--one-off", "--json"])
    time.sleep(SERVER_START_S)
    options = ["--time", f"{lengths.settle_s + lengths.seconds}", "--parallel", f"{connections}"]
    sent: dict[str, Any] = json.loads(pair.left.run(["iperf3", "--client", pair.right.address, "--json", *options]))
    received: dict[str, Any] = json.loads(server.communicate()[0])
    parts = [each["sum"] for each in received["intervals"]]
    counted = [part for part in parts if lengths.settle_s - 0.5 < part["start"] and part["seconds"] > 0.5]
    goodput_bps = sum(part["bytes"] for part in counted) * 8 / sum(part["seconds"] for part in counted)
    return TcpRate(goodput_bps, sent["start"]["tcp_mss_default"])


def round_trip_ms(pair: HostPair, pings: int) -> float:
    """Return the median round trip of pings, one every 10 ms."""
    printed = pair.left.run(["ping", "-n", "-i", f"{PING_EVERY_S}", "-c", f"{pings}", pair.right.address])
    return median(float(each) for each in re.findall(r"time=([\d.]+) ms", printed))
