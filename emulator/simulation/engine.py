"""The traffic of one run, seen from outside: its tables, the room in them, and the rows that leave them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from emulator.cell.tables import has_message_room
from emulator.core.compiled import Table, bound
from emulator.core.event_heap import APPOINTMENT
from emulator.core.fifo import FOREVER_NS, unused
from emulator.policy import Execution
from emulator.record import ROW_GROUP_ROWS, Records
from emulator.simulation.event_loop import CLOCK, NEED_ROOM_NS, Traffic, advance, set_off
from emulator.simulation.network import Network
from emulator.simulation.occupancy import Occupancy, has_room
from emulator.simulation.plans import Itineraries
from emulator.simulation.task_steps import COST, COSTS, DONE, FLIGHT, OUTCOMES, REASONS, STAGE_ROW, TASK_ROW
from emulator.task import Placement, Task, passes
from emulator.workload import Stream

FLIGHTS = 64  # at the start; doubled when all are under way
PARTS = ("waiting_ns", "load_ns", "service_ns", "transfer_ns")  # of a sojourn
NOTHING_MEASURED = np.zeros(0, np.int64)


class Ran(NamedTuple):
    """How it is known what a task's visits to devices take: `compute` and `reason` by their number."""

    compute: int
    attempts: int
    reason: int
    measured_ns: Table


MODELLED = Ran(0, 1, 0, NOTHING_MEASURED)


class Transit:
    """Sends tasks off and lets time pass. `due_ns` is when something happens next, unless more sets off."""

    def __init__(self, network: Network, streams: int, label: str, records: Records) -> None:
        self._network = network
        self._label = label
        self._records = records
        self._itineraries = Itineraries(network)
        self.occupancy = Occupancy()
        self.parts_ns = 0  # what all rows written so far say that their tasks took
        self._reasons, self._computes = list(REASONS), ["modelled"]
        clock = np.zeros(1, CLOCK)
        clock["order"], clock["unused"] = streams, -1
        self._traffic = Traffic(
            network.link_tables.tables,
            network.cell_tables.tables if network.system.cells else None,
            network.device_tables.tables,
            self._itineraries.tables,
            self.occupancy.tables,
            clock,
            np.zeros(0, APPOINTMENT),
            np.arange(1, streams + 1),
            np.zeros(0, FLIGHT),
            np.zeros((0, 2), COST),
            np.zeros((0, 0), np.int64),
            np.zeros(ROW_GROUP_ROWS, TASK_ROW),
            np.zeros(ROW_GROUP_ROWS, STAGE_ROW),
        )
        self._set_off = bound(set_off, self._traffic, *[0] * 6, *MODELLED, 0, 0)
        self._advance = bound(advance, self._traffic, 0, 0)
        self._make_room()
        self.due_ns = FOREVER_NS

    def plan(self, stream: Stream, placement: Placement) -> int:
        """The number by which `set_off` knows that the stream's tasks run so. Raises ValueError where they cannot."""
        plan = self._itineraries.add(stream, placement)
        missing = len(placement) + 1 - self._traffic.costs.shape[1]
        if missing > 0:
            self._traffic = self._traffic._replace(costs=_wider(self._traffic.costs, missing))
        self._make_room()
        return plan

    def set_off(self, stream: int, plan: int, task: Task, until_ns: int, ran: Ran = MODELLED) -> None:
        """A task that arrives now goes its way; then let happen what comes before `until_ns`."""
        _, _, number, now_ns, prompt_tokens, output_tokens = task
        due_ns = self._set_off(
            self._traffic, stream, plan, number, now_ns, prompt_tokens, output_tokens, *ran, until_ns, 0
        )
        self.due_ns = self._advanced(until_ns, 0) if due_ns == NEED_ROOM_NS else due_ns

    def advance_to_arrival(self, stream: int, now_ns: int) -> None:
        """Let happen what comes before the stream's next arrival, which is at `now_ns`."""
        self.due_ns = self._advanced(now_ns, int(self._traffic.arrivals[stream]))

    def _advanced(self, until_ns: int, order: int) -> int:
        while (due_ns := self._advance(self._traffic, until_ns, order)) == NEED_ROOM_NS:
            self._make_room()
        return due_ns

    def ran(self, task: Task, placement: Placement, execution: Execution) -> Ran:
        """What `set_off` needs to know of a task whose partitions have run already, or failed to.
        Raises ValueError where the times are not one for each pass and partition."""
        taken_ns = _visits_ns(task, placement, execution)
        missing = len(taken_ns) - self._traffic.measured_ns.shape[1]
        if missing > 0:
            self._traffic = self._traffic._replace(measured_ns=_wider(self._traffic.measured_ns, missing))
        reason = _code(self._reasons, execution.failure or "")
        return Ran(_code(self._computes, execution.compute), execution.attempts, reason, taken_ns)

    def finish(self) -> None:
        """Write out the last rows."""
        self._write_tasks()
        self._write_stages()

    def _make_room(self) -> None:
        """Double what is full, and write out finished rows before their tables are."""
        clock = self._traffic.clock[0]
        if clock["task_rows"] == len(self._traffic.tasks):
            self._write_tasks()
        if clock["stage_rows"] + self._traffic.costs.shape[1] > len(self._traffic.stages):
            self._write_stages()
        if clock["unused"] < 0:
            self._add_flights(max(FLIGHTS, len(self._traffic.flights)))
        if unused(self._traffic.links.queues) < 1:
            self._network.link_tables.grow()
        if unused(self._traffic.devices.queues) < 2:
            self._network.device_tables.grow()
        if not has_message_room(self._traffic.cells):
            self._network.cell_tables.grow()
        if not has_room(self._traffic.occupancy):
            self.occupancy.grow()
        self._traffic = self._traffic._replace(
            links=self._network.link_tables.tables,
            cells=self._network.cell_tables.tables if self._network.system.cells else None,
            devices=self._network.device_tables.tables,
            plans=self._itineraries.tables,
            occupancy=self.occupancy.tables,
        )

    def _add_flights(self, more: int) -> None:
        traffic = self._traffic
        first = len(traffic.flights)
        flights = np.zeros(more, FLIGHT)
        flights["unused"] = [*range(first + 1, first + more), traffic.clock["unused"][0]]
        traffic.clock["unused"] = first
        self._traffic = traffic._replace(
            calendar=np.concatenate((traffic.calendar, np.zeros(more, APPOINTMENT))),
            flights=np.concatenate((traffic.flights, flights)),
            costs=np.concatenate((traffic.costs, np.zeros((more, traffic.costs.shape[1]), COST))),
            measured_ns=np.concatenate((traffic.measured_ns, np.zeros((more, traffic.measured_ns.shape[1]), np.int64))),
        )

    def _write_tasks(self) -> None:
        rows = self._traffic.tasks[: self._traffic.clock["task_rows"][0]]
        self._traffic.clock["task_rows"] = 0
        if not len(rows):
            return
        self.parts_ns += sum(int(rows[name].sum()) for name in PARTS)
        placements = [plan.placement for plan in self._itineraries.plans]
        self._records.tasks.extend(
            self._who(rows)
            | {name: rows[name] for name in ("task", "arrival_ns", *COSTS, "sojourn_ns", "attempts")}
            | {
                "placement": _named(placements, rows["plan"]),
                "deadline_met": rows["outcome"] == DONE,
                "outcome": _named(OUTCOMES, rows["outcome"]),
                "reason": _named(self._reasons, rows["reason"]),
            }
        )

    def _write_stages(self) -> None:
        rows = self._traffic.stages[: self._traffic.clock["stage_rows"][0]]
        self._traffic.clock["stage_rows"] = 0
        if not len(rows):
            return
        plans = self._itineraries.plans
        stages = [stage for plan in plans for stage in plan.stages]
        first_stage = np.cumsum([0, *(len(plan.stages) for plan in plans)])
        which = first_stage[rows["plan"]] + rows["stage"]
        self._records.stages.extend(
            self._who(rows)
            | {name: rows[name] for name in ("task", "stage", *COSTS)}
            | {
                "node": _named([stage.node for stage in stages], which),
                "first_layer": np.array([stage.first_layer for stage in stages])[which],
                "stop_layer": np.array([stage.stop_layer for stage in stages])[which],
            }
        )

    def _who(self, rows: Table) -> dict[str, Any]:
        """The columns that rows of tasks and of stages share."""
        plans = self._itineraries.plans
        return {
            "policy": _named([self._label], np.zeros(len(rows), np.int64)),
            "source": _named([plan.source for plan in plans], rows["plan"]),
            "kind": _named([plan.kind for plan in plans], rows["plan"]),
            "compute": _named(self._computes, rows["compute"]),
        }


def _wider(table: Table, more: int) -> Table:
    return np.concatenate((table, np.zeros((len(table), more), table.dtype)), axis=1)


def _named(names: Sequence[str], which: Table) -> pa.DictionaryArray:
    """The name of each row: `names[which]`."""
    codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
    of_name = np.array([codes[name] for name in names], np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(of_name[which]), pa.array(list(codes), pa.string()))


def _code(names: list[str], name: str) -> int:
    """The place of a name in a list that grows with every new one."""
    if name not in names:
        names.append(name)
    return names.index(name)


def _visits_ns(task: Task, placement: Placement, execution: Execution) -> Table:
    """What each visit to a device took: a partition in a pass, or all passes where there is but one partition."""
    if execution.failure is not None:
        return NOTHING_MEASURED
    taken_ns = np.array(execution.service_ns, np.int64)
    expected = (len(passes(task)), len(placement))
    if taken_ns.shape != expected:
        raise ValueError(f"service_ns: must have the shape {expected}, not {taken_ns.shape}")
    return taken_ns.sum(axis=0) if len(placement) == 1 else taken_ns.ravel()
