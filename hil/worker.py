"""A worker: holds layers, runs partitions of them, sends what comes out straight to the next worker.

`python -m hil.worker --broker HOST:PORT --name NAME`. Light to import: torch comes with the first
`serve`. Runs on Python 3.10, as do the modules that it imports.
"""

import argparse
import logging
import os
import platform
import queue
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import get_clock_info, perf_counter_ns
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import MQTTMessageInfo

from hil import codec, control_messages, deployment
from hil.codec import MessageKind, Precision, StageId
from hil.errors import Malformed
from hil.mqtt.client import Address, RetainedMessage, make_client, parse_address

if TYPE_CHECKING:
    from hil.runtime import Runtime

LOG = logging.getLogger("airsplit.worker")
MAX_PLANS = 4_096  # of all runs; the oldest are forgotten first
OFFLINE_PUBLISH_S = 2.0


class Worker:
    """One process's share of a run. Messages are handled one after the other, in order of arrival."""

    def __init__(self, broker: Address, name: str, memory_bytes: int, runtime: "Runtime") -> None:
        """`memory_bytes` bounds the weights that it takes. Raises ValueError for a name that is no topic."""
        control_messages.check_name(name)
        self.name = name
        self._memory_bytes = memory_bytes
        self._runtime = runtime
        self._incarnation = secrets.randbits(63)
        self._malformed = 0
        self._inbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._plans: dict[tuple[int, int], control_messages.Plan] = {}
        self._offers: dict[bytes, tuple[control_messages.Offer, deployment.Assembly]] = {}
        self._greeted = False
        self._topics = (control_messages.worker_topic(name), control_messages.status_topic(name))
        self._client = make_client(
            f"airsplit-worker-{name}-{self._incarnation}",
            self._topics,
            self._receive,
            lambda: self._say(control_messages.ONLINE),
            self._status(control_messages.OFFLINE),
            lambda: LOG.warning("broker %s: does not answer: trying again", broker),
        )
        self._client.connect_async(*broker)

    def serve(self) -> None:
        """Serve until `stop`; say goodbye."""
        self._client.loop_start()  # connects, and connects again whenever the connection is lost
        while (payload := self._inbox.get()) is not None:
            self._handle(payload)
        with suppress(RuntimeError, ValueError):  # the broker may be gone already
            self._say(control_messages.OFFLINE).wait_for_publish(OFFLINE_PUBLISH_S)
        self._client.disconnect()
        self._client.loop_stop()

    def stop(self) -> None:
        """Make `serve` return. Safe in a signal handler and from any thread."""
        self._inbox.put(None)

    def _receive(self, topic: str, payload: bytes) -> None:
        # amqtt also sends every new client the retained messages that others have subscribed to.
        if topic in self._topics:
            self._inbox.put(payload)

    def _status(self, state: str) -> RetainedMessage:
        status = control_messages.Status(
            self.name,
            self._incarnation,
            state,
            self._malformed,
            _version("airsplit"),
            platform.python_version(),
            _version("torch"),
            _cpu(),
            self._runtime.threads,
            f"perf_counter, {get_clock_info('perf_counter').implementation}",
            self._memory_bytes,
        )
        return RetainedMessage(control_messages.status_topic(self.name), control_messages.encode(status))

    def _say(self, state: str) -> MQTTMessageInfo:
        status = self._status(state)
        return self._client.publish(status.topic, status.payload, qos=1, retain=True)

    def _hear_of_myself(self, status: control_messages.Status) -> None:
        """What stands at the broker under this worker's name must be true: the last will of a former
        worker, or of a former connection, is put right, and a newer worker takes the name over."""
        if status.state == control_messages.OFFLINE:
            self._say(control_messages.ONLINE)
        elif status.incarnation == self._incarnation:
            self._greeted = True
        elif self._greeted:
            LOG.error("%s: another worker has taken this name: ends", self.name)
            self.stop()

    def _handle(self, payload: bytes) -> None:
        begun_ns = perf_counter_ns()
        try:
            message = control_messages.decode(payload)
        except Malformed as error:
            self._drop(error)
            return
        match message:
            case control_messages.Status():
                self._hear_of_myself(message)
            case control_messages.Prepare():
                self._prepare(message)
            case control_messages.Offer():
                self._answer_offer(message)
            case codec.Chunk():
                self._take_chunk(message)
            case control_messages.Plan():
                self._take_plan(message)
            case control_messages.Measure():
                self._measure(message)
            case control_messages.Start():
                self._start(message)
            case codec.Tensor(kind=MessageKind.ACTIVATION):
                self._continue(message, begun_ns)
            case _:
                self._drop(Malformed(f"message: {type(message).__name__} must not be sent to a worker"))

    def _drop(self, error: Malformed) -> None:
        self._malformed += 1
        LOG.warning("%s: dropped a message: %s", self.name, error)
        self._say(control_messages.ONLINE)  # the status says how many

    def _reply(self, run: int, message: control_messages.ControlMessage) -> None:
        self._client.publish(control_messages.coordinator_topic(run), control_messages.encode(message))

    # Weights

    def _prepare(self, order: control_messages.Prepare) -> None:
        try:
            self._runtime.prepare(order.model)
        except ValueError as error:
            LOG.warning("%s: %s", self.name, error)

    def _answer_offer(self, offer: control_messages.Offer) -> None:
        whole = bytes.fromhex(offer.digest)
        if _layer(offer) in self._runtime:
            self._reply(offer.run, control_messages.Holding(offer.run, self.name, offer.digest, ()))
            return
        if offer.size + self._runtime.held_bytes > self._memory_bytes:
            self._reply(
                offer.run, control_messages.Holding(offer.run, self.name, offer.digest, (), control_messages.NO_MEMORY)
            )
            return
        known = self._offers.get(whole)
        assembly = known[1] if known and known[1].size == offer.size else deployment.Assembly(whole, offer.size)
        self._offers[whole] = offer, assembly
        self._reply(offer.run, control_messages.Holding(offer.run, self.name, offer.digest, assembly.missing))

    def _take_chunk(self, chunk: codec.Chunk) -> None:
        known = self._offers.get(chunk.whole)
        if known is None:
            self._drop(Malformed("chunk: must have been offered"))
            return
        offer, assembly = known
        error = ""
        try:
            assembly.add(chunk)
            if not assembly.missing:
                self._runtime.load(_layer(offer), assembly.take())
                del self._offers[chunk.whole]
        except ValueError as wrong:
            error = _short(wrong)
            LOG.warning("%s: refused weights: %s", self.name, error)
        self._reply(offer.run, control_messages.Holding(offer.run, self.name, offer.digest, assembly.missing, error))

    # Work

    def _take_plan(self, plan: control_messages.Plan) -> None:
        error = ""
        try:
            for stage in plan.stages:
                if stage.worker == self.name:
                    self._runtime.warm_up(plan.model, plan.seed, stage.first, stage.stop)
        except ValueError as wrong:
            error = _short(wrong)
        while len(self._plans) >= MAX_PLANS:
            del self._plans[next(iter(self._plans))]
        self._plans[plan.run, plan.plan] = plan
        self._reply(plan.run, control_messages.Ready(plan.run, self.name, plan.plan, error))

    def _measure(self, order: control_messages.Measure) -> None:
        layer_ns: tuple[int, ...] = ()
        error = ""
        try:
            layer_ns = self._runtime.measure(
                order.model, order.seed, order.first, order.stop, order.tokens, order.repeats
            )
        except ValueError as wrong:
            error = _short(wrong)
        measured = control_messages.Measured(
            order.run, self.name, order.model, order.first, order.tokens, layer_ns, error
        )
        self._reply(order.run, measured)

    def _start(self, start: control_messages.Start) -> None:
        stage_id = StageId(start.run, start.task, start.attempt, start.plan, 0, start.deadline_ns)
        begun_ns = perf_counter_ns()
        self._run_stage(stage_id, begun_ns, lambda model: self._runtime.task_input(model, start.seed, start.tokens))

    def _continue(self, tensor: codec.Tensor, begun_ns: int) -> None:
        self._run_stage(tensor.stage_id, begun_ns, lambda model: self._runtime.from_wire(model, tensor.values))

    def _run_stage(self, stage_id: StageId, begun_ns: int, take_input: Callable[[str], Any]) -> None:
        """Run one stage, send its output on, and only then report: whoever hears the report knows that
        the output has left."""
        decode_ns = service_ns = encode_ns = payload_bytes = 0
        error = ""
        try:
            plan, stage = self._stage(stage_id)
            x = take_input(plan.model)
            decode_ns = perf_counter_ns() - begun_ns
            output, service_ns = self._runtime.run(plan.model, plan.seed, stage.first, stage.stop, x)
            begun_ns = perf_counter_ns()
            topic, message = self._outgoing(stage_id, plan, output)
            encode_ns = perf_counter_ns() - begun_ns
            payload_bytes = codec.payload_bytes(message)
            self._client.publish(topic, message)
        except ValueError as wrong:
            error = _short(wrong)
        times = (service_ns, decode_ns, encode_ns, payload_bytes)
        address = (stage_id.run, self.name, stage_id.task, stage_id.attempt, stage_id.stage)
        self._reply(stage_id.run, control_messages.Report(*address, *times, error))

    def _stage(self, stage_id: StageId) -> tuple[control_messages.Plan, control_messages.Stage]:
        plan = self._plans.get((stage_id.run, stage_id.plan))
        if plan is None or stage_id.stage >= len(plan.stages) or plan.stages[stage_id.stage].worker != self.name:
            raise ValueError(f"plan {stage_id.plan}: must have been announced, stage {stage_id.stage} as this worker's")
        return plan, plan.stages[stage_id.stage]

    def _outgoing(self, stage_id: StageId, plan: control_messages.Plan, output: Any) -> tuple[str, bytes]:
        if stage_id.stage + 1 == len(plan.stages):
            result = codec.Tensor(
                MessageKind.RESULT, stage_id, Precision.fp32, self._runtime.answer(plan.model, output)
            )
            return control_messages.coordinator_topic(stage_id.run), codec.encode_tensor(result)
        onward = stage_id._replace(stage=stage_id.stage + 1)
        values = self._runtime.to_wire(output)
        activation = codec.Tensor(MessageKind.ACTIVATION, onward, Precision[plan.precision], values)
        return control_messages.worker_topic(plan.stages[onward.stage].worker), codec.encode_tensor(activation)


def serve(broker: Address, name: str, memory_bytes: int | None = None, watch_stdin: bool = False) -> None:
    """Be worker `name` until SIGTERM or SIGINT (with `watch_stdin`: or until standard input closes, so
    that a worker cannot outlive the program that started it). `memory_bytes` bounds the weights that it
    takes, by default the machine's memory. Blocks; belongs on the main thread.

    Raises ValueError for a name that is not a topic's.
    """
    # torch takes a second to import and a gigabyte to install: whoever imports this module need not have it.
    from hil.runtime import Runtime

    worker = Worker(broker, name, memory_bytes or _physical_memory(), Runtime())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    if watch_stdin:
        threading.Thread(target=_stop_at_end_of_input, args=(worker,), daemon=True).start()
    worker.serve()


def _layer(offer: control_messages.Offer) -> deployment.LayerId:
    return deployment.LayerId(offer.model, offer.seed, offer.layer)


def _stop_at_end_of_input(worker: Worker) -> None:
    while os.read(sys.stdin.fileno(), 4_096):  # not sys.stdin.read: a thread that holds its lock hinders the exit
        pass
    worker.stop()


def _physical_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[: control_messages.MAX_TEXT_LENGTH]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run partitions of neural networks for a coordinator.")
    parser.add_argument("--broker", required=True, type=parse_address, metavar="HOST:PORT")
    parser.add_argument("--name", required=True)
    parser.add_argument("--memory-bytes", type=int, help="take at most so many bytes of weights")
    parser.add_argument("--watch-stdin", action="store_true", help="end when standard input closes")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    serve(arguments.broker, arguments.name, arguments.memory_bytes, arguments.watch_stdin)


if __name__ == "__main__":
    main()
