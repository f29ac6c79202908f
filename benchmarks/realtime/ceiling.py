"""Point 3: how much the relay carries, and what it adds to a ping, beside a kernel veth pair between the same hosts."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.realtime.exchanges import SEED
from benchmarks.realtime.hosts import Lane, Pair, by_relay, by_veth
from benchmarks.realtime.iperf import round_trip_ms, tcp
from benchmarks.realtime.rates import wire
from benchmarks.realtime.rows import Lengths, Row, row
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.realtime.relay import RelayCounts

UNLIMITED_BPS = 100e9
PEER = "kernel veth pair"


class Way(NamedTuple):
    """A connection that is measured."""

    rate_bps: float
    delay_ns: int


WAYS = {
    "relay_ceiling_bps": Way(UNLIMITED_BPS, 0),
    "relay_delay10_bps": Way(UNLIMITED_BPS, 10 * NS_PER_MS),
    "relay_shaped1000_bps": Way(1e9, 0),
}
PING_WAY = Way(100e6, 0)


def rows(lengths: Lengths) -> list[Row]:
    """The rows of point 3: medians over repeats in which all take turns."""
    found: dict[str, list[float]] = {name: [] for name in (*WAYS, PEER, "ping", "ping beside")}
    ends: list[RelayCounts] = []
    for repeat in range(lengths.repeats):
        for name, way in WAYS.items():
            with shaped(way, ends) as pair:
                found[name].append(tcp(pair, lengths).goodput_bps)
        with by_veth() as pair:
            found[PEER].append(tcp(pair, lengths).goodput_bps)
            found["ping beside"].append(round_trip_ms(pair, lengths.pings))
        with shaped(PING_WAY, ends) as pair:
            found["ping"].append(round_trip_ms(pair, lengths.pings))
        print(f"ceiling: {repeat + 1} of {lengths.repeats}", file=sys.stderr)
    middle = {name: median(values) for name, values in found.items()}
    unlogged, packets = (sum(getattr(end, name) for end in ends) for name in ("unlogged", "packets"))
    return [
        *(row(name, middle[name], "bit/s of TCP payload", PEER, middle[PEER]) for name in WAYS),
        row("relay_unlogged_packets", unlogged, "packets", "all packets of these runs", packets),
        row(
            "relay_ping_growth_ms",
            middle["ping"] - middle["ping beside"],
            "ms",
            f"{PEER}, all of its round trip",
            middle["ping beside"],
        ),
    ]


@contextmanager
def shaped(way: Way, ends: list[RelayCounts]) -> Iterator[Pair]:
    """Two hosts with the same link both ways between them; what the relay has to say at the end is added to `ends`."""
    link = wire(way.rate_bps, way.delay_ns)
    with TemporaryDirectory() as folder, by_relay([Lane(link, link)], SEED, NS_PER_S) as joined:
        joined.relay.begin(time.monotonic_ns(), Path(folder) / "packets.parquet")
        yield joined.pairs[0]
        ends.append(joined.relay.end())
