"""What a policy hears of a task that has ended."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from emulator.system import Cost
from emulator.task import Placement, Task


class EndedTask(NamedTuple):
    """A task that has ended, with what its row in the records says of it (`emulator.record`).

    `placement`: the last one, if a failure interrupted others. `end_ns`: when its result was at the source, or when it
    failed. `outcome`: done, missed (done after a deadline) or failed, then for a `reason`. `cost_s`: by `Cost.of`.
    `waiting_ns`, `load_ns`, `service_ns` and `transfer_ns` add up to `sojourn_ns`; `link_waiting_ns` is a part of
    `transfer_ns`. `quality_loss`: None if it is not known.
    """

    task: Task
    placement: Placement
    end_ns: int
    outcome: str
    reason: str
    cost_s: float
    sojourn_ns: int
    waiting_ns: int
    load_ns: int
    service_ns: int
    transfer_ns: int
    link_waiting_ns: int
    energy_j: float
    quality_loss: float | None
    erased_fraction: float


COPIED = EndedTask._fields[EndedTask._fields.index("sojourn_ns") :]  # columns of the records


def ended_task(task: Task, placement: Placement, cost: Cost, row: Mapping[str, Any]) -> EndedTask:
    """Return a task that has ended; `row` has its columns of the records by name."""
    outcome, sojourn_ns, loss = row["outcome"], row["sojourn_ns"], row["quality_loss"]
    parts = row["erased_fraction"], 0.0 if loss is None else loss, row["energy_j"]
    cost_s = cost.of(task.kind.name, sojourn_ns, *parts, outcome == "failed")
    ends = task.arrival_ns + sojourn_ns, outcome, row["reason"], cost_s
    return EndedTask(task, placement, *ends, *(row[name] for name in COPIED))
