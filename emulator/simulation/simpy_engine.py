"""The simulation as SimPy processes: the definition of what happens to a task.

Each task is a process. It follows its legs (`emulator.legs`): its message crosses the links of a route one after the
other, then its partition waits for its turn on a device. Links and devices say at once when they will be done. A link
in a cell cannot, because that depends on the other UEs: there the task waits until the cell's process has decided the
slots in which its message is sent. Further processes let links and devices fail, or are the user's own.

Times are integer nanoseconds, also SimPy's `now`. What happens at one instant happens in the order of scheduling.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from heapq import heappush
from typing import Any, NamedTuple

import simpy
from simpy.events import NORMAL, URGENT

from emulator.cell import Cell
from emulator.cell.tables import BACKGROUND
from emulator.core.draws import message_address
from emulator.core.fifo import FOREVER_NS
from emulator.core.randomness import task_key
from emulator.device import Device
from emulator.legs import Leg, legs
from emulator.link import Delivery, Link
from emulator.policy import Compute, Policy, Totals
from emulator.record import Records
from emulator.simulation.costs import StageCosts, Tally, total, write_rows
from emulator.simulation.failures import retried, transitions
from emulator.simulation.network import Network, Route
from emulator.simulation.observation import DelayedObservation
from emulator.simulation.plans import checked_legs, radio_powers_w, visit_times_ns
from emulator.task import Placement, Task
from emulator.trace import constant
from emulator.workload import Stream

Events = Generator[simpy.Event, Any, Any]
Process = Callable[["SimpyEngine"], Events]


PLACE_BITS = 48


class Clock(simpy.Environment):
    """SimPy's environment, in which an event can take its place among those of one instant before its time is known."""

    now: int

    def next_place(self) -> int:
        """Return the next place in the order of scheduling."""
        return next(self._eid)

    def schedule_at(self, event: simpy.Event, value: object, at_ns: int, place: int, priority: Any = NORMAL) -> None:
        """Let an event succeed with a value at a time, at a place among the events of that time."""
        event._ok, event._value = True, value
        heappush(self._queue, (at_ns, priority, place, event))


class Step(NamedTuple):
    """A leg, the links that its message crosses, and the device and the time of its visit."""

    leg: Leg
    route: Route
    device: Device | None
    service_ns: int


class Journey:
    """A task in flight: its placement, its steps, and its costs so far."""

    def __init__(self, task: Task, key: int, process: simpy.Process) -> None:
        self.task = task
        self.key = key  # begins the addresses of its messages' draws
        self.process = process
        self.attempts = 0
        self.compute = "modelled"
        self.placement: Placement = ()
        self.steps: tuple[Step, ...] = ()
        self.measured_ns: Iterator[int] | None = None
        self.stages: list[StageCosts] = []


class Waiter(NamedTuple):
    """A task whose message is in a cell: it is woken at `place` when the message arrives, or at once if `at_once`."""

    journey: Journey
    link: Link
    event: simpy.Event
    place: int
    at_once: bool


class TaskFailed(Exception):
    """The task ends; the text is the reason in the records."""


class Interrupted(Exception):
    """The link or device that the task is at is down; the text is the reason if the task fails for it."""


class SimpyEngine:
    """One run of a system under a policy. A user's process is given the engine: its `env` (a SimPy environment), its
    `network` of links, cells and devices, and the methods `fail`, `restore`, `set_rate` and `send`."""

    def __init__(
        self, network: Network, policy: Policy, label: str, records: Records, compute: Compute | None = None,
        processes: Sequence[Process] = (),
    ) -> None:  # fmt: skip
        self.env = Clock()
        self.network = network
        self._policy, self._label, self._records, self._compute = policy, label, records, compute
        self._processes = processes
        self._transitions = transitions(network.system)
        self._may_fail = bool(processes or self._transitions)
        self._radio_w: list[float] = radio_powers_w(network).tolist()
        self._inside: dict[Link | Device, dict[Journey, int]] = {}  # tasks at a place, and until when they may be hit
        self._restored: dict[Link | Device, simpy.Event] = {}
        self._waiters: dict[int, Waiter] = {}
        self._cells: dict[str, simpy.Process] = {}
        self._tally = Tally()

    def run(self) -> Totals:
        """Run all tasks to their end. Raises ValueError if a placement of the policy does not cover the task's model in
        order."""
        for stream in self.network.system.streams:
            self.env.process(self._arrivals(stream))
        self.env.process(self._failures())
        for name, cell in self.network.cells.items():
            self._cells[name] = self.env.process(self._decide_slots(cell))
        for process in self._processes:
            self.env.process(process(self))
        try:
            self.env.run()
        finally:
            self._records.tasks.flush()
            self._records.stages.flush()
        return self._tally.totals(self.network)

    # The life of a task

    def _arrivals(self, stream: Stream) -> Events:
        """Let the tasks of a stream arrive, each as a process of its own."""
        system = self.network.system
        key = task_key(system.seed, stream.source, stream.kind.name)
        steps = lru_cache(4_096)(partial(self._make_steps, stream))
        for task in stream.tasks(system.seed, system.duration_ns):
            yield self.env.timeout(task.arrival_ns - self.env.now)
            self.env.process(self._live(task, key, steps))

    def _live(self, task: Task, key: int, steps: Callable[..., tuple[Step, ...]]) -> Events:
        """Take a task from its arrival to its record."""
        assert self.env.active_process is not None
        candidates = self.network.system.placements[task.source, task.kind.name]
        journey = Journey(task, key, self.env.active_process)
        placement = self._policy.decide(DelayedObservation(task, self.env.now, self.network, candidates))
        while True:
            try:
                self._place(journey, placement, steps)
                end_ns = yield from self._follow(journey)
                self._record(journey, end_ns, "")
            except TaskFailed as failure:
                self._record(journey, self.env.now, str(failure))
            except Interrupted as failure:
                again = retried(self.network, self._policy, task, self.env.now, candidates)
                if again is not None:
                    placement = again
                    continue
                self._record(journey, self.env.now, str(failure))
            return

    def _place(self, journey: Journey, placement: Placement, steps: Callable[..., tuple[Step, ...]]) -> None:
        """Put a task before its first leg. After an interruption the time so far is waiting, and the energy stays."""
        task = journey.task
        spent_j = total(journey.stages).energy_j if journey.stages else 0.0
        journey.placement = placement
        journey.stages = [StageCosts() for _ in placement]
        journey.stages[0].waiting_ns, journey.stages[0].energy_j = self.env.now - task.arrival_ns, spent_j
        journey.steps = steps(placement, task.prompt_tokens, task.output_tokens)
        if self._compute is None:
            journey.attempts += 1
            return
        execution = self._compute.execute(task, placement)
        journey.compute, journey.attempts = execution.compute, journey.attempts + execution.attempts
        times_ns = visit_times_ns(task, placement, execution)
        if execution.failure is not None:
            raise TaskFailed(execution.failure)
        journey.measured_ns = iter(times_ns.tolist())

    def _make_steps(self, stream: Stream, placement: Placement, prompt: int, output: int) -> tuple[Step, ...]:
        """Return the steps of a stream's tasks of one length; the last one always sends or computes something."""
        network = self.network
        plan = checked_legs(network, stream, placement)
        task = Task(stream.source, stream.kind, 0, 0, prompt, output)
        steps = []
        for leg in legs(task, placement, plan):
            route = network.route(leg.source, leg.target) if leg.size_bytes else ()
            if leg.passes:
                steps.append(Step(leg, route, network.devices[leg.target], network.service_ns(task, leg)))
            elif route:
                steps.append(Step(leg, route, None, 0))
        return tuple(steps)

    def _follow(self, journey: Journey) -> Generator[simpy.Event, Any, int]:
        """Follow the legs of a task; return when it ends. The last step needs no event, unless it may fail."""
        end_ns = self.env.now
        for step in journey.steps:
            last = step is journey.steps[-1] and not self._may_fail
            if step.leg.stage == len(journey.stages):
                journey.stages.append(StageCosts())
            if step.route:
                end_ns = yield from self._send(journey, step, last and step.device is None)
            if step.device is not None:
                end_ns = yield from self._compute_visit(journey, step, step.device, last)
        return end_ns

    def _send(self, journey: Journey, step: Step, last: bool) -> Generator[simpy.Event, Any, int]:
        """Carry a leg's message over its route; return when it arrives."""
        env, leg = self.env, step.leg
        costs, began_ns = journey.stages[leg.stage], env.now
        number = message_address(journey.key, journey.task.number, leg.step, leg.stage)
        arrival_ns = began_ns
        try:
            for link in step.route:
                at_once = last and link is step.route[-1]
                asked_ns = env.now
                if self._may_fail or link.spec.cell:
                    delivery = yield from self._cross(journey, link, leg.size_bytes, number, at_once)
                else:
                    delivery = self._enqueue(link, leg.size_bytes, number)
                    if not at_once:
                        yield env.timeout(delivery.arrival_ns - asked_ns)
                costs.link_waiting_ns += delivery.start_ns - asked_ns
                costs.energy_j += self._radio_w[link.index] * (delivery.release_ns - delivery.start_ns) * 1e-9
                costs.erase(delivery.erased_fraction)
                arrival_ns = delivery.arrival_ns
        except (TaskFailed, Interrupted):
            costs.transfer_ns += env.now - began_ns
            raise
        costs.transfer_ns += arrival_ns - began_ns
        return arrival_ns

    def _compute_visit(
        self, journey: Journey, step: Step, device: Device, last: bool
    ) -> Generator[simpy.Event, Any, int]:
        """Compute a partition on a device; return when it is done."""
        env, leg = self.env, step.leg
        costs, asked_ns = journey.stages[leg.stage], env.now
        service_ns = step.service_ns if journey.measured_ns is None else next(journey.measured_ns)
        while True:
            service = device.submit(env.now, journey.task.kind.model.name, leg.first, leg.stop, service_ns)
            if service == "node down" or (
                not isinstance(service, str)
                and self._may_fail
                and not (yield from self._stay(journey, device, service.finish_ns, service.finish_ns))
            ):
                try:
                    yield from self._hold(device, "node down")
                except (TaskFailed, Interrupted):
                    costs.waiting_ns += env.now - asked_ns
                    raise
                continue
            break
        if isinstance(service, str):
            costs.waiting_ns += env.now - asked_ns  # for the restoration
            raise TaskFailed(service)
        if not last and not self._may_fail:
            yield env.timeout(service.finish_ns - env.now)
        costs.waiting_ns += service.start_ns - asked_ns
        costs.load_ns += service.load_ns
        costs.service_ns += service_ns
        costs.energy_j += device.spec.busy_power_w * (service.load_ns + service_ns) * 1e-9
        return service.finish_ns

    def _record(self, journey: Journey, end_ns: int, reason: str) -> None:
        """Record a task that ends."""
        task, stages = journey.task, journey.stages
        sojourn_ns = end_ns - task.arrival_ns
        write_rows(
            self._records, self._label, task, journey.placement, stages,
            sojourn_ns=sojourn_ns, reason=reason, attempts=journey.attempts, compute=journey.compute,
        )  # fmt: skip
        self._tally.add(1, sum(sum(stage.values()[:4]) for stage in stages), sojourn_ns, end_ns)

    # Links, cells and devices

    def _enqueue(self, link: Link, size_bytes: int, number: int) -> Delivery:
        delivery = link.enqueue(self.env.now, size_bytes, number)
        if delivery is None:
            raise TaskFailed(link.refusal())
        return delivery

    def _cross(
        self, journey: Journey, link: Link, size_bytes: int, number: int, at_once: bool
    ) -> Generator[simpy.Event, Any, Delivery]:
        """Carry a message over a link that is in a cell or may fail; return its delivery when it arrives."""
        while True:
            if link.is_down:
                yield from self._hold(link, "link down")
                continue
            if link.spec.cell:
                delivery = yield from self._share(journey, link, size_bytes, number, at_once)
            else:
                delivery = self._enqueue(link, size_bytes, number)
                if not (yield from self._stay(journey, link, delivery.release_ns, delivery.arrival_ns)):
                    delivery = None
            if delivery is not None:
                return delivery

    def _share(
        self, journey: Journey, link: Link, size_bytes: int, number: int, at_once: bool
    ) -> Generator[simpy.Event, Any, Delivery | None]:
        """Wait until the cell has sent the message; return its delivery, or None if the link fails meanwhile."""
        place = self.env.next_place()
        if not self.network.cells[link.spec.cell].enqueue(self.env.now, link.index, size_bytes, number, place):
            raise TaskFailed(link.refusal())
        self._cells[link.spec.cell].interrupt()
        waiter = Waiter(journey, link, self.env.event(), place, at_once)
        self._waiters[place] = waiter
        inside = self._inside.setdefault(link, {})
        inside[journey] = FOREVER_NS
        try:
            delivery: Delivery = yield waiter.event
        except simpy.Interrupt:
            self._waiters.pop(place, None)
            return None
        finally:
            inside.pop(journey)
        return delivery

    def _decide_slots(self, cell: Cell) -> Events:
        """Decide the slots of a cell, each when everything up to its start has happened."""
        while True:
            decided = self.env.event()
            if cell.next_ns < FOREVER_NS:
                first = (cell.index - len(self.network.cells)) << PLACE_BITS  # before all else, the cells in order
                place = first + self.env.next_place()
                self.env.schedule_at(decided, None, cell.next_ns + 1, place, URGENT)
            with suppress(simpy.Interrupt):  # another message has entered
                yield decided
            self._deliver(cell)

    def _deliver(self, cell: Cell) -> None:
        """Wake the tasks whose messages the cell has sent in slots before now."""
        for sent in cell.advance(self.env.now):
            waiter = self._waiters.pop(sent.owner)
            self._inside[waiter.link][waiter.journey] = sent.delivery.release_ns
            if waiter.at_once:
                self.env.schedule_at(waiter.event, sent.delivery, self.env.now, self.env.next_place(), URGENT)
            else:
                self.env.schedule_at(waiter.event, sent.delivery, sent.delivery.arrival_ns, waiter.place)

    def _stay(
        self, journey: Journey, place: Link | Device, stop_ns: int, at_ns: int
    ) -> Generator[simpy.Event, Any, bool]:
        """Wait until `at_ns`; return False if the place fails before `stop_ns`."""
        inside = self._inside.setdefault(place, {})
        inside[journey] = stop_ns
        try:
            yield self.env.timeout(at_ns - self.env.now)
        except simpy.Interrupt:
            return False
        finally:
            inside.pop(journey)
        return True

    # Failures

    def _failures(self) -> Events:
        """Let links and devices fail, and restore them, as the system says."""
        for change in self._transitions:
            yield self.env.timeout(change.at_ns - self.env.now)
            links = list(self.network.links.values())
            places = [self.network.devices[name] for name in change.devices], [links[index] for index in change.links]
            (self.fail if change.fail else self.restore)(*places[0], *places[1])

    def _hold(self, place: Link | Device, reason: str) -> Events:
        """Wait until a place is restored, where tasks wait; otherwise raise Interrupted or TaskFailed."""
        on_failure = self.network.system.on_failure
        if on_failure == "retry":
            raise Interrupted(reason)
        if on_failure == "fail":
            raise TaskFailed(reason)
        yield self._restored.setdefault(place, self.env.event())

    def fail(self, *places: Link | Device) -> None:
        """Let links and devices fail together: the messages and partitions in them are lost, and their tasks wait, are
        placed anew or fail (`System.on_failure`)."""
        for place in places:
            if isinstance(place, Link) and place.spec.cell:
                cell = self.network.cells[place.spec.cell]
                self._deliver(cell)
                cell.drop(place.index, self.env.now)
            else:
                place.clear(self.env.now)
            place.set_down(True)
        for place in places:
            for journey, stop_ns in list(self._inside.get(place, {}).items()):
                if stop_ns > self.env.now:
                    journey.process.interrupt()

    def restore(self, *places: Link | Device) -> None:
        """Restore links and devices; tasks that wait for them go on."""
        for place in places:
            place.set_down(False)
        for place in places:
            event = self._restored.pop(place, None)
            if event is not None:
                self.env.schedule_at(event, None, self.env.now, self.env.next_place(), URGENT)

    def set_rate(self, link: Link, rate_bps: float) -> None:
        """Let a link with the `fluid` rule carry a constant rate from now on; accepted messages keep their times.
        Raises ValueError for a link with the `slot` rule, which follows a trace (`Link.set_trace`)."""
        link.set_trace(constant(rate_bps), self.env.now)

    def send(self, link: Link, size_bytes: int) -> bool:
        """Put a message of no task on a link, as additional load; False if the link refuses it."""
        if link.spec.cell:
            entered = self.network.cells[link.spec.cell].enqueue(self.env.now, link.index, size_bytes, 0, BACKGROUND)
            self._cells[link.spec.cell].interrupt()
            return entered
        return link.enqueue(self.env.now, size_bytes) is not None
