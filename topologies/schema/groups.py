"""Section `groups`: how an inventory of nodes is searched for deployment groups."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from topologies.schema.base import Count, Label, Names, NodeName, Positive, Section, section_error

MOST_NODES = 12  # the exact optimum takes time in proportion to 2^nodes

Bounds = Annotated[tuple[Positive, ...], Field(strict=False)]


class GroupsSection(Section):
    """Deployment groups: nodes with fast processors, nodes with much memory, and nodes of both."""

    task: Label
    """Task whose model is deployed in each group."""
    source: NodeName | None = None
    """UE that asks for the task; default: the first of its sources."""
    nodes: Names | None = None
    """Nodes to choose from, at most 12; default: all nodes with a device."""
    compute_gflops: Bounds = ()
    """Ascending bounds between classes of speed: the levels of the search tree; default: one class."""
    memory_mb: Bounds = ()
    """Ascending bounds between classes of memory; default: one class."""
    members: Count = 1
    """Least number of nodes in a group; a group has more if its memory cannot hold the model otherwise."""

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        for name in ("compute_gflops", "memory_mb"):
            bounds = getattr(self, name)
            if list(bounds) != sorted(set(bounds)):
                raise section_error(f"must give {name} in ascending order, each once")
        return self
