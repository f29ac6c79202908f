"""Point 1: does the relay do what the simulation does with what it read, how late are its releases, and how far from
the simulation of what was sent are the real delays, end to end?"""

import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.realtime.cases import Case, cases, constant_case, plan
from benchmarks.realtime.end_to_end import Ends, compared
from benchmarks.realtime.exchanges import SEED, Carried, carry, carry_by_veth
from benchmarks.realtime.rows import PERCENTS, Lengths, Row, quantile, row
from emulator.core.units import NS_PER_MS, NS_PER_S, NS_PER_US
from emulator.realtime.packet_log import DELIVERED
from emulator.realtime.verification.conformance import replay
from emulator.realtime.verification.lateness import lateness
from emulator.realtime.verification.log_reader import rows as logged

MEDIAN_BOUND_NS = 200 * NS_PER_US
P99_BOUND_NS = 2 * NS_PER_MS


def rows(lengths: Lengths) -> list[Row]:
    """The rows of point 1."""
    duration_ns = lengths.seconds * NS_PER_S
    stack_ns = stack_quantiles_ns(duration_ns)
    found: list[Row] = []
    for case in cases(lengths.cases, duration_ns):
        with TemporaryDirectory() as folder:
            carried = carry(case, duration_ns, Path(folder))
            found += schedule_rows(case, carried, duration_ns)
            if case.cell is None:
                found += end_rows(case, compared(carried), stack_ns)
        print(f"schedule {case.name}: done", file=sys.stderr)
    return found


def stack_quantiles_ns(duration_ns: int) -> dict[str, int]:
    """What the kernel takes by itself, over a veth pair: from before it is handed a datagram to its stamp."""
    with TemporaryDirectory() as folder:
        done = carry_by_veth(plan(constant_case().lanes[0].there, 0, duration_ns), duration_ns, Path(folder))
    delays_ns = done.received_ns - done.sent_ns[done.number]
    return {name: quantile(delays_ns, percent) for name, percent in PERCENTS.items()}


def schedule_rows(case: Case, carried: Carried, duration_ns: int) -> list[Row]:
    """What the log says."""
    agreement = replay(case.links, case.cells, SEED, duration_ns, carried.log)
    if agreement.first:
        print(f"schedule {case.name}: {agreement.first}", file=sys.stderr)
    differences = agreement.different_drops + agreement.different_times + agreement.missing
    dropped = sum(int((some["outcome"] != DELIVERED).sum()) for some in logged(carried.log))
    late = lateness(carried.log).overall
    return [
        row(f"replay_differences_{case.name}", differences, "packets", "all packets", agreement.packets),
        row(f"replay_drops_{case.name}", dropped, "packets", "all packets", agreement.packets),
        row(f"lateness_median_{case.name}", late.median_ns / NS_PER_US, "us", "the bound", MEDIAN_BOUND_NS / NS_PER_US),
        row(f"lateness_p99_{case.name}", late.p99_ns / NS_PER_US, "us", "the bound", P99_BOUND_NS / NS_PER_US),
        row(f"lateness_max_{case.name}", late.max_ns / NS_PER_US, "us", "its p99", late.p99_ns / NS_PER_US),
    ]


def end_rows(case: Case, ends: Ends, stack_ns: Mapping[str, int]) -> list[Row]:
    """What the hosts say."""
    found = [
        row(
            f"end_to_end_{name}_{case.name}",
            quantile(ends.excess_ns, percent) / NS_PER_US,
            "us",
            "the whole delay over a veth pair",
            stack_ns[name] / NS_PER_US,
        )
        for name, percent in PERCENTS.items()
    ]
    found.append(row(f"end_to_end_drops_{case.name}", ends.different_drops, "packets", "all packets", ends.packets))
    if ends.has_slots:
        slips = int(np.sum(ends.later_slots > 0))
        found.append(row(f"end_to_end_slot_slips_{case.name}", slips, "packets", "all packets", ends.packets))
    return found
