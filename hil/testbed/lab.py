"""Prepare the workers of a scenario: find or start them, deploy its models, measure their layers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from emulator.core.progress import StepProgress
from emulator.policy import Compute
from emulator.system import System
from hil.mqtt.broker import embedded
from hil.mqtt.login import ANONYMOUS, Login, open_login
from hil.predicted_quality import MeasuredQuality
from hil.scenario_models import scenario_models
from hil.testbed.coordinator import WEIGHTS_SEED, Coordinator, NodeWorker
from hil.testbed.hosts import LOCAL, local_workers
from hil.testbed.scoring import AnswerScores, ScoredCompute
from topologies.schema.scenario import Scenario


class LabDescription(NamedTuple):
    """The hosts of a run: the broker's name and version, each worker's last status by name, a line for each move of a
    node from one worker to another, and the number of messages that the coordinator dropped."""

    broker: tuple[str, str]
    workers: dict[str, dict[str, str]]
    moves: tuple[str, ...]
    dropped: int


class Lab(NamedTuple):
    """Workers that are ready: what computes for the policy of a label, the system with measured layer times, and, to be
    called after the run, `describe`, which returns the hosts and their moves, and `qualities`, a row for each answer
    of the workers."""

    compute_of: Callable[[str], Compute]
    system: System
    describe: Callable[[], LabDescription]
    qualities: Callable[[], Sequence[MeasuredQuality]]


@contextmanager
def open_lab(
    where: str, scenario: Scenario, folder: Path, system: System, progress: StepProgress, login: Login | None = None
) -> Iterator[Lab]:
    """Connect to the broker `where` (HOST:PORT, mqtt://HOST or mqtts://HOST), whose workers have the scenario's names;
    or, for `local`, start an embedded broker and worker processes that end with the context.

    Relative paths of the scenario start from `folder`. Raises ValueError for a scenario without workers,
    MissingDependency if the broker or a worker does not answer.
    """
    if scenario.hil is None:
        raise ValueError("hil: must name workers and policies")
    hosts = {
        node: NodeWorker(name, worker.time_scale)
        for name, worker in scenario.hil.workers.items()
        for node in scenario.names_of(worker.nodes)
    }
    with ExitStack() as stack:
        own_broker = stack.enter_context(embedded()) if where == LOCAL else None
        address, default = (own_broker.address, ANONYMOUS) if own_broker else open_login(where)
        if own_broker:
            stack.enter_context(local_workers(address, scenario.hil.workers))
        models = scenario_models(scenario, folder)
        coordinator = stack.enter_context(Coordinator(address, hosts, system, login=login or default, models=models))
        coordinator.deploy(lambda done, total: progress("deploying weights", done, total))
        measured = coordinator.measure_layers(lambda done, total: progress("measuring layers", done, total))

        def describe() -> LabDescription:
            facts = coordinator.describe()
            broker = (own_broker.name, own_broker.version) if own_broker else _name_and_version(facts["broker"])
            workers = {
                name: {key: str(value) for key, value in status.items()} for name, status in facts["workers"].items()
            }
            return LabDescription(broker, workers, tuple(map(str, coordinator.moves)), facts["messages_malformed"])

        scores = AnswerScores(system, {name: model.plan for name, model in models.items()}, WEIGHTS_SEED)
        yield Lab(lambda label: ScoredCompute(coordinator, scores, label), measured, describe, scores.rows)


def _name_and_version(text: str) -> tuple[str, str]:
    """Split the text of a broker's $SYS/broker/version, such as `mosquitto version 2.0.11`."""
    name, _, version = text.partition(" version ")
    return name or "unknown", version or "unknown"
