"""The coordinator: runs tasks on real workers and returns their measured times. Importing this imports torch."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from types import TracebackType
from typing import Any, NamedTuple

from emulator.core.progress import Progress
from emulator.device import Device, decode_times_ns
from emulator.layer_times import with_measured
from emulator.policy import Execution
from emulator.simulation.network import Network
from emulator.system import LayerTimes, System
from emulator.task import Placement, Task, passes
from hil import control_messages
from hil.codec import Float32Array, MessageKind, StageId, Tensor, encode_tensor
from hil.deployment import LayerId
from hil.errors import MissingDependency
from hil.mqtt.address import Address
from hil.mqtt.login import ANONYMOUS, Login
from hil.runtime import layer_bytes
from hil.scenario_models import ScenarioModel
from hil.task_inputs import input_image, input_prompt, input_seed, require_images
from hil.testbed import layer_measurement
from hil.testbed.assignment import Assignment, Move
from hil.testbed.connection import CoordinatorConnection, WorkerLost
from hil.testbed.fleet import Fleet, WorkerRefused
from hil.testbed.ledger import MAX_ATTEMPTS, WORKER_LOST, Begun, Broken, Closed, Ledger
from topologies.models.chain import ModelPlan
from topologies.models.registry import model_plan
from topologies.models.vision.images import task_image_input

LOG = logging.getLogger("airsplit.coordinator")
PASS_TOKENS = (1, 64)  # tokens of two passes: separate the fixed time from the time per token
MEASURE_REPEATS = 5
WEIGHTS_SEED = 0  # untrained weights take as long as any
WARN_AFTER_S = 1.0  # retained statuses arrive at once; after this, log the workers that are missing


@dataclass(frozen=True)
class NodeWorker:
    """The worker of a node. The node's times are the worker's times multiplied by `time_scale`."""

    worker: str
    time_scale: float = 1.0


class Inference(NamedTuple):
    """A task run by the workers: a report per partition, and the scores of the last one; or, after `attempts` attempts,
    the reason of the `failure`. The last report has the loss of a task's text."""

    reports: tuple[control_messages.Report, ...]
    result: Float32Array | None
    attempts: int
    failure: str | None = None


class Coordinator(AbstractContextManager["Coordinator"]):
    """Implement `emulator.policy.Compute` with the workers of a broker, as a context that is connected inside.

    Tasks run one at a time, so that none disturbs another's measurement. A task that loses a worker is repeated with
    its nodes on other workers.
    """

    def __init__(
        self,
        broker: Address,
        node_workers: Mapping[str, NodeWorker],
        system: System,
        timeout_s: float = 60.0,
        weights_seed: int = WEIGHTS_SEED,
        join_s: float = 30.0,
        login: Login = ANONYMOUS,
        models: Mapping[str, ScenarioModel] | None = None,
    ) -> None:
        """`timeout_s`: after this time without a reply a worker counts as lost. `join_s`: how long to wait at the start
        for workers that are offline. `weights_seed`: untrained weights compute as fast as trained ones; a fixed seed
        lets workers keep them from run to run. `models`: those that are not shipped, by name.

        Raises ValueError for a node that has partitions to run but no worker, MissingDependency without a data set of
        which tasks have images.
        """
        require_images(system)
        self._layers_by_node = layer_measurement.layers_by_node(system)
        for node in self._layers_by_node:
            if node not in node_workers:
                raise ValueError(f"hil.workers: {node}: must be the node of a worker")
        self._system = system
        self._node_workers = dict(node_workers)
        self._assignment = Assignment(
            {node: node_worker.worker for node, node_worker in node_workers.items()}, self._layers_by_node
        )
        self._timeout_s = timeout_s
        self._join_s = join_s
        self._seed = weights_seed
        self._models = dict(models or {})
        self._connection = CoordinatorConnection(broker, login)
        self._fleet = Fleet(self._connection, timeout_s)
        self._task_ids = count(1)
        self._devices: Mapping[str, Device] = {}  # with the measured times

    def __enter__(self) -> "Coordinator":
        """Connect and wait for the workers. Raises MissingDependency if the broker or a worker cannot be reached."""
        self._connection.__enter__()
        if absent := self._wait_for_workers():
            self._connection.__exit__(None, None, None)
            raise MissingDependency(f"workers not online at broker {self._connection.broker}: {', '.join(absent)}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.__exit__(kind, error, trace)

    @property
    def ledger(self) -> Ledger:
        """The state of workers and tasks."""
        return self._connection.ledger

    @property
    def moves(self) -> tuple[Move, ...]:
        """All moves of nodes from one worker to another so far."""
        return tuple(self._assignment.moves)

    def describe(self) -> dict[str, Any]:
        """Return, for the manifest: the broker, the workers' last statuses (versions, CPU, threads, clock), the nodes'
        workers, and the moves. Also valid after the run."""
        return {
            "broker": self._connection.broker_version,
            "workers": {name: asdict(status) for name, status in sorted(self._connection.statuses.items())},
            "nodes": {node: asdict(node_worker) for node, node_worker in sorted(self._node_workers.items())},
            "moves": [move._asdict() for move in self.moves],
            "weights_seed": self._seed,
            "tasks_done": self.ledger.done,
            "tasks_given_up": self.ledger.given_up,
            "messages_ignored": self.ledger.ignored,
            "messages_malformed": self._connection.malformed,
        }

    def deploy(self, progress: Progress = lambda done, total: None) -> None:
        """Send every layer of a candidate placement to the worker of its node, once. `progress(done, total)` counts
        layers. Raises MissingDependency if a worker is lost or refuses."""
        wanted = sorted(
            {
                (model, index, self._assignment.homes[node])
                for node, models in self._layers_by_node.items()
                for model, indices in models.items()
                for index in indices
            }
        )
        for worker, model in dict.fromkeys((worker, model) for model, _, worker in wanted):  # in parallel
            self._connection.send(worker, control_messages.encode(self._preparation(model)))
        latest: tuple[LayerId | None, bytes] = (None, b"")  # a layer may go to several workers
        for done, (model, index, worker) in enumerate(wanted):
            progress(done, len(wanted))
            layer = LayerId(model, self._seed, index)
            if latest[0] != layer:
                latest = layer, self._layer_bytes(layer)
            with _as_missing_dependency(worker, "the layer"):
                self._fleet.deliver(worker, layer, latest[1])
        progress(len(wanted), len(wanted))

    def measure_layers(
        self,
        progress: Progress = lambda done, total: None,
        repeats: int = MEASURE_REPEATS,
        lengths: tuple[int, int] = PASS_TOKENS,
    ) -> System:
        """Return the system with measured layer times.

        Each deployed layer's time is the median of `repeats` runs on its node's worker, scaled. Language models run
        passes of both `lengths`, which give fixed and per-token times (`measured_layer_times`).
        `progress(done, total)` counts measurements. Raises MissingDependency if a worker is lost or refuses.
        """
        worker_ns: dict[tuple[str, str], dict[int, dict[int, int]]] = {}  # by worker and model: tokens, layer
        orders = list(self._measure_orders(repeats, lengths))
        for done, (worker, order) in enumerate(orders):
            progress(done, len(orders))
            with _as_missing_dependency(worker, "the measurement"):
                layer_ns = self._fleet.measure(worker, order)
            by_tokens = worker_ns.setdefault((worker, order.model), {})
            by_tokens.setdefault(order.tokens, {}).update(enumerate(layer_ns, order.first))
        progress(len(orders), len(orders))
        times = {node: self._layer_times(node, worker_ns) for node in self._layers_by_node}
        measured = with_measured(self._system, times)
        self._devices = Network(measured).devices
        return measured

    def infer(self, task: Task, placement: Placement) -> Inference:
        """Run the task's first pass on the workers of the placement's nodes, in at most MAX_ATTEMPTS attempts."""
        task_id = next(self._task_ids)
        reason = ""
        try:
            for attempt in range(1, MAX_ATTEMPTS + 1):
                self._connection.recover()
                stages, reason = self._assign_stages(task_id, task, placement)
                self._connection.open_attempt(Begun(task_id, attempt, tuple(stage.worker for stage in stages)))
                if not stages:
                    return Inference((), None, attempt, reason)
                self._run_attempt(task_id, attempt, task, stages)
                state = self.ledger.open[task_id]
                if state.condition == "done":
                    reports = tuple(self._connection.reports[stage] for stage in range(len(stages)))
                    return Inference(reports, self._connection.result, attempt)
                reason = state.broken
            return Inference((), None, MAX_ATTEMPTS, reason)
        finally:
            self._connection.apply(Closed(task_id))

    def execute(self, task: Task, placement: Placement) -> Execution:
        """Return the measured times of the first pass, and times computed from `measure_layers` for decode passes.

        Raises RuntimeError if decode passes are needed before `measure_layers`.
        """
        if passes(task)[1:] and not self._devices:
            raise RuntimeError("execute() called with a task of several passes; call measure_layers() first")
        return self.execution_of(task, placement, self.infer(task, placement))

    def execution_of(self, task: Task, placement: Placement, inference: Inference) -> Execution:
        """Return the times of a task that workers have run, as `execute`."""
        if inference.failure is not None:
            return Execution((), "measured", inference.attempts, inference.failure)
        scales = [self._node_workers[node].time_scale for node, *_ in placement]
        first_pass = [round(report.service_ns * scale) for report, scale in zip(inference.reports, scales, strict=True)]
        workers = tuple(report.worker for report in inference.reports)
        if not passes(task)[1:]:
            return Execution([first_pass], "measured", inference.attempts, workers=workers)
        decode = decode_times_ns(self._devices, task, placement)
        return Execution([first_pass, *decode], "mixed", inference.attempts, workers=workers)

    def _wait_for_workers(self) -> list[str]:
        """Wait for the workers of all nodes. Return those that are not online in time."""
        wanted = {self._assignment.homes[node] for node in self._layers_by_node}

        def absent() -> list[str]:
            return sorted(wanted - self.ledger.live.keys())

        if not self._connection.wait_for(lambda: not absent(), WARN_AFTER_S):
            LOG.warning("waiting for workers: %s", ", ".join(absent()))
            self._connection.wait_for(lambda: not absent(), self._join_s)
        return absent()

    def _assign_stages(
        self, task_id: int, task: Task, placement: Placement
    ) -> tuple[tuple[control_messages.Stage, ...], str]:
        """Return the stages on live workers that take the model's layers; if there are none, also the reason."""
        model, live = task.kind.model.name, self.ledger.live
        workers = self._assignment.assign(task_id, model, (node for node, *_ in placement), live)
        if workers is None:
            return (), control_messages.NO_MEMORY if live.keys() & self._assignment.unfit(model) else WORKER_LOST
        stages = [(workers[part.node], part.first, part.stop, task.kind.codec_of(part)) for part in placement]
        return tuple(control_messages.Stage(*stage) for stage in stages), ""

    def _run_attempt(self, task_id: int, attempt: int, task: Task, stages: tuple[control_messages.Stage, ...]) -> None:
        """Prepare the workers, start the task, and wait until the ledger reports the end of the attempt."""
        kind = task.kind
        try:
            for stage in stages:
                self._deliver_missing(stage, kind.model.name)
            plan = self._fleet.announce(kind.model.name, self._seed, stages)
        except WorkerLost:
            return  # the ledger has recorded it
        except WorkerRefused as refusal:
            self._assignment.refuse(refusal.worker, kind.model.name)
            self._connection.apply(Broken(task_id, attempt, refusal.reason))
            return
        if self.ledger.open[task_id].condition != "running":
            return  # the broker was lost meanwhile
        if prompt := input_prompt(self._system, task):
            text = control_messages.Text(self._connection.run, task_id, attempt, prompt)
            self._connection.send(stages[-1].worker, control_messages.encode(text))
        self._connection.send(stages[0].worker, self._start(task_id, attempt, plan, task))
        while (state := self.ledger.open[task_id]).condition == "running":
            if not self._connection.wait_for(lambda: self.ledger.open[task_id] != state, self._timeout_s):
                self._fleet.declare_lost(state.awaited[0])  # breaks the attempt: an awaited worker is lost

    def _start(self, task_id: int, attempt: int, plan: int, task: Task) -> bytes:
        """Return the message that starts an attempt: the order to run the first stage, or the task's image, if it has
        one, as the activation that this stage computes on."""
        run, deadline_ns = self._connection.run, task.arrival_ns + task.kind.deadline_ns
        image = input_image(self._system, task)
        if image is not None:
            values = task_image_input(self._plan_of(task.kind.model.name), image).numpy()
            stage_id = StageId(run, task_id, attempt, plan, 0, deadline_ns)
            return encode_tensor(Tensor(MessageKind.ACTIVATION, stage_id, "fp32", values))
        seed, prompt = input_seed(self._system, task), input_prompt(self._system, task)
        tokens = passes(task)[0].tokens
        start = control_messages.Start(run, task_id, attempt, plan, seed, tokens, deadline_ns, prompt)
        return control_messages.encode(start)

    def _plan_of(self, model: str) -> ModelPlan:
        own = self._models.get(model)
        return model_plan(model) if own is None else own.plan

    def _deliver_missing(self, stage: control_messages.Stage, model: str) -> None:
        layers = [LayerId(model, self._seed, index) for index in range(stage.first, stage.stop)]
        missing = [layer for layer in layers if not self._fleet.holds(stage.worker, layer)]
        if missing and model in self._models:  # the worker may have been started again since it was prepared
            self._connection.send(stage.worker, control_messages.encode(self._preparation(model)))
        for layer in missing:
            self._fleet.deliver(stage.worker, layer, self._layer_bytes(layer))

    def _layer_bytes(self, layer: LayerId) -> bytes:
        return layer_bytes(layer, self._plan_of(layer.model))

    def _preparation(self, model: str) -> control_messages.Prepare:
        own = self._models.get(model)
        if own is None:
            return control_messages.Prepare(self._connection.run, model)
        return control_messages.Prepare(self._connection.run, model, json.dumps(dict(own.settings)), own.dtype)

    def _measure_orders(self, repeats: int, lengths: tuple[int, int]) -> Iterator[tuple[str, control_messages.Measure]]:
        deployed: dict[tuple[str, str], set[int]] = {}  # by worker and model: layers
        for node, models in self._layers_by_node.items():
            for model, indices in models.items():
                deployed.setdefault((self._assignment.homes[node], model), set()).update(indices)
        for (worker, model), indices in sorted(deployed.items()):
            tokens_of_passes = (1,) if self._system.models[model].family == "vision" else lengths
            for first, stop in layer_measurement.contiguous_ranges(indices):
                for tokens in tokens_of_passes:
                    yield (
                        worker,
                        control_messages.Measure(self._connection.run, model, self._seed, first, stop, tokens, repeats),
                    )

    def _layer_times(
        self, node: str, worker_ns: Mapping[tuple[str, str], Mapping[int, Mapping[int, int]]]
    ) -> dict[str, LayerTimes]:
        node_worker, spec = self._node_workers[node], self._system.nodes[node].device
        if spec is None:
            raise ValueError(f"nodes: {node}: must have a device to run partitions")
        models = self._system.models
        return {
            model: layer_measurement.measured_layer_times(
                spec, models[model], node_worker.time_scale, worker_ns[node_worker.worker, model]
            )
            for model in self._layers_by_node[node]
        }


@contextmanager
def _as_missing_dependency(worker: str, request: str) -> Iterator[None]:
    """Raise MissingDependency if the worker is lost or refuses the request; used before the tasks start."""
    try:
        yield
    except WorkerLost as error:
        raise MissingDependency(f"worker {worker} went offline") from error
    except WorkerRefused as error:
        reason = "out of memory" if error.reason == control_messages.NO_MEMORY else error.reason
        raise MissingDependency(f"worker {worker} refused {request}: {reason}") from error
