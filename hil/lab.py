"""The workers that a scenario names, ready to run: found or started, its models deployed and measured."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from emulator.policy import Compute
from emulator.system import System
from hil.broker import embedded
from hil.client import parse_address
from hil.coordinator import Coordinator, Host
from hil.hosts import local_workers
from topologies.scenario import Scenario

LOCAL = "local"
Progress = Callable[[str, int, int], None]  # (what, done, total)


class Lab(NamedTuple):
    """Who computes, the system with the layer times that they measured, and what they are."""

    compute: Compute
    system: System
    facts: dict[str, Any]


@contextmanager
def open_lab(where: str, scenario: Scenario, system: System, progress: Progress) -> Iterator[Lab]:
    """`where` is `local`, for an embedded broker and worker processes of our own, or the HOST:PORT of a
    broker whose workers bear the scenario's names. All of ours end with the context.

    Raises ValueError for a scenario without workers, MissingDependency where one does not answer.
    """
    if scenario.hil is None:
        raise ValueError(f"{scenario.name}: hil: must name workers and policies")
    hosts = {
        node: Host(name, worker.time_scale)
        for name, worker in scenario.hil.workers.items()
        for node in scenario.names_of(worker.nodes)
    }
    with ExitStack() as stack:
        if where == LOCAL:
            address = stack.enter_context(embedded()).address
            stack.enter_context(local_workers(address, scenario.hil.workers))
        else:
            address = parse_address(where)
        coordinator = stack.enter_context(Coordinator(address, hosts, system))
        coordinator.deploy(lambda done, total: progress("deploying weights", done, total))
        measured = coordinator.measure_layers(lambda done, total: progress("measuring layers", done, total))
        yield Lab(coordinator, measured, coordinator.describe())
