"""The Python side of the compiled engine: arrivals, the policy's decisions, and the rows of finished tasks."""

from collections.abc import Iterator
from functools import partial
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np

from emulator.core.arrays import Ints
from emulator.core.compiled import Bound
from emulator.core.fifo import FOREVER_NS
from emulator.policy import Compute, Observation, Policy, Totals, decision_ns_of, hear_of
from emulator.record import Records
from emulator.simulation.engine_state import new_engine_state
from emulator.simulation.event_loop import (
    DECIDE,
    WRITE_ROWS,
    fail_interrupted,
    fail_resources,
    next_undecided,
    restart_task,
    restore_resources,
    run_until,
    start_task,
)  # fmt: skip
from emulator.simulation.failures import Transition, retried, transitions
from emulator.simulation.hearing import Hearing
from emulator.simulation.network import Network
from emulator.simulation.observation import DelayedObservation
from emulator.simulation.plans import NOTHING_MEASURED, Plans, visit_times_ns
from emulator.simulation.row_writer import FinishedRows
from emulator.system import System
from emulator.task import Placement, Task
from emulator.workload import Stream


class VisitTimes(NamedTuple):
    """Service times of a task's visits, if they were measured, and that of the last partition's first pass; `compute`
    and `reason` are numbers of `FinishedRows`."""

    compute: int
    attempts: int
    reason: int
    measured_ns: Ints
    measured_first_ns: int


MODELLED = VisitTimes(0, 1, 0, NOTHING_MEASURED, 0)


class CompiledEngine:
    """One run of a system under a policy."""

    def __init__(
        self, network: Network, policy: Policy, label: str, records: Records, compute: Compute | None = None
    ) -> None:
        system = network.system
        self._network, self._policy, self._compute = network, policy, compute
        hear = hear_of(policy)
        self._hearing = Hearing(hear, system) if hear else None
        self._decide = partial(self._hear_and_decide, self._hearing) if self._hearing else policy.decide
        self._expected_rows = 0  # of the rows of tasks that are not written yet
        self._plans = Plans(network)
        self._rows = FinishedRows(self._plans, label, records)
        self._streams = [_StreamState(stream, system) for stream in system.streams]
        self._stream_of_plan: list[int] = []
        changes = transitions(system)
        self._to_come: list[Iterator[Any]] = [
            stream.tasks(system.seed, system.duration_ns) for stream in system.streams
        ]
        self._to_come.append(iter(changes))
        self._sequence = 0
        self._due: list[tuple[int, int, int, Any]] = []  # arrivals and failures to come, as a heap
        self._engine = new_engine_state(network, self._plans.tables, len(changes) > 0, decision_ns_of(policy))
        self._next_ns = 0  # of the next event or slot

    def run(self) -> Totals:
        """Run all tasks to their end. Raises ValueError if a placement of the policy does not assign the layers of
        the task's model, in order, each exactly once."""
        for index in range(len(self._streams) + 1):
            self._await_next(index)
        try:
            self._run()
        finally:
            self._rows.write(self._engine, at_end=True)
        return self._rows.tally.totals(self._network, self._plans.tables.radios)

    def _run(self) -> None:
        due, streams = self._due, len(self._streams)
        while due:
            at_ns, _, index, occurrence = heappop(due)
            if self._next_ns <= at_ns:
                self._run_until(at_ns, int(self._engine.arrival_orders[index]))
            self._await_next(index)
            if index < streams:
                self._arrive(index, occurrence)
            else:
                self._change(occurrence)
        self._run_until(FOREVER_NS, 0)

    def _await_next(self, index: int) -> None:
        """Put the next task of a stream, or the next failure, on the heap; of equal times the first put comes first."""
        occurrence = next(self._to_come[index], None)
        if occurrence is not None:
            self._sequence += 1
            at_ns = occurrence.arrival_ns if index < len(self._streams) else occurrence.at_ns
            heappush(self._due, (at_ns, self._sequence, index, occurrence))

    def _arrive(self, index: int, task: Task) -> None:
        """Let a task arrive: ask the policy for a placement, and start it."""
        now_ns = task.arrival_ns
        self._network.pass_until(now_ns)
        placement = self._decide(DelayedObservation(task, now_ns, self._network, self._streams[index].candidates))
        plan = self._plan(index, placement)
        times = self._times(task, placement)
        until_ns = self._due[0][0] if self._due else FOREVER_NS
        self._next_ns = _start_task(
            self._engine, index, plan, task.number, now_ns, task.prompt_tokens, task.output_tokens, *times, until_ns
        )

    def _hear_and_decide(self, hearing: Hearing, observation: Observation) -> Placement:
        """Return the policy's decision, after it was told what the control node has heard."""
        self._expect_ended(hearing)
        hearing.tell(observation.now_ns)
        return self._policy.decide(observation)

    def _expect_ended(self, hearing: Hearing) -> None:
        """Pass on the tasks that have rows since the last call."""
        first, self._expected_rows = self._expected_rows, int(self._engine.loop["task_rows"][0])
        for ended in self._rows.ended(self._engine.tasks[first : self._expected_rows], self._network.system.cost):
            hearing.expect(ended)

    def _plan(self, index: int, placement: Placement) -> int:
        stream = self._streams[index]
        plan = stream.plans.get(placement)
        if plan is None:
            plan = stream.plans[placement] = self._plans.add(stream.stream, placement)
            self._stream_of_plan.append(index)
        return plan

    def _times(self, task: Task, placement: Placement) -> VisitTimes:
        """Raises ValueError if the times are not one for each pass and partition."""
        if self._compute is None:
            return MODELLED
        execution = self._compute.execute(task, placement)
        if execution.quality_loss is not None:
            self._rows.note_quality(task, execution.quality_loss)
        reason = self._rows.code_of_reason(execution.failure or "")
        times_ns = visit_times_ns(task, placement, execution)
        first_ns = 0 if execution.failure is not None else int(execution.service_ns[0][-1])
        return VisitTimes(self._rows.code_of_compute(execution), execution.attempts, reason, times_ns, first_ns)

    def _run_until(self, until_ns: int, order: int) -> None:
        while (next_ns := _run_until(self._engine, until_ns, order)) < 0:
            if next_ns == WRITE_ROWS:
                if self._hearing:
                    self._expect_ended(self._hearing)
                self._rows.write(self._engine)
                self._expected_rows = int(self._engine.loop["task_rows"][0])
            elif next_ns == DECIDE:
                self._decide_again()
        self._next_ns = next_ns

    def _change(self, change: Transition) -> None:
        """Let links and devices fail, or restore them."""
        engine, network = self._engine, self._network
        engine.loop["order"] += 1
        engine.arrival_orders[-1] = engine.loop["order"][0]
        devices = [len(network.links) + network.devices[name].index for name in change.devices]
        resources = np.array([*devices, *change.links], np.int64)
        (_fail_resources if change.fail else _restore_resources)(engine, resources, change.at_ns)
        self._next_ns = 0  # some tasks may go on at once

    def _decide_again(self) -> None:
        """Ask the policy for new placements of the tasks that a failure has interrupted (`retried`)."""
        engine = self._engine
        now_ns = int(engine.loop["now_ns"][0])
        while row := _next_undecided(engine):
            state = engine.states[row]
            index = self._stream_of_plan[int(state["plan"])]
            stream = self._streams[index]
            numbers = (int(state[name]) for name in ("number", "arrival_ns", "prompt_tokens", "output_tokens"))
            task = Task(stream.stream.source, stream.stream.kind, *numbers)
            placement = retried(self._network, self._decide, task, now_ns, stream.candidates)
            if placement is None:
                _fail_interrupted(engine, row, now_ns)
                continue
            times = self._times(task, placement)
            times = times._replace(attempts=int(state["attempts"]) + times.attempts)
            _restart_task(engine, row, self._plan(index, placement), now_ns, *times)


class _StreamState:
    """A stream, its candidates, and the plans of its placements."""

    def __init__(self, stream: Stream, system: System) -> None:
        self.stream = stream
        self.candidates = system.placements[stream.source, stream.kind.name]
        self.plans: dict[Placement, int] = {}


_start_task, _run_until, _restart_task = Bound(start_task), Bound(run_until), Bound(restart_task)
_fail_resources, _restore_resources = Bound(fail_resources), Bound(restore_resources)
_next_undecided, _fail_interrupted = Bound(next_undecided), Bound(fail_interrupted)
