"""Systems that run side by side, from decision to decision."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from emulator.core.arrays import Ints, reserved
from emulator.core.compiled import Bound, Table
from emulator.core.event_heap import EVENT
from emulator.core.randomness import task_key
from emulator.simulation.engine_state import MAX_TASKS, EngineState, new_engine_state
from emulator.simulation.network import Network
from emulator.simulation.plans import NOTHING_MEASURED, Plans
from emulator.stepping.step import outstanding_s, step_all
from emulator.stepping.tables import (
    ARRIVAL,
    CHARGE,
    CHARGED,
    DECISION,
    ENDED,
    PLACED,
    ArrivalTables,
    CostWeights,
    EndTables,
)
from emulator.system import System
from emulator.task import Task
from emulator.workload import Stream

NEVER_ROWS, NEVER_NS = 2**62, 2**62
# Tables of an `EngineState`, by name: all runs share the first, each run has its own of all others. Of the second each
# run uses rows as they are needed, so that they need no contents at its start.
SHARED = (
    "cumulative_bits", "harq_delay_ns", "block_lost", "message", "ue_of_link", "descriptions", "weights", "memory_ns",
    "members", "merits", "weight_bytes", "legs", "hops", "levels", "tasks", "stages",
)  # fmt: skip
UNUSED_AT_START = ("entries", "messages", "events", "states", "costs", "measured")
# Of tables that are put one after the other, and the columns that say where in them a row's values begin.
JOINED = {
    "cumulative_bits": "first_edge", "harq_delay_ns": "first_delay", "block_lost": "first_block",
    "descriptions": "first_description",
}  # fmt: skip


class SeededSystem(NamedTuple):
    """One of the systems, with the arrivals, losses and cross-traffic of another seed."""

    system: int
    seed: int


class SteppedSystems:
    """`runs` episodes side by side. All state lies in tables for compiled code.

    `decisions`, shape (runs,) of DECISION, are the tasks that are observed now. A step places them and runs each system
    until its next task arrives. An episode is over at the first arrival that is not before the systems' duration.
    """

    def __init__(
        self, systems: Sequence[System], episodes: Sequence[SeededSystem], runs: int, decision_ns: int = 0
    ) -> None:
        """Each task begins its first leg `decision_ns` after its decision. Raises ValueError for systems that differ in
        more than traces and seeds, or that have failures."""
        check(systems)
        first, self.episodes = systems[0], tuple(episodes)
        networks = [Network(system) for system in systems]
        self.network = networks[0]  # fresh: for routes, and times by profile
        self.streams = first.streams
        sizes = [len(first.placements[stream.source, stream.kind.name]) for stream in self.streams]
        self.first_plan = np.array([0, *accumulate(sizes)])  # of each stream's candidates
        plans = _plans(self.network)
        states = [new_engine_state(network, plans.tables, False, decision_ns) for network in networks]
        self._keys = np.array([_task_keys(self.streams, episode.seed) for episode in episodes])
        self._fresh = [_fresh_tables(networks, states, episode) for episode in episodes]
        self.tables = _tables_of_runs(states, runs, self.first_plan[-1])
        self._schedule = _schedule(first, self.episodes, runs)
        self._ends = _ends(self.network, sizes, runs, self.longest_episode)
        cost = first.cost
        quality_s = [cost.quality_s.get(stream.kind.name, 0.0) for stream in self.streams]
        self._weights = CostWeights(cost.failure_s, cost.erasure_s, cost.energy_s_per_j, np.repeat(quality_s, sizes))
        self.decisions = np.zeros(runs, DECISION)
        self.decisions["is_over"] = True

    @property
    def longest_episode(self) -> int:
        """The most steps that an episode can have: one for each task that arrives, and the first."""
        return 1 + int((self._schedule.stop - self._schedule.first).sum(axis=1).max())

    @property
    def ordered_ns(self) -> Table:
        """Service times that a node's decisions ordered from each device, of tasks whose end it has not heard of:
        int64, shape (runs, deciding nodes, devices)."""
        return self._ends.ordered_ns

    @property
    def decider(self) -> Ints:
        """The number of the node that decides on each stream's tasks, shape (streams,)."""
        return self._ends.decider

    def charges(self) -> tuple[Ints, Table]:
        """Return the costs that fell due in the last step: the run and the CHARGE of each."""
        counts = self._schedule.counts[:, CHARGED]
        runs = np.repeat(np.arange(len(counts)), counts)
        places = np.arange(len(runs)) - np.repeat(np.cumsum(counts) - counts, counts)
        return runs, self._ends.charges[runs, places]

    def begin(self, run: int, episode: int) -> None:
        """Let a run begin an episode anew; the next step takes it to its first decision."""
        schedule = self._schedule
        for (_, table), start in zip(_changing(self.tables), self._fresh[episode], strict=True):
            table[run] = start
        self.tables.plans.plans["key"][run] = np.repeat(self._keys[episode], np.diff(self.first_plan))
        schedule.episode[run], schedule.next[run], schedule.counts[run] = episode, schedule.first[episode], 0
        self._ends.ordered_ns[run] = 0
        self.decisions[run] = np.zeros((), DECISION)
        self.decisions["is_first"][run] = True

    def step(self, plans: Ints) -> None:
        """Place the observed task of each run under its plan, -1 for a task that fails, and run on to its next
        decision. Runs that are over stay as they are."""
        _step_all(self.tables, self._schedule, self._ends, self._weights, plans, self.decisions, NOTHING_MEASURED)

    @property
    def due_s(self) -> npt.NDArray[np.float64]:
        """Cost of the tasks that ended since the decision before, shape (runs, streams). Their sum is `cost_s` of
        `decisions`, or what `outstanding_s` returned last."""
        runs, charges = self.charges()
        due_s = np.zeros((len(self.decisions), len(self.streams)))
        np.add.at(due_s, (runs, charges["stream"]), charges["cost_s"])
        return due_s

    def outstanding_s(self, run: int) -> float:
        """Return the cost of the tasks that are still in a system. The system is run to its end for that, and its
        episode is over."""
        self.decisions["is_over"][run] = True
        return float(_outstanding_s(self.tables, self._schedule, self._ends, self._weights, run))


def check(systems: Sequence[System]) -> None:
    """Raise ValueError for systems that differ in more than traces and seeds, or that have failures."""
    first = _without_traces(systems[0])
    for system in systems:
        if system.failures:
            raise ValueError("failures: must be none in a system that is run from decision to decision")
        if _without_traces(system) != first:
            raise ValueError(f"systems: {system.name} must differ from {systems[0].name} in traces and seeds only")


def _without_traces(system: System) -> tuple[object, ...]:
    links = [[getattr(link, name) for name in vars(link) if name != "trace"] for link in system.links]
    return links, replace(system, name="", seed=0, links=())


def _plans(network: Network) -> Plans:
    """Return the plans of all candidates of all streams, in order."""
    plans = Plans(network)
    for stream in network.system.streams:
        for placement in network.system.placements[stream.source, stream.kind.name]:
            plans.add(stream, placement)
    return plans


def _task_keys(streams: Sequence[Stream], seed: int) -> list[int]:
    return [task_key(seed, stream.source, stream.kind.name) for stream in streams]


def _leaves(tables: Any) -> Iterator[tuple[str, Table]]:
    """Yield the tables of nested tuples with their names, in order."""
    for name, value in zip(tables._fields, tables, strict=True):
        if isinstance(value, np.ndarray):
            yield name, value
        else:
            yield from _leaves(value)


def _changing(state: EngineState) -> Iterator[tuple[str, Table]]:
    """Yield the tables that a run begins with contents of its own."""
    return ((name, table) for name, table in _leaves(state) if name not in (*SHARED, *UNUSED_AT_START, "plans"))


def _fresh_tables(networks: Sequence[Network], states: Sequence[EngineState], episode: SeededSystem) -> list[Table]:
    """Return a copy of the tables with which an episode begins."""
    network, links = networks[episode.system], networks[episode.system].system.links
    network.link_tables.reseed(links, episode.seed)
    network.cell_tables.reseed(links, episode.seed)
    places = {column: _place(states, name, episode.system) for name, column in JOINED.items()}
    fresh = [table.copy() for _, table in _changing(states[episode.system])]
    for table in fresh:
        for column in set(places) & set(table.dtype.names or ()):
            table[column] += places[column]
        if "group_rows" in (table.dtype.names or ()):
            table["group_rows"] = NEVER_ROWS  # rows are taken at each step
    return fresh


def _place(states: Sequence[EngineState], name: str, system: int) -> int:
    """Return where the values of a system begin in a joined table."""
    return sum(len(dict(_leaves(state))[name]) for state in states[:system])


def _tables_of_runs(states: Sequence[EngineState], runs: int, plans: int) -> EngineState:
    """Return the tables of all runs: those that they share, and the others with an axis of runs in front."""
    all_leaves = [dict(_leaves(state)) for state in states]

    def of_runs(tables: Any) -> Any:
        found = [
            leaf(name, value) if isinstance(value, np.ndarray) else of_runs(value)
            for name, value in zip(tables._fields, tables, strict=True)
        ]
        return type(tables)(*found)

    def leaf(name: str, table: Table) -> Table:
        if name in JOINED:
            return np.concatenate([leaves[name] for leaves in all_leaves])
        if name in SHARED:
            return table
        if name == "plans":
            return np.repeat(table[None, :plans], runs, axis=0)
        return reserved((runs, *table.shape), table.dtype)

    tables: EngineState = of_runs(states[0])
    return tables


def _schedule(system: System, episodes: Sequence[SeededSystem], runs: int) -> ArrivalTables:
    """Return the arrivals of all episodes; no run has begun."""
    streams = system.streams
    arrivals = [
        [(task.arrival_ns, task.prompt_tokens, task.output_tokens) for task in _offered(stream, episode.seed, system)]
        for episode in episodes
        for stream in streams
    ]
    edges = np.cumsum([0, *(len(each) for each in arrivals)])
    shape = len(episodes), len(streams)
    return ArrivalTables(
        np.array([arrival for each in arrivals for arrival in each], ARRIVAL),
        edges[:-1].reshape(shape),
        edges[1:].reshape(shape),
        np.zeros(runs, np.int64),
        np.zeros((runs, len(streams)), np.int64),
        np.zeros((runs, len(streams)), EVENT),
        np.zeros((runs, 5), np.int64),
        system.duration_ns,
    )


def _ends(network: Network, sizes: Sequence[int], runs: int, tasks: int) -> EndTables:
    """Return the tables of ends; no task has been placed. `sizes`: numbers of the streams' plans."""
    streams, control = network.system.streams, network.system.control
    deciders = [control.decider(stream.source) for stream in streams]
    numbers = {node: number for number, node in enumerate(dict.fromkeys(deciders))}
    return EndTables(
        reserved((runs, tasks), PLACED),
        reserved((runs, MAX_TASKS), ENDED),
        reserved((runs, MAX_TASKS), CHARGE),
        np.zeros((runs, len(numbers), len(network.devices)), np.int64),
        np.array([numbers[node] for node in deciders]),
        np.repeat(np.arange(len(sizes)), sizes),
        np.cumsum([0, *sizes]),
        np.array([stream.source == node for stream, node in zip(streams, deciders, strict=True)]),
        control.age_ns,
    )


def _offered(stream: Stream, seed: int, system: System) -> Iterator[Task]:
    """Yield the tasks of a stream that arrive before the end, and the next one if there is one."""
    for task in stream.tasks(seed, NEVER_NS):
        yield task
        if task.arrival_ns >= system.duration_ns:
            return


_step_all, _outstanding_s = Bound(step_all), Bound(outstanding_s)
