"""The policies of a scenario as pydantic models."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from topologies.schema.base import Label, NodeName, Section
from topologies.schema.workloads import CodecName

TrainingEnvironment = Literal["split-inference", "offload"]


class PlainSection(Section):
    """A policy without settings."""

    type: Literal[
        "random", "all-device", "all-edge", "greedy", "exact", "single-cut", "min-cut", "viterbi", "device-subsets"
    ]
    """Policy: random, whole model at the source, whole model at the nearest edge server, least backlog, or least
    estimated delay; the last four as if nothing waited: of the candidates with one cut (two solvers), of all paths over
    the nodes, or of the paths with each node at most once."""
    label: Label | None = None
    """Name of the policy in records and tables, unique in the scenario; default: its type, of a class its name."""


class SplitSection(Section):
    """Layers before `cut` run at the task's source, the others at `node`."""

    cut: Annotated[int, Field(ge=0)]
    """Number of layers at the source: 0 to the number of layers of the task's model."""
    node: NodeName
    """Node of the other layers; it must have a device and be no UE."""
    codec: CodecName | None = None
    """Codec of the activation, one of the task's `activation`; default: the first of them."""


class FixedSection(Section):
    """A fixed split for each task name."""

    type: Literal["fixed"]
    """The same split for all tasks of a name."""
    label: Label | None = None
    """Name of the policy in records and tables, unique in the scenario; default: its type, of a class its name."""
    splits: Annotated[dict[str, SplitSection], Field(min_length=1)]
    """Split by the name of the task; every task must have one."""


class LearnedSection(Section):
    """A trained agent; without a checkpoint it is trained before the run."""

    type: Literal["ppo", "a2c", "a3c"]
    """Algorithm: proximal policy optimisation, or advantage actor-critic, synchronous or asynchronous."""
    label: Label | None = None
    """Name of the policy in records and tables, unique in the scenario; default: its type, of a class its name."""
    decision_ms: Annotated[float, Field(ge=0, le=1_000)] = 0.1
    """Time that the agent takes to decide: a task begins so long after its arrival. Default: about what one processor
    takes for the quickstart's agents."""
    checkpoint: str | None = None
    """File of a trained agent, as `airsplit train` writes it; default: trained before the run."""
    environment: TrainingEnvironment | None = None
    """Environment of the training; default: `training.environment`."""
    settings: dict[str, bool | int | float | str] = Field(default_factory=dict)
    """Settings of the training by CleanRL's names, such as `learning_rate`; default: those of the algorithm."""


class ReplaySection(Section):
    """Replay of recorded decisions: JSON Lines with the keys `source`, `kind`, `task`, `placement`."""

    type: Literal["replay"]
    """Recorded decisions."""
    label: Label | None = None
    """Name of the policy in records and tables, unique in the scenario; default: its type, of a class its name."""
    file: str
    """File of the decisions, one JSON object a line."""


class CustomSection(Section):
    """A class of the user's own, `module:Class`, constructed with `options` as keyword arguments."""

    type: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    """Class of the policy, as `module:Class`."""
    label: Label | None = None
    """Name of the policy in records and tables, unique in the scenario; default: its type, of a class its name."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the class; default: none."""


def _policy_tag(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    tags = {"fixed": "fixed", "ppo": "learned", "a2c": "learned", "a3c": "learned", "replay": "replay"}
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
    """Return the name of a policy in records and tables."""
    return policy.label or policy.type.rpartition(":")[2]
