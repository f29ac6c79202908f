"""Candidate placements, from which a policy chooses."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, combinations, pairwise, permutations

from emulator.profile import ModelProfile
from emulator.system import Node
from emulator.task import Partition, Placement

DEFAULT_CODEC = ("",)
# A later partition runs on a node of the same or a higher rank: activations go up the network, never down.
RANK = {"ue": 0, "switch": 1, "gnb": 1, "edge": 2, "broker": 2, "cloud": 3}


def candidates(
    source: str,
    model: ModelProfile,
    nodes: Mapping[str, Node],
    cuts: Sequence[int],
    max_partitions: int,
    codecs: Sequence[str] = DEFAULT_CODEC,
) -> tuple[Placement, ...]:
    """Return all placements of `model` for `source`: at most `max_partitions` partitions of consecutive layers, each on
    a different node, cut only at `cuts` (ascending), with all activations in one of the `codecs` (empty: the default).

    The nodes are those with a device; of the UEs only the source. The weights of each partition alone must fit the
    node's memory; evicting other weights is left to the device. The order is stable: by number of partitions, then
    nodes (the source first, the others as in `nodes`), cuts and codecs. So the whole model on the source comes first
    if it fits.
    """
    hosts = [nodes[source]] if nodes[source].device else []
    hosts += [node for node in nodes.values() if node.device and node.role != "ue"]
    weights = list(accumulate((layer.weight_bytes for layer in model.layers), initial=0))
    return tuple(
        placement
        for count in range(1, max_partitions + 1)
        for chosen in permutations(hosts, count)
        if all(RANK[a.role] <= RANK[b.role] for a, b in pairwise(chosen))
        for placement in _placements(chosen, weights, cuts, codecs)
    )


def candidates_of_all(
    sources: Sequence[str],
    model: ModelProfile,
    nodes: Mapping[str, Node],
    cuts: Sequence[int],
    max_partitions: int,
    codecs: Sequence[str] = DEFAULT_CODEC,
) -> dict[str, tuple[Placement, ...]]:
    """Return the `candidates` of each source, all of them UEs. Placements without a partition at the source are the
    same objects for all sources with equal devices, so that time and memory are linear in the sources."""
    servers = {name: node for name, node in nodes.items() if node.device is not None and node.role != "ue"}
    found: dict[str, tuple[Placement, ...]] = {}
    first_with: dict[int, str] = {}  # by the identity of the device
    for source in sources:
        first = first_with.setdefault(id(nodes[source].device), source)
        if first == source:
            only = {source: nodes[source], **servers}
            found[source] = candidates(source, model, only, cuts, max_partitions, codecs)
        else:
            found[source] = tuple(_renamed(placement, first, source) for placement in found[first])
    return found


def _renamed(placement: Placement, before: str, source: str) -> Placement:
    """Return the placement with another source, whose partition is the first, as its rank is the lowest."""
    if placement[0].node != before:
        return placement
    return (placement[0]._replace(node=source), *placement[1:])


def _placements(
    hosts: Sequence[Node], weights: Sequence[int], cuts: Sequence[int], codecs: Sequence[str]
) -> Iterator[Placement]:
    for inner in combinations(cuts, len(hosts) - 1):
        edges = (0, *inner, len(weights) - 1)
        placement = tuple(Partition(node.name, *span) for node, span in zip(hosts, pairwise(edges), strict=True))
        if all(_fits(node, weights, partition) for node, partition in zip(hosts, placement, strict=True)):
            yield from (coded(placement, codec) for codec in (codecs if inner else DEFAULT_CODEC))


def _fits(node: Node, weights: Sequence[int], partition: Partition) -> bool:
    weight_bytes = weights[partition.stop] - weights[partition.first]
    return node.device is not None and weight_bytes <= node.device.memory_bytes


def split(source: str, node: str, cut: int, layers: int, codec: str = "") -> Placement:
    """Return the placement of layers before `cut` at the source and the others at `node`, without empty partitions,
    with the activation in a codec (empty: the default)."""
    partitions = (Partition(source, 0, cut), Partition(node, cut, layers))
    return coded(tuple(partition for partition in partitions if partition.first < partition.stop), codec)


def coded(placement: Placement, codec: str) -> Placement:
    """Return the placement with all activations in a codec (empty: the default)."""
    return (placement[0], *(partition._replace(codec=codec) for partition in placement[1:]))
