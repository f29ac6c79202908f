"""Datagrams on every link of a case at once, and what relay and hosts note of them."""

import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.realtime.cases import Case, plan
from benchmarks.realtime.hosts import Pair, by_relay, by_veth
from benchmarks.realtime.programs import Exchange, Exchanged, Plan
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.system import LinkSpec

SEED = 1
LEAD_NS = 300 * NS_PER_MS  # from the word to go to the traces' time 0
GRACE_NS = 2 * NS_PER_S  # for what is on its way when the last is sent


class Crossing(NamedTuple):
    """What was to be sent over a link, and what became of it."""

    link: LinkSpec
    plan: Plan
    exchanged: Exchanged


class Carried(NamedTuple):
    """A crossing for each link, in their order; the traces' time 0 on CLOCK_MONOTONIC, and the relay's log."""

    crossings: tuple[Crossing, ...]
    start_ns: int
    log: Path


def carry(case: Case, duration_ns: int, folder: Path) -> Carried:
    """Send over all links of the case for so long. Raises RuntimeError where the relay did not see all of it."""
    log = folder / "packets.parquet"
    plans = [plan(link, number, duration_ns) for number, link in enumerate(case.links)]
    with by_relay(case.lanes, SEED, duration_ns, case.cells) as (relay, pairs):
        ways = [way for pair in pairs for way in (pair, Pair(pair.right, pair.left))]
        exchanges = [
            Exchange(way, each, _new(folder, number))
            for number, (way, each) in enumerate(zip(ways, plans, strict=True))
        ]
        start_ns = time.monotonic_ns() + LEAD_NS
        relay.begin(start_ns, log)
        found = _carried_out(exchanges, start_ns, duration_ns)
        ended = relay.end()
    sent = sum(len(each.at_ns) for each in plans)
    if (ended.packets, ended.non_ipv4, ended.unlogged) != (sent, 0, 0):
        raise RuntimeError(f"{case.name}: the relay must see the {sent} packets that were sent, all logged: {ended}")
    return Carried(tuple(map(Crossing, case.links, plans, found)), start_ns, log)


def carry_by_veth(planned: Plan, duration_ns: int, folder: Path) -> Exchanged:
    """Send from one host to another with nothing between them."""
    with by_veth() as pair:
        return _carried_out([Exchange(pair, planned, folder)], time.monotonic_ns() + LEAD_NS, duration_ns)[0]


def _carried_out(exchanges: list[Exchange], start_ns: int, duration_ns: int) -> list[Exchanged]:
    for exchange in exchanges:
        exchange.go(start_ns, start_ns + duration_ns + GRACE_NS)
    return [exchange.finish() for exchange in exchanges]


def _new(folder: Path, number: int) -> Path:
    path = folder / f"{number}"
    path.mkdir()
    return path
