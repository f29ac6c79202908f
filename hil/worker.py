"""A worker: holds layers, runs partitions of models, and sends each output directly to the next worker.

One hop of a tensor: `_on_activation` receives the input of a stage, `_run_stage` runs the stage's layers,
`_output_message` encodes the output (`hil.codec`) as the input of the next stage, for the topic of its worker. The last
stage's output goes to the coordinator. Every stage also reports its times to the coordinator.

`python -m hil.worker --broker HOST:PORT --name NAME`. Importing this does not import torch; `serve` does. Runs on
Python 3.10, as do the modules that it imports.
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
MAX_PLANS = 4_096  # of all runs; the oldest are deleted first
OFFLINE_PUBLISH_S = 2.0


class Worker:
    """Handle the messages to one worker, one after the other, in order of arrival."""

    def __init__(self, broker: Address, name: str, memory_bytes: int, runtime: "Runtime") -> None:
        """`memory_bytes` bounds the weights. Raises ValueError for a name that cannot be in a topic."""
        control_messages.check_name(name)
        self.name = name
        self._memory_bytes = memory_bytes
        self._runtime = runtime
        self._incarnation = secrets.randbits(63)
        self._malformed = 0
        self._inbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._plans: dict[tuple[int, int], control_messages.Plan] = {}
        self._offers: dict[bytes, tuple[control_messages.Offer, deployment.Assembly]] = {}
        self._status_confirmed = False  # the broker has returned our own status
        self._topics = (control_messages.worker_topic(name), control_messages.status_topic(name))
        self._client = make_client(
            f"airsplit-worker-{name}-{self._incarnation}",
            self._topics,
            self._receive,
            lambda: self._publish_status(control_messages.ONLINE),
            self._status(control_messages.OFFLINE),
            lambda: LOG.warning("cannot reach broker %s: trying again", broker),
        )
        self._client.connect_async(*broker)

    def serve(self) -> None:
        """Handle messages until `stop`, then publish the status `offline`."""
        self._client.loop_start()  # connects, and reconnects whenever the connection is lost
        while (payload := self._inbox.get()) is not None:
            self._handle(payload)
        with suppress(RuntimeError, ValueError):  # the broker may have ended already
            self._publish_status(control_messages.OFFLINE).wait_for_publish(OFFLINE_PUBLISH_S)
        self._client.disconnect()
        self._client.loop_stop()

    def stop(self) -> None:
        """Make `serve` return. Safe in a signal handler and from any thread."""
        self._inbox.put(None)

    def _receive(self, topic: str, payload: bytes) -> None:
        # amqtt also sends every new client the retained messages of other clients' subscriptions.
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

    def _publish_status(self, state: str) -> MQTTMessageInfo:
        status = self._status(state)
        return self._client.publish(status.topic, status.payload, qos=1, retain=True)

    def _on_own_status(self, status: control_messages.Status) -> None:
        """Keep the retained status of this worker's name true. Overwrite the last will of an earlier worker or
        connection; stop if a newer worker uses the name."""
        if status.state == control_messages.OFFLINE:
            self._publish_status(control_messages.ONLINE)
        elif status.incarnation == self._incarnation:
            self._status_confirmed = True
        elif self._status_confirmed:
            LOG.error("%s: a newer worker uses this name: stopping", self.name)
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
                self._on_own_status(message)
            case control_messages.Prepare():
                self._on_prepare(message)
            case control_messages.Offer():
                self._on_offer(message)
            case codec.Chunk():
                self._on_chunk(message)
            case control_messages.Plan():
                self._on_plan(message)
            case control_messages.Measure():
                self._on_measure(message)
            case control_messages.Start():
                self._on_start(message)
            case codec.Tensor(kind=MessageKind.ACTIVATION):
                self._on_activation(message, begun_ns)
            case _:
                self._drop(Malformed(f"message: {type(message).__name__} is not for a worker"))

    def _drop(self, error: Malformed) -> None:
        self._malformed += 1
        LOG.warning("%s: dropped a message: %s", self.name, error)
        self._publish_status(control_messages.ONLINE)  # with the new count

    def _reply(self, run: int, message: control_messages.ControlMessage) -> None:
        self._client.publish(control_messages.coordinator_topic(run), control_messages.encode(message))

    # Weights

    def _on_prepare(self, order: control_messages.Prepare) -> None:
        try:
            self._runtime.prepare(order.model)
        except ValueError as error:
            LOG.warning("%s: %s", self.name, error)

    def _on_offer(self, offer: control_messages.Offer) -> None:
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

    def _on_chunk(self, chunk: codec.Chunk) -> None:
        known = self._offers.get(chunk.whole)
        if known is None:
            self._drop(Malformed("chunk: its weights were not offered"))
            return
        offer, assembly = known
        error = ""
        try:
            assembly.add(chunk)
            if not assembly.missing:
                self._runtime.load(_layer(offer), assembly.take())
                del self._offers[chunk.whole]
        except ValueError as failure:
            error = _one_line(failure)
            LOG.warning("%s: refused weights: %s", self.name, error)
        self._reply(offer.run, control_messages.Holding(offer.run, self.name, offer.digest, assembly.missing, error))

    # Stages

    def _on_plan(self, plan: control_messages.Plan) -> None:
        error = ""
        try:
            for stage in plan.stages:
                if stage.worker == self.name:
                    self._runtime.warm_up(plan.model, plan.seed, stage.first, stage.stop)
        except ValueError as failure:
            error = _one_line(failure)
        while len(self._plans) >= MAX_PLANS:
            del self._plans[next(iter(self._plans))]
        self._plans[plan.run, plan.plan] = plan
        self._reply(plan.run, control_messages.Ready(plan.run, self.name, plan.plan, error))

    def _on_measure(self, order: control_messages.Measure) -> None:
        layer_ns: tuple[int, ...] = ()
        error = ""
        try:
            layer_ns = self._runtime.measure(
                order.model, order.seed, order.first, order.stop, order.tokens, order.repeats
            )
        except ValueError as failure:
            error = _one_line(failure)
        measured = control_messages.Measured(
            order.run, self.name, order.model, order.first, order.tokens, layer_ns, error
        )
        self._reply(order.run, measured)

    def _on_start(self, start: control_messages.Start) -> None:
        stage_id = StageId(start.run, start.task, start.attempt, start.plan, 0, start.deadline_ns)
        begun_ns = perf_counter_ns()
        self._run_stage(stage_id, begun_ns, lambda model: self._runtime.task_input(model, start.seed, start.tokens))

    def _on_activation(self, tensor: codec.Tensor, begun_ns: int) -> None:
        self._run_stage(tensor.stage_id, begun_ns, lambda model: self._runtime.from_wire(model, tensor.values))

    def _run_stage(self, stage_id: StageId, begun_ns: int, take_input: Callable[[str], Any]) -> None:
        """Run one stage, send its output, and then report. The order tells the coordinator that a reported output has
        been sent."""
        decode_ns = service_ns = encode_ns = payload_bytes = 0
        error = ""
        try:
            plan, stage = self._find_stage(stage_id)
            x = take_input(plan.model)
            decode_ns = perf_counter_ns() - begun_ns
            output, service_ns = self._runtime.run(plan.model, plan.seed, stage.first, stage.stop, x)
            encode_begun_ns = perf_counter_ns()
            topic, message = self._output_message(stage_id, plan, output)
            encode_ns = perf_counter_ns() - encode_begun_ns
            payload_bytes = codec.payload_bytes(message)
            self._client.publish(topic, message)
        except ValueError as failure:
            error = _one_line(failure)
        measurements = (service_ns, decode_ns, encode_ns, payload_bytes)
        names = (stage_id.run, self.name, stage_id.task, stage_id.attempt, stage_id.stage)
        self._reply(stage_id.run, control_messages.Report(*names, *measurements, error))

    def _find_stage(self, stage_id: StageId) -> tuple[control_messages.Plan, control_messages.Stage]:
        plan = self._plans.get((stage_id.run, stage_id.plan))
        if plan is None or stage_id.stage >= len(plan.stages) or plan.stages[stage_id.stage].worker != self.name:
            raise ValueError(f"no announced plan {stage_id.plan} has its stage {stage_id.stage} on this worker")
        return plan, plan.stages[stage_id.stage]

    def _output_message(self, stage_id: StageId, plan: control_messages.Plan, output: Any) -> tuple[str, bytes]:
        """Return the topic and the message of a stage's output: an activation for the next stage, or the result."""
        if stage_id.stage + 1 == len(plan.stages):
            result = codec.Tensor(
                MessageKind.RESULT, stage_id, Precision.fp32, self._runtime.scores(plan.model, output)
            )
            return control_messages.coordinator_topic(stage_id.run), codec.encode_tensor(result)
        next_stage = stage_id._replace(stage=stage_id.stage + 1)
        values = self._runtime.to_wire(output)
        activation = codec.Tensor(MessageKind.ACTIVATION, next_stage, Precision[plan.precision], values)
        return control_messages.worker_topic(plan.stages[next_stage.stage].worker), codec.encode_tensor(activation)


def serve(broker: Address, name: str, memory_bytes: int | None = None, watch_stdin: bool = False) -> None:
    """Run worker `name` until SIGTERM or SIGINT; with `watch_stdin` also until standard input closes, so that a worker
    cannot outlive its parent. `memory_bytes` bounds the weights that it holds, by default the machine's memory. Call on
    the main thread.

    Raises ValueError for a name that cannot be in a topic.
    """
    # torch takes a second to import and a gigabyte to install: importing this module must not need it.
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
    while os.read(sys.stdin.fileno(), 4_096):  # sys.stdin.read would hold a lock that blocks the exit
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


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[: control_messages.MAX_TEXT_LENGTH]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Run partitions of neural networks for a coordinator.")
    parser.add_argument("--broker", required=True, type=parse_address, metavar="HOST:PORT")
    parser.add_argument("--name", required=True)
    parser.add_argument("--memory-bytes", type=int, help="hold at most this many bytes of weights")
    parser.add_argument("--watch-stdin", action="store_true", help="end when standard input closes")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    serve(arguments.broker, arguments.name, arguments.memory_bytes, arguments.watch_stdin)


if __name__ == "__main__":
    main()
