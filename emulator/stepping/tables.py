"""Tables of systems that run side by side: those of one run, each with an axis of runs in front."""

from typing import NamedTuple

import numpy as np

from emulator.cell.tables import CellTables
from emulator.core.compiled import Table, in_place
from emulator.core.fifo import Fifos
from emulator.device import DeviceTables
from emulator.link.tables import LinkTables
from emulator.simulation.engine_state import EngineState
from emulator.simulation.plans import PlanTables

ARRIVAL = np.dtype([("at_ns", np.int64), ("prompt_tokens", np.int64), ("output_tokens", np.int64)])
DECISION = np.dtype(
    [
        # the observed task
        ("stream", np.int64),
        ("number", np.int64),
        ("now_ns", np.int64),
        ("prompt_tokens", np.int64),
        ("output_tokens", np.int64),
        # since the decision before
        ("elapsed_ns", np.int64),
        ("cost_s", np.float64),  # of tasks that ended
        ("is_first", np.bool_),  # of its episode: no decision came before
        ("is_over", np.bool_),  # the episode: the observed task is not placed
    ]
)
PLACED = np.dtype([("step", np.int64), ("plan", np.int64)])  # of a task: when, counted in steps of its episode
ENDED = np.dtype(
    [
        ("stream", np.int64),
        ("task", np.int64),  # its number in the episode
        ("at_ns", np.int64),
        ("heard_ns", np.int64),  # when the deciding node hears of it
        ("cost_s", np.float64),
        ("is_charged", np.bool_),
    ]
)
CHARGE = np.dtype([("stream", np.int64), ("steps_ago", np.int64), ("cost_s", np.float64)])  # of a task that ended


class ArrivalTables(NamedTuple):
    """Arrivals of all episodes, the streams of one episode one after the other, and how far each run has come."""

    arrivals: Table  # ARRIVAL
    first: Table  # int64, shape (episodes, streams): of a stream's arrivals
    stop: Table  # int64, the same shape
    episode: Table  # int64, shape (runs,)
    next: Table  # int64, shape (runs, streams): of each stream's arrivals
    due: Table  # EVENT, shape (runs, streams): a heap of the streams' next arrivals
    counts: Table  # int64, shape (runs, 5): numbers of each run
    duration_ns: int


DUE, SCHEDULED, AHEAD, CHARGED, STEPS = range(5)
"""Columns of `ArrivalTables.counts`: arrivals in the heap, all that were scheduled, tasks whose end is known but not
heard yet, costs that fell due in the last step, steps of the episode."""


class EndTables(NamedTuple):
    """What each run knows of its tasks. A task's number in an episode counts all streams' arrivals."""

    placed: Table  # PLACED, shape (runs, tasks of an episode)
    ended: Table  # ENDED, shape (runs, tasks): AHEAD
    charges: Table  # CHARGE, shape (runs, tasks): CHARGED
    # int64, shape (runs, deciding nodes, devices): service times that a node's decisions ordered, of tasks whose end it
    # has not heard of
    ordered_ns: Table
    decider: Table  # int64, shape (streams,): number of the node that decides on the stream's tasks
    stream_of_plan: Table  # int64, shape (plans,)
    first_plan: Table  # int64, shape (streams + 1,): of each stream's plans
    is_own: Table  # bool, shape (streams,): the deciding node is the source
    age_ns: int


class CostWeights(NamedTuple):
    """`emulator.system.Cost`, with the cost of quality by plan."""

    failure_s: float
    erasure_s: float
    energy_s_per_j: float
    quality_s: Table  # float64, shape (plans,)


@in_place
def run_of(runs: EngineState, row: int) -> EngineState:
    """Return the tables of one run. Those without an axis of runs are shared."""
    links, cells, devices, plans = runs.links, runs.cells, runs.devices, runs.plans
    return EngineState(
        LinkTables(
            links.links[row],
            links.cumulative_bits,
            links.harq_delay_ns,
            links.block_lost,
            fifos_of(links.queues, row),
            links.message,
        ),
        CellTables(
            cells.cells[row],
            cells.ues[row],
            cells.ue_of_link,
            cells.descriptions,
            cells.weights,
            cells.messages[row],
            cells.store[row],
            cells.sent[row],
            fifos_of(cells.busy, row),
            cells.memory_ns,
            cells.members,
            cells.merits,
        ),
        DeviceTables(devices.devices[row], devices.weight_bytes, devices.last_use[row], fifos_of(devices.queues, row)),
        PlanTables(plans.plans[row], plans.legs, plans.hops, plans.levels, plans.radios[row]),
        runs.loop[row],
        runs.arrival_orders[row],
        runs.events[row],
        runs.states[row],
        runs.store[row],
        runs.costs[row],
        runs.measured[row],
        runs.measured_store[row],
        runs.held[row],
        runs.tasks,
        runs.stages,
    )


@in_place
def fifos_of(fifos: Fifos, row: int) -> Fifos:
    """Return the queues of one run."""
    return Fifos(fifos.ends[row], fifos.entries[row], fifos.store[row])
