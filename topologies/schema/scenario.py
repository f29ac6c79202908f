"""What a scenario file may say: pydantic models, every key with its unit in its name.

kB are 1000 bytes and MB 1 000 000. Sections refuse unknown keys and never change. What one key
alone cannot tell (names that must exist, memory that must suffice) `topologies.loading.checks` looks after.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from emulator.system import Role
from topologies.schema.base import (
    TEMPLATE,
    Count,
    Label,
    Names,
    NodeName,
    NotNegative,
    Positive,
    Section,
    Seed,
    Speed,
    rule,
)
from topologies.schema.cells import CellSection
from topologies.schema.links import LinkSection
from topologies.schema.realtime import RealtimeSection
from topologies.schema.workloads import TaskSection

ALL = "all"  # as a task's source: every UE


class NodeSection(Section):
    """A place in the topology; with `count`, as many places named by a number in the place of `{i}`."""

    name: NodeName
    role: Role
    device: str | None = None
    """Name of one of `devices`; a node without one only forwards."""
    count: Count | None = None

    @model_validator(mode="after")
    def _template(self) -> Self:
        if (TEMPLATE in self.name) != (self.count is not None):
            raise rule("must give count with a name that holds {i}, and only then")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the nodes that this entry stands for."""
        if self.count is None:
            return (self.name,)
        return tuple(self.name.replace(TEMPLATE, str(i)) for i in range(1, self.count + 1))


class DeviceSection(Section):
    """A computer: how fast, how large, how hungry."""

    compute_gflops: Speed
    """Billions of floating-point operations per second (a multiply-accumulate is two)."""
    memory_mb: Positive
    memory_gb_per_s: Speed
    """How fast weights are read while computing."""
    load_mb_per_s: Speed = 1_000.0
    """How fast weights come into memory when they are not resident."""
    layer_overhead_us: NotNegative = 0.0
    queue_tasks: Count = 1_000
    idle_power_w: NotNegative = 0.0
    busy_power_w: NotNegative = 0.0
    transmit_power_w: NotNegative = 0.0
    receive_power_w: NotNegative = 0.0


class ControlSection(Section):
    """Who decides, and how old what it hears of the others is."""

    node: NodeName
    observation_age_ms: NotNegative = 0.0
    measurement_window_ms: Annotated[float, Field(ge=0.001, le=1e9)] = 100.0


class CostSection(Section):
    """What policies are judged by: seconds of delay, and for a failure or an erased activation these."""

    failure_s: Positive
    erasure_s: NotNegative = 0.0
    """Must be above 0 where a bearer is `um`."""


class PlainSection(Section):
    """A policy that needs no settings."""

    type: Literal["random", "all-device", "all-edge", "greedy", "exact"]
    label: Label | None = None


class SplitSection(Section):
    """Layers before `cut` at the task's source, the others at `node`."""

    cut: Annotated[int, Field(ge=0)]
    node: NodeName


class FixedSection(Section):
    """The same split for every task of a name."""

    type: Literal["fixed"]
    label: Label | None = None
    splits: Annotated[dict[str, SplitSection], Field(min_length=1)]


class LearnedSection(Section):
    """A trained agent; without a checkpoint it is trained briefly before the run."""

    type: Literal["ppo", "a3c"]
    label: Label | None = None
    checkpoint: str | None = None
    settings: dict[str, bool | int | float | str] = Field(default_factory=dict)


class ReplaySection(Section):
    """Decisions made before, a JSON object a line: `source`, `kind`, `task`, `placement`."""

    type: Literal["replay"]
    label: Label | None = None
    file: str


class CustomSection(Section):
    """A class of the user's own, `module:Class`, made with `options` as keyword arguments."""

    type: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    label: Label | None = None
    options: dict[str, Any] = Field(default_factory=dict)


def _policy_tag(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    tags = {"fixed": "fixed", "ppo": "learned", "a3c": "learned", "replay": "replay"}
    return tags.get(str(kind), "custom" if ":" in str(kind) else "plain")


PolicySection = Annotated[
    Annotated[PlainSection, Tag("plain")]
    | Annotated[FixedSection, Tag("fixed")]
    | Annotated[LearnedSection, Tag("learned")]
    | Annotated[ReplaySection, Tag("replay")]
    | Annotated[CustomSection, Tag("custom")],
    Discriminator(_policy_tag),
]


def label_of(policy: PlainSection | FixedSection | LearnedSection | ReplaySection | CustomSection) -> str:
    """The name that a policy's rows carry."""
    return policy.label or policy.type.rpartition(":")[2]


class TrainingSection(Section):
    """How agents without a checkpoint are trained: on other channels and arrivals than the run's."""

    steps: Count = 150_000
    seed: Seed = 1
    traces: Annotated[int, Field(ge=1, le=1_000)] = 4
    """How many systems, with a channel and arrivals of their own each, training draws from."""
    duration_s: Positive = 60.0


class WorkerSection(Section):
    """A process on a real machine that stands for one or several nodes."""

    nodes: Names
    time_scale: Positive = 1.0
    """A node's time is the worker's measured time, times this."""


class HilSection(Section):
    """Which workers run whose partitions, and for which policies."""

    workers: Annotated[dict[Label, WorkerSection], Field(min_length=1)]
    policies: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    duration_s: Positive
    """From the start of the run; no longer than it."""


class Scenario(Section):
    """Everything that a run depends on, beside the files that it names."""

    name: Label
    seed: Seed
    duration_s: Annotated[float, Field(gt=0, le=1e6)]
    nodes: Annotated[tuple[NodeSection, ...], Field(strict=False, min_length=1)]
    devices: Annotated[dict[str, DeviceSection], Field(min_length=1)]
    cells: dict[str, CellSection] = Field(default_factory=dict)
    """The base station at each of these nodes, for links with `radio`."""
    links: Annotated[tuple[LinkSection, ...], Field(strict=False)] = ()
    models: dict[str, str] = Field(default_factory=dict)
    """A model's profile, where it is not the shipped one of that name: another shipped name, or a JSON file."""
    tasks: Annotated[tuple[TaskSection, ...], Field(strict=False, min_length=1)]
    control: ControlSection
    cost: CostSection
    policies: Annotated[tuple[PolicySection, ...], Field(strict=False, min_length=1)]
    training: TrainingSection = TrainingSection()
    hil: HilSection | None = None
    realtime: RealtimeSection = RealtimeSection()
    broker: NodeName | None = None
    """Node that all activations pass through."""
    preload: bool = True
    """Whether weights are resident at the start."""

    def node_entries(self) -> Iterator[tuple[int, str, NodeSection]]:
        """(index of the entry, name, entry) of every node, copies included."""
        for index, node in enumerate(self.nodes):
            for name in node.names:
                yield index, name, node

    def link_entries(self) -> Iterator[tuple[int, str, str, LinkSection]]:
        """(index of the entry, one end, other end, entry) of every link, one for each copy of its ends."""
        counts = {node.name: node.count for node in self.nodes if node.count is not None}
        for index, link in enumerate(self.links):
            a, b = link.between
            copies = min((counts[end] for end in (a, b) if end in counts), default=1)
            for i in range(1, copies + 1):
                yield index, a.replace(TEMPLATE, str(i)), b.replace(TEMPLATE, str(i)), link

    def cell_entries(self) -> Iterator[tuple[str, CellSection]]:
        """(name of the node, section) of every cell, one for each copy of its node."""
        for _, name, node in self.node_entries():
            if node.name in self.cells:
                yield name, self.cells[node.name]

    def cell_at(self, name: str) -> CellSection | None:
        """The cell of the node of that name, where it has one."""
        return dict(self.cell_entries()).get(name)

    def cell_path(self, station: str) -> str:
        """Where the cell of that node stands: `cells.` and the name of the node's entry."""
        return next(f"cells.{node.name}" for _, name, node in self.node_entries() if name == station)

    def names_of(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Node names with templates replaced by their copies, and `all` by every UE."""
        copies = {node.name: node.names for node in self.nodes}
        copies[ALL] = tuple(name for _, name, node in self.node_entries() if node.role == "ue")
        return tuple(dict.fromkeys(copy for name in names for copy in copies.get(name, (name,))))

    @property
    def labels(self) -> tuple[str, ...]:
        """The policies' labels, by default their types."""
        return tuple(label_of(policy) for policy in self.policies)
