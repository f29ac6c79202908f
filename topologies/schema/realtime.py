"""Section `realtime`: the policy, the hosts and the programs of an emulation in real time."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from topologies.schema.base import (
    Label,
    Names,
    NodeName,
    NotNegative,
    Positive,
    Probability,
    Section,
    require_exactly_one,
)

InterfaceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,15}$")]
ClassName = Annotated[str, Field(pattern=r"^([A-Za-z_][\w.]*:)?[A-Za-z_]\w*$")]


class HostSection(Section):
    """Processor share of nodes' hosts, or a real device that replaces a node."""

    nodes: Names
    """Names of the nodes, each in one entry only."""
    cpu: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the machine's processors that the host's programs may use together."""
    interface: InterfaceName | None = None
    """Network interface of the machine that is connected to the real device replacing the node."""

    @model_validator(mode="after")
    def _means(self) -> Self:
        require_exactly_one(self, "cpu", "interface")
        return self


class CommandSection(Section):
    """A shell command line that runs in a node's host, where other nodes can be addressed by name."""

    node: NodeName
    """Node in whose host the command runs."""
    run: Annotated[str, Field(min_length=1)]
    """The command line."""
    at_s: NotNegative = 0.0
    """Start time, after the start of the run."""


class RealtimeSection(Section):
    """Settings of `airsplit emulate`."""

    policy: Label | None = None
    """Policy whose decisions are carried out; default: the first of `policies`."""
    duration_s: Positive | None = None
    """Emulated time from the start of the run; at most, and by default, the scenario's `duration_s`."""
    grace_s: NotNegative = 10.0
    """Time after the end in which the run waits for unfinished tasks."""
    tasks: bool = True
    """Whether tasks run; otherwise only the commands run."""
    lateness_ms: Positive = 2.0
    """The run is invalid if over one packet in a hundred leaves a link later than scheduled by more than this."""
    compute: Literal["measured", "held"] = "measured"
    """`measured`: stations really compute partitions, for at least the modelled time. `held`: they only occupy their
    node for the modelled time, so that a device can be faster than this machine; outputs are zeros."""
    unanswered_share: Probability = 0.01
    """The run is invalid if a greater share of the tasks is not answered, beyond those that the simulation loses."""
    switch: ClassName = "LinuxBridge"
    """Class of nodes of role `switch`: a class of Mininet, or a user's own as `module:Class`."""
    hosts: Annotated[tuple[HostSection, ...], Field(strict=False)] = ()
    """Processor shares and real devices; default: none, programs of all nodes share the machine's processors."""
    commands: Annotated[tuple[CommandSection, ...], Field(strict=False)] = ()
    """Commands that run beside the tasks; default: none."""
