"""The placements that a policy may choose from."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, combinations, pairwise, permutations

from emulator.profile import ModelProfile
from emulator.system import Node
from emulator.task import Partition, Placement

# Layers go up the network, never back: a later partition is on a node of the same rank or a higher one.
RANK = {"ue": 0, "switch": 1, "gnb": 1, "edge": 2, "broker": 2, "cloud": 3}


def candidates(
    source: str, model: ModelProfile, nodes: Mapping[str, Node], cuts: Sequence[int], max_partitions: int
) -> tuple[Placement, ...]:
    """All ways to run `model` for `source` in at most `max_partitions` runs of consecutive layers, each on
    a node of its own, cut only at `cuts` (ascending).

    Nodes are those with a device; of the UEs only the source. A partition's weights must fit the node's
    memory by themselves: what else is resident there, and what must leave for it, is the device's business.
    The order is stable: by number of partitions, then nodes (the source, then as in `nodes`), then cuts;
    so the whole model on the source comes first where it fits.
    """
    hosts = [nodes[source]] if nodes[source].device else []
    hosts += [node for node in nodes.values() if node.device and node.role != "ue"]
    weights = list(accumulate((layer.weight_bytes for layer in model.layers), initial=0))
    return tuple(
        placement
        for parts in range(1, max_partitions + 1)
        for way in permutations(hosts, parts)
        if all(RANK[a.role] <= RANK[b.role] for a, b in pairwise(way))
        for placement in _divisions(way, weights, cuts)
    )


def _divisions(way: Sequence[Node], weights: Sequence[int], cuts: Sequence[int]) -> Iterator[Placement]:
    for inner in combinations(cuts, len(way) - 1):
        edges = (0, *inner, len(weights) - 1)
        placement = tuple(Partition(node.name, *span) for node, span in zip(way, pairwise(edges), strict=True))
        if all(_fits(node, weights, part) for node, part in zip(way, placement, strict=True)):
            yield placement


def _fits(node: Node, weights: Sequence[int], part: Partition) -> bool:
    return node.device is not None and weights[part.stop] - weights[part.first] <= node.device.memory_bytes


def split(source: str, node: str, cut: int, layers: int) -> Placement:
    """Layers before `cut` at the source, the others at `node`; nothing at a node that has no layer."""
    parts = (Partition(source, 0, cut), Partition(node, cut, layers))
    return tuple(part for part in parts if part.first < part.stop)
