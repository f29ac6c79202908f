"""Schedule: differences of the relay from the simulation of its own arrivals, lateness of its releases, and difference
of real end-to-end delays from the simulation of what was sent."""

import sys
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.realtime.cases import LinkCase, constant_case, link_case, measurable, send_plan
from benchmarks.realtime.end_to_end import EndToEnd, compare
from benchmarks.realtime.exchanges import SEED, CaseResult, exchange, exchange_by_veth
from benchmarks.realtime.lengths import PERCENTS, Lengths, quantile
from benchmarks.rows import Benchmark, Row, row
from emulator.core.units import NS_PER_MS, NS_PER_S, NS_PER_US
from emulator.realtime.packet_log import DELIVERED
from emulator.realtime.verification.conformance import replay
from emulator.realtime.verification.lateness import lateness
from emulator.realtime.verification.log_reader import rows as logged_rows

MEDIAN_BOUND_NS = 200 * NS_PER_US
P99_BOUND_NS = 2 * NS_PER_MS


def benchmarks(lengths: Lengths) -> dict[str, Benchmark]:
    """A benchmark for each case."""
    duration_ns = lengths.seconds * NS_PER_S
    return {f"schedule_{name}": partial(rows, name, duration_ns) for name in measurable(lengths.cases)}


def rows(name: str, duration_ns: int) -> Iterator[Row]:
    """Yield the rows of a case."""
    case = link_case(name, duration_ns)
    with TemporaryDirectory() as folder:
        result = exchange(case, duration_ns, Path(folder))
        yield from schedule_rows(case, result, duration_ns)
        if case.cell is None:
            yield from end_to_end_rows(case, compare(result), stack_quantiles_ns(duration_ns))
    print(f"schedule {name}: done", file=sys.stderr)


@cache
def stack_quantiles_ns(duration_ns: int) -> Mapping[str, int]:
    """Measure the delay of the kernel alone, over a veth pair: from just before sending a datagram to its stamp."""
    with TemporaryDirectory() as folder:
        plan = send_plan(constant_case().link_pairs[0].there, 0, duration_ns)
        done = exchange_by_veth(plan, duration_ns, Path(folder))
    delays_ns = done.received_ns - done.sent_ns[done.number]
    return {name: quantile(delays_ns, percent) for name, percent in PERCENTS.items()}


def schedule_rows(case: LinkCase, result: CaseResult, duration_ns: int) -> Iterator[Row]:
    """Yield the rows that the relay's log gives."""
    agreement = replay(case.links, case.cells, SEED, duration_ns, result.log)
    if agreement.first:
        print(f"schedule {case.name}: {agreement.first}", file=sys.stderr)
    differences = agreement.different_drops + agreement.different_times + agreement.missing
    dropped = sum(int((batch["outcome"] != DELIVERED).sum()) for batch in logged_rows(result.log))
    late = lateness(result.log).overall
    yield row(f"replay_differences_{case.name}", differences, "packets", "all packets", agreement.packets)
    yield row(f"replay_drops_{case.name}", dropped, "packets", "all packets", agreement.packets)
    for name, late_ns, peer, peer_ns in (
        ("median", late.median_ns, "the bound", MEDIAN_BOUND_NS),
        ("p99", late.p99_ns, "the bound", P99_BOUND_NS),
        ("max", late.max_ns, "its p99", late.p99_ns),
    ):
        yield row(f"lateness_{name}_{case.name}", late_ns / NS_PER_US, "us", peer, peer_ns / NS_PER_US)


def end_to_end_rows(case: LinkCase, ends: EndToEnd, stack_ns: Mapping[str, int]) -> Iterator[Row]:
    """Yield the rows that the hosts' stamps give."""
    for name, percent in PERCENTS.items():
        yield row(
            f"end_to_end_{name}_{case.name}",
            quantile(ends.excess_ns, percent) / NS_PER_US,
            "us",
            "the whole delay over a veth pair",
            stack_ns[name] / NS_PER_US,
        )
    yield row(f"end_to_end_drops_{case.name}", ends.different_drops, "packets", "all packets", ends.packets)
    if ends.has_slots:
        slips = int(np.sum(ends.later_slots > 0))
        yield row(f"end_to_end_slot_slips_{case.name}", slips, "packets", "all packets", ends.packets)
