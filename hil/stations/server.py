"""What a station does with tasks: turn to its own as they arrive, queue partitions, compute, hold, send on."""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from hil.stations.event_log import Event, StationLog
from hil.stations.messages import MessageKey, ReceivedMessage, StationMessage
from hil.stations.priority import normal_priority, raise_priority
from hil.stations.schedule import Job, Schedule
from hil.stations.transports import Transport
from hil.stations.weight_cache import WeightCache

if TYPE_CHECKING:
    import torch

    from hil.stations.layers import NodeLayers

LOG = logging.getLogger("airsplit.station")


class Visit(NamedTuple):
    """A partition's turn in this node's queue: what it computes on, and how long loading its missing weights takes."""

    job: Job
    key: MessageKey
    x: "torch.Tensor"
    load_ns: int
    layers: "NodeLayers"


class Stopped(Exception):
    """The run is over; what is under way stays undone."""


class Station:
    """One node of a run, on three threads: one hears messages, one turns to tasks as they arrive, and one is the
    node's server, first in, first out."""

    def __init__(
        self,
        schedule: Schedule,
        name: str,
        layers: "NodeLayers | None",
        transport: Transport,
        log: StationLog,
        answered: Callable[[], None],
    ) -> None:
        """`layers` may be None for a node that computes nothing. `answered` is called once, on any thread, when all
        tasks are done that end here."""
        self._schedule = schedule
        self._name = name
        self._layers = layers
        self._transport = transport
        self._log = log
        self._answered = answered
        self._start_ns = 0
        self._inbox: queue.SimpleQueue[Visit | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        computer = schedule.computers.get(name)
        self._weight_cache = WeightCache(computer, schedule.weight_bytes) if computer else None
        self._room = computer.queue_tasks if computer else 0
        self._awaited = sum(schedule.ends_at(job) == name for job in schedule.jobs)
        own = [(job.arrival_ns, number) for number, job in enumerate(schedule.jobs) if schedule.begins_at(job) == name]
        self._own = [number for _, number in sorted(own)]
        most_bytes = max((schedule.first_leg(schedule.jobs[number]).size_bytes for number in self._own), default=0)
        self._stuff = random.Random(name).randbytes(most_bytes)  # what inputs are made of
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._serve, self._turn_to_tasks)]

    def start(self, start_ns: int) -> None:
        """Carry out this node's part of the run that starts at `start_ns` of CLOCK_MONOTONIC."""
        self._start_ns = self._log.start_ns = start_ns
        for thread in self._threads:
            thread.start()
        if not self._awaited:
            self._answered()

    def stop(self) -> None:
        """End, whatever is under way."""
        self._stopping.set()
        self._inbox.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def receive(self, arrived: ReceivedMessage) -> None:
        """A message for one of this node's stages, or a result."""
        key, message = arrived.message.key, arrived.message
        if not self._is_ours(key):
            LOG.warning("%s: dropped a message for stage %d of job %d: not ours", self._name, key.stage, key.job)
            return
        job = self._schedule.jobs[key.job]
        self._log.write(key, Event.RECEIVED, arrived.at_ns, arrived.size_bytes)
        if key.stage == len(self._schedule.plan(job).placement):
            self._log.write(key, Event.DECODED, time.monotonic_ns())
            self._end()
        elif self._layers is not None:
            layers = self._layers
            with self._failing(key):
                x = layers.decode(job, message)
                self._log.write(key, Event.DECODED, time.monotonic_ns())
                self._submit(job, key, x)

    def _turn_to_tasks(self) -> None:
        """The tasks whose source this is, each at its arrival."""
        raise_priority()
        with suppress(Stopped):
            for number in self._own:
                job, key = self._schedule.jobs[number], MessageKey(number, 0, 0)
                self._wait_until(self._start_ns + job.arrival_ns)
                self._log.write(key, Event.WOKE, time.monotonic_ns())
                leg = self._schedule.first_leg(job)
                with self._failing(key):
                    if leg.node == self._name and self._layers is not None:
                        self._submit(job, key, self._layers.input(job))
                    else:
                        self._send(leg.node, StationMessage(key, 1.0, self._stuff[: leg.size_bytes]))

    def _serve(self) -> None:
        """The partitions that wait here, one after the other."""
        raise_priority()
        with suppress(Stopped):
            while (visit := self._inbox.get()) is not None:
                with self._failing(visit.key):
                    self._visit(visit)

    def _visit(self, visit: Visit) -> None:
        """Compute, hold the node for as long as the model says, and send the task on."""
        job, key, layers = visit.job, visit.key, visit.layers
        try:
            output = self._compute(visit)
        finally:
            with self._lock:
                self._room += 1
        leg = self._schedule.next_leg(job, key.step, key.stage)
        if leg.size_bytes and leg.node != self._name:
            self._send(leg.node, layers.encode(job, key, leg, output))
        elif leg.stage < len(self._schedule.plan(job).placement):
            self._submit(job, MessageKey(key.job, leg.step, leg.stage), layers.hand_on(key, leg, output))
        else:
            layers.forget(key)
            self._end()

    def _compute(self, visit: Visit) -> "torch.Tensor":
        job, key, x, load_ns, layers = visit
        started_ns = time.monotonic_ns()
        self._log.write(key, Event.STARTED, started_ns)
        if load_ns:
            self._wait_until(started_ns + load_ns)
            self._log.write(key, Event.LOADED, time.monotonic_ns())
        with normal_priority():
            output = layers.run(job, key, x)
        computed_ns = time.monotonic_ns()
        self._log.write(key, Event.COMPUTED, computed_ns, answer=layers.conclude(job, key, output))
        self._wait_until(started_ns + load_ns + self._schedule.modelled_ns(job, key.step, key.stage))
        self._log.write(key, Event.FINISHED, time.monotonic_ns())
        return output

    def _submit(self, job: Job, key: MessageKey, x: "torch.Tensor") -> None:
        """Queue a partition; or its task fails as on the simulation's device (`emulator.device.submit`)."""
        if self._weight_cache is None or self._layers is None:
            raise ValueError(f"{self._name}: must be a node that computes")
        plan = self._schedule.plan(job)
        _, first, stop = plan.placement[key.stage]
        with self._lock:
            load_ns = self._weight_cache.load(plan.model, first, stop) if self._room else None
            failure = Event.MEMORY if self._room else Event.DEVICE_QUEUE_FULL
            if load_ns is not None:
                self._room -= 1
                self._inbox.put(Visit(job, key, x, load_ns, self._layers))
        if load_ns is None:
            self._log.write(key, failure, time.monotonic_ns())

    def _send(self, node: str, message: StationMessage) -> None:
        published_ns = time.monotonic_ns()
        size_bytes = self._transport.send(node, message)
        self._log.write(message.key, Event.PUBLISHED, published_ns, size_bytes)

    def _wait_until(self, at_ns: int) -> None:
        """Raises Stopped when the run ends before."""
        while (left_ns := at_ns - time.monotonic_ns()) > 0 or self._stopping.is_set():
            if self._stopping.wait(left_ns * 1e-9):
                raise Stopped

    def _end(self) -> None:
        """A task is done that ends here."""
        with self._lock:
            self._awaited -= 1
            is_last = self._awaited == 0
        if is_last:
            self._answered()

    def _is_ours(self, key: MessageKey) -> bool:
        if key.job >= len(self._schedule.jobs):
            return False
        job = self._schedule.jobs[key.job]
        plan = self._schedule.plan(job)
        nodes = (*(node for node, _, _ in plan.placement), plan.source)
        return key.step < self._schedule.steps(job) and key.stage < len(nodes) and nodes[key.stage] == self._name

    @contextmanager
    def _failing(self, key: MessageKey) -> Iterator[None]:
        """What goes wrong with one task ends that task, with a row that says so, and not the thread that all others
        need too, whatever it is."""
        try:
            yield
        except Stopped:
            raise
        except Exception as error:  # whatever a model raises, the task has failed and the station goes on
            self._log.write(key, Event.STATION_ERROR, time.monotonic_ns())
            says = " ".join(str(error).split())
            LOG.warning("%s: job %d, stage %d: %s: %s", self._name, key.job, key.stage, type(error).__name__, says)
