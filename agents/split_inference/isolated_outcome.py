"""The outcome of a task that is alone in the system, on the real links, for a given placement; and what every fixed
choice of placement and codec costs if all tasks of a kind are run that way."""

from collections import defaultdict
from itertools import islice
from typing import NamedTuple

import pyarrow as pa

from emulator.core.draws import message_address
from emulator.core.randomness import task_key
from emulator.link import Link
from emulator.simulation.costs import StageCosts, total
from emulator.simulation.isolated_task import IsolatedLeg, isolated_legs
from emulator.simulation.network import Network
from emulator.simulation.task_state import combined_loss
from emulator.system import System
from emulator.task import Placement, Task, describe

SOURCE = "{source}"  # stands for the node that asks
TASKS = 300  # of each kind, in the order of their arrival

FIXED_CHOICES = pa.schema(
    [
        ("kind", pa.string()),
        ("placement", pa.string()),
        ("codec", pa.string()),
        ("delay_ms", pa.float64()),
        ("quality_loss", pa.float64()),
        ("cost_s", pa.float64()),
    ]
)


class Outcome(NamedTuple):
    """The outcome of a task; the sojourn of a failed task is the time until it failed, and its energy what it drew.
    `quality_loss` is 0 where it is not known."""

    sojourn_ns: int
    erased_fraction: float
    quality_loss: float
    energy_j: float
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
            for link, power_w in zip(leg.route, leg.radio_w, strict=True):
                used.add(link)
                delivery = link.enqueue(now_ns, leg.size_bytes, number, leg.acknowledged_bytes)
                if delivery is None:
                    failed = True
                    break
                stages[leg.stage].energy_j += power_w * (delivery.release_ns - delivery.start_ns) * 1e-9
                lost_fraction = combined_loss(lost_fraction, delivery.erased_fraction)
                now_ns = delivery.arrival_ns
            if failed:
                break
            stages[leg.stage].erase(leg.size_bytes - leg.acknowledged_bytes, lost_fraction)
            stages[leg.stage].energy_j += leg.busy_power_w * leg.service_ns * 1e-9
            now_ns += leg.service_ns
        for link in used:
            link.reset()
        losses = [leg.curve.at(stages[leg.stage].erased_fraction) for leg in isolated if leg.step == 0 and leg.curve]
        costs = total(stages)
        return Outcome(now_ns - task.arrival_ns, costs.erased_fraction, sum(losses), costs.energy_j, failed)

    def _legs_of(self, task: Task, placement: Placement) -> tuple[IsolatedLeg, ...]:
        if task.kind.model.family == "causal_lm":  # lengths that rarely come again
            return isolated_legs(self.network, task, placement)
        key = (task.source, task.kind.name, placement)
        if key not in self._legs:
            self._legs[key] = isolated_legs(self.network, task, placement)
        return self._legs[key]


def fixed_choices(system: System) -> pa.Table:
    """Return mean delay, loss of quality and cost of each candidate if all tasks of its kind take it, each task alone
    in the system: a row for each kind whose quality is counted and each placement, with `{source}` for the node that
    asks. `codec` is that of the activations; empty for a placement without a cut.

    Means are over the first TASKS tasks of the kind. Candidates that some source does not have, and those with which a
    task fails, are left out.
    """
    isolated = IsolatedOutcomes(Network(system))
    rows = []
    for kind in system.quality:
        tasks = list(islice((task for task in system.tasks() if task.kind.name == kind), TASKS))
        outcomes = _outcomes(isolated, system, tasks)
        for (placement, codec), found in outcomes.items():
            if len(found) < len(tasks) or any(outcome.failed for outcome in found):
                continue
            delay_ms = sum(outcome.sojourn_ns for outcome in found) * 1e-6 / len(found)
            loss = sum(outcome.quality_loss for outcome in found) / len(found)
            cost_s = sum(system.cost.of(kind, *outcome) for outcome in found) / len(found)
            rows.append((kind, placement, codec, delay_ms, loss, cost_s))
    columns = list(zip(*rows, strict=True)) or [()] * len(FIXED_CHOICES)
    arrays = [pa.array(column, kind.type) for column, kind in zip(columns, FIXED_CHOICES, strict=True)]
    return pa.table(arrays, FIXED_CHOICES)


def _outcomes(isolated: IsolatedOutcomes, system: System, tasks: list[Task]) -> dict[tuple[str, str], list[Outcome]]:
    found: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for task in tasks:
        for placement in system.placements[task.source, task.kind.name]:
            codec = "" if len(placement) == 1 else task.kind.codec_of(placement[1])
            found[anonymous(placement, task.source), codec].append(isolated.outcome(task, placement))
    return found


def anonymous(placement: Placement, source: str) -> str:
    """Return a placement as text with `{source}` for the node that asks, the same for all sources."""
    return describe(tuple(part._replace(node=SOURCE if part.node == source else part.node) for part in placement))
