"""Sections `nodes` and `devices`: the places of the topology, and their computers."""

from typing import Self

from pydantic import model_validator

from emulator.system import Role
from topologies.schema.base import TEMPLATE, Count, NodeName, NotNegative, Positive, Section, Speed, section_error


class NodeSection(Section):
    """A node of the topology, or with `count` that many nodes, numbered by `{i}` in the name."""

    name: NodeName
    """Name of the node, or with `count` a template with `{i}` for the number of the copy, from 1."""
    role: Role
    """Part that the node plays: UE, base station, edge server, cloud, broker, or switch, which only forwards."""
    device: str | None = None
    """Name of one of `devices`; a node without a device only forwards."""
    count: Count | None = None
    """Number of copies of a node whose name has `{i}`; default: one node, whose name has none."""

    @model_validator(mode="after")
    def _template(self) -> Self:
        if (TEMPLATE in self.name) != (self.count is not None):
            raise section_error("must give count with a name that holds {i}, and only then")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of this entry's nodes."""
        if self.count is None:
            return (self.name,)
        return tuple(self.name.replace(TEMPLATE, str(i)) for i in range(1, self.count + 1))

    def stands_for(self, name: str) -> bool:
        """Return whether a node of this name is one of this entry's."""
        if self.count is None:
            return name == self.name
        before, _, after = self.name.partition(TEMPLATE)
        number = name.removeprefix(before).removesuffix(after)
        is_copy = number.isdecimal() and number.isascii() and 1 <= int(number) <= self.count
        return is_copy and name == self.name.replace(TEMPLATE, str(int(number)))


class DeviceSection(Section):
    """A computer: speed, memory and power."""

    compute_gflops: Speed
    """Billions of floating-point operations per second (a multiply-accumulate is two)."""
    memory_mb: Positive
    """Memory for weights (10^6 bytes); the weights of a partition must fit it."""
    memory_gb_per_s: Speed
    """Rate at which weights are read from memory during computation."""
    load_mb_per_s: Speed = 1_000.0
    """Rate at which weights are loaded into memory."""
    layer_overhead_us: NotNegative = 0.0
    """Fixed time that each layer takes in each pass, besides computation and memory."""
    queue_tasks: Count = 1_000
    """Most partitions that wait or run at the device; a further one is refused, and its task fails."""
    idle_power_w: NotNegative = 0.0
    """Power while the device computes nothing."""
    busy_power_w: NotNegative = 0.0
    """Power while the device computes."""
    transmit_power_w: NotNegative = 0.0
    """Additional power while a message of the node is being sent."""
    receive_power_w: NotNegative = 0.0
    """Additional power while a message to the node is being sent."""
