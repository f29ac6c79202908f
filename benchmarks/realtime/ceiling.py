"""Ceiling: how much the relay carries, and its share of a ping, beside a kernel veth pair between the same hosts."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.realtime.exchanges import SEED
from benchmarks.realtime.hosts import HostPair, LinkPair, by_relay, by_veth
from benchmarks.realtime.iperf import round_trip_ms, tcp
from benchmarks.realtime.lengths import Lengths
from benchmarks.realtime.rates import constant_link
from benchmarks.rows import Benchmark, Row, row
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.realtime.relay import RelayCounts

UNLIMITED_BPS = 100e9
PEER = "kernel veth pair"


class LinkShape(NamedTuple):
    """Rate and delay of a measured link."""

    rate_bps: float
    delay_ns: int


SHAPES = {
    "relay_ceiling_bps": LinkShape(UNLIMITED_BPS, 0),
    "relay_delay10_bps": LinkShape(UNLIMITED_BPS, 10 * NS_PER_MS),
    "relay_shaped1000_bps": LinkShape(1e9, 0),
}
PING_SHAPE = LinkShape(100e6, 0)


def benchmarks(lengths: Lengths) -> dict[str, Benchmark]:
    """One benchmark, since all values are measured in turns."""
    return {"ceiling": partial(rows, lengths)}


def rows(lengths: Lengths) -> Iterator[Row]:
    """Yield medians over repeats in which all measurements take turns."""
    values: dict[str, list[float]] = {name: [] for name in (*SHAPES, PEER, "ping", "ping beside")}
    counts: list[RelayCounts] = []
    for repeat in range(lengths.repeats):
        for name, shape in SHAPES.items():
            with shaped(shape, counts) as pair:
                values[name].append(tcp(pair, lengths).goodput_bps)
        with by_veth() as pair:
            values[PEER].append(tcp(pair, lengths).goodput_bps)
            values["ping beside"].append(round_trip_ms(pair, lengths.pings))
        with shaped(PING_SHAPE, counts) as pair:
            values["ping"].append(round_trip_ms(pair, lengths.pings))
        print(f"ceiling: {repeat + 1} of {lengths.repeats}", file=sys.stderr)
    medians = {name: median(each) for name, each in values.items()}
    for name in SHAPES:
        yield row(name, medians[name], "bit/s of TCP payload", PEER, medians[PEER])
    unlogged, packets = (sum(getattr(each, name) for each in counts) for name in ("unlogged", "packets"))
    yield row("relay_unlogged_packets", unlogged, "packets", "all packets of these runs", packets)
    growth_ms = medians["ping"] - medians["ping beside"]
    yield row("relay_ping_growth_ms", growth_ms, "ms", f"{PEER}, all of its round trip", medians["ping beside"])


@contextmanager
def shaped(shape: LinkShape, counts: list[RelayCounts]) -> Iterator[HostPair]:
    """Join two hosts by a relay with the same link in both directions; append the relay's counts at the end."""
    link = constant_link(shape.rate_bps, shape.delay_ns)
    with TemporaryDirectory() as folder, by_relay([LinkPair(link, link)], SEED, NS_PER_S) as network:
        network.relay.begin(time.monotonic_ns(), Path(folder) / "packets.parquet")
        yield network.pairs[0]
        counts.append(network.relay.end())
