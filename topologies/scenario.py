"""What a scenario file may say: pydantic models, every key with its unit in its name.

kB are 1000 bytes and MB 1 000 000. Sections refuse unknown keys and never change. What one key
alone cannot tell (names that must exist, memory that must suffice) `topologies.checks` looks after.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from emulator.system import Bearer, Role

TEMPLATE = "{i}"  # in a node's name: the number of the copy, from 1
MOST_LOSS = 0.9  # of an acknowledged bearer: ten attempts a fragment on average
ALL = "all"  # as a task's source: every UE

Positive = Annotated[float, Field(gt=0, le=1e9)]
NotNegative = Annotated[float, Field(ge=0, le=1e9)]
Rate = Annotated[float, Field(gt=0, le=1e6)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
NodeName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\{i\})?$", max_length=64)]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", max_length=64)]
Interval = Annotated[tuple[NotNegative, Positive], Field(strict=False)]


def rule(text: str) -> PydanticCustomError:
    """An error of a section whose text is the rule that was broken, as the user reads it."""
    return PydanticCustomError("rule", "{text}", {"text": text})


def _between_0_and_1(value: float) -> float:
    if not 0 <= value <= 1:
        raise PydanticCustomError("value_rule", "{text}", {"text": "must be between 0 and 1"})
    return value


Probability = Annotated[float, AfterValidator(_between_0_and_1), Field(json_schema_extra={"minimum": 0, "maximum": 1})]


def exactly_one(section: BaseModel, *names: str) -> None:
    """Raise unless one of the named keys is given, and only one."""
    if sum(getattr(section, name) is not None for name in names) != 1:
        raise rule(f"must give exactly one of {', '.join(names)}")


class Section(BaseModel):
    """Part of a scenario: no unknown keys, no conversions, no changes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Names = Annotated[
    tuple[str, ...],
    Field(strict=False, min_length=1),
    BeforeValidator(_one_or_many),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


class Node(Section):
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


class Device(Section):
    """A computer: how fast, how large, how hungry."""

    compute_gflops: Positive
    """Billions of floating-point operations per second (a multiply-accumulate is two)."""
    memory_mb: Positive
    memory_gb_per_s: Positive
    """How fast weights are read while computing."""
    load_mb_per_s: Positive = 1_000.0
    """How fast weights come into memory when they are not resident."""
    layer_overhead_us: NotNegative = 0.0
    queue_tasks: Count = 1_000
    idle_power_w: NotNegative = 0.0
    busy_power_w: NotNegative = 0.0
    transmit_power_w: NotNegative = 0.0
    receive_power_w: NotNegative = 0.0


class TraceFile(Section):
    """A recording. A part of it can be set aside for training agents."""

    file: str
    format: Literal["parquet", "mahimahi", "rate", "csv"] = "parquet"
    columns: str | None = None
    """For `csv`: which preset says what the columns mean."""
    scale: Positive = 1.0
    interval_s: Interval | None = None
    """The part that is replayed; without it, all."""
    training_interval_s: Interval | None = None
    """The part that agents are trained on; must not overlap with `interval_s`."""

    @model_validator(mode="after")
    def _intervals(self) -> Self:
        for interval in (self.interval_s, self.training_interval_s):
            if interval is not None and interval[0] >= interval[1]:
                raise rule(f"interval [{interval[0]:g}, {interval[1]:g}]: must start before it ends")
        if self.training_interval_s is not None:
            if self.interval_s is None:
                raise rule("must give interval_s beside training_interval_s")
            if self.interval_s[0] < self.training_interval_s[1] and self.training_interval_s[0] < self.interval_s[1]:
                raise rule("interval_s and training_interval_s must not overlap: training and test share no data")
        return self


class Direction(Section):
    """What one direction of a radio link can carry: a generated channel, a recording, or a constant rate."""

    trace: TraceFile | None = None
    rate_mbps: Rate | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "trace", "rate_mbps")
        return self


class Ramp(Section):
    """After `idle_ms` without traffic, the next message starts `delay_ms` later."""

    idle_ms: NotNegative
    delay_ms: NotNegative


class Link(Section):
    """A connection of two nodes: wired (`rate_mbps`, the same both ways) or radio (`uplink` and `downlink`)."""

    between: Annotated[tuple[NodeName, NodeName], Field(strict=False)]
    rate_mbps: Rate | None = None
    uplink: Direction | None = None
    """From the UE to the other end."""
    downlink: Direction | None = None
    delay_ms: NotNegative = 0.0
    """Propagation, one way."""
    loss: Probability = 0.0
    """Probability that a fragment is lost on one attempt."""
    queue_kb: Positive = 10_000.0
    bearer: Bearer = "am"
    """`am`: retransmitted until it arrives, which takes time; `um`: never, which costs quality."""
    fragment_bytes: Count = 1_500
    retransmission_ms: NotNegative = 0.0
    ramp: Ramp | None = None

    @model_validator(mode="after")
    def _kind(self) -> Self:
        radio = self.uplink is not None and self.downlink is not None
        if (self.rate_mbps is None) != radio or (self.uplink is None) != (self.downlink is None):
            raise rule("must give either rate_mbps, or uplink and downlink")
        if self.bearer == "am" and self.loss > MOST_LOSS:
            raise rule(f"loss must be at most {MOST_LOSS} on an acknowledged bearer, or messages take for ever")
        return self


class Poisson(Section):
    """Independent exponential gaps."""

    rate_per_s: Positive


class Periodic(Section):
    """One arrival each interval."""

    interval_ms: Annotated[float, Field(ge=0.001, le=1e9)]
    phase_ms: NotNegative = 0.0


class Recorded(Section):
    """Arrivals as they were: given here, or in a JSON file with the same keys."""

    file: str | None = None
    arrival_ns: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)] | None = None
    prompt_tokens: Annotated[tuple[Count, ...], Field(strict=False)] = ()
    output_tokens: Annotated[tuple[Count, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _source(self) -> Self:
        exactly_one(self, "file", "arrival_ns")
        arrivals = self.arrival_ns or ()
        if any(a > b for a, b in pairwise(arrivals)):
            raise rule("arrival_ns must not decrease")
        if {len(self.prompt_tokens), len(self.output_tokens)} - {len(arrivals)} and (
            self.prompt_tokens or self.output_tokens
        ):
            raise rule("prompt_tokens and output_tokens must be as many as arrival_ns")
        return self


class Arrivals(Section):
    """When tasks are asked for, at each source by itself."""

    poisson: Poisson | None = None
    periodic: Periodic | None = None
    recorded: Recorded | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "poisson", "periodic", "recorded")
        return self


class Tokens(Section):
    """Lengths of requests to a language model: geometric with these means, cut at these maxima."""

    prompt_mean: Count
    prompt_max: Count
    output_mean: Count
    output_max: Count


class Task(Section):
    """A sort of inference that some UEs ask for."""

    name: Label
    model: str
    sources: Names
    """Names of UEs, or `all`."""
    arrivals: Arrivals
    deadline_ms: Positive
    input_kb: NotNegative = 0.0
    """The encoded input, where the first layer runs elsewhere (language models send token ids instead)."""
    result_kb: NotNegative = 0.0
    activation: Literal["int8", "fp16", "fp32"] = "int8"
    """Precision of activations on the air."""
    tokens: Tokens | None = None
    cuts: Annotated[tuple[Count, ...], Field(strict=False)] | None = None
    """Cuts that are allowed, cut c lying before layer c; without it, every one. `[]` forbids splitting."""
    max_partitions: Annotated[int, Field(ge=1, le=8)] = 2
    transport: Literal["mqtt", "tcp", "udp"] = "mqtt"
    """MQTT and TCP need acknowledged bearers; `udp` goes over both."""


class Control(Section):
    """Who decides, and how old what it hears of the others is."""

    node: NodeName
    observation_age_ms: NotNegative = 0.0
    measurement_window_ms: Positive = 100.0


class Cost(Section):
    """What policies are judged by: seconds of delay, and for a failure or an erased activation these."""

    failure_s: Positive
    erasure_s: NotNegative = 0.0


class Plain(Section):
    """A policy that needs no settings."""

    type: Literal["random", "all-device", "all-edge", "greedy", "exact"]
    label: Label | None = None


class Split(Section):
    """Layers before `cut` at the task's source, the others at `node`."""

    cut: Annotated[int, Field(ge=0)]
    node: NodeName


class Fixed(Section):
    """The same split for every task of a name."""

    type: Literal["fixed"]
    label: Label | None = None
    splits: Annotated[dict[str, Split], Field(min_length=1)]


class Learned(Section):
    """A trained agent; without a checkpoint it is trained briefly before the run."""

    type: Literal["ppo", "a3c"]
    label: Label | None = None
    checkpoint: str | None = None
    settings: dict[str, bool | int | float | str] = {}


class Replay(Section):
    """The decisions that an earlier run wrote down."""

    type: Literal["replay"]
    label: Label | None = None
    file: str


class Custom(Section):
    """A class of the user's own, `module:Class`, made with `options` as keyword arguments."""

    type: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    label: Label | None = None
    options: dict[str, Any] = {}


def _policy_tag(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    tags = {"fixed": "fixed", "ppo": "learned", "a3c": "learned", "replay": "replay"}
    return tags.get(str(kind), "custom" if ":" in str(kind) else "plain")


Policy = Annotated[
    Annotated[Plain, Tag("plain")]
    | Annotated[Fixed, Tag("fixed")]
    | Annotated[Learned, Tag("learned")]
    | Annotated[Replay, Tag("replay")]
    | Annotated[Custom, Tag("custom")],
    Discriminator(_policy_tag),
]


class Training(Section):
    """How agents without a checkpoint are trained: on other channels and arrivals than the run's."""

    steps: Count = 20_000
    seed: Seed = 1
    traces: Annotated[int, Field(ge=1, le=1_000)] = 4
    """How many systems, with a channel and arrivals of their own each, training draws from."""
    duration_s: Positive = 60.0


class Worker(Section):
    """A process on a real machine that stands for one or several nodes."""

    nodes: Names
    time_scale: Positive = 1.0
    """A node's time is the worker's measured time, times this."""


class Hil(Section):
    """Which workers run whose partitions, and for which policies."""

    workers: Annotated[dict[Label, Worker], Field(min_length=1)]
    policies: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    duration_s: Positive


class Scenario(Section):
    """Everything that a run depends on, beside the files that it names."""

    name: Label
    seed: Seed
    duration_s: Annotated[float, Field(gt=0, le=1e6)]
    nodes: Annotated[tuple[Node, ...], Field(strict=False, min_length=1)]
    devices: Annotated[dict[str, Device], Field(min_length=1)]
    links: Annotated[tuple[Link, ...], Field(strict=False)] = ()
    models: dict[str, str] = {}
    """A model's profile, where it is not the shipped one of that name: another shipped name, or a JSON file."""
    tasks: Annotated[tuple[Task, ...], Field(strict=False, min_length=1)]
    control: Control
    cost: Cost
    policies: Annotated[tuple[Policy, ...], Field(strict=False, min_length=1)]
    training: Training = Training()
    hil: Hil | None = None
    broker: NodeName | None = None
    """Node that all activations pass through."""
    preload: bool = True
    """Whether weights are resident at the start."""

    def node_entries(self) -> Iterator[tuple[int, str, Node]]:
        """(index of the entry, name, entry) of every node, copies included."""
        for index, node in enumerate(self.nodes):
            for name in node.names:
                yield index, name, node

    def link_entries(self) -> Iterator[tuple[int, str, str, Link]]:
        """(index of the entry, one end, other end, entry) of every link, one for each copy of its ends."""
        counts = {node.name: node.count for node in self.nodes if node.count is not None}
        for index, link in enumerate(self.links):
            a, b = link.between
            copies = min((counts[end] for end in (a, b) if end in counts), default=1)
            for i in range(1, copies + 1):
                yield index, a.replace(TEMPLATE, str(i)), b.replace(TEMPLATE, str(i)), link

    def names_of(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Node names with templates replaced by their copies, and `all` by every UE."""
        copies = {node.name: node.names for node in self.nodes}
        copies[ALL] = tuple(name for _, name, node in self.node_entries() if node.role == "ue")
        return tuple(dict.fromkeys(copy for name in names for copy in copies.get(name, (name,))))

    @property
    def labels(self) -> tuple[str, ...]:
        """The policies' labels, by default their types."""
        return tuple(label_of(policy) for policy in self.policies)


def label_of(policy: Plain | Fixed | Learned | Replay | Custom) -> str:
    """The name that a policy's rows carry."""
    return policy.label or policy.type.rpartition(":")[2]
