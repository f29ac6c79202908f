"""The work of a station: start its own tasks, queue partitions, compute them, send their outputs."""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Protocol

from emulator.legs import Leg
from hil.errors import Malformed
from hil.stations.event_log import Event, StationLog
from hil.stations.messages import MessageKey, ReceivedMessage, StationMessage
from hil.stations.priority import normal_priority, raise_priority
from hil.stations.schedule import Schedule, StationJob
from hil.stations.transports import Transport
from hil.stations.weight_cache import WeightCache

LOG = logging.getLogger("airsplit.station")


class StationLayers(Protocol):
    """What a station needs of its node's layers. Inputs and outputs of partitions are tensors, or None where nothing is
    computed."""

    def input(self, job: StationJob, /) -> Any:
        """Return the input of the first partition."""

    def decode(self, job: StationJob, message: StationMessage, /) -> Any:
        """Return the input of a partition from the message received for it. Raises Malformed for a wrong size."""

    def run(self, job: StationJob, key: MessageKey, x: Any, /) -> tuple[Any, int]:
        """Compute a partition in one pass, or in all passes if they never leave the node. Return its output, and when
        the first pass was computed by CLOCK_MONOTONIC."""

    def record_answer(self, job: StationJob, key: MessageKey, output: Any, /) -> int:
        """Return a digest of the last partition's scores, otherwise 0."""

    def encode(self, job: StationJob, key: MessageKey, leg: Leg, output: Any, /) -> StationMessage:
        """Return the message of the next leg."""

    def answer(self, job: StationJob, key: MessageKey, output: Any, /) -> "tuple[int, float | None] | None":
        """Return the task's answer (`hil.answers.Answer`) in the last pass of its last partition, otherwise None."""

    def local_input(self, key: MessageKey, leg: Leg, output: Any, /) -> Any:
        """Return the input of the next partition if it is on this node too."""


class Visit(NamedTuple):
    """A queued partition: its input `x`, and the modelled time to load its missing weights."""

    job: StationJob
    key: MessageKey
    x: Any
    load_ns: int
    layers: StationLayers


class Stopped(Exception):
    """The run is over; unfinished tasks are abandoned."""


class Station:
    """One node of a run, with three threads: one receives messages, one starts tasks at their arrivals, and one serves
    the queue of partitions, first in, first out."""

    def __init__(
        self,
        schedule: Schedule,
        name: str,
        layers: StationLayers | None,
        transport: Transport,
        log: StationLog,
        all_done: Callable[[], None],
    ) -> None:
        """`layers` is None for a node that does not compute. `all_done` is called once, on any thread, when all tasks
        that end at this node are done; never if one of them fails, which may happen at another node."""
        self._schedule = schedule
        self._name = name
        self._layers = layers
        self._transport = transport
        self._log = log
        self._all_done = all_done
        self._start_ns = 0
        self._inbox: queue.SimpleQueue[Visit | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        computer = schedule.computers.get(name)
        self._weight_cache = WeightCache(computer, schedule.weight_bytes) if computer else None
        self._free_slots = computer.queue_tasks if computer else 0
        self._open_jobs = {number for number, job in enumerate(schedule.jobs) if schedule.ends_at(job) == name}
        own = [(job.arrival_ns, number) for number, job in enumerate(schedule.jobs) if schedule.begins_at(job) == name]
        self._own_jobs = [number for _, number in sorted(own)]
        max_bytes = max((schedule.leg(schedule.jobs[number], 0).size_bytes for number in self._own_jobs), default=0)
        self._random_bytes = random.Random(name).randbytes(max_bytes)  # the data of input messages
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._serve, self._start_tasks)]

    def start(self, start_ns: int) -> None:
        """Run this node's part of the run that starts at `start_ns` of CLOCK_MONOTONIC."""
        self._start_ns = self._log.start_ns = start_ns
        for thread in self._threads:
            thread.start()
        if not self._open_jobs:
            self._all_done()

    def stop(self) -> None:
        """End all threads and abandon unfinished tasks."""
        self._stopping.set()
        self._inbox.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def receive(self, arrived: ReceivedMessage) -> None:
        """Handle a message: the input of one of this node's stages, or a result."""
        key, message = arrived.message.key, arrived.message
        try:
            self._schedule.leg_to(self._name, key)
        except Malformed as error:
            LOG.warning("dropped a %s", error)
            return
        job = self._schedule.jobs[key.job]
        self._log.write(key, Event.RECEIVED, arrived.at_ns, arrived.size_bytes)
        if key.stage == len(self._schedule.plan(job).placement):
            self._log.write(key, Event.DECODED, time.monotonic_ns())
            self._end(key)
        elif self._layers is not None:
            layers = self._layers
            with self._fail_task_on_error(key):
                x = layers.decode(job, message)
                self._log.write(key, Event.DECODED, time.monotonic_ns())
                self._submit(job, key, x)

    def _start_tasks(self) -> None:
        """Start each task of this node when its placement is decided, which takes time from its arrival on: queue its
        first partition, or send its input."""
        raise_priority()
        with suppress(Stopped):
            for number in self._own_jobs:
                job, key = self._schedule.jobs[number], MessageKey(number, 0, 0)
                self._wait_until(self._start_ns + job.arrival_ns)
                self._log.write(key, Event.WOKE, time.monotonic_ns())
                if job.decision_ns:
                    self._wait_until(self._start_ns + job.arrival_ns + job.decision_ns)
                    self._log.write(key, Event.DECIDED, time.monotonic_ns())
                leg = self._schedule.leg(job, 0)
                with self._fail_task_on_error(key):
                    if leg.target == self._name and self._layers is not None:
                        self._submit(job, key, self._layers.input(job))
                    else:
                        self._send(leg.target, self._input_message(job, key, leg.size_bytes))

    def _input_message(self, job: StationJob, key: MessageKey, size_bytes: int) -> StationMessage:
        acknowledged = self._schedule.plan(job).kind in self._schedule.deliveries
        return StationMessage(key, self._random_bytes[:size_bytes], acknowledged=acknowledged)

    def _serve(self) -> None:
        """Serve the queued partitions, one after the other."""
        raise_priority()
        with suppress(Stopped):
            while (visit := self._inbox.get()) is not None:
                with self._fail_task_on_error(visit.key):
                    self._serve_visit(visit)

    def _serve_visit(self, visit: Visit) -> None:
        """Compute a partition, then send its output, queue the next partition here, or end the task."""
        job, key, layers = visit.job, visit.key, visit.layers
        try:
            output = self._compute(visit)
        finally:
            with self._lock:
                self._free_slots += 1
        leg = self._schedule.next_leg(job, key.step, key.stage)
        if leg.size_bytes and leg.target != self._name:
            # The next visit waits for this. On another thread, messages would wait for Python's lock while the next
            # visit computes.
            self._send(leg.target, layers.encode(job, key, leg, output))
        elif leg.stage < len(self._schedule.plan(job).placement):
            self._submit(job, MessageKey(key.job, leg.step, leg.stage), layers.local_input(key, leg, output))
        else:
            self._end(key)
        answer = layers.answer(job, key, output)
        if answer is not None:
            self._log.write_answer(key, time.monotonic_ns(), *answer)

    def _compute(self, visit: Visit) -> Any:
        """Compute a partition and occupy the server for at least the modelled loading and service times."""
        job, key, x, load_ns, layers = visit
        started_ns = time.monotonic_ns()
        self._log.write(key, Event.STARTED, started_ns)
        if load_ns:
            self._wait_until(started_ns + load_ns)
            self._log.write(key, Event.LOADED, time.monotonic_ns())
        with normal_priority():
            output, first_pass_ns = layers.run(job, key, x)
        computed_ns = time.monotonic_ns()
        self._log.write(key, Event.COMPUTED, computed_ns, answer=layers.record_answer(job, key, output))
        if job.first_token_ns is not None and self._schedule.yields_first_token(job, key.step, key.stage):
            known_ns = max(first_pass_ns, started_ns + load_ns + job.first_token_ns)
            self._log.write(key, Event.FIRST_TOKEN, known_ns)
        self._wait_until(started_ns + load_ns + self._schedule.modelled_ns(job, key.step, key.stage))
        self._log.write(key, Event.FINISHED, time.monotonic_ns())
        return output

    def _submit(self, job: StationJob, key: MessageKey, x: Any) -> None:
        """Queue a partition, or fail its task as the simulation's device does (`emulator.device.submit`)."""
        if self._weight_cache is None or self._layers is None:
            raise ValueError(f"{self._name} has no device: it cannot run a partition")
        plan = self._schedule.plan(job)
        _, first, stop, _ = plan.placement[key.stage]
        with self._lock:
            if not self._free_slots:
                self._log.write(key, Event.DEVICE_QUEUE_FULL, time.monotonic_ns())
                return
            load_ns = self._weight_cache.use(plan.model, first, stop)
            if load_ns is None:
                self._log.write(key, Event.MEMORY, time.monotonic_ns())
                return
            self._free_slots -= 1
            self._inbox.put(Visit(job, key, x, load_ns, self._layers))

    def _send(self, node: str, message: StationMessage) -> None:
        published_ns = time.monotonic_ns()
        sent = self._transport.send(node, message)
        self._log.write(message.key, Event.PUBLISHED, published_ns, sent.size_bytes, exposed_bytes=sent.exposed_bytes)

    def _wait_until(self, at_ns: int) -> None:
        """Wait until CLOCK_MONOTONIC reads `at_ns`. Raises Stopped if the run ends first."""
        while (left_ns := at_ns - time.monotonic_ns()) > 0 or self._stopping.is_set():
            if self._stopping.wait(left_ns * 1e-9):
                raise Stopped

    def _end(self, key: MessageKey) -> None:
        """Note that a task is done at this node; a message that arrives again changes nothing."""
        with self._lock:
            is_last = self._open_jobs == {key.job}
            self._open_jobs.discard(key.job)
        if is_last:
            self._all_done()

    @contextmanager
    def _fail_task_on_error(self, key: MessageKey) -> Iterator[None]:
        """On any error, log STATION_ERROR for the task; the thread, which other tasks need, continues."""
        try:
            yield
        except Stopped:
            raise
        except Exception as error:  # a model may raise any error; only this task fails
            self._log.write(key, Event.STATION_ERROR, time.monotonic_ns())
            text = " ".join(str(error).split())
            LOG.warning("%s: job %d, stage %d: %s: %s", self._name, key.job, key.stage, type(error).__name__, text)
