"""What a task costs, stage by stage, and the rows that say so in the records."""

from collections.abc import Sequence
from dataclasses import dataclass

from emulator.record import Records
from emulator.task import Placement, Task, describe


@dataclass(slots=True)
class StageCosts:
    """Costs of a stage: the visits to one partition and the messages to it. The first four parts of all stages add up
    to the task's sojourn; `link_waiting_ns` is a part of `transfer_ns`."""

    waiting_ns: int = 0
    load_ns: int = 0
    service_ns: int = 0
    transfer_ns: int = 0
    link_waiting_ns: int = 0
    energy_j: float = 0.0
    erased_fraction: float = 0.0

    def add(self, other: "StageCosts") -> None:
        """Add the costs of another stage."""
        self.waiting_ns += other.waiting_ns
        self.load_ns += other.load_ns
        self.service_ns += other.service_ns
        self.transfer_ns += other.transfer_ns
        self.link_waiting_ns += other.link_waiting_ns
        self.energy_j += other.energy_j
        self.erase(other.erased_fraction)

    def erase(self, fraction: float) -> None:
        """Lose a fraction of what is left."""
        self.erased_fraction = 1.0 - (1.0 - self.erased_fraction) * (1.0 - fraction)

    def values(self) -> tuple[int, int, int, int, int]:
        """Return the parts in the order of the records' columns."""
        return self.waiting_ns, self.load_ns, self.service_ns, self.transfer_ns, self.link_waiting_ns


def total(stages: Sequence[StageCosts]) -> StageCosts:
    """Return the sum of the costs of stages."""
    found = StageCosts()
    for stage in stages:
        found.add(stage)
    return found


def write_rows(
    records: Records, label: str, task: Task, placement: Placement, stages: Sequence[StageCosts], *,
    sojourn_ns: int, reason: str, attempts: int, compute: str,
) -> None:  # fmt: skip
    """Write the rows of a task that has ended, with a `reason` if it failed, and of its stages; a stage after the last
    partition is the result's."""
    key = (label, task.source, task.kind.name, task.number)
    layers = len(task.kind.model.layers)
    places = (*placement, (task.source, layers, layers))
    for index, (stage, place) in enumerate(zip(stages, places, strict=False)):
        quality = (stage.energy_j, stage.erased_fraction)
        records.stages.append((*key, index, *place, *stage.values(), *quality, compute))
    costs = total(stages)
    in_time = not reason and sojourn_ns <= task.kind.deadline_ns
    outcome = "failed" if reason else "done" if in_time else "missed"
    ends = (costs.energy_j, costs.erased_fraction, in_time, outcome, reason, attempts, compute)
    records.tasks.append((*key, task.arrival_ns, describe(placement), *costs.values(), sojourn_ns, *ends))
