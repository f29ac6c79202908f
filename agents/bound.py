"""Lower bounds on the cost of any policy: a relaxation for every system, and the optimum if tasks never overlap."""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import pairwise
from operator import attrgetter, itemgetter

import pyarrow as pa

from agents.alone import Alone
from emulator.core.units import NS_PER_S
from emulator.simulation.network import Network
from emulator.system import System
from emulator.task import Placement, Task, describe

BOUNDS = pa.schema(
    [
        ("source", pa.string()),
        ("kind", pa.string()),
        ("task", pa.int64()),
        ("bound_s", pa.float64()),
        ("placement", pa.string()),
    ]
)


def bounds(system: System) -> pa.Table:
    """Return for each offered task the least cost over its candidates on an empty and fully ramped system whose future
    channel is known, at most the cost of a failure: columns `source`, `kind`, `task`, `bound_s` and the `placement`
    that attains it.

    In a cell the task has its link alone: other tasks and the background are ignored. This is a relaxation: no policy
    that chooses among the candidates has a lower cost for any task, since queues, ramps, losses and loading of weights
    only add to it. Failures are ignored: they, too, only add to it.
    """
    alone = Alone(Network(system))
    distinct = {key: _distinct(alone.network, key[0], places) for key, places in system.placements.items()}
    return _table((task, *_least(alone, task, distinct[task.source, task.kind.name])) for task in offered_tasks(system))


def optimum(system: System) -> pa.Table:
    """Return the least cost that a policy can reach, task by task (the columns of `bounds`).

    Exists only if tasks never overlap: under every decision, each ends before the next arrives, by at least the links'
    idle time. Then no decision changes a later task, and the dynamic programme over tasks is a minimum for each.
    Raises ValueError naming the first pair of tasks that can overlap.
    """
    if not system.preload:
        raise ValueError("preload=False: must be true for the optimum: weights that a task loads change later tasks")
    if any(link.background is not None for link in system.links):
        raise ValueError("background: must be none for the optimum: it changes what a task takes")
    if system.failures:
        raise ValueError("failures: must be none for the optimum: they change what a task takes")
    alone = Alone(Network(system))
    idle_ns = longest_idle_ns(system)
    rows: list[tuple[Task, float, Placement]] = []
    free_ns = 0
    for task in offered_tasks(system):
        if task.arrival_ns < free_ns:
            before = rows[-1][0]
            raise ValueError(
                f"{before.source} {before.kind.name} {before.number}: must be over, links idle, before "
                f"{task.source} {task.kind.name} {task.number} arrives: use the bound where tasks overlap"
            )
        candidates = system.placements[task.source, task.kind.name]
        outcomes = [alone.outcome(task, placement) for placement in candidates]
        free_ns = task.arrival_ns + max(outcome.sojourn_ns for outcome in outcomes) + idle_ns
        costs = [system.cost.of(*outcome) for outcome in outcomes]
        least = min(range(len(costs)), key=costs.__getitem__)
        rows.append((task, costs[least], candidates[least]))
    return _table(iter(rows))


def offered_tasks(system: System) -> Iterator[Task]:
    """Yield all tasks that the system's streams offer, in order of arrival."""
    streams = (stream.tasks(system.seed, system.duration_ns) for stream in system.streams)
    return merge(*streams, key=attrgetter("arrival_ns"))


def longest_idle_ns(system: System) -> int:
    """Return the time without traffic after which the ramp of every link is reset."""
    return max((link.ramp.idle_ns for link in system.links if link.ramp is not None), default=0)


def _distinct(network: Network, source: str, candidates: Sequence[Placement]) -> list[Placement]:
    """Return one candidate, the first, of each set that is equal for a task alone: equal devices behind equal links."""
    devices = [node.device for node in network.system.nodes.values() if node.device is not None]
    specs = {key: link.spec for key, link in network.links.items()}
    links = {
        key: (spec.trace.sha256, spec.delay_ns, spec.bearer, spec.retransmission_ns) for key, spec in specs.items()
    }

    def look(placement: Placement) -> tuple[object, ...]:
        nodes = [part.node for part in placement]
        parts = [(devices.index(network.devices[node].spec), first, stop) for node, first, stop in placement]
        hops = [*pairwise((source, *nodes, source)), (nodes[-1], nodes[0])]
        ways = [tuple(links[link.spec.source, link.spec.target] for link in network.route(*hop)) for hop in hops]
        return (*parts, *ways)

    return list({look(placement): placement for placement in reversed(candidates)}.values())[::-1]


def _least(alone: Alone, task: Task, candidates: Sequence[Placement]) -> tuple[float, Placement]:
    """Return the least cost and its placement. Candidates are tried in the order of their service times, which rule
    out many of them."""
    system = alone.network.system
    services = sorted(((alone.service_ns(task, each), each) for each in candidates), key=itemgetter(0))
    best_ns, best = round(system.cost.failure_s * NS_PER_S), services[0][1]
    for service_ns, placement in services:
        if service_ns >= best_ns:
            break
        least_ns = alone.least_ns(task, placement)
        if least_ns < best_ns:
            best_ns, best = least_ns, placement
    return min(system.cost.of(best_ns, 0.0, failed=False), system.cost.failure_s), best


def _table(rows: Iterator[tuple[Task, float, Placement]]) -> pa.Table:
    values = [(task.source, task.kind.name, task.number, cost_s, describe(place)) for task, cost_s, place in rows]
    return pa.Table.from_pylist([dict(zip(BOUNDS.names, row, strict=True)) for row in values], schema=BOUNDS)
