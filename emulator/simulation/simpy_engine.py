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
from typing import Any, NamedTuple

import simpy
from simpy.core import EmptySchedule
from simpy.events import URGENT

from emulator.cell import Cell
from emulator.cell.tables import BACKGROUND
from emulator.core.draws import message_address
from emulator.core.fifo import FOREVER_NS
from emulator.core.randomness import task_key
from emulator.device import Device
from emulator.ended_task import ended_task
from emulator.legs import Leg, legs
from emulator.link import Delivery, Link
from emulator.policy import Compute, Observation, Policy, Totals, decision_ns_of, hear_of
from emulator.quality import Curve
from emulator.record import TASK_SCHEMA, Records
from emulator.simulation.clock import Clock
from emulator.simulation.costs import StageCosts, Tally, total, write_rows
from emulator.simulation.energy import consumer_of, radios_of
from emulator.simulation.failures import retried, transitions
from emulator.simulation.hearing import Hearing
from emulator.simulation.network import Network, Route
from emulator.simulation.observation import DelayedObservation
from emulator.simulation.plans import checked_legs, visit_times_ns
from emulator.simulation.task_state import combined_loss
from emulator.task import Placement, Task
from emulator.trace import constant
from emulator.workload import Stream

Events = Generator[simpy.Event, Any, Any]  # the body of a process
UserProcess = Callable[["SimpyEngine"], Events]

ORDER_BITS = 48


class PlannedLeg(NamedTuple):
    """A leg, the links that its message crosses, and the device and the time of its visit. `first_token_ns`: how long
    the visit computes until the first output token is known; None if it yields none. `curve`: what a loss of the
    message costs in quality; None if nothing."""

    leg: Leg
    route: Route
    device: Device | None
    service_ns: int
    first_token_ns: int | None
    curve: Curve | None


class Journey:
    """A task in flight: its placement, its legs, and its costs so far."""

    def __init__(self, task: Task, key: int, process: simpy.Process) -> None:
        self.task = task
        self.key = key  # first part of the addresses of its messages' random draws
        self.process = process
        self.attempts = 0
        self.compute = "modelled"
        self.quality_loss: float | None = None  # measured
        self.workers: Sequence[str] = ()
        self.placement: Placement = ()
        self.legs: tuple[PlannedLeg, ...] = ()
        self.measured_ns: Iterator[int] | None = None
        self.measured_first_ns = 0  # of the last partition's first pass
        self.first_token_ns: int | None = None  # when it was known
        self.stages: list[StageCosts] = []


class Waiter(NamedTuple):
    """A task whose message is in a cell. The task is woken when the message arrives, in the order of its entry. With
    `at_once` it is woken as soon as the last slot is decided, because nothing follows."""

    journey: Journey
    link: Link
    event: simpy.Event
    order: int
    at_once: bool


class TaskFailed(Exception):
    """The task ends; the text is the reason in the records."""


class ResourceDown(Exception):
    """The link or device that the task is at is down; the text is the reason if the task fails for it."""


class SimpyEngine:
    """One run of a system under a policy. A user's process is given the engine: its `env` (a SimPy environment), its
    `network` of links, cells and devices, and the methods `fail`, `restore`, `set_rate` and `send`."""

    def __init__(
        self, network: Network, policy: Policy, label: str, records: Records, compute: Compute | None = None,
        processes: Sequence[UserProcess] = (),
    ) -> None:  # fmt: skip
        self.env = Clock()
        self.network = network
        self._policy, self._label, self._records, self._compute = policy, label, records, compute
        self._processes = processes
        self._decision_ns = decision_ns_of(policy)
        hear = hear_of(policy)
        self._hearing = Hearing(hear, network.system) if hear else None
        self._transitions = transitions(network.system)
        self._may_fail = bool(processes or self._transitions)
        self._radios = radios_of(network.system)
        self._radio_w: list[tuple[float, ...]] = self._radios[["all_w", "ue_w", "edge_w", "cloud_w"]].tolist()
        self._air_ns = [0] * len(self._radios)
        self._consumers = {name: consumer_of(node.role) for name, node in network.system.nodes.items()}
        self._inside: dict[Link | Device, dict[Journey, int]] = {}  # tasks there; until when a failure interrupts each
        self._restored: dict[Link | Device, simpy.Event] = {}
        self._waiters: dict[int, Waiter] = {}
        self._cells: dict[str, simpy.Process] = {}
        self._tally = Tally()
        self._open = 0  # streams and tasks that have not ended

    def run(self) -> Totals:
        """Run all tasks to their end; other processes end with the last task. Raises ValueError if a placement of the
        policy does not assign the layers of the task's model, in order, each exactly once, or a process is none; and
        what a process raises."""
        streams = self.network.system.streams
        for stream in streams:
            self.env.process(self._arrivals(stream))
        self.env.process(self._failures())
        for name, cell in self.network.cells.items():
            self._cells[name] = self.env.process(self._decide_slots(cell))
        for number, process in enumerate(self._processes):
            body = process(self)
            if not isinstance(body, Generator):
                raise ValueError(f"processes[{number}]: must be a function with a `yield`")
            self.env.process(body)
        self._open += len(streams)
        try:
            while self._open:
                with suppress(EmptySchedule):
                    while self._open:
                        self.env.step()
                self._fail_waiting()
        finally:
            self._records.tasks.flush()
            self._records.stages.flush()
        self._radios["air_ns"] = self._air_ns
        return self._tally.totals(self.network, self._radios)

    # The life of a task

    def _arrivals(self, stream: Stream) -> Events:
        """Let the tasks of a stream arrive, each as a process of its own."""
        system = self.network.system
        key = task_key(system.seed, stream.source, stream.kind.name)
        planned = lru_cache(4_096)(partial(self._plan, stream))
        for task in stream.tasks(system.seed, system.duration_ns):
            yield self.env.timeout(task.arrival_ns - self.env.now)
            self._open += 1
            self.env.process(self._live(task, key, planned))
        self._open -= 1

    def _live(self, task: Task, key: int, planned: Callable[..., tuple[PlannedLeg, ...]]) -> Events:
        """Take a task from its arrival to its record."""
        assert self.env.active_process is not None
        candidates = self.network.system.placements[task.source, task.kind.name]
        journey = Journey(task, key, self.env.active_process)
        self.network.pass_until(self.env.now)
        placement = self._decide(DelayedObservation(task, self.env.now, self.network, candidates))
        while True:
            try:
                self._start_attempt(journey, placement, planned)
                if self._decision_ns:
                    yield self.env.timeout(self._decision_ns)
                    journey.stages[0].waiting_ns += self._decision_ns
                end_ns = yield from self._follow(journey)
                self._record(journey, end_ns, "")
            except TaskFailed as failure:
                self._record(journey, self.env.now, str(failure))
            except ResourceDown as failure:
                again = retried(self.network, self._decide, task, self.env.now, candidates)
                if again is not None:
                    placement = again
                    continue
                self._record(journey, self.env.now, str(failure))
            return

    def _decide(self, observation: Observation) -> Placement:
        """Return the policy's decision, after it was told what the control node has heard."""
        if self._hearing is not None:
            self._hearing.tell(observation.now_ns)
        return self._policy.decide(observation)

    def _start_attempt(
        self, journey: Journey, placement: Placement, planned: Callable[..., tuple[PlannedLeg, ...]]
    ) -> None:
        """Put a task before its first leg. After an interruption the time so far is charged to stage 0 as waiting, and
        the energy so far is kept."""
        task = journey.task
        spent = total(journey.stages)
        journey.placement = placement
        journey.stages = [StageCosts() for _ in placement]
        journey.stages[0].waiting_ns = self.env.now - task.arrival_ns
        journey.stages[0].add_energy(spent.energies())
        journey.first_token_ns = None
        journey.legs = planned(placement, task.prompt_tokens, task.output_tokens)
        if self._compute is None:
            journey.attempts += 1
            return
        execution = self._compute.execute(task, placement)
        journey.compute, journey.attempts = execution.compute, journey.attempts + execution.attempts
        journey.workers, journey.quality_loss = execution.workers, execution.quality_loss
        times_ns = visit_times_ns(task, placement, execution)
        if execution.failure is not None:
            raise TaskFailed(execution.failure)
        journey.measured_ns = iter(times_ns.tolist())
        journey.measured_first_ns = int(execution.service_ns[0][-1])

    def _plan(self, stream: Stream, placement: Placement, prompt: int, output: int) -> tuple[PlannedLeg, ...]:
        """Return the legs of a stream's tasks of one length; the last one always sends or computes something."""
        network = self.network
        plan = checked_legs(network, stream, placement)
        task = Task(stream.source, stream.kind, 0, 0, prompt, output)
        planned = []
        for leg in legs(task, placement, plan):
            route = network.route_of(leg)
            if leg.passes:
                times_ns = network.service_ns(task, leg), network.first_token_ns(task, leg)
                curve = network.quality_curve(stream.kind, leg)
                planned.append(PlannedLeg(leg, route, network.devices[leg.target], *times_ns, curve))
            elif route:
                planned.append(PlannedLeg(leg, route, None, 0, None, None))
        return tuple(planned)

    def _follow(self, journey: Journey) -> Generator[simpy.Event, Any, int]:
        """Follow the legs of a task; return when it ends, in ns. The last leg needs no event if it cannot fail."""
        end_ns = self.env.now
        for planned in journey.legs:
            last = planned is journey.legs[-1] and not self._may_fail
            if planned.leg.stage == len(journey.stages):
                journey.stages.append(StageCosts())
            if planned.route:
                end_ns = yield from self._send(journey, planned, last and planned.device is None)
            if planned.device is not None:
                end_ns = yield from self._compute_visit(journey, planned, planned.device, last)
        return end_ns

    def _send(self, journey: Journey, planned: PlannedLeg, last: bool) -> Generator[simpy.Event, Any, int]:
        """Carry a leg's message over its route; return the time at which it arrives."""
        env, leg = self.env, planned.leg
        costs, began_ns = journey.stages[leg.stage], env.now
        lost_fraction = 0.0
        number = message_address(journey.key, journey.task.number, leg.step, leg.stage)
        arrival_ns = began_ns
        try:
            for link in planned.route:
                at_once = last and link is planned.route[-1]
                asked_ns = env.now
                if self._may_fail or link.spec.cell:
                    delivery = yield from self._cross(journey, link, leg, number, at_once)
                else:
                    delivery = self._enqueue(link, leg, number)
                    if not at_once:
                        yield env.timeout(delivery.arrival_ns - asked_ns)
                costs.link_waiting_ns += delivery.start_ns - asked_ns
                air_ns = delivery.release_ns - delivery.start_ns
                all_w, ue_w, edge_w, cloud_w = self._radio_w[link.index]
                ue_j, edge_j, cloud_j = ue_w * air_ns * 1e-9, edge_w * air_ns * 1e-9, cloud_w * air_ns * 1e-9
                costs.add_energy((all_w * air_ns * 1e-9, ue_j, 0.0, edge_j, cloud_j))
                self._air_ns[link.index] += air_ns
                lost_fraction = combined_loss(lost_fraction, delivery.erased_fraction)
                arrival_ns = delivery.arrival_ns
        except (TaskFailed, ResourceDown):
            costs.transfer_ns += env.now - began_ns
            raise
        costs.erase(leg.size_bytes - leg.acknowledged_bytes, lost_fraction)
        costs.transfer_ns += arrival_ns - began_ns
        return arrival_ns

    def _compute_visit(
        self, journey: Journey, planned: PlannedLeg, device: Device, last: bool
    ) -> Generator[simpy.Event, Any, int]:
        """Compute a partition on a device; return the time at which it is done."""
        env, leg = self.env, planned.leg
        costs, asked_ns = journey.stages[leg.stage], env.now
        service_ns = planned.service_ns if journey.measured_ns is None else next(journey.measured_ns)
        while True:
            try:
                if not device.is_down:
                    service = device.submit(env.now, journey.task.kind.model.name, leg.first, leg.stop, service_ns)
                    if isinstance(service, str):
                        raise TaskFailed(service)
                    done_ns = service.finish_ns
                    if not self._may_fail or (yield from self._stay(journey, device, done_ns, done_ns)):
                        break
                yield from self._hold(device, "node down")
            except (TaskFailed, ResourceDown):
                costs.waiting_ns += env.now - asked_ns
                raise
        if not last and not self._may_fail:
            yield env.timeout(service.finish_ns - env.now)
        costs.waiting_ns += service.start_ns - asked_ns
        costs.load_ns += service.load_ns
        costs.service_ns += service_ns
        energy_j = device.spec.busy_power_w * (service.load_ns + service_ns) * 1e-9
        parts_j = [0.0, 0.0, 0.0]  # of UE, EDGE and CLOUD
        parts_j[self._consumers[leg.target]] = energy_j
        costs.add_energy((energy_j, 0.0, *parts_j))
        if planned.first_token_ns is not None:
            computed_ns = planned.first_token_ns if journey.measured_ns is None else journey.measured_first_ns
            journey.first_token_ns = service.start_ns + service.load_ns + computed_ns
        return service.finish_ns

    def _record(self, journey: Journey, end_ns: int, reason: str) -> None:
        """Record a task that ends."""
        task, stages = journey.task, journey.stages
        sojourn_ns = end_ns - task.arrival_ns
        row = write_rows(
            self._records, self._label, task, journey.placement, stages,
            curves=self._curves(journey), sojourn_ns=sojourn_ns, first_token_ns=journey.first_token_ns, reason=reason,
            attempts=journey.attempts, compute=journey.compute, workers=journey.workers,
            measured_loss=journey.quality_loss,
        )  # fmt: skip
        if self._hearing is not None:
            columns = dict(zip(TASK_SCHEMA.names, row, strict=True))
            self._hearing.expect(ended_task(task, journey.placement, self.network.system.cost, columns))
        self._tally.add(1, sum(sum(stage.values()[:4]) for stage in stages), sojourn_ns, end_ns)
        self._open -= 1

    def _curves(self, journey: Journey) -> list[Curve | None] | None:
        """Return what a loss in each stage costs in quality; None if nothing was measured of the kind's model."""
        if journey.task.kind.name not in self.network.system.quality:
            return None
        found: list[Curve | None] = [None] * len(journey.stages)
        for planned in journey.legs:
            if planned.leg.stage < len(found):
                found[planned.leg.stage] = planned.curve
        return found

    # Links, cells and devices

    def _enqueue(self, link: Link, leg: Leg, number: int) -> Delivery:
        delivery = link.enqueue(self.env.now, leg.size_bytes, number, leg.acknowledged_bytes)
        if delivery is None:
            raise TaskFailed(link.refusal())
        return delivery

    def _cross(
        self, journey: Journey, link: Link, leg: Leg, number: int, at_once: bool
    ) -> Generator[simpy.Event, Any, Delivery]:
        """Carry a message over a link that is in a cell or may fail; return its delivery when it has arrived or, with
        `at_once`, when that is known."""
        while True:
            if not link.is_down:
                if link.spec.cell:
                    delivery = yield from self._share(journey, link, leg, number, at_once)
                else:
                    delivery = self._enqueue(link, leg, number)
                    if not (yield from self._stay(journey, link, delivery.release_ns, delivery.arrival_ns)):
                        delivery = None
                if delivery is not None:
                    return delivery
            yield from self._hold(link, "link down")

    def _share(
        self, journey: Journey, link: Link, leg: Leg, number: int, at_once: bool
    ) -> Generator[simpy.Event, Any, Delivery | None]:
        """Wait until the cell has sent the message; return its delivery, or None if the link fails meanwhile."""
        order = self.env.next_order()
        cell, sizes = self.network.cells[link.spec.cell], (leg.size_bytes, leg.acknowledged_bytes)
        if not cell.enqueue(self.env.now, link.index, sizes[0], number, order, sizes[1]):
            raise TaskFailed(link.refusal())
        self._cells[link.spec.cell].interrupt()
        waiter = Waiter(journey, link, self.env.event(), order, at_once)
        self._waiters[order] = waiter
        inside = self._inside.setdefault(link, {})
        inside[journey] = FOREVER_NS
        try:
            delivery: Delivery = yield waiter.event
        except simpy.Interrupt:
            self._waiters.pop(order, None)
            return None
        finally:
            inside.pop(journey, None)
        return delivery

    def _decide_slots(self, cell: Cell) -> Events:
        """Decide the slots of a cell, each 1 ns after its start: all events up to the start are then processed."""
        while True:
            decided = self.env.event()
            if cell.next_ns < FOREVER_NS:
                rank = cell.index - len(self.network.cells)  # negative: the cells, in order, precede all other events
                order = (rank << ORDER_BITS) + self.env.next_order()
                self.env.schedule_at(decided, None, cell.next_ns + 1, order, URGENT)
            with suppress(simpy.Interrupt):  # another message has entered
                yield decided
            self._deliver(cell)

    def _deliver(self, cell: Cell) -> None:
        """Wake the tasks whose messages the cell has sent in slots before now."""
        for sent in cell.advance(self.env.now):
            waiter = self._waiters.pop(sent.owner)  # the owner is the order of the entry
            self._inside[waiter.link][waiter.journey] = sent.delivery.release_ns
            if waiter.at_once:
                self.env.schedule_at(waiter.event, sent.delivery, self.env.now, self.env.next_order(), URGENT)
            else:
                self.env.schedule_at(waiter.event, sent.delivery, sent.delivery.arrival_ns, waiter.order)

    def _stay(
        self, journey: Journey, resource: Link | Device, stop_ns: int, at_ns: int
    ) -> Generator[simpy.Event, Any, bool]:
        """Wait until `at_ns`; return False if the resource fails before `stop_ns`."""
        inside = self._inside.setdefault(resource, {})
        inside[journey] = stop_ns
        try:
            yield self.env.timeout(at_ns - self.env.now)
        except simpy.Interrupt:
            return False
        finally:
            inside.pop(journey, None)
        return True

    # Failures

    def _failures(self) -> Events:
        """Let links and devices fail, and restore them, as the system says."""
        for change in self._transitions:
            yield self.env.timeout(change.at_ns - self.env.now)
            devices = [self.network.devices[name] for name in change.devices]
            links = [self.network.links_by_index[index] for index in change.links]
            (self.fail if change.fail else self.restore)(*devices, *links)

    def _hold(self, resource: Link | Device, reason: str) -> Events:
        """Wait for the restoration of a resource if `on_failure` is wait. Raises ResourceDown if it is retry,
        TaskFailed if it is fail."""
        on_failure = self.network.system.on_failure
        if on_failure == "retry":
            raise ResourceDown(reason)
        if on_failure == "fail":
            raise TaskFailed(reason)
        if resource.is_down:  # not restored at the instant of its failure
            yield self._restored.setdefault(resource, self.env.event())

    def fail(self, *resources: Link | Device) -> None:
        """Let links and devices fail together: the messages and partitions in them are lost, and their tasks wait, are
        placed anew or fail (`System.on_failure`). A device's links do not fail with it."""
        for resource in resources:
            if resource.is_down:
                continue
            if isinstance(resource, Link) and resource.spec.cell:
                cell = self.network.cells[resource.spec.cell]
                self._deliver(cell)
                cell.drop(resource.index, self.env.now)
            else:
                resource.clear(self.env.now)
            resource.set_down(True)
        for resource in resources:
            inside = self._inside.get(resource, {})
            for journey in [journey for journey, stop_ns in inside.items() if stop_ns > self.env.now]:
                del inside[journey]
                journey.process.interrupt()

    def restore(self, *resources: Link | Device) -> None:
        """Restore links and devices; tasks that wait for them go on."""
        for resource in resources:
            resource.set_down(False)
        for resource in resources:
            event = self._restored.pop(resource, None)
            if event is not None:
                self.env.schedule_at(event, None, self.env.now, self.env.next_order(), URGENT)

    def _fail_waiting(self) -> None:
        """Fail the tasks that wait for a restoration when no event is left that could bring it."""
        for resource, event in self._restored.items():
            event.fail(TaskFailed("link down" if isinstance(resource, Link) else "node down"))
        self._restored.clear()

    def set_rate(self, link: Link, rate_bps: float) -> None:
        """Let a link with the `fluid` rule carry a constant rate from now on; accepted messages keep their times.
        Raises ValueError for a rate that is not above 0 (let the link fail instead), and for a link with the `slot`
        rule, which follows a trace (`Link.set_trace`)."""
        link.set_trace(constant(rate_bps), self.env.now)

    def send(self, link: Link, size_bytes: int) -> bool:
        """Put a message of no task on a link, as additional load; False if the link refuses it. Raises ValueError
        unless its size is a whole number from 1 to 2^63."""
        if not 1 <= size_bytes < 2**63 or size_bytes % 1:
            raise ValueError(f"size_bytes={size_bytes}: must be a whole number from 1 to 2^63")
        if link.spec.cell:
            entered = self.network.cells[link.spec.cell].enqueue(self.env.now, link.index, size_bytes, 0, BACKGROUND)
            self._cells[link.spec.cell].interrupt()
            return entered
        return link.enqueue(self.env.now, size_bytes) is not None
