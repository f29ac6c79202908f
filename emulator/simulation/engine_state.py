"""All state of a run of the compiled engine, as tables."""

from typing import NamedTuple

import numpy as np

from emulator.cell.tables import CellTables
from emulator.core.arrays import reserved
from emulator.core.compiled import Table
from emulator.core.event_heap import EVENT
from emulator.core.fifo import ENDS, ENTRY, new_store
from emulator.device import DeviceTables
from emulator.link.tables import LinkTables
from emulator.record import ROW_GROUP_ROWS
from emulator.simulation.network import Network
from emulator.simulation.plans import PlanTables
from emulator.simulation.task_state import COST, STAGE_ROW, STATE, TASK_ROW

MAX_TASKS, MAX_TIMES = 1_048_576, 16_777_216  # tasks in flight and their measured times; address space only
WAIT, RETRY, FAIL = range(3)
ON_FAILURE = {"wait": WAIT, "retry": RETRY, "fail": FAIL}


LOOP = np.dtype(
    [
        ("order", np.int64),  # counts everything that was ever scheduled
        ("events", np.int64),
        ("task_rows", np.int64),
        ("stage_rows", np.int64),
        ("group_rows", np.int64),  # so many are written together
        ("now_ns", np.int64),  # of the last event
        ("may_fail", np.bool_),  # some link or device may fail
        ("on_failure", np.int64),
        ("decision_ns", np.int64),  # from a decision to its task's first leg
    ]
)


class EngineState(NamedTuple):
    """All state of a run. Row 0 of `states` and `costs` belongs to no task in flight: it serves a task that finds no
    room, which ends at once, and intermediate sums."""

    links: LinkTables
    cells: CellTables
    devices: DeviceTables
    plans: PlanTables
    loop: Table  # LOOP, shape (1,)
    arrival_orders: Table  # int64, shape (streams + 1,): of each stream's next arrival; last, of the next failure
    events: Table  # EVENT: a heap
    states: Table  # STATE
    store: Table  # STORE, shape (1,): of the states
    costs: Table  # COST, shape (states, stages)
    measured: Table  # ENTRY: measured service times, each state's a queue
    measured_store: Table  # STORE, shape (1,)
    held: (
        Table  # ENDS, shape (links + devices + 1,): tasks that wait for a resource to be restored; last, for a decision
    )
    tasks: Table  # TASK_ROW: finished, to be written
    stages: Table  # STAGE_ROW


def new_engine_state(network: Network, plans: PlanTables, may_fail: bool, decision_ns: int) -> EngineState:
    """Return the state at the start of a run: no task has arrived."""
    system = network.system
    streams, resources = len(system.streams), len(system.links) + len(network.devices)
    stages = max((len(model.layers) for model in system.models.values()), default=0) + 1
    loop = np.zeros(1, LOOP)
    loop["order"], loop["may_fail"] = streams + 1, may_fail
    loop["group_rows"] = ROW_GROUP_ROWS
    loop["on_failure"], loop["decision_ns"] = ON_FAILURE[system.on_failure], decision_ns
    return EngineState(
        network.link_tables.tables,
        network.cell_tables.tables,
        network.device_tables.tables,
        plans,
        loop,
        np.arange(1, streams + 2),
        reserved(MAX_TASKS, EVENT),
        reserved(MAX_TASKS, STATE),
        new_store(),
        reserved((MAX_TASKS, stages), COST),
        reserved(MAX_TIMES, ENTRY),
        new_store(),
        np.zeros(resources + 1, ENDS),
        reserved(ROW_GROUP_ROWS + MAX_TASKS, TASK_ROW),
        reserved(ROW_GROUP_ROWS + MAX_TASKS * stages, STAGE_ROW),
    )
