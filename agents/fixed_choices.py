"""What every single choice of placement and codec costs if all tasks of a kind are run that way."""

from collections import defaultdict
from itertools import islice

import pyarrow as pa

from agents.isolated_outcome import IsolatedOutcomes, Outcome
from emulator.simulation.network import Network
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
