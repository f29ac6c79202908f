"""The outcome of a task that is alone in the system, on the real links, for a given placement."""

from collections.abc import Iterator
from itertools import repeat
from typing import NamedTuple

from emulator.core.draws import message_address
from emulator.core.randomness import task_key
from emulator.legs import legs
from emulator.link import Link
from emulator.simulation.isolated_task import IsolatedLeg, end_ns, isolated_legs
from emulator.simulation.network import Network
from emulator.task import Placement, Task


class Outcome(NamedTuple):
    """The outcome of a task; the sojourn of a failed task is the time until it failed."""

    sojourn_ns: int
    erased_fraction: float
    failed: bool


class _Refused(Exception):
    """A message of the task does not fit an empty queue, or its link has no coverage; known at `now_ns`."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns


class IsolatedOutcomes:
    """Computes the outcomes of tasks that are alone on the idle links of a network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._legs: dict[tuple[object, ...], tuple[IsolatedLeg, ...]] = {}  # of tasks of equal lengths
        self._lossy = any(link.spec.loss > 0 for link in network.links.values())

    def outcome(self, task: Task, placement: Placement) -> Outcome:
        """Return the outcome of the task on links without earlier traffic."""
        messages = self._messages(task, placement) if self._lossy else repeat(0)
        kept = 1.0
        used = set()

        def enqueue(link: Link, now_ns: int, size_bytes: int) -> int:
            nonlocal kept
            used.add(link)
            delivery = link.enqueue(now_ns, size_bytes, next(messages))
            if delivery is None:
                raise _Refused(now_ns)
            kept *= 1.0 - delivery.erased_fraction
            return delivery.arrival_ns

        try:
            arrived_ns = end_ns(self._legs_of(task, placement), task.arrival_ns, enqueue)
            return Outcome(arrived_ns - task.arrival_ns, 1.0 - kept, False)
        except _Refused as refused:
            return Outcome(refused.now_ns - task.arrival_ns, 1.0 - kept, True)
        finally:
            for link in used:
                link.reset()

    def _legs_of(self, task: Task, placement: Placement) -> tuple[IsolatedLeg, ...]:
        if task.kind.model.family == "causal_lm":  # lengths that rarely come again
            return isolated_legs(self.network, task, placement)
        key = (task.source, task.kind.name, placement)
        if key not in self._legs:
            self._legs[key] = isolated_legs(self.network, task, placement)
        return self._legs[key]

    def _messages(self, task: Task, placement: Placement) -> Iterator[int]:
        """Yield the address of the random draws for each message and link, the same as in the simulation."""
        key = task_key(self.network.system.seed, task.source, task.kind.name)
        for leg in legs(task, placement):
            if leg.size_bytes:
                route = self.network.route(leg.source, leg.target)
                yield from [message_address(key, task.number, leg.step, leg.stage)] * len(route)
