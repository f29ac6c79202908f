"""The schedule file of the stations: every task's arrival, placement and modelled service times.

Importing this imports neither numpy nor torch nor numba.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from pydantic import ConfigDict, TypeAdapter, ValidationError

from emulator.core.files import atomic_write
from emulator.profile import PRECISION_BYTES, TOKEN_BYTES
from emulator.task import Partition
from hil.mqtt.client import Address

SCHEDULE_VERSION = 1


@dataclass(frozen=True)
class StationPlan:
    """The common properties of the tasks of one source, kind and placement.

    `output_bytes` is the size of each partition's output for one image or token; `tokens` marks a language model.
    Inputs and results of 0 bytes are not sent, as in the simulation.
    """

    source: str
    kind: str
    model: str
    tokens: bool
    precision: str
    input_bytes: int
    result_bytes: int
    deadline_ns: int
    placement: tuple[Partition, ...]
    output_bytes: tuple[int, ...]
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        if self.precision not in PRECISION_BYTES:
            raise ValueError(f"precision={self.precision}: must be one of {', '.join(PRECISION_BYTES)}")
        if not self.placement or len(self.output_bytes) != len(self.placement):
            raise ValueError(f"output_bytes={self.output_bytes}: must be one for each partition, of at least one")


@dataclass(frozen=True)
class StationJob:
    """One task of plan number `plan`. `service_ns` is the modelled time of each visit to a node, pass by pass and
    partition by partition; a single partition has one visit for all passes. The first partition's input is drawn
    from `input_seed`."""

    plan: int
    task: int
    arrival_ns: int
    prompt_tokens: int
    output_tokens: int
    input_seed: int
    service_ns: tuple[int, ...]
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Computer:
    """The device of a node, as in the simulation. `resident` lists the layers (model, index) whose weights are loaded
    at the start, the least recently used first."""

    memory_bytes: int
    load_bytes_per_s: float
    queue_tasks: int
    resident: tuple[tuple[str, int], ...]
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")


class Leg(NamedTuple):
    """A message of `size_bytes` from a node to where the task's `stage` of pass `step` is; the way of the result
    back to the source is the stage after the last."""

    step: int
    stage: int
    node: str
    size_bytes: int


@dataclass(frozen=True)
class Schedule:
    """The input of all stations. Times are nanoseconds from the start of the run, which stations are told when all are
    ready. Messages go through the `broker`; without one, as datagrams between the `addresses` of the nodes' stations.
    `weight_bytes` holds each model's weights by layer; weights are drawn from `weights_seed`."""

    version: int
    weights_seed: int
    broker: Address | None
    addresses: Mapping[str, Address]
    computers: Mapping[str, Computer]
    weight_bytes: Mapping[str, tuple[int, ...]]
    plans: tuple[StationPlan, ...]
    jobs: tuple[StationJob, ...]
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        if self.version != SCHEDULE_VERSION:
            raise ValueError(f"version={self.version}: must be {SCHEDULE_VERSION}")
        for index, plan in enumerate(self.plans):
            self._check_plan(f"plans[{index}]", plan)
        for index, job in enumerate(self.jobs):
            if not 0 <= job.plan < len(self.plans):
                raise ValueError(f"jobs[{index}].plan={job.plan}: must be the number of a plan")
            if len(job.service_ns) != self.steps(job) * len(self.plans[job.plan].placement):
                raise ValueError(f"jobs[{index}].service_ns: must be one time for each visit to a node")

    def _check_plan(self, path: str, plan: StationPlan) -> None:
        if plan.source not in self.addresses:
            raise ValueError(f"{path}.source={plan.source}: must have an address")
        for node, first, stop in plan.placement:
            if node not in self.addresses or node not in self.computers:
                raise ValueError(f"{path}.placement: {node}: must have an address and a computer")
            if not 0 <= first < stop <= len(self.weight_bytes.get(plan.model, ())):
                raise ValueError(f"{path}.placement: {first}-{stop}: must be layers of {plan.model}")

    def plan(self, job: StationJob) -> StationPlan:
        """Return the plan of a job."""
        return self.plans[job.plan]

    def steps(self, job: StationJob) -> int:
        """Return the number of passes of a job through its partitions (`emulator.simulation.task_steps.steps`)."""
        plan = self.plans[job.plan]
        return max(1, job.output_tokens) if plan.tokens and len(plan.placement) > 1 else 1

    def modelled_ns(self, job: StationJob, step: int, stage: int) -> int:
        """Return the modelled service time of a visit."""
        return job.service_ns[step * len(self.plans[job.plan].placement) + stage]

    def first_leg(self, job: StationJob) -> Leg:
        """The way of a job's input to its first partition."""
        plan = self.plans[job.plan]
        return Leg(0, 0, plan.placement[0].node, job.prompt_tokens * TOKEN_BYTES or plan.input_bytes)

    def next_leg(self, job: StationJob, step: int, stage: int) -> Leg:
        """Where a job goes from its visit to partition `stage` in pass `step`: to the next partition, into the next
        pass, or back to the source."""
        plan = self.plans[job.plan]
        if stage + 1 < len(plan.placement):
            tokens = job.prompt_tokens if plan.tokens and step == 0 else 1
            return Leg(step, stage + 1, plan.placement[stage + 1].node, plan.output_bytes[stage] * tokens)
        if step + 1 < self.steps(job):
            return Leg(step + 1, 0, plan.placement[0].node, TOKEN_BYTES)
        result_bytes = job.output_tokens * TOKEN_BYTES or plan.result_bytes
        return Leg(step, len(plan.placement), plan.source, result_bytes)

    def begins_at(self, job: StationJob) -> str:
        """Return the node whose station starts a job: its source, or its first partition's node if the input is not
        sent."""
        leg = self.first_leg(job)
        return self.plans[job.plan].source if leg.size_bytes else leg.node

    def ends_at(self, job: StationJob) -> str:
        """Return the node where a job is done: its source, or its last partition's node if the result is not sent."""
        plan = self.plans[job.plan]
        leg = self.next_leg(job, self.steps(job) - 1, len(plan.placement) - 1)
        return leg.node if leg.size_bytes else plan.placement[-1].node

    def partitions_of(self, node: str) -> Iterator[tuple[StationPlan, Partition]]:
        """Yield each partition of a node with its plan."""
        for plan in self.plans:
            for partition in plan.placement:
                if partition.node == node:
                    yield plan, partition


_ADAPTER = TypeAdapter(Schedule)


def write_schedule(path: Path, schedule: Schedule) -> None:
    """Write a schedule as JSON. Raises ValueError if the folder of `path` does not exist."""
    with atomic_write(path) as partial:
        partial.write_bytes(_ADAPTER.dump_json(schedule))


def read_schedule(path: Path) -> Schedule:
    """Read a schedule. Raises ValueError, one line, for an invalid file; OSError without the file."""
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        says = " ".join(first["msg"].removeprefix("Value error, ").split())
        raise ValueError(f"{path}: {where}: {says}" if where else f"{path}: {says}") from None
