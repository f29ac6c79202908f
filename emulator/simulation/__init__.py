"""Tasks through devices and links in virtual time: the SimPy rung of the ladder.

SimPy keeps the clock of everything that decides: tasks arrive as its events and policies are asked then.
What is under way between two of its events (`traffic`) is compiled, and follows the clock.
"""

from typing import Any

import simpy

from emulator.core.fifo import FOREVER_NS
from emulator.policy import Compute, Policy, Totals
from emulator.record import Records
from emulator.simulation.engine import Transit
from emulator.simulation.network import Network
from emulator.simulation.observation import LastHeard
from emulator.system import System
from emulator.task import Placement
from emulator.workload import Stream


class Simulation:
    """A `Backend`: carries out a policy's decisions in virtual time, on profiles or, with `compute`,
    on the service times that running the partitions took."""

    def __init__(self, system: System, compute: Compute | None = None) -> None:
        self.system = system
        self._compute = compute

    def run(self, policy: Policy, label: str, records: Records) -> Totals:
        """Run all tasks to their end, recorded under `label`.

        Raises ValueError when the policy's placement does not cover the task's model in order.
        """
        return _Run(self.system, policy, label, records, self._compute).run()


class _Run:
    """One policy's run: the clock, the traffic, and who decides."""

    def __init__(self, system: System, policy: Policy, label: str, records: Records, compute: Compute | None) -> None:
        self.system = system
        self.environment = simpy.Environment()
        self.network = Network(system)
        self.transit = Transit(self.network, len(system.streams), label, records)
        self.policy = policy
        self.compute = compute

    def run(self) -> Totals:
        for row, stream in enumerate(self.system.streams):
            _Arrivals(self, row, stream).await_next()
        try:
            self.environment.run()
        finally:
            self.transit.finish()
        occupancy = self.transit.occupancy
        area_ns, elapsed_ns = occupancy.finish()
        error = abs(area_ns - self.transit.parts_ns) / max(area_ns, 1)
        energy_j = {name: device.energy_j(elapsed_ns) for name, device in self.network.devices.items()}
        mean = area_ns / max(elapsed_ns, 1)
        return Totals(occupancy.arrivals, elapsed_ns, mean, occupancy.peak, error, energy_j)


class _Arrivals:
    """One stream's tasks: each arrives, is decided upon, and sets off."""

    def __init__(self, run: _Run, row: int, stream: Stream) -> None:
        self.run = run
        self.row = row
        self.stream = stream
        self.tasks = stream.tasks(run.system.seed, run.system.duration_ns)
        self.candidates = run.system.placements[stream.source, stream.kind.name]
        self.plans: dict[Placement, int] = {}

    def await_next(self) -> None:
        """Put the next task on the clock, if there is one."""
        for task in self.tasks:
            environment = self.run.environment
            event = simpy.Timeout(environment, task.arrival_ns - environment.now, task)
            event.callbacks.append(self.arrive)
            return

    def arrive(self, event: Any) -> None:
        """A task, the event's value, is asked for: decide where it runs, and set it off."""
        run, task = self.run, event.value
        self.await_next()
        transit, now_ns = run.transit, task.arrival_ns
        if transit.due_ns <= now_ns:
            transit.advance_to_arrival(self.row, now_ns)
        placement = run.policy.decide(LastHeard(task, now_ns, run.network, self.candidates))
        plan = self.plans.get(placement)
        if plan is None:
            plan = self.plans[placement] = transit.plan(self.stream, placement)
        until_ns = int(min(run.environment.peek(), FOREVER_NS))
        if run.compute is None:
            transit.set_off(self.row, plan, task, until_ns)
        else:
            ran = transit.ran(task, placement, run.compute.execute(task, placement))
            transit.set_off(self.row, plan, task, until_ns, ran)
