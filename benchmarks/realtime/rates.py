"""Point 2: is what a link delivers what it is configured for? TCP by iperf3, and datagrams beyond what it carries."""

import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.realtime.cases import cases
from benchmarks.realtime.exchanges import LEAD_NS, SEED
from benchmarks.realtime.flood import flood
from benchmarks.realtime.hosts import Lane, by_relay
from benchmarks.realtime.iperf import tcp
from benchmarks.realtime.rows import Lengths, Row, row
from benchmarks.realtime.traffic import PACKET_BYTES
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.system import LinkSpec
from emulator.trace import Trace, constant

BPS_PER_MBPS = 1e6
CONNECTIONS = 4  # one alone keeps 5 ms in the queue of its link, and a busy machine lets its programs wait for longer
OVERLOAD = 1.2  # over the most that the link carries in any window
WINDOW_NS = 200 * NS_PER_MS
QUEUE_BYTES = 2_000_000


def rows(lengths: Lengths) -> list[Row]:
    """The rows of point 2."""
    links = {f"{rate}": wire(rate * BPS_PER_MBPS) for rate in lengths.rates_mbps} | fading(lengths)
    return [
        *(tcp_row(rate, lengths) for rate in lengths.rates_mbps),
        *(overload_row(name, link, lengths) for name, link in links.items()),
    ]


def fading(lengths: Lengths) -> dict[str, LinkSpec]:
    """The LTE and 5G links of point 1, with queues that hold enough for no slot to find them empty."""
    names = [name for name in lengths.cases if name in ("lte", "nr")]
    return {
        f"{case.name}_{way}": replace(link, queue_bytes=QUEUE_BYTES)
        for case in cases(names, (lengths.settle_s + lengths.seconds) * NS_PER_S)
        for way, link in zip(("up", "down"), case.links, strict=True)
    }


def wire(rate_bps: float, delay_ns: int = 0) -> LinkSpec:
    """An unvarying link."""
    return LinkSpec("a", "b", constant(rate_bps), delay_ns)


def tcp_row(rate_mbps: int, lengths: Lengths) -> Row:
    """IP bytes of iperf3's TCP, which the receiver counts, after the first seconds."""
    link = wire(rate_mbps * BPS_PER_MBPS)
    with TemporaryDirectory() as folder, by_relay([Lane(link, link)], SEED, NS_PER_S) as joined:
        joined.relay.begin(time.monotonic_ns(), Path(folder) / "packets.parquet")
        measured = tcp(joined.pairs[0], lengths, CONNECTIONS)
        joined.relay.end()
    print(f"tcp {rate_mbps}: done", file=sys.stderr)
    ip_bps = measured.goodput_bps * PACKET_BYTES / measured.segment_bytes
    return row(f"tcp_rate_{rate_mbps}", ip_bps, "bit/s of IP", "configured", rate_mbps * BPS_PER_MBPS)


def overload_row(name: str, link: LinkSpec, lengths: Lengths) -> Row:
    """IP bytes of datagrams that the receiver's kernel counts, after the first seconds, where more are sent than the
    link carries: beside its trace's capacity in the same time."""
    settle_ns, duration_ns = lengths.settle_s * NS_PER_S, lengths.seconds * NS_PER_S
    offered_bps = OVERLOAD * busiest_bps(link.trace, settle_ns + duration_ns)
    with TemporaryDirectory() as folder, by_relay([Lane(link, wire(1e9))], SEED, NS_PER_S) as joined:
        start_ns = time.monotonic_ns() + LEAD_NS
        joined.relay.begin(start_ns, Path(folder) / "packets.parquet")
        first, last = flood(joined.pairs[0], offered_bps, settle_ns, duration_ns)
        joined.relay.end()
    print(f"overload {name}: done", file=sys.stderr)
    since_ns, until_ns = (count.at_ns - start_ns - link.delay_ns for count in (first, last))
    got_bps = (last.datagrams - first.datagrams) * PACKET_BYTES * 8 * NS_PER_S / (until_ns - since_ns)
    return row(
        f"udp_overload_{name}", got_bps, "bit/s of IP", "its trace's capacity", link.trace.rate_bps(since_ns, until_ns)
    )


def busiest_bps(trace: Trace, until_ns: int) -> float:
    """The most that a trace carries in any of the windows from 0 on."""
    return max(trace.rate_bps(at_ns, at_ns + WINDOW_NS) for at_ns in range(0, until_ns, WINDOW_NS))
