"""The workers that a scenario names, ready to run: found or started, its models deployed and measured."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from emulator.policy import Compute
from emulator.system import System
from hil.mqtt.broker import embedded
from hil.mqtt.client import parse_address
from hil.testbed.coordinator import Coordinator, NodeWorker
from hil.testbed.hosts import local_workers
from topologies.schema.scenario import Scenario

LOCAL = "local"
Progress = Callable[[str, int, int], None]  # (what, done, total)


class LabDescription(NamedTuple):
    """What a run's hosts are: the broker's name and version, each worker's last word of itself by its
    name, and a line for each move of a node from one worker to another."""

    broker: tuple[str, str]
    workers: dict[str, dict[str, str]]
    moves: tuple[str, ...]


class Lab(NamedTuple):
    """Who computes for the policy of a label, the system with the layer times that they measured, and
    `describe`, to be asked after the run: what the hosts are, and what has become of them."""

    compute_of: Callable[[str], Compute]
    system: System
    describe: Callable[[], LabDescription]


@contextmanager
def open_lab(where: str, scenario: Scenario, system: System, progress: Progress) -> Iterator[Lab]:
    """`where` is `local`, for an embedded broker and worker processes of our own, or the HOST:PORT of a
    broker whose workers bear the scenario's names. All of ours end with the context.

    Raises ValueError for a scenario without workers, MissingDependency where one does not answer.
    """
    if scenario.hil is None:
        raise ValueError(f"{scenario.name}: hil: must name workers and policies")
    hosts = {
        node: NodeWorker(name, worker.time_scale)
        for name, worker in scenario.hil.workers.items()
        for node in scenario.names_of(worker.nodes)
    }
    with ExitStack() as stack:
        ours = stack.enter_context(embedded()) if where == LOCAL else None
        address = ours.address if ours else parse_address(where)
        if ours:
            stack.enter_context(local_workers(address, scenario.hil.workers))
        coordinator = stack.enter_context(Coordinator(address, hosts, system))
        coordinator.deploy(lambda done, total: progress("deploying weights", done, total))
        measured = coordinator.measure_layers(lambda done, total: progress("measuring layers", done, total))

        def describe() -> LabDescription:
            facts = coordinator.describe()
            broker = (ours.name, ours.version) if ours else _name_and_version(facts["broker"])
            workers = {
                name: {key: str(value) for key, value in said.items()} for name, said in facts["workers"].items()
            }
            return LabDescription(broker, workers, tuple(map(str, coordinator.moves)))

        yield Lab(lambda _: coordinator, measured, describe)


def _name_and_version(says: str) -> tuple[str, str]:
    """From what a broker says of itself under $SYS, such as `mosquitto version 2.0.11`."""
    name, _, version = says.partition(" version ")
    return name or "unknown", version or "unknown"
