"""The schedule file of the stations: every task's arrival, placement and modelled service times.

Importing this imports neither torch nor numba.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from emulator.activation.codecs import CODECS
from emulator.activation.delivery import parse_delivery
from emulator.core.files import atomic_write
from emulator.legs import Leg, LegPlan
from emulator.task import Partition
from emulator.workload import TaskImage
from hil.errors import Malformed
from hil.mqtt.address import Address
from hil.stations.messages import MessageKey

SCHEDULE_VERSION = 6
StationCompute = Literal["measured", "held"]


@dataclass(frozen=True)
class StationPlan:
    """The common properties of the tasks of one source, kind and placement.

    `legs` are what its tasks send and compute, in order; `tokens` marks a language model. Inputs and results of 0
    bytes are not sent, as in the simulation.
    """

    source: str
    kind: str
    model: str
    tokens: bool
    deadline_ns: int
    deadline_ttft_ns: int
    deadline_token_ns: int
    placement: tuple[Partition, ...]
    legs: LegPlan
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        if not self.placement or len(self.legs.once) != len(self.placement):
            raise ValueError(f"legs.once={self.legs.once}: must be one for each partition, of at least one")
        for leg in (*self.legs.once[1:], *self.legs.again[1:]):
            if leg.codec not in CODECS:
                raise ValueError(f"codec={leg.codec}: must be one of {', '.join(CODECS)}")


@dataclass(frozen=True)
class StationJob:
    """One task of plan number `plan`. `service_ns` is the modelled time of each visit to a node, pass by pass and
    partition by partition; a single partition has one visit for all passes. The first partition's input is
    `prompt`, token ids, or the `image`, or without both drawn from `input_seed`. `first_token_ns`: how long the last
    partition's first visit computes until the first output token is known, by the model; None without tokens.
    `decision_ns`: how long after its arrival the task begins."""

    plan: int
    task: int
    arrival_ns: int
    prompt_tokens: int
    output_tokens: int
    input_seed: int
    service_ns: tuple[int, ...]
    first_token_ns: int | None = None
    prompt: tuple[int, ...] = ()
    image: TaskImage | None = None
    decision_ns: int = 0
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


@dataclass(frozen=True)
class StationModel:
    """The folder of a model that is not shipped, on the machine of the stations, and the precision of its weights."""

    folder: str
    dtype: str
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class StationCut:
    """What is known of the activation at a cut: the scalars of a token (an image); their means and those of greatest
    energy first, as far as the delivery needs them."""

    elements: int
    means: tuple[float, ...] = ()
    energy_order: tuple[int, ...] = ()
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class StationDelivery:
    """How the activations of a kind of tasks cross links (`emulator.activation.delivery`), and what is known of them by
    cut; inputs, tokens and results are acknowledged."""

    text: str
    cuts: Mapping[int, StationCut]
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        parse_delivery(self.text)


@dataclass(frozen=True)
class Schedule:
    """The input of all stations. Times are nanoseconds from the start of the run, which stations are told when all are
    ready. Messages go through the `broker`; without one, as datagrams between the `addresses` of the nodes' stations.
    `weight_bytes` holds each model's weights by layer; weights that are not trained are drawn from `weights_seed`;
    `models` are those that are not shipped, by name. `deliveries` are those of the kinds that have one. With `compute`
    held, partitions occupy their nodes for the modelled times and are not computed. A task without an answer
    `failure_ns` after its arrival has failed."""

    version: int
    weights_seed: int
    broker: Address | None
    addresses: Mapping[str, Address]
    computers: Mapping[str, Computer]
    weight_bytes: Mapping[str, tuple[int, ...]]
    plans: tuple[StationPlan, ...]
    jobs: tuple[StationJob, ...]
    failure_ns: int
    compute: StationCompute = "measured"
    models: Mapping[str, StationModel] = field(default_factory=dict)
    deliveries: Mapping[str, StationDelivery] = field(default_factory=dict)
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
            if job.prompt and len(job.prompt) != job.prompt_tokens:
                raise ValueError(f"jobs[{index}].prompt: must be {job.prompt_tokens} tokens")

    def _check_plan(self, path: str, plan: StationPlan) -> None:
        if plan.source not in self.addresses:
            raise ValueError(f"{path}.source={plan.source}: must have an address")
        for node, first, stop, _ in plan.placement:
            if node not in self.addresses or node not in self.computers:
                raise ValueError(f"{path}.placement: {node}: must have an address and a computer")
            if not 0 <= first < stop <= len(self.weight_bytes.get(plan.model, ())):
                raise ValueError(f"{path}.placement: {first}-{stop}: must be layers of {plan.model}")
            if first and plan.kind in self.deliveries and first not in self.deliveries[plan.kind].cuts:
                raise ValueError(f"deliveries.{plan.kind}.cuts: must have the cut {first}")

    def plan(self, job: StationJob) -> StationPlan:
        """Return the plan of a job."""
        return self.plans[job.plan]

    def steps(self, job: StationJob) -> int:
        """Return the number of passes of a job through its partitions."""
        return self.plans[job.plan].legs.steps(job.output_tokens)

    def modelled_ns(self, job: StationJob, step: int, stage: int) -> int:
        """Return the modelled service time of a visit."""
        return job.service_ns[step * len(self.plans[job.plan].placement) + stage]

    def yields_first_token(self, job: StationJob, step: int, stage: int) -> bool:
        """Return whether the visit to partition `stage` in pass `step` yields the first output token."""
        is_last = stage + 1 == len(self.plans[job.plan].placement)
        return job.first_token_ns is not None and step == 0 and is_last

    def leg(self, job: StationJob, index: int) -> Leg:
        """Return the leg number `index` of a job."""
        return self.plans[job.plan].legs.leg(index, job.prompt_tokens, job.output_tokens)

    def next_leg(self, job: StationJob, step: int, stage: int) -> Leg:
        """Return the leg after the visit to partition `stage` in pass `step`."""
        return self.leg(job, step * len(self.plans[job.plan].placement) + stage + 1)

    def leg_to(self, node: str, key: MessageKey) -> Leg:
        """Return the leg whose message to `node` has this key. Raises Malformed if there is none."""
        if key.job < len(self.jobs):
            job = self.jobs[key.job]
            index = key.step * len(self.plans[job.plan].placement) + key.stage
            if index <= len(job.service_ns):
                leg = self.leg(job, index)
                crosses = leg.size_bytes > 0 and leg.source != leg.target == node
                if crosses and (leg.step, leg.stage) == (key.step, key.stage):
                    return leg
        raise Malformed(f"message: stage {key.stage} in pass {key.step} of job {key.job}: {node} receives none for it")

    def require_size(self, job: StationJob, step: int, stage: int, size_bytes: int) -> None:
        """Raise Malformed unless the message to partition `stage` in pass `step` has this size."""
        expected = self.leg(job, step * len(self.plans[job.plan].placement) + stage).size_bytes
        if size_bytes != expected:
            raise Malformed(f"message: {size_bytes} bytes: must be {expected}")

    def begins_at(self, job: StationJob) -> str:
        """Return the node whose station starts a job: its source, or its first partition's node if the input is not
        sent."""
        leg = self.leg(job, 0)
        return leg.source if leg.size_bytes else leg.target

    def ends_at(self, job: StationJob) -> str:
        """Return the node where a job is done: its source, or its last partition's node if the result is not sent."""
        leg = self.leg(job, len(job.service_ns))
        return leg.target if leg.size_bytes else leg.source

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
