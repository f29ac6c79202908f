"""The policies of a scenario as pydantic models."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from topologies.schema.base import Label, NodeName, NotNegative, Positive, Probability, Section, section_error
from topologies.schema.workloads import CodecName

TrainingEnvironment = Literal["split-inference", "offload"]


class PlainSection(Section):
    """A policy without settings."""

    type: Literal[
        "random", "all-device", "all-edge", "greedy", "exact", "single-cut", "min-cut", "viterbi", "device-subsets",
        "dads", "edgent", "even-split", "random-blocks"
    ]  # fmt: skip
    """Policy: random, whole model at the source, whole model at the nearest edge server, least backlog, or least
    estimated delay; the four from `single-cut` on as if nothing waited: of the candidates with one cut (two solvers),
    of all paths over the nodes, or of the paths with each node at most once; the last four as published: DADS, Edgent,
    and the even and the random placement of blocks (APDI, RPDI)."""
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


class NeurosurgeonSection(Section):
    """The cut with the least latency or energy by regressions of layers' times (Kang et al., ASPLOS 2017)."""

    type: Literal["neurosurgeon"]
    """Neurosurgeon."""
    label: Label | None = None
    """Name of the policy in records and tables, unique in the scenario; default: its type, of a class its name."""
    objective: Literal["latency", "energy"] = "latency"
    """What is least: the latency, or the energy of the source."""


class LinUcbSection(Section):
    """A contextual bandit: learns while it runs how far estimated costs are from those that tasks have."""

    type: Literal["linucb"]
    """LinUCB over the parts of each candidate's estimated cost, which forgets (D-LinUCB)."""
    label: Label | None = None
    """Name of the policy in records and tables, unique in the scenario; default: its type, of a class its name."""
    alpha: NotNegative = 0.05
    """Weight of the uncertainty: the more, the more is tried; 0 tries nothing for its own sake."""
    discount: Annotated[float, Field(gt=0, le=1)] = 0.99
    """Weight of a task for each later one of its name: 0.99 remembers about 100; 1 forgets nothing."""
    ridge: Positive = 20.0
    """Weight of the estimates, as a number of tasks."""


class CusumUcbSection(Section):
    """A split that adapts: learns while it runs which servers to use, anew where their costs have changed."""

    type: Literal["cusum-ucb"]
    """UCB over sets of servers with a CUSUM test for changes of each."""
    label: Label | None = None
    """Name of the policy in records and tables, unique in the scenario; default: its type, of a class its name."""
    exploration: NotNegative = 0.1
    """Weight of the uncertainty: the more, the more is tried."""
    random_share: Probability = 0.01
    """Share of the tasks that try servers at random, so that changes are found where nothing is sent."""
    prior: Positive = 20.0
    """Weight of the estimates, as a number of tasks."""
    drift: NotNegative = 0.5
    """Changes of less than twice as many standard deviations are ignored."""
    threshold: Positive = 5.0
    """Sum of the standard deviations beyond `drift` that raises an alarm: with 5 and a drift of 0.5, a false one every
    465 tasks."""


class ReplaySection(Section):
    """Replay of recorded decisions: JSON Lines with the keys `source`, `kind`, `task`, `placement`."""

    type: Literal["replay"]
    """Recorded decisions."""
    label: Label | None = None
    """Name of the policy in records and tables, unique in the scenario; default: its type, of a class its name."""
    file: str
    """File of the decisions, one JSON object a line."""


class ForeignSection(Section):
    """A network that another library has trained on one of the project's environments."""

    label: Label | None = None
    """Name of the policy in records and tables, unique in the scenario; default: its type, of a class its name."""
    file: str
    """File of the network."""
    environment: TrainingEnvironment | None = None
    """Environment whose observations the network takes; default: the one whose observations have the size of its
    input."""
    decision_ms: Annotated[float, Field(ge=0, le=1_000)] = 0.1
    """Time that the network takes to decide: a task begins so long after its arrival."""


class OnnxSection(ForeignSection):
    """A network in ONNX, from the features of an observation to a score for each choice."""

    type: Literal["onnx"]
    """A network in ONNX."""
    input: str | None = None
    """Name of the input that takes the features; default: the first one."""
    mask_input: str | None = None
    """Name of the input that takes the mask of the allowed choices; default: the other one, if there are two."""
    output: str | None = None
    """Name of the output with a score for each choice, such as a logit or a value; default: the first one."""


class StableBaselinesSection(ForeignSection):
    """A model that Stable-Baselines3 or sb3-contrib has saved."""

    type: Literal["sb3"]
    """A model of Stable-Baselines3 or sb3-contrib."""
    algorithm: Literal["PPO", "A2C", "DQN", "MaskablePPO", "RecurrentPPO", "TRPO", "QRDQN"]
    """Class of the model; the last four are of sb3-contrib."""
    trust: bool = False
    """Whether the file may run code on this machine, as every pickle can; without `true` it is not loaded."""

    @model_validator(mode="after")
    def _is_trusted(self) -> Self:
        if not self.trust:
            raise section_error(
                "must have trust: true: files of Stable-Baselines3 are pickles, which can run any code when they are "
                "loaded; type onnx needs no trust"
            )
        return self


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
    tags = {"ppo": "learned", "a2c": "learned", "a3c": "learned"}
    tags |= {name: name for name in ("fixed", "replay", "neurosurgeon", "linucb", "cusum-ucb", "onnx", "sb3")}
    return tags.get(str(kind), "custom" if ":" in str(kind) else "plain")


PolicySection = Annotated[
    Annotated[PlainSection, Tag("plain")]
    | Annotated[FixedSection, Tag("fixed")]
    | Annotated[LearnedSection, Tag("learned")]
    | Annotated[NeurosurgeonSection, Tag("neurosurgeon")]
    | Annotated[LinUcbSection, Tag("linucb")]
    | Annotated[CusumUcbSection, Tag("cusum-ucb")]
    | Annotated[ReplaySection, Tag("replay")]
    | Annotated[OnnxSection, Tag("onnx")]
    | Annotated[StableBaselinesSection, Tag("sb3")]
    | Annotated[CustomSection, Tag("custom")],
    Discriminator(_policy_tag),
]


def label_of(policy: PolicySection) -> str:
    """Return the name of a policy in records and tables."""
    return policy.label or policy.type.rpartition(":")[2]
