"""Asynchronous advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783), with workers in turns or in processes."""

import multiprocessing
import signal
import time
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Lock
from typing import TYPE_CHECKING, NamedTuple

import torch

from agents.learning.heads import HeadedEnvironment, MakeEnvironment, Shape, environment_seed
from agents.learning.n_step import Gradient, gradient_of
from agents.learning.networks import ActorCritic, MakeNetwork, SeparateNetworks, one_thread
from agents.learning.rollout import Collector
from agents.learning.settings import A3cSettings
from agents.learning.torch_state import generator_state, network_state, restore_generator, restore_network
from agents.learning.training.curve import Curve, UpdateReport, curve_of
from agents.learning.training.loop import run
from agents.learning.training.state import TrainingState, joined
from agents.learning.training.supervision import UNSUPERVISED, Supervision, TrainingPoint
from agents.learning.training.weights import Weights, require_finite
from agents.learning.updates import Parameters, first_memory, worker_copy
from emulator.core.processes import end_with_parent

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized, SynchronizedArray

PROGRESS_S = 0.1  # between reports of the progress of processes


def train(
    environments: MakeEnvironment,
    settings: A3cSettings,
    seed: int,
    supervision: Supervision = UNSUPERVISED,
    network: MakeNetwork = SeparateNetworks,
) -> tuple[Weights, Curve]:
    """Train one agent. Return its parameters by name and its learning curve of about 50 points.

    The same environments, settings and seed give the same parameters on machines where torch rounds equally, unless
    several workers are `asynchronous`: these are processes, for which `environments` and `network` must pickle.
    Raises ValueError for an environment with other spaces than `HeadedEnvironment` takes, as `training.loop.run`, and
    if asynchronous workers are to be resumed or validated.
    """
    task = _Task(environments, settings, seed, network)
    with one_thread():
        if not settings.asynchronous:
            return run(_InTurns(task), supervision)
        if supervision.store is not None or supervision.validation is not None:
            raise ValueError("settings.asynchronous=True: must be false for a training that is resumed or validated")
        weights, reports = _in_processes(task, supervision)
    require_finite("a3c", weights)
    return weights, curve_of("a3c", seed, reports, task.steps)


class _Task(NamedTuple):
    """What is trained."""

    environments: MakeEnvironment
    settings: A3cSettings
    seed: int
    network: MakeNetwork

    @property
    def steps(self) -> int:
        """Steps of environments in an update."""
        return self.settings.num_envs * self.settings.num_steps

    @property
    def updates(self) -> int:
        """Number of updates, as many of each worker in turns."""
        updates = max(self.settings.workers, self.settings.total_timesteps // self.steps)
        return updates - updates % self.settings.workers

    def left(self, done: int) -> float:
        """Return the remaining share of the training, 1 to 0."""
        return 1 - done / self.updates

    def parameters(self, shape: Shape, memory: torch.Tensor | None = None) -> Parameters:
        """Return the shared parameters."""
        return Parameters(self.network, shape, self.settings, self.seed, memory)


class _Worker:
    """A worker with its own copy of the parameters, its own environments and its own random generator."""

    def __init__(self, task: _Task, number: int, environment: HeadedEnvironment, shared: ActorCritic) -> None:
        self.settings, self.shared = task.settings, shared
        self.model, self.rng = worker_copy(task.network, task.settings, task.seed, number, shared)
        first_seed = environment_seed(task.seed, number * task.settings.num_envs)
        self.collector = Collector(environment, first_seed, self.rng, task.settings)

    def gradient(self, left: float) -> Gradient:
        """Sample a rollout and return its gradient. `left`: remaining share of the training, 1 to 0."""
        rollout = self.collector.collect(self.model)
        return gradient_of(self.model, rollout, self.settings, left)

    def copy(self) -> None:
        """Copy the shared parameters."""
        self.model.load_state_dict(self.shared.state_dict())

    def state(self) -> TrainingState:
        """Return the own parameters, the generator and the environments."""
        return joined(
            network=network_state(self.model), draws=generator_state(self.rng), rollout=self.collector.state()
        )

    def restore(self, state: TrainingState) -> None:
        """Go on from a state."""
        restore_network(self.model, None, state.part("network"))
        restore_generator(self.rng, state.part("draws"))
        self.collector.restore(state.part("rollout"))


class _InTurns:
    """A `Learner` whose workers take turns. Each copies the parameters after its own update, so they are as stale as in
    processes."""

    agent = "a3c"

    def __init__(self, task: _Task) -> None:
        self.settings, self.seed, self.steps, self.updates = task.settings, task.seed, task.steps, task.updates
        numbers = range(task.settings.workers)
        environments = [HeadedEnvironment(task.environments(task.settings.num_envs)) for _ in numbers]
        self._parameters = task.parameters(environments[0].shape)
        shared = self._parameters.model
        self._workers = [_Worker(task, number, each, shared) for number, each in enumerate(environments)]
        self._turn = 0

    def update(self, left: float) -> UpdateReport:
        """Let the next worker learn from a rollout. `left`: remaining share of the training, 1 to 0."""
        worker = self._workers[self._turn]
        self._turn = (self._turn + 1) % len(self._workers)
        gradient = worker.gradient(left)
        self._parameters.apply(gradient.values, left)
        worker.copy()
        return gradient.report

    def weights(self) -> Weights:
        """Return a copy of the shared parameters, by name."""
        return self._parameters.model.weights()

    def state(self) -> TrainingState:
        """Return the shared parameters, mean squared gradients, the workers, and whose turn it is."""
        workers = {f"worker {number}": worker.state() for number, worker in enumerate(self._workers)}
        return joined(network=self._parameters.state(), turn=TrainingState({}, {"turn": self._turn}), **workers)

    def restore(self, state: TrainingState) -> None:
        """Go on from a state."""
        self._parameters.restore(state.part("network"))
        self._turn = int(state.part("turn").data["turn"])
        for number, worker in enumerate(self._workers):
            worker.restore(state.part(f"worker {number}"))


class _Shared(NamedTuple):
    """What processes share: the parameters and RMSProp's state in one array, the counts of updates that were begun and
    done, and the lock that guards all of them."""

    memory: "SynchronizedArray[float]"
    begun: "Synchronized[int]"
    done: "Synchronized[int]"
    lock: Lock


Numbered = list[tuple[int, UpdateReport]]  # reports with the numbers of their updates


def _in_processes(task: _Task, supervision: Supervision) -> tuple[Weights, list[UpdateReport]]:
    """Let each worker update the shared parameters as soon as its gradient is ready. Raises a worker's error."""
    context = multiprocessing.get_context("spawn")
    shape = HeadedEnvironment(task.environments(task.settings.num_envs)).shape
    lock = context.Lock()
    first = first_memory(task.parameters(shape).model).tolist()
    counts = (context.Value("q", 0, lock=lock), context.Value("q", 0, lock=lock))
    shared = _Shared(context.Array("f", first, lock=lock), *counts, lock)
    reports: Numbered = []
    total, began_s = task.updates * task.steps, time.perf_counter()
    workers: dict[Connection, SpawnProcess] = {}
    try:
        for number in range(task.settings.workers):
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(task, number, shape, shared, there), daemon=True)
            process.start()
            there.close()  # so that the end of the process is seen here
            workers[here] = process
        running = list(workers)
        while running:
            ready = wait(running, PROGRESS_S)
            for connection in [each for each in running if each in ready]:
                running.remove(connection)
                reports += _result(connection, workers[connection])
            if done := min(shared.done.get_obj().value, task.updates - 1) * task.steps:
                supervision.tell(TrainingPoint(done, total, {}, done / (time.perf_counter() - began_s)))
    finally:
        for process in workers.values():
            process.kill()
            process.join()
    supervision.tell(TrainingPoint(total, total, {}, total / (time.perf_counter() - began_s)))
    weights = task.parameters(shape, _tensor(shared)).model.weights()
    return weights, [report for _, report in sorted(reports)]


def _result(connection: Connection, process: SpawnProcess) -> Numbered:
    """Return a worker's reports, or raise its error."""
    try:
        result: Numbered | Exception = connection.recv()
    except EOFError as error:
        process.join()
        raise RuntimeError(f"a3c: a worker ended with exit code {process.exitcode}") from error
    if isinstance(result, Exception):
        raise result
    return result


def _work(task: _Task, number: int, shape: Shape, shared: _Shared, connection: Connection) -> None:
    """Train in a process of its own, and send the reports of this worker's updates, or its error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent kills its workers
    end_with_parent()
    try:
        with one_thread():
            connection.send(_updates(task, number, shape, shared))
    except Exception as error:  # whatever it is, the parent raises it
        connection.send(error)


def _updates(task: _Task, number: int, shape: Shape, shared: _Shared) -> Numbered:
    """Update the shared parameters until all updates are begun. Return the reports of the own ones."""
    environment = HeadedEnvironment(task.environments(task.settings.num_envs))
    begun, done = shared.begun.get_obj(), shared.done.get_obj()  # without their lock, which is held
    reports: Numbered = []
    with shared.lock:
        parameters = task.parameters(shape, _tensor(shared))
        worker = _Worker(task, number, environment, parameters.model)
    while True:
        with shared.lock:
            if begun.value == task.updates:
                return reports
            begun.value += 1
            left = task.left(done.value)
            worker.copy()
        gradient = worker.gradient(left)
        with shared.lock:
            parameters.apply(gradient.values, task.left(done.value))
            reports.append((done.value, gradient.report))
            done.value += 1


def _tensor(shared: _Shared) -> torch.Tensor:
    """Return the shared array as a tensor."""
    return torch.frombuffer(shared.memory.get_obj(), dtype=torch.float32)
