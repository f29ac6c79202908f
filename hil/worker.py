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
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from hil import codec, control_messages
from hil.codec import MessageKind, StageId
from hil.errors import Malformed
from hil.inbox import Inbox, Waiting
from hil.mqtt.address import Address
from hil.mqtt.client import aim, make_client
from hil.mqtt.login import ANONYMOUS, PASSWORD_VARIABLE, Login, open_login
from hil.presence import Presence
from hil.rate_limit import DroppedMessages, RateLimit
from hil.transfers import Transfers

if TYPE_CHECKING:
    from hil.runtime import Runtime

LOG = logging.getLogger("airsplit.worker")
MAX_PLANS = 4_096  # of all runs; the oldest are deleted first
MAX_TEXTS = 64
OFFLINE_PUBLISH_S = 2.0
STATUS_S = 1.0  # how late a count of dropped messages may be published


class Worker:
    """Handle the messages to one worker, one after the other, in order of arrival.

    The network's thread decodes messages, drops those that are not of their format, and answers pings; the others wait
    in the inbox for the thread of `serve`.
    """

    def __init__(
        self, broker: Address, name: str, memory_bytes: int, runtime: "Runtime", login: Login = ANONYMOUS
    ) -> None:
        """`memory_bytes` bounds the weights. Raises ValueError for a name that cannot be in a topic."""
        control_messages.check_name(name)
        self.name = name
        self._runtime = runtime
        self._transfers = Transfers(name, memory_bytes, runtime)
        self._dropped = DroppedMessages(LOG, name)
        incarnation = secrets.randbits(63)
        self._presence = Presence(name, incarnation, self._dropped, (runtime.threads, memory_bytes), self.stop)
        self._inbox = Inbox()
        self._plans: dict[tuple[int, int], control_messages.Plan] = {}
        self._texts: dict[tuple[int, int, int], tuple[int, ...]] = {}  # by run, task, attempt; the oldest are deleted
        self._refusals = RateLimit(burst=500, per_s=500)
        self._status_topic = control_messages.status_topic(name)
        topics = (
            control_messages.worker_topic(name),
            control_messages.ping_topic(name),
            control_messages.coordinator_topic(incarnation),  # for answers to our own pings
            self._status_topic,
        )
        self._topics = frozenset(topics)
        self._client = make_client(
            f"airsplit-worker-{name}-{incarnation}",
            topics,
            self._receive,
            lambda: self._presence.publish(control_messages.ONLINE),
            self._presence.status(control_messages.OFFLINE),
            lambda reason: LOG.warning("%s; trying again", reason),
        )
        self._presence.attach(self._client)
        aim(self._client, broker, login)

    def serve(self) -> None:
        """Handle messages until `stop`, then publish the status `offline`."""
        self._client.loop_start()  # connects, and reconnects whenever the connection is lost
        while not self._inbox.is_closed:
            if (waiting := self._inbox.get(STATUS_S)) is not None:
                self._handle(waiting)
            self._presence.tick()
        if (last := self._presence.publish(control_messages.OFFLINE)) is not None:
            with suppress(RuntimeError, ValueError):  # the broker may have ended already
                last.wait_for_publish(OFFLINE_PUBLISH_S)
        self._client.disconnect()
        self._client.loop_stop()

    def stop(self) -> None:
        """Make `serve` return. Safe in a signal handler and from any thread."""
        self._inbox.close()

    # On the network's thread

    def _receive(self, topic: str, payload: bytes) -> None:
        # amqtt also sends every new client the retained messages of other clients' subscriptions.
        if topic not in self._topics:
            return
        begun_ns = perf_counter_ns()
        try:
            message = control_messages.decode(payload)
            match message:
                case control_messages.Status(worker=self.name) if topic == self._status_topic:
                    self._presence.on_status(message)
                case control_messages.Ping():
                    self._presence.on_ping(message)
                case control_messages.Pong(worker=self.name):
                    self._presence.on_pong(message)
                case (
                    codec.Tensor(kind=MessageKind.ACTIVATION)
                    | codec.Chunk()
                    | control_messages.Prepare()
                    | control_messages.Offer()
                    | control_messages.Plan()
                    | control_messages.Measure()
                    | control_messages.Start()
                    | control_messages.Text()
                ):
                    self._enqueue(Waiting(payload, message, perf_counter_ns() - begun_ns))
                case _:
                    raise Malformed(f"message: {type(message).__name__} is not for a worker")
        except Malformed as error:
            self._dropped.add(error)

    def _enqueue(self, waiting: Waiting) -> None:
        if not self._inbox.put(waiting):
            raise Malformed("message: too many are waiting, or it waits already")

    def _reply(self, run: int, message: control_messages.ControlMessage) -> None:
        """Send a message to the coordinator of a run; refusals no faster than a coordinator asks."""
        if getattr(message, "error", "") and not self._refusals.allow():
            self._dropped.add(Malformed("message: too many that must be refused"))
            return
        self._client.publish(control_messages.coordinator_topic(run), control_messages.encode(message))

    # On the thread of `serve`

    def _handle(self, waiting: Waiting) -> None:
        try:
            match waiting.message:
                case control_messages.Prepare(model=model, settings=settings, dtype=dtype):
                    self._runtime.prepare(model, settings, dtype)
                case control_messages.Offer() as offer:
                    self._reply(offer.run, self._transfers.offer(offer))
                case codec.Chunk() as chunk:
                    holding = self._transfers.take(chunk)
                    self._reply(holding.run, holding)
                case control_messages.Plan() as plan:
                    self._on_plan(plan)
                case control_messages.Measure() as order:
                    self._on_measure(order)
                case control_messages.Start() as start:
                    self._on_start(start)
                case control_messages.Text(run, task, attempt, prompt):
                    self._texts[run, task, attempt] = prompt
                    while len(self._texts) > MAX_TEXTS:
                        del self._texts[next(iter(self._texts))]
                case codec.Tensor() as tensor:
                    self._on_activation(tensor, waiting.decode_ns)
        except Malformed as error:
            self._dropped.add(error)
        except ValueError as error:
            self._dropped.log.warn(f"{self.name}: {error}")

    def _on_plan(self, plan: control_messages.Plan) -> None:
        error = ""
        try:
            for stage in plan.stages:
                if stage.worker == self.name:
                    self._runtime.warm_up(plan.model, plan.seed, stage.first, stage.stop)
        except ValueError as failure:
            error = control_messages.one_line(failure)
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
            error = control_messages.one_line(failure)
        measured = control_messages.Measured(
            order.run, self.name, order.model, order.first, order.tokens, layer_ns, error
        )
        self._reply(order.run, measured)

    def _on_start(self, start: control_messages.Start) -> None:
        stage_id = StageId(start.run, start.task, start.attempt, start.plan, 0, start.deadline_ns)
        begun_ns = perf_counter_ns()
        self._run_stage(
            stage_id,
            begun_ns,
            lambda model, _: self._runtime.task_input(model, start.seed, start.tokens, start.prompt),
        )

    def _on_activation(self, tensor: codec.Tensor, decode_ns: int) -> None:
        begun_ns = perf_counter_ns() - decode_ns
        self._run_stage(
            tensor.stage_id, begun_ns, lambda model, cut: self._runtime.from_wire(model, cut, tensor.values)
        )

    def _run_stage(self, stage_id: StageId, begun_ns: int, take_input: Callable[[str, int], Any]) -> None:
        """Run one stage, send its output, and then report. The order tells the coordinator that a reported output has
        been sent."""
        decode_ns = service_ns = encode_ns = payload_bytes = text_nnat = 0
        error = ""
        try:
            plan, stage = self._find_stage(stage_id)
            x = take_input(plan.model, stage.first)
            decode_ns = perf_counter_ns() - begun_ns
            output, service_ns = self._runtime.run(plan.model, plan.seed, stage.first, stage.stop, x)
            encode_begun_ns = perf_counter_ns()
            topic, message = self._output_message(stage_id, plan, output)
            encode_ns = perf_counter_ns() - encode_begun_ns
            payload_bytes = codec.payload_bytes(message)
            self._client.publish(topic, message)
            if stage_id.stage + 1 == len(plan.stages):
                text = self._texts.pop((stage_id.run, stage_id.task, stage_id.attempt), ())
                text_nnat = self._runtime.text_nnat(output, text)
        except ValueError as failure:
            error = control_messages.one_line(failure)
        measurements = (service_ns, decode_ns, encode_ns, payload_bytes, text_nnat)
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
            result = codec.Tensor(MessageKind.RESULT, stage_id, "fp32", self._runtime.scores(plan.model, output))
            return control_messages.coordinator_topic(stage_id.run), codec.encode_tensor(result)
        next_stage = stage_id._replace(stage=stage_id.stage + 1)
        to = plan.stages[next_stage.stage]
        values, tokens = self._runtime.to_wire(output), self._runtime.tokens_of(plan.model, output)
        activation = codec.Tensor(MessageKind.ACTIVATION, next_stage, to.codec, values, tokens)
        return control_messages.worker_topic(to.worker), codec.encode_tensor(activation)


def serve(
    broker: Address,
    name: str,
    memory_bytes: int | None = None,
    watch_stdin: bool = False,
    login: Login = ANONYMOUS,
) -> None:
    """Run worker `name` until SIGTERM or SIGINT; with `watch_stdin` also until standard input closes, so that a worker
    cannot outlive its parent. `memory_bytes` bounds the weights that it holds, by default the machine's memory. Call on
    the main thread.

    Raises ValueError for a name that cannot be in a topic.
    """
    # torch takes a second to import and a gigabyte to install: importing this module must not need it.
    from hil.runtime import Runtime

    worker = Worker(broker, name, memory_bytes or _physical_memory(), Runtime(), login)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    if watch_stdin:
        threading.Thread(target=_stop_at_end_of_input, args=(worker,), daemon=True).start()
    worker.serve()


def _stop_at_end_of_input(worker: Worker) -> None:
    while os.read(sys.stdin.fileno(), 4_096):  # sys.stdin.read would hold a lock that blocks the exit
        pass
    worker.stop()


def _physical_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Run partitions of neural networks for a coordinator.")
    parser.add_argument("--broker", required=True, metavar="HOST:PORT", help="or mqtt://HOST, or mqtts://HOST for TLS")
    parser.add_argument("--name", required=True)
    parser.add_argument("--user", help="name of a user of the broker")
    parser.add_argument("--password-file", type=Path, help=f"the user's password, or else in {PASSWORD_VARIABLE}")
    parser.add_argument("--ca-file", type=Path, help="certificates that vouch for the broker")
    parser.add_argument("--memory-bytes", type=int, help="hold at most this many bytes of weights")
    parser.add_argument("--watch-stdin", action="store_true", help="end when standard input closes")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        broker, login = open_login(arguments.broker, arguments.user, arguments.password_file, arguments.ca_file)
        serve(broker, arguments.name, arguments.memory_bytes, arguments.watch_stdin, login)
    except (ValueError, OSError) as error:
        print(f"hil.worker: {error}", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
