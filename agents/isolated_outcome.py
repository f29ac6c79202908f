"""The outcome of a task that is alone in the system, on the real links, for a given placement."""

from typing import NamedTuple

from emulator.core.draws import message_address
from emulator.core.randomness import task_key
from emulator.link import Link
from emulator.simulation.costs import StageCosts, total
from emulator.simulation.isolated_task import IsolatedLeg, isolated_legs
from emulator.simulation.network import Network
from emulator.task import Placement, Task


class Outcome(NamedTuple):
    """The outcome of a task; the sojourn of a failed task is the time until it failed. `quality_loss` is 0 where it is
    not known."""

    sojourn_ns: int
    erased_fraction: float
    quality_loss: float
    failed: bool


class IsolatedOutcomes:
    """Computes the outcomes of tasks that are alone on the idle links of a network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._legs: dict[tuple[object, ...], tuple[IsolatedLeg, ...]] = {}  # of tasks of equal lengths
        self._lossy = any(link.spec.loss > 0 for link in network.links.values())

    def outcome(self, task: Task, placement: Placement) -> Outcome:
        """Return the outcome of the task on links without earlier traffic."""
        key = task_key(self.network.system.seed, task.source, task.kind.name)
        isolated = self._legs_of(task, placement)
        stages = [StageCosts() for _ in range(isolated[-1].stage + 1)]
        used: set[Link] = set()
        now_ns, failed = task.arrival_ns, False
        for leg in isolated:
            number = message_address(key, task.number, leg.step, leg.stage) if self._lossy else 0
            lost_fraction = 0.0
            for link in leg.route:
                used.add(link)
                delivery = link.enqueue(now_ns, leg.size_bytes, number, leg.acknowledged_bytes)
                if delivery is None:
                    failed = True
                    break
                lost_fraction = 1.0 - (1.0 - lost_fraction) * (1.0 - delivery.erased_fraction)
                now_ns = delivery.arrival_ns
            if failed:
                break
            stages[leg.stage].erase(leg.size_bytes - leg.acknowledged_bytes, lost_fraction)
            now_ns += leg.service_ns
        for link in used:
            link.reset()
        losses = [leg.curve.at(stages[leg.stage].erased_fraction) for leg in isolated if leg.step == 0 and leg.curve]
        return Outcome(now_ns - task.arrival_ns, total(stages).erased_fraction, sum(losses), failed)

    def _legs_of(self, task: Task, placement: Placement) -> tuple[IsolatedLeg, ...]:
        if task.kind.model.family == "causal_lm":  # lengths that rarely come again
            return isolated_legs(self.network, task, placement)
        key = (task.source, task.kind.name, placement)
        if key not in self._legs:
            self._legs[key] = isolated_legs(self.network, task, placement)
        return self._legs[key]
