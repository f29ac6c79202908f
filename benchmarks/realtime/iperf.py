"""What iperf3 (ESnet, BSD licence) and ping measure between two hosts."""

import json
import re
import time
from statistics import median
from typing import Any, NamedTuple

from benchmarks.realtime.hosts import Pair
from benchmarks.realtime.rows import Lengths

LISTENING_S = 0.3  # until iperf3's server listens
PING_EVERY_S = 0.01


class Tcp(NamedTuple):
    """Payload that reached the receiving program, and how much of it a full segment holds."""

    goodput_bps: float
    segment_bytes: int


def tcp(pair: Pair, lengths: Lengths, connections: int = 1) -> Tcp:
    """From the left to the right host; what the receiver counts of all connections after the first seconds."""
    server = pair.right.start(["iperf3", "--server", "--one-off", "--json"])
    time.sleep(LISTENING_S)
    asked = ["--time", f"{lengths.settle_s + lengths.seconds}", "--parallel", f"{connections}"]
    told: dict[str, Any] = json.loads(pair.left.run(["iperf3", "--client", pair.right.address, "--json", *asked]))
    heard: dict[str, Any] = json.loads(server.communicate()[0])
    parts = [each["sum"] for each in heard["intervals"]]
    counted = [part for part in parts if lengths.settle_s - 0.5 < part["start"] and part["seconds"] > 0.5]
    goodput_bps = sum(part["bytes"] for part in counted) * 8 / sum(part["seconds"] for part in counted)
    return Tcp(goodput_bps, told["start"]["tcp_mss_default"])


def round_trip_ms(pair: Pair, pings: int) -> float:
    """The median of ping's round trips, one every 10 ms."""
    printed = pair.left.run(["ping", "-n", "-i", f"{PING_EVERY_S}", "-c", f"{pings}", pair.right.address])
    return median(float(each) for each in re.findall(r"time=([\d.]+) ms", printed))
