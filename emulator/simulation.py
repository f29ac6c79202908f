"""Tasks through devices and links in virtual time: the SimPy rung of the ladder.

Links and devices answer at once when they will be done, so that a task costs one event a hop, and its
last step, whose end nobody waits for, none at all.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import simpy

from emulator.alone import merged_passes
from emulator.link import Link
from emulator.network import Network
from emulator.observation import LastHeard
from emulator.occupancy import Occupancy
from emulator.policy import Compute, Execution, Policy
from emulator.profile import TOKEN_BYTES
from emulator.randomness import draw_key
from emulator.record import Records
from emulator.system import System
from emulator.task import (
    Partition,
    Pass,
    Placement,
    Task,
    check_placement,
    describe,
    input_bytes,
    passes,
    result_bytes,
)

ONE_IMAGE: list[list[Pass]] = [[Pass(1, 0)]]


@dataclass(frozen=True)
class Totals:
    """A run in numbers. Little's law holds when `occupancy_mean` equals arrivals times the mean of
    the recorded sojourns over the elapsed time: the two are counted apart."""

    tasks: int
    elapsed_ns: int
    occupancy_mean: float
    occupancy_peak: int
    little_error: float
    device_energy_j: dict[str, float]


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
        with _collector_held_off():
            return _Run(self.system, policy, label, records, self._compute).run()


@contextmanager
def _collector_held_off() -> Iterator[None]:
    """Nothing in a run forms reference cycles, so looking for them is time lost."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Stage:
    """What one partition, and the way to it, has cost a task so far."""

    __slots__ = ("energy_j", "erased", "link_waiting_ns", "load_ns", "service_ns", "transfer_ns", "waiting_ns")

    def __init__(self) -> None:
        self.waiting_ns = self.load_ns = self.service_ns = self.transfer_ns = self.link_waiting_ns = 0
        self.energy_j = self.erased = 0.0


class _Flight:
    """A task on its way: which pass, which stage, which hop, and what each stage has cost."""

    __slots__ = (
        "execution",
        "hop",
        "placement",
        "route",
        "sent_ns",
        "size_bytes",
        "stage",
        "stages",
        "step",
        "steps",
        "task",
    )

    def __init__(self, task: Task, placement: Placement) -> None:
        self.task = task
        self.placement = placement
        self.steps = ONE_IMAGE if task.kind.model.family == "vision" else merged_passes(passes(task), placement)
        self.step = self.stage = self.hop = 0
        self.stages = [_Stage() for _ in placement]
        self.route: tuple[Link, ...] = ()
        self.sent_ns = self.size_bytes = 0
        self.execution: Execution | None = None


class _Run:
    """One policy's run: the event handlers and what they share."""

    def __init__(self, system: System, policy: Policy, label: str, records: Records, compute: Compute | None) -> None:
        self.system = system
        self.policy = policy
        self.label = label
        self.add_task = records.tasks.append
        self.add_stage = records.stages.append
        self.compute = compute
        self.environment = simpy.Environment()
        self.network = Network(system)
        self.occupancy = Occupancy()
        self.sojourn_sum_ns = 0
        self.names: dict[Placement, str] = {}
        self.radio_w = {key: _radio_power_w(system, *key) for key in self.network.links}
        self.task_keys = {
            (stream.source, stream.kind.name): draw_key(system.seed, stream.source, f"tasks of {stream.kind.name}")
            >> 24
            for stream in system.streams
        }

    def run(self) -> Totals:
        for stream in self.system.streams:
            self.await_arrival(stream.tasks(self.system.seed, self.system.duration_ns))
        self.environment.run()
        area_ns, elapsed_ns = self.occupancy.finish()
        error = abs(area_ns - self.sojourn_sum_ns) / max(area_ns, 1)
        energy_j = {name: self.device_energy_j(name, elapsed_ns) for name in self.network.devices}
        mean = area_ns / max(elapsed_ns, 1)
        return Totals(self.occupancy.arrivals, elapsed_ns, mean, self.occupancy.peak, error, energy_j)

    def device_energy_j(self, name: str, elapsed_ns: int) -> float:
        device = self.network.devices[name]
        idle_ns = max(0, elapsed_ns - device.busy_ns)
        return (device.spec.busy_power_w * device.busy_ns + device.spec.idle_power_w * idle_ns) * 1e-9

    def at(self, when_ns: int, handle: Callable[..., None], *what: Any) -> None:
        """Call `handle(*what, when_ns, event)` when the clock reads `when_ns`."""
        event = simpy.Timeout(self.environment, when_ns - self.environment.now)
        event.callbacks.append(partial(handle, *what, when_ns))

    def await_arrival(self, tasks: Iterator[Task]) -> None:
        task = next(tasks, None)
        if task is not None:
            self.at(task.arrival_ns, self.arrive, task, tasks)

    def arrive(self, task: Task, later: Iterator[Task], now_ns: int, _: simpy.Event) -> None:
        """The task is asked for: decide where it runs, and set it off."""
        self.await_arrival(later)
        self.occupancy.arrive(now_ns)
        candidates = self.system.placements[task.source, task.kind.name]
        placement = self.policy.decide(LastHeard(task, now_ns, self.network, candidates))
        if placement not in self.names:
            check_placement(placement, task.kind.model)
            self.names[placement] = describe(placement)
        flight = _Flight(task, placement)
        if self.compute is not None:
            flight.execution = self.compute.execute(task, placement)
            if flight.execution.failure is not None:
                self.finish(flight, now_ns, flight.execution.failure)
                return
        self.send(flight, task.source, placement[0].node, input_bytes(task), now_ns)

    def send(self, flight: _Flight, source: str, target: str, size_bytes: int, now_ns: int) -> None:
        """Put a message on the first link of its route; with no way to go it is there already."""
        flight.sent_ns = now_ns
        route = self.network.route(source, target) if size_bytes else ()
        if not route:
            self.serve(flight, now_ns)
            return
        flight.route = route
        flight.hop = 0
        flight.size_bytes = size_bytes
        self.cross(flight, now_ns)

    def cross(self, flight: _Flight, now_ns: int, _: simpy.Event | None = None) -> None:
        """Hand the message to the next link of its route."""
        link = flight.route[flight.hop]
        delivery = link.enqueue(now_ns, flight.size_bytes, self.message(flight))
        stage = flight.stages[flight.stage]
        if delivery is None:
            stage.transfer_ns += now_ns - flight.sent_ns
            self.finish(flight, now_ns, "link queue full")
            return
        start_ns, release_ns, arrival_ns, erased = delivery
        stage.link_waiting_ns += start_ns - now_ns
        stage.energy_j += self.radio_w[link.spec.source, link.spec.target] * (release_ns - start_ns) * 1e-9
        stage.erased = 1.0 - (1.0 - stage.erased) * (1.0 - erased)
        flight.hop += 1
        if flight.hop < len(flight.route):
            self.at(arrival_ns, self.cross, flight)
        elif flight.stage < len(flight.placement):
            self.at(arrival_ns, self.reach, flight)
        else:
            stage.transfer_ns += arrival_ns - flight.sent_ns
            self.finish(flight, arrival_ns, None)

    def message(self, flight: _Flight) -> int:
        """The address of the draws of one message of one task."""
        task = flight.task
        key = self.task_keys[task.source, task.kind.name] + task.number
        return (key << 24) + (flight.step << 8) + flight.stage

    def reach(self, flight: _Flight, now_ns: int, _: simpy.Event) -> None:
        """The message has crossed its last link."""
        flight.stages[flight.stage].transfer_ns += now_ns - flight.sent_ns
        self.serve(flight, now_ns)

    def serve(self, flight: _Flight, now_ns: int) -> None:
        """The message is where it is needed: queue the next partition there, or be done."""
        if flight.stage == len(flight.placement):
            self.finish(flight, now_ns, None)
            return
        node, first, stop = flight.placement[flight.stage]
        device = self.network.devices[node]
        model = flight.task.kind.model.name
        service_ns = self.service_ns(flight, flight.placement[flight.stage])
        service = device.submit(now_ns, model, first, stop, service_ns)
        if isinstance(service, str):
            self.finish(flight, now_ns, service)
            return
        stage = flight.stages[flight.stage]
        stage.waiting_ns += service.start_ns - now_ns
        stage.load_ns += service.load_ns
        stage.service_ns += service_ns
        stage.energy_j += device.spec.busy_power_w * (service.load_ns + service_ns) * 1e-9
        if self.is_last(flight, node):
            self.finish(flight, service.finish_ns, None)
        else:
            self.at(service.finish_ns, self.leave, flight)

    def service_ns(self, flight: _Flight, partition: Partition) -> int:
        node, first, stop = partition
        if flight.execution is not None:
            taken = flight.execution.service_ns
            served = range(len(taken)) if len(flight.placement) == 1 else (flight.step,)
            return sum(taken[each][flight.stage] for each in served)
        device = self.network.devices[node]
        model = flight.task.kind.model.name
        return sum(device.service_ns(model, first, stop, *each) for each in flight.steps[flight.step])

    def is_last(self, flight: _Flight, node: str) -> bool:
        """Whether nothing follows this service, so that its end needs no event."""
        return (
            flight.stage + 1 == len(flight.placement)
            and flight.step + 1 == len(flight.steps)
            and (node == flight.task.source or not result_bytes(flight.task))
        )

    def leave(self, flight: _Flight, now_ns: int, _: simpy.Event) -> None:
        """A partition is done: on to the next one, the next pass, or back to the source."""
        task, placement = flight.task, flight.placement
        node, stop = placement[flight.stage].node, placement[flight.stage].stop
        tokens = flight.steps[flight.step][0].tokens
        if flight.stage + 1 < len(placement):
            flight.stage += 1
            size_bytes = task.kind.model.activation_bytes(stop, tokens, task.kind.precision)
            self.send(flight, node, placement[flight.stage].node, size_bytes, now_ns)
        elif flight.step + 1 < len(flight.steps):
            flight.step += 1
            flight.stage = 0
            self.send(flight, node, placement[0].node, TOKEN_BYTES, now_ns)
        else:
            flight.stage += 1
            flight.stages.append(_Stage())
            self.send(flight, node, task.source, result_bytes(task), now_ns)

    def finish(self, flight: _Flight, now_ns: int, failure: str | None) -> None:
        """The task ends at `now_ns`: write its rows."""
        task = flight.task
        sojourn_ns = now_ns - task.arrival_ns
        self.occupancy.depart(now_ns)
        in_time = failure is None and sojourn_ns <= task.kind.deadline_ns
        outcome = "failed" if failure else "done" if in_time else "missed"
        compute, attempts = ("modelled", 1)
        if flight.execution is not None:
            compute, attempts = flight.execution.compute, flight.execution.attempts
        who = (self.label, task.source, task.kind.name, task.number)
        sums = self.write_stages(flight, who, compute)
        self.sojourn_sum_ns += sums.waiting_ns + sums.load_ns + sums.service_ns + sums.transfer_ns
        self.add_task(
            (
                *who,
                task.arrival_ns,
                self.names[flight.placement],
                sums.waiting_ns,
                sums.load_ns,
                sums.service_ns,
                sums.transfer_ns,
                sums.link_waiting_ns,
                sojourn_ns,
                sums.energy_j,
                sums.erased,
                in_time,
                outcome,
                failure or "",
                attempts,
                compute,
            )
        )

    def write_stages(self, flight: _Flight, who: tuple[str, str, str, int], compute: str) -> _Stage:
        """One row for each stage; their sums. A failed task's time on its way counts as transfer."""
        sums = _Stage()
        layers = len(flight.task.kind.model.layers)
        for index, stage in enumerate(flight.stages):
            home = index == len(flight.placement)
            node, first, stop = (flight.task.source, layers, layers) if home else flight.placement[index]
            self.add_stage(
                (
                    *who,
                    index,
                    node,
                    first,
                    stop,
                    stage.waiting_ns,
                    stage.load_ns,
                    stage.service_ns,
                    stage.transfer_ns,
                    stage.link_waiting_ns,
                    stage.energy_j,
                    stage.erased,
                    compute,
                )
            )
            sums.waiting_ns += stage.waiting_ns
            sums.load_ns += stage.load_ns
            sums.service_ns += stage.service_ns
            sums.transfer_ns += stage.transfer_ns
            sums.link_waiting_ns += stage.link_waiting_ns
            sums.energy_j += stage.energy_j
            sums.erased = 1.0 - (1.0 - sums.erased) * (1.0 - stage.erased)
        return sums


def _radio_power_w(system: System, source: str, target: str) -> float:
    """What sending and receiving on a link draw at its two ends while a message is on the air."""
    sender, receiver = system.nodes[source].device, system.nodes[target].device
    return (sender.transmit_power_w if sender else 0.0) + (receiver.receive_power_w if receiver else 0.0)
