"""Lower bounds on the cost of any policy: a relaxation for every system, and the optimum if tasks never overlap."""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

import pyarrow as pa

from agents.split_inference.alike import AlikePlacements
from agents.split_inference.isolated_outcome import IsolatedOutcomes
from emulator.core.progress import Progress
from emulator.link import Link
from emulator.simulation.isolated_task import IsolatedLeg, end_ns, isolated_legs, least_energy_j, least_quality_loss
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


def bounds(system: System, progress: Progress = lambda done, total: None) -> pa.Table:
    """Return for each offered task the least cost over its candidates on an empty and fully ramped system whose future
    channel is known, with the least loss of quality and the least energy that they permit, at most the cost of a
    failure: columns `source`, `kind`, `task`, `bound_s` and the `placement` that attains it.

    In a cell the task has its link alone: other tasks and the background are ignored. This is a relaxation: no policy
    that chooses among the candidates has a lower cost for any task, since queues, ramps, losses and loading of weights
    only add to it. Failures are ignored: they, too, only add to it.

    Time is linear in sources and tasks. `progress(done, total)` counts percent of the system's duration.
    """
    return _table(_least(system, progress))


def _least(system: System, progress: Progress) -> Iterator[tuple[Task, float, Placement]]:
    """Yield each task, the least cost of its candidates, and the candidate that attains it."""
    network = Network(system)
    alike = AlikePlacements(network)
    streams: dict[tuple[str, str], _Options] = {}
    percent = 0
    progress(percent, 100)
    for task in system.tasks():
        network.pass_until(task.arrival_ns)
        key = (task.source, task.kind.name)
        if key not in streams:
            streams[key] = _Options(network, alike.distinct(task.kind, task.source, system.placements[key]))
        yield (task, *streams[key].least(task))
        if (passed := task.arrival_ns * 100 // system.duration_ns) > percent:
            percent = passed
            progress(percent, 100)
    progress(100, 100)


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
    isolated = IsolatedOutcomes(Network(system))
    idle_ns = longest_idle_ns(system)
    rows: list[tuple[Task, float, Placement]] = []
    free_ns = 0
    for task in system.tasks():
        if task.arrival_ns < free_ns:
            before = rows[-1][0]
            raise ValueError(
                f"{before.source} {before.kind.name} {before.number}: must be over, links idle, before "
                f"{task.source} {task.kind.name} {task.number} arrives: use the bound where tasks overlap"
            )
        candidates = system.placements[task.source, task.kind.name]
        outcomes = [isolated.outcome(task, placement) for placement in candidates]
        free_ns = task.arrival_ns + max(outcome.sojourn_ns for outcome in outcomes) + idle_ns
        costs = [system.cost.of(task.kind.name, *outcome) for outcome in outcomes]
        least = min(range(len(costs)), key=costs.__getitem__)
        rows.append((task, costs[least], candidates[least]))
    return _table(iter(rows))


def longest_idle_ns(system: System) -> int:
    """Return the time without traffic after which the ramp of every link is reset."""
    return max((link.ramp.idle_ns for link in system.links if link.ramp is not None), default=0)


class _Options:
    """The distinct candidates of the latest task of a stream, with their legs, in the order of their service times:
    tasks of equal lengths share them."""

    def __init__(self, network: Network, candidates: Sequence[Placement]) -> None:
        self._network, self._candidates = network, candidates
        self._lengths: tuple[int, int] | None = None
        self._sorted: list[_Option] = []

    def least(self, task: Task) -> tuple[float, Placement]:
        """Return the least cost and its placement. Candidates that cost more than the best one by their service times
        and codecs alone are not tried."""
        cost = self._network.system.cost
        options = self._of(task)
        best_s, best = cost.failure_s, options[0].placement
        for least_s, quality_loss, energy_j, placement, isolated in options:
            if least_s >= best_s:
                break
            least_ns = end_ns(isolated, task.arrival_ns, Link.earliest_ns) - task.arrival_ns
            whole_s = cost.of(task.kind.name, least_ns, 0.0, quality_loss, energy_j, failed=False)
            if whole_s < best_s:
                best_s, best = whole_s, placement
        return best_s, best

    def _of(self, task: Task) -> list["_Option"]:
        lengths = (task.prompt_tokens, task.output_tokens)
        if lengths != self._lengths:
            options = (self._option(task, placement) for placement in self._candidates)
            self._lengths, self._sorted = lengths, sorted(options, key=itemgetter(0))
        return self._sorted

    def _option(self, task: Task, placement: Placement) -> "_Option":
        isolated = isolated_legs(self._network, task, placement)
        quality_loss, service_ns = least_quality_loss(isolated), end_ns(isolated, 0, _propagation)
        cost = self._network.system.cost
        energy_j = least_energy_j(isolated) if cost.energy_s_per_j else 0.0
        least_s = cost.of(task.kind.name, service_ns, 0.0, quality_loss, energy_j, failed=False)
        return _Option(least_s, quality_loss, energy_j, placement, isolated)


class _Option(NamedTuple):
    """A candidate: `least_s` is its cost without any transmission time, `quality_loss` the least that it loses,
    `energy_j` the least that it draws."""

    least_s: float
    quality_loss: float
    energy_j: float
    placement: Placement
    isolated: tuple[IsolatedLeg, ...]


def _propagation(link: Link, now_ns: int, _: int) -> int:
    return now_ns + link.spec.delay_ns


def _table(rows: Iterator[tuple[Task, float, Placement]]) -> pa.Table:
    values = [(task.source, task.kind.name, task.number, cost_s, describe(place)) for task, cost_s, place in rows]
    columns = list(zip(*values, strict=True)) or [()] * len(BOUNDS)
    return pa.table([pa.array(column, kind.type) for column, kind in zip(columns, BOUNDS, strict=True)], BOUNDS)
