"""Costs of a task, stage by stage; its rows in the records; and the totals of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from emulator.core.compiled import Table
from emulator.deadlines import missed_deadlines, time_per_token_ns
from emulator.policy import Totals
from emulator.quality import Curve
from emulator.record import Records
from emulator.simulation.energy import radio_energy_j
from emulator.simulation.network import Network
from emulator.simulation.task_state import combined_loss
from emulator.task import Placement, Task, describe

PARTS = ("waiting_ns", "load_ns", "service_ns", "transfer_ns")  # of a sojourn


@dataclass(slots=True)
class StageCosts:
    """Costs of a stage: the visits to one partition and the messages to it. The first four parts of all stages add up
    to the task's sojourn; `link_waiting_ns` is a part of `transfer_ns`. `erased_fraction` is that of the
    `exposed_bytes`, which are sent and not acknowledged."""

    waiting_ns: int = 0
    load_ns: int = 0
    service_ns: int = 0
    transfer_ns: int = 0
    link_waiting_ns: int = 0
    energy_j: float = 0.0
    energy_ue_radio_j: float = 0.0
    energy_ue_compute_j: float = 0.0
    energy_edge_j: float = 0.0
    energy_cloud_j: float = 0.0
    erased_fraction: float = 0.0
    exposed_bytes: int = 0
    quality_loss: float = 0.0

    def add(self, other: "StageCosts") -> None:
        """Add the costs of another stage."""
        self.waiting_ns += other.waiting_ns
        self.load_ns += other.load_ns
        self.service_ns += other.service_ns
        self.transfer_ns += other.transfer_ns
        self.link_waiting_ns += other.link_waiting_ns
        self.add_energy(other.energies())
        self.erased_fraction = combined_loss(self.erased_fraction, other.erased_fraction)
        self.quality_loss += other.quality_loss

    def add_energy(self, energies: tuple[float, ...]) -> None:
        """Add energies in the order of `energies`."""
        whole_j, ue_radio_j, ue_compute_j, edge_j, cloud_j = energies
        self.energy_j += whole_j
        self.energy_ue_radio_j += ue_radio_j
        self.energy_ue_compute_j += ue_compute_j
        self.energy_edge_j += edge_j
        self.energy_cloud_j += cloud_j

    def erase(self, exposed_bytes: int, lost_fraction: float) -> None:
        """Add a message of which a fraction of the bytes that are not acknowledged was lost."""
        if exposed_bytes > 0:
            self.exposed_bytes += exposed_bytes
            self.erased_fraction += (lost_fraction - self.erased_fraction) * (exposed_bytes / self.exposed_bytes)

    def energies(self) -> tuple[float, ...]:
        """Return the energy and its parts (`ENERGY_PARTS`)."""
        return (
            self.energy_j,
            self.energy_ue_radio_j,
            self.energy_ue_compute_j,
            self.energy_edge_j,
            self.energy_cloud_j,
        )

    def outcome(self, quality_is_known: bool) -> tuple[float | None, ...]:
        """Return energies, erased fraction and loss of quality in the order of the records' columns."""
        return (*self.energies(), self.erased_fraction, self.quality_loss if quality_is_known else None)

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
    curves: Sequence[Curve | None] | None, sojourn_ns: int, first_token_ns: int | None, reason: str, attempts: int,
    compute: str, workers: Sequence[str] = (), measured_loss: float | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    """Write the rows of a task that has ended, with a `reason` if it failed, and of its stages; a stage after the last
    partition is the result's. `curves`: what a loss in each stage costs in quality; None if that is not known.
    `measured_loss`: of the answer's quality, which counts if nothing of the activations is lost. `first_token_ns`: when
    its first token was known; None if it never was. Returns the task's row."""
    key = (label, task.source, task.kind.name, task.number)
    layers = len(task.kind.model.layers)
    known = not reason and curves is not None
    for stage, curve in zip(stages, curves or (), strict=False):
        stage.quality_loss = 0.0 if curve is None else curve.at(stage.erased_fraction)
    places = [(*part[:3], task.kind.codec_of(part)) for part in placement] + [(task.source, layers, layers, "")]
    for index, (stage, place) in enumerate(zip(stages, places, strict=False)):
        worker = workers[index] if index < len(workers) else ""
        records.stages.append((*key, index, *place, *stage.values(), *stage.outcome(known), compute, worker))
    costs = total(stages)
    tokens = (task.prompt_tokens, task.output_tokens) if task.kind.model.family == "causal_lm" else (None, None)
    begin = (*key, task.arrival_ns, *tokens, describe(placement))
    ttft_ns = None if reason or first_token_ns is None else first_token_ns - task.arrival_ns
    token_ns = time_per_token_ns(sojourn_ns, ttft_ns, task.output_tokens)
    missed = "" if reason else missed_deadlines(task.kind, sojourn_ns, ttft_ns, token_ns)
    outcome = "failed" if reason else "missed" if missed else "done"
    *outcomes, loss = costs.outcome(known)
    if measured_loss is not None and not reason and costs.erased_fraction == 0:
        loss = measured_loss
    ends = (*outcomes, loss, outcome == "done", outcome, missed, reason, attempts, compute)
    row = (*begin, *costs.values(), sojourn_ns, ttft_ns, token_ns, *ends)
    records.tasks.append(row)
    return row


class Tally:
    """Adds up tasks. By Little's law the mean number of tasks in the system is the sum of their sojourns over the time;
    `little_error` compares it with the sum of the parts that the records split sojourns into."""

    def __init__(self) -> None:
        self._tasks = self._parts_ns = self._sojourns_ns = self._last_ns = 0

    def add(self, tasks: int, parts_ns: int, sojourns_ns: int, last_ns: int) -> None:
        """Add tasks: the sums of their parts and sojourns, and when the last of them ended."""
        self._tasks += tasks
        self._parts_ns += parts_ns
        self._sojourns_ns += sojourns_ns
        self._last_ns = max(self._last_ns, last_ns)

    def totals(self, network: Network, radios: Table) -> Totals:
        """Return the totals of a run that has ended; `radios` has a row of RADIO for each link."""
        error = abs(self._sojourns_ns - self._parts_ns) / max(self._sojourns_ns, 1)
        energy_j = {name: device.energy_j(self._last_ns) for name, device in network.devices.items()}
        occupancy_mean = self._sojourns_ns / max(self._last_ns, 1)
        radio_j = radio_energy_j(network.system, radios)
        return Totals(self._tasks, self._last_ns, occupancy_mean, error, energy_j, radio_j)
