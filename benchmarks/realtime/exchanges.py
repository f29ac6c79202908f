"""Datagrams on all links of a case at once, and what the relay and the hosts record of them."""

import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.realtime.cases import LinkCase, send_plan
from benchmarks.realtime.hosts import HostPair, by_relay, by_veth
from benchmarks.realtime.programs import Exchange, ExchangeTimes, SendPlan
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.system import LinkSpec

SEED = 1
START_DELAY_NS = 300 * NS_PER_MS  # until the traces' time 0
GRACE_NS = 2 * NS_PER_S  # for packets on their way after the last one is sent


class LinkResult(NamedTuple):
    """The datagrams planned for a link, and their times."""

    link: LinkSpec
    plan: SendPlan
    times: ExchangeTimes


class CaseResult(NamedTuple):
    """A result for each link, in their order; the traces' time 0 on CLOCK_MONOTONIC, and the relay's log."""

    links: tuple[LinkResult, ...]
    start_ns: int
    log: Path


def exchange(case: LinkCase, duration_ns: int, folder: Path) -> CaseResult:
    """Send over all links of the case. Raises RuntimeError if the relay did not log all of the datagrams."""
    log = folder / "packets.parquet"
    plans = [send_plan(link, number, duration_ns) for number, link in enumerate(case.links)]
    with by_relay(case.link_pairs, SEED, duration_ns, case.cells) as (relay, pairs):
        directions = [direction for pair in pairs for direction in (pair, HostPair(pair.right, pair.left))]
        exchanges = [
            Exchange(direction, plan, _new_folder(folder, number))
            for number, (direction, plan) in enumerate(zip(directions, plans, strict=True))
        ]
        start_ns = time.monotonic_ns() + START_DELAY_NS
        relay.begin(start_ns, log)
        times = _run(exchanges, start_ns, duration_ns)
        counts = relay.end()
    sent = sum(len(plan.at_ns) for plan in plans)
    if (counts.packets, counts.non_ipv4, counts.unlogged) != (sent, 0, 0):
        raise RuntimeError(f"{case.name}: the relay did not log all of the {sent} packets that were sent: {counts}")
    return CaseResult(tuple(map(LinkResult, case.links, plans, times)), start_ns, log)


def exchange_by_veth(plan: SendPlan, duration_ns: int, folder: Path) -> ExchangeTimes:
    """Send between two hosts without a relay."""
    with by_veth() as pair:
        return _run([Exchange(pair, plan, folder)], time.monotonic_ns() + START_DELAY_NS, duration_ns)[0]


def _run(exchanges: list[Exchange], start_ns: int, duration_ns: int) -> list[ExchangeTimes]:
    for each in exchanges:
        each.start(start_ns, start_ns + duration_ns + GRACE_NS)
    return [each.finish() for each in exchanges]


def _new_folder(folder: Path, number: int) -> Path:
    path = folder / f"{number}"
    path.mkdir()
    return path
