"""Who decides in a run: the sections of a scenario's `policies`."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from topologies.section import Label, NodeName, Section


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
    settings: dict[str, bool | int | float | str] = Field(default_factory=dict)


class Replay(Section):
    """The decisions that an earlier run wrote down."""

    type: Literal["replay"]
    label: Label | None = None
    file: str


class Custom(Section):
    """A class of the user's own, `module:Class`, made with `options` as keyword arguments."""

    type: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    label: Label | None = None
    options: dict[str, Any] = Field(default_factory=dict)


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


def label_of(policy: Plain | Fixed | Learned | Replay | Custom) -> str:
    """The name that a policy's rows carry."""
    return policy.label or policy.type.rpartition(":")[2]
