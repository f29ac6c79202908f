"""The scenario and its sections as pydantic models. The names of keys end in their units.

1 kB is 1000 bytes, 1 MB 1 000 000 bytes. Sections refuse unknown keys and are immutable. `topologies.loading`
checks conditions over several keys, such as names that must exist and memory that must suffice.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, model_validator

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
)
from topologies.schema.cells import CellSection
from topologies.schema.defaults import with_link_defaults
from topologies.schema.failures import FailuresSection, OutageSection
from topologies.schema.groups import GroupsSection
from topologies.schema.links import LinkSection
from topologies.schema.models import ModelEntry
from topologies.schema.nodes import DeviceSection, NodeSection
from topologies.schema.policies import PolicySection, TrainingEnvironment, label_of
from topologies.schema.realtime import RealtimeSection
from topologies.schema.workloads import TaskSection

ALL = "all"  # source of a task: every UE


class ControlSection(Section):
    """Node of the decision maker, and the age of its observations of other nodes."""

    node: NodeName
    """Node of the decision maker; its own device is observed without delay."""
    observation_age_ms: NotNegative = 0.0
    """Age of the observed rates and backlogs of all other nodes; default 0, current values."""
    measurement_window_ms: Annotated[float, Field(ge=0.001, le=1e9)] = 100.0
    """Window over which an observed rate is the average; it ends `observation_age_ms` ago."""


class CostSection(Section):
    """Cost of a task, in seconds: its delay, and what a failure, erased activations, a worse answer, energy cost."""

    failure_s: Positive
    """Cost of a failed task; at least the longest deadline of `tasks`."""
    erasure_s: NotNegative = 0.0
    """Must be above 0 where a bearer is `um` and loses activations of a task that `quality_s` does not name."""
    quality_s: dict[str, NotNegative] = Field(default_factory=dict)
    """What a worse answer costs, by the name of the task: seconds for one nat a token (language models) or for all
    answers wrong (vision); default: nothing, the quality of answers is not recorded."""
    energy_s_per_j: NotNegative = 0.0
    """What the energy costs that a task draws on devices and radios, in seconds for one joule; 0 where tasks run in
    real time, whose energy is not measured."""


class TrainingSection(Section):
    """Training of agents without a checkpoint, on other channels and arrivals than the run's."""

    environment: TrainingEnvironment = "split-inference"
    """`split-inference`: each task is alone; `offload`: tasks meet in the running system, whose queues agents observe.
    Default: split-inference."""
    steps: Count = 150_000
    """Number of tasks that an agent places in training, unless its `settings` give `total_timesteps`."""
    seed: Seed = 1
    """Seed of the training: of its channels, arrivals and agents."""
    traces: Annotated[int, Field(ge=1, le=1_000)] = 4
    """Number of training systems, each with its own channels and arrivals."""
    duration_s: Positive = 60.0
    """Duration of each training system's channels and arrivals."""
    validation_traces: Annotated[int, Field(ge=0, le=1_000)] = 0
    """Number of further systems, with channels and arrivals of their own, on which agents in training are validated;
    the best validated parameters are kept. 0: agents are not validated, the last parameters are kept."""
    patience: Count = 10
    """Training stops after so many points of its learning curve in a row (of about 50) without a better validation."""


class WorkerSection(Section):
    """A process on a real machine that runs the partitions of one or several nodes."""

    nodes: Names
    """Names of the nodes whose partitions the worker runs, each with a device and no other worker."""
    time_scale: Positive = 1.0
    """Factor from the worker's measured time to the node's time."""


class HilSection(Section):
    """Hardware in the loop: the workers, and the policies whose partitions they run."""

    workers: Annotated[dict[Label, WorkerSection], Field(min_length=1)]
    """Workers by name, as in `airsplit worker --name`; every node with a device must have one."""
    policies: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    """Labels of the policies whose tasks the workers run."""
    duration_s: Positive
    """Time from the start of the run; at most the scenario's `duration_s`."""


class Scenario(Section):
    """Complete description of a run, except the contents of the files that it names."""

    name: Label
    """Name of the scenario, in manifests and reports."""
    seed: Seed
    """Seed of all random draws of the run; those of the training of agents have `training.seed`."""
    channel_seed: Seed | None = None
    """Seed of the UEs' random movement and of generated channels; default: `seed`. With one of its own, the same
    channel can be met by other arrivals."""
    duration_s: Annotated[float, Field(gt=0, le=1e6)]
    """Time in which tasks arrive, from the start of the run; tasks that have arrived are carried to their end."""
    nodes: Annotated[tuple[NodeSection, ...], Field(strict=False, min_length=1)]
    """Nodes of the topology; their order decides ties, such as between equal placements."""
    devices: Annotated[dict[str, DeviceSection], Field(min_length=1)]
    """Computers by name, for `device` of a node."""
    cells: dict[str, CellSection] = Field(default_factory=dict)
    """Base station at each of these nodes, for links with `radio`."""
    links: Annotated[tuple[LinkSection, ...], Field(strict=False)] = ()
    """Links of two nodes; every node that takes part must be reachable over them."""
    models: dict[str, ModelEntry] = Field(default_factory=dict)
    """Source of a model, or its profile alone: a shipped model's name, or a JSON file; default: the shipped model of
    its name."""
    tasks: Annotated[tuple[TaskSection, ...], Field(strict=False, min_length=1)]
    """Kinds of inference tasks that UEs request."""
    control: ControlSection
    """Where placements are decided, and what is known there."""
    cost: CostSection
    """Cost by which policies are compared."""
    policies: Annotated[tuple[PolicySection, ...], Field(strict=False, min_length=1)]
    """Policies to compare, each in a run of its own on the same channels and arrivals."""
    training: TrainingSection = TrainingSection()
    """Training of the agents among `policies` that have no `checkpoint`."""
    hil: HilSection | None = None
    """Workers and policies of `airsplit run --hil`; default: none, the scenario cannot be run so."""
    failures: FailuresSection | None = None
    """Outages of nodes and links; default: none."""
    realtime: RealtimeSection = RealtimeSection()
    """Settings of an emulation in real time (`airsplit emulate`)."""
    groups: GroupsSection | None = None
    """Deployment groups of `airsplit groups`; default: none, the scenario has none."""
    broker: NodeName | None = None
    """Node of the broker through which all activations pass."""
    preload: bool = True
    """Whether weights are in memory at the start."""

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, values: Any) -> Any:
        return with_link_defaults(values) if isinstance(values, dict) else values

    def node_entries(self) -> Iterator[tuple[int, str, NodeSection]]:
        """Yield (index of the entry, name, entry) of every node, copies included."""
        for index, node in enumerate(self.nodes):
            for name in node.names:
                yield index, name, node

    def link_entries(self) -> Iterator[tuple[int, str, str, LinkSection]]:
        """Yield (index of the entry, one end, other end, entry) of every link, copies included, each with the files and
        offsets of its number."""
        for index, link in enumerate(self.links):
            is_template = any(TEMPLATE in end for end in link.between)
            for number, (a, b) in enumerate(self.copies_of(link.between), 1):
                yield index, a, b, link.of_copy(number) if is_template else link

    def copies_of(self, ends: tuple[str, str]) -> list[tuple[str, str]]:
        """Return the pairs of nodes that the two ends of a link stand for: those of a template have the same number."""
        counts = {node.name: node.count for node in self.nodes if node.count is not None}
        copies = min((counts[end] for end in ends if end in counts), default=1)
        named = [
            [end.replace(TEMPLATE, str(i)) if end in counts else end for end in ends] for i in range(1, copies + 1)
        ]
        return [(a, b) for a, b in named]

    def outage_entries(self) -> Iterator[tuple[int, str | tuple[str, str], OutageSection]]:
        """Yield (index of the entry, node or two ends of a link, entry) of every outage, copies included. The ends of a
        link are in the order of `links`."""
        linked = {frozenset((a, b)): (a, b) for _, a, b, _ in self.link_entries()}
        for index, outage in enumerate(self.failures.outages if self.failures is not None else ()):
            for name in self.names_of(() if outage.node is None else (outage.node,)):
                yield index, name, outage
            for ends in [] if outage.link is None else self.copies_of(outage.link):
                yield index, linked.get(frozenset(ends), ends), outage

    def cell_entries(self) -> Iterator[tuple[str, CellSection]]:
        """Yield (name of the node, section) of every cell, copies included."""
        for _, name, node in self.node_entries():
            if node.name in self.cells:
                yield name, self.cells[node.name]

    def cell_at(self, name: str) -> CellSection | None:
        """Return the cell at a node, or None."""
        entries = (node.name for node in self.nodes if node.stands_for(name))
        return self.cells.get(next(entries, ""))

    def cell_path(self, station: str) -> str:
        """Return the path of a node's cell in the file: `cells.` and the name of the node's entry."""
        return next(f"cells.{node.name}" for node in self.nodes if node.stands_for(station))

    def names_of(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return node names, with templates replaced by their copies and `all` by every UE."""
        copies = {node.name: node.names for node in self.nodes}
        copies[ALL] = tuple(name for _, name, node in self.node_entries() if node.role == "ue")
        return tuple(dict.fromkeys(copy for name in names for copy in copies.get(name, (name,))))

    @property
    def seed_of_channels(self) -> int:
        """Return the seed of the UEs' random movement and of generated channels."""
        return self.seed if self.channel_seed is None else self.channel_seed

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the policies' labels; default: their types."""
        return tuple(label_of(policy) for policy in self.policies)
