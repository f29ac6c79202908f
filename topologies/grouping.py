"""Deployment groups: an inventory of nodes as a tree, searched depth first (Chen et al., "Adaptive layer splitting for
wireless LLM inference in edge computing", FITEE 26(2), 2025).

The paper names the tree and the groups, but gives no keys, sizes or thresholds: those are the scenario's. Each level of
the tree divides the nodes into classes by one key; the search visits the highest class first. Nodes of one leaf come in
the order of the first key's values, then of the second key's, then as in the inventory.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from emulator.system import System


class Member(NamedTuple):
    """A node that can compute: operations per second, and bytes of memory for weights."""

    name: str
    compute_flops_per_s: float
    memory_bytes: float

    @property
    def label(self) -> str:
        """Name, speed and memory as text."""
        return f"{self.name}: {self.compute_flops_per_s / 1e9:g} GFLOP/s, {self.memory_bytes / 1e6:g} MB"


class Key(NamedTuple):
    """What a level of the tree divides by: a field of `Member`, and ascending bounds in `unit`, which is `scale` units
    of the field. A node belongs to the class of the number of bounds that it reaches."""

    field: str
    unit: str
    scale: float
    bounds: tuple[float, ...]

    def class_of(self, member: Member) -> int:
        """Return the number of the class of a node; a higher one has more."""
        return sum(getattr(member, self.field) >= bound * self.scale for bound in self.bounds)

    def label_of(self, number: int) -> str:
        """Return the range of a class as text."""
        if not self.bounds:
            return f"any {self.unit}"
        if number == 0:
            return f"below {self.bounds[0]:g} {self.unit}"
        if number == len(self.bounds):
            return f"from {self.bounds[-1]:g} {self.unit}"
        return f"{self.bounds[number - 1]:g} to {self.bounds[number]:g} {self.unit}"


class Branch(NamedTuple):
    """A part of the tree: the nodes of one class, divided further, or the members of a leaf. `label`: range of the
    class; empty at the root."""

    label: str
    children: tuple["Branch", ...]
    members: tuple[Member, ...]


def inventory(system: System, names: Iterable[str] | None = None) -> tuple[Member, ...]:
    """Return the named nodes of a system, or all that can compute, in its order."""
    chosen = system.nodes if names is None else {name: system.nodes[name] for name in names}
    return tuple(
        Member(node.name, node.device.compute_flops_per_s, node.device.memory_bytes)
        for node in chosen.values()
        if node.device is not None
    )


def search_tree(members: Sequence[Member], keys: Sequence[Key]) -> Branch:
    """Return the tree of an inventory with a level for each key. Classes without nodes have no branch."""
    ordered = sorted(members, key=lambda member: [-getattr(member, key.field) for key in keys])
    return _branch("", ordered, keys)


def _branch(label: str, members: Sequence[Member], keys: Sequence[Key]) -> Branch:
    if not keys:
        return Branch(label, (), tuple(members))
    first, *others = keys
    classes: dict[int, list[Member]] = {}
    for member in members:
        classes.setdefault(first.class_of(member), []).append(member)
    children = (_branch(first.label_of(each), classes[each], others) for each in sorted(classes, reverse=True))
    return Branch(label, tuple(children), ())


def depth_first(tree: Branch) -> Iterator[Member]:
    """Yield the nodes of a tree, the highest classes first."""
    yield from tree.members
    for child in tree.children:
        yield from depth_first(child)


def grown(order: Iterable[Member], least: int, holds: Callable[[Sequence[Member]], bool]) -> tuple[Member, ...]:
    """Return the shortest beginning of `order` with at least `least` nodes (or all) that holds the model. Raises
    ValueError if no beginning does."""
    found: list[Member] = []
    nodes = list(order)
    for member in nodes:
        found.append(member)
        if len(found) >= min(least, len(nodes)) and holds(found):
            return tuple(found)
    raise ValueError(f"groups: no group of {', '.join(each.name for each in nodes)} can hold the model and be reached")


def alternating(first: Sequence[Member], second: Sequence[Member]) -> tuple[Member, ...]:
    """Return the nodes of two groups in turns, each once: the order in which a hybrid group grows."""
    turns = (member for pair in zip_longest(first, second) for member in pair if member is not None)
    return tuple(dict.fromkeys(turns))
