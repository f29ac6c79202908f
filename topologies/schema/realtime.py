"""How a scenario is emulated in real time: which policy's tasks, in which hosts, beside which programs."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from topologies.schema.base import Label, Names, NodeName, NotNegative, Positive, Section, exactly_one

InterfaceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,15}$")]
ClassName = Annotated[str, Field(pattern=r"^([A-Za-z_][\w.]*:)?[A-Za-z_]\w*$")]


class HostSection(Section):
    """What a node's host is given, or what stands for it."""

    nodes: Names
    cpu: Annotated[float, Field(gt=0, le=1)] | None = None
    """The share of the machine's processors that its programs may use together."""
    interface: InterfaceName | None = None
    """A network interface of the machine, with the cable to a real device that takes the place of the node."""

    @model_validator(mode="after")
    def _means(self) -> Self:
        exactly_one(self, "cpu", "interface")
        return self


class CommandSection(Section):
    """A program in a node's host, a shell's command line; other nodes are known to it by their names."""

    node: NodeName
    run: Annotated[str, Field(min_length=1)]
    at_s: NotNegative = 0.0
    """After the start of the run."""


class RealtimeSection(Section):
    """What `airsplit emulate` adds to the scenario."""

    policy: Label | None = None
    """Whose decisions are carried out; without one, the first of `policies`."""
    duration_s: Positive | None = None
    """From the start of the run; no longer than it, which is what it is by default."""
    grace_s: NotNegative = 10.0
    """After its end, how long the run waits for tasks that are still under way."""
    tasks: bool = True
    """Whether the tasks run; without them only commands do."""
    lateness_ms: Positive = 2.0
    """The run is invalid where one packet in a hundred leaves a link later than the schedule by more."""
    switch: ClassName = "LinuxBridge"
    """For nodes of the role `switch`: a class of Mininet, or a user's own as `module:Class`."""
    hosts: Annotated[tuple[HostSection, ...], Field(strict=False)] = ()
    commands: Annotated[tuple[CommandSection, ...], Field(strict=False)] = ()
