"""Rates: what a link delivers against its configuration, with TCP by iperf3 and with more datagrams than it carries."""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.realtime.cases import link_case, measurable
from benchmarks.realtime.exchanges import SEED, START_DELAY_NS
from benchmarks.realtime.flood import flood
from benchmarks.realtime.hosts import LinkPair, by_relay
from benchmarks.realtime.iperf import tcp
from benchmarks.realtime.lengths import Lengths
from benchmarks.realtime.traffic import PACKET_BYTES
from benchmarks.rows import Benchmark, Row, row
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.system import LinkSpec
from emulator.trace import Trace, constant

BPS_PER_MBPS = 1e6
CONNECTIONS = 4  # a single one keeps only 5 ms in the link's queue, less than its programs wait on a busy machine
OVERLOAD = 1.2  # of the highest rate that the link has in any window
WINDOW_NS = 200 * NS_PER_MS
QUEUE_BYTES = 2_000_000  # enough for no slot to find the queue empty


def benchmarks(lengths: Lengths) -> dict[str, Benchmark]:
    """A benchmark for each constant rate and kind of traffic, and one for the overload of each varying case."""
    varying = [name for name in measurable(lengths.cases) if name in ("lte", "nr")]
    return {
        **{f"tcp_rate_{rate}": partial(tcp_rows, rate, lengths) for rate in lengths.rates_mbps},
        **{f"udp_overload_{rate}": partial(constant_overload_rows, rate, lengths) for rate in lengths.rates_mbps},
        **{f"udp_overload_{name}": partial(case_overload_rows, name, lengths) for name in varying},
    }


def constant_link(rate_bps: float, delay_ns: int = 0) -> LinkSpec:
    """Return a link of constant rate."""
    return LinkSpec("a", "b", constant(rate_bps), delay_ns)


def tcp_rows(rate_mbps: int, lengths: Lengths) -> Iterator[Row]:
    """Yield iperf3's rate of IP bits, counted by the receiver after the first seconds."""
    link = constant_link(rate_mbps * BPS_PER_MBPS)
    with TemporaryDirectory() as folder, by_relay([LinkPair(link, link)], SEED, NS_PER_S) as network:
        network.relay.begin(time.monotonic_ns(), Path(folder) / "packets.parquet")
        measured = tcp(network.pairs[0], lengths, CONNECTIONS)
        network.relay.end()
    ip_bps = measured.goodput_bps * PACKET_BYTES / measured.segment_bytes
    yield row(f"tcp_rate_{rate_mbps}", ip_bps, "bit/s of IP", "configured", rate_mbps * BPS_PER_MBPS)
    print(f"tcp {rate_mbps}: done", file=sys.stderr)


def constant_overload_rows(rate_mbps: int, lengths: Lengths) -> Iterator[Row]:
    """Yield the row of an overloaded link of constant rate."""
    yield overload_row(f"{rate_mbps}", constant_link(rate_mbps * BPS_PER_MBPS), lengths)


def case_overload_rows(name: str, lengths: Lengths) -> Iterator[Row]:
    """Yield a row for each of a case's overloaded links, with long queues."""
    case = link_case(name, (lengths.settle_s + lengths.seconds) * NS_PER_S)
    for direction, link in zip(("up", "down"), case.links, strict=True):
        yield overload_row(f"{name}_{direction}", replace(link, queue_bytes=QUEUE_BYTES), lengths)


def overload_row(name: str, link: LinkSpec, lengths: Lengths) -> Row:
    """Return the rate of IP bits that the receiver's kernel counts after the first seconds, with more datagrams sent
    than the link carries, against the capacity of its trace in the same time."""
    settle_ns, duration_ns = lengths.settle_s * NS_PER_S, lengths.seconds * NS_PER_S
    offered_bps = OVERLOAD * highest_rate_bps(link.trace, settle_ns + duration_ns)
    with TemporaryDirectory() as folder, by_relay([LinkPair(link, constant_link(1e9))], SEED, NS_PER_S) as network:
        start_ns = time.monotonic_ns() + START_DELAY_NS
        network.relay.begin(start_ns, Path(folder) / "packets.parquet")
        first, last = flood(network.pairs[0], offered_bps, settle_ns, duration_ns)
        network.relay.end()
    print(f"overload {name}: done", file=sys.stderr)
    since_ns, until_ns = (count.at_ns - start_ns - link.delay_ns for count in (first, last))
    rate_bps = (last.datagrams - first.datagrams) * PACKET_BYTES * 8 * NS_PER_S / (until_ns - since_ns)
    return row(
        f"udp_overload_{name}", rate_bps, "bit/s of IP", "its trace's capacity", link.trace.rate_bps(since_ns, until_ns)
    )


def highest_rate_bps(trace: Trace, until_ns: int) -> float:
    """Return the highest rate of a trace in consecutive windows from 0 on."""
    return max(trace.rate_bps(at_ns, at_ns + WINDOW_NS) for at_ns in range(0, until_ns, WINDOW_NS))
