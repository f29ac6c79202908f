"""A chain of blocks over places that may be used again: the cheapest path through a trellis.

Viterbi, "Error bounds for convolutional codes and an asymptotically optimum decoding algorithm", IEEE Transactions on
Information Theory 13(2), 1967. The cost of a block depends on its own place and on that of the block before alone; a
penalty for being late, max(L_m - tau_m, 0) (Li et al., IEEE TMC 23(10), 2024, eq. 15), does too and belongs in `edges`.
"""

from heapq import heappop, heappush
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from agents.solvers.solution import FloatArray, Infeasible, Solution, cost_array


class ChainCosts(NamedTuple):
    """Costs of M blocks on K places: `nodes[m, k]` of block m on place k, shape (M, K); `edges[m, j, k]` of block m + 1
    on place k after block m on place j, shape (M - 1, K, K); `entry[k]` and `leave[k]` of the ways from the source to
    the first block and from the last block back, shape (K,)."""

    nodes: FloatArray
    edges: FloatArray
    entry: FloatArray
    leave: FloatArray

    @classmethod
    def checked(cls, nodes: ArrayLike, edges: ArrayLike, entry: ArrayLike = 0.0, leave: ArrayLike = 0.0) -> Self:
        """Return the costs. `edges` of shape (K, K) hold for all blocks, and a number for all places.

        Raises ValueError (one line) for other shapes or negative costs.
        """
        nodes = cost_array("nodes", nodes, -1, -1)
        blocks, count = nodes.shape
        if not (blocks and count):
            raise ValueError(f"nodes: must have a block and a place, not the shape {nodes.shape}")
        if np.ndim(edges) == 2:
            edges = np.broadcast_to(edges, (blocks - 1, *np.shape(edges)))
        if not np.ndim(entry):
            entry = np.full(count, entry)
        if not np.ndim(leave):
            leave = np.full(count, leave)
        return cls(
            nodes,
            cost_array("edges", edges, blocks - 1, count, count),
            cost_array("entry", entry, count),
            cost_array("leave", leave, count),
        )

    def of(self, placement: ArrayLike) -> float:
        """Return the cost of a placement, shape (M,)."""
        path = np.asarray(placement, dtype=int)
        blocks = np.arange(len(path))
        inner = self.nodes[blocks, path].sum() + self.edges[blocks[:-1], path[:-1], path[1:]].sum()
        return float(self.entry[path[0]] + inner + self.leave[path[-1]])


def message_costs(sizes: ArrayLike, per_byte: ArrayLike) -> FloatArray:
    """Return the costs of messages of `sizes` bytes, shape (M - 1,), between places, for `ChainCosts.edges`;
    `per_byte[j, k]`, shape (K, K). An empty message costs nothing, even between places without a link."""
    sizes = cost_array("sizes", sizes, -1)[:, None, None]
    per_byte = cost_array("per_byte", per_byte, -1, -1)
    return np.multiply(sizes, per_byte, where=sizes > 0, out=np.zeros((len(sizes), *per_byte.shape)))


def cheapest_path(costs: ChainCosts) -> Solution:
    """Return the placement of all blocks with the least cost; of equals, that with the lowest places from the end.

    Raises Infeasible if every placement has an infinite cost. Takes O(M K²).
    """
    least = costs.entry + costs.nodes[0]
    choices = []
    for edges, nodes in zip(costs.edges, costs.nodes[1:], strict=True):
        totals = least[:, None] + edges
        choices.append(np.argmin(totals, axis=0))
        least = np.min(totals, axis=0) + nodes
    least = least + costs.leave
    path = [int(np.argmin(least))]
    for choice in reversed(choices):
        path.append(int(choice[path[-1]]))
    return Solution.optimum(path[::-1], least[path[0]])


def cheapest_path_within(costs: ChainCosts, weights: ArrayLike, memories: ArrayLike) -> Solution:
    """Return the placement with the least cost in which the blocks on each place fit its memory together.

    `weights[m]`: memory that block m needs, shape (M,). `memories[k]`: of place k, shape (K,). A path cannot tell what
    earlier blocks left of a memory, so this is a search: A* (Hart, Nilsson, Raphael, "A formal basis for the heuristic
    determination of minimum cost paths", IEEE Transactions on Systems Science and Cybernetics 4(2), 1968), whose lower
    bound is the cheapest path ahead in ample memory. Raises ValueError for other shapes or negative numbers, Infeasible
    if no placement fits at a finite cost. Takes O(M K²) if the cheapest path fits, K^M at worst.
    """
    blocks, count = costs.nodes.shape
    needed = cost_array("weights", weights, blocks).tolist()
    limits = cost_array("memories", memories, count).tolist()
    ahead = costs_ahead(costs)
    steps = [costs.entry + costs.nodes[0], *(costs.edges + costs.nodes[1:, None, :])]
    waiting: list[_Partial] = []
    met: set[tuple[int, int, tuple[float, ...]]] = set()

    def extend(spent: float, path: tuple[int, ...], used: tuple[float, ...]) -> None:
        block = len(path)
        step = steps[block][path[-1]] if path else steps[0]
        for place, cost in enumerate(step.tolist()):
            total = used[place] + needed[block]
            least = spent + cost + float(ahead[block, place])
            if total <= limits[place] and least < np.inf:
                after = (*used[:place], total, *used[place + 1 :])
                heappush(waiting, _Partial(least, -block, spent + cost, (*path, place), after))

    extend(0.0, (), (0.0,) * count)
    while waiting:
        _, _, spent, path, used = heappop(waiting)
        if len(path) == blocks:
            return Solution.optimum(path, costs.of(path))
        if (state := (len(path), path[-1], used)) not in met:
            met.add(state)
            extend(spent, path, used)
    raise Infeasible("no placement has a finite cost and fits the memories")


class _Partial(NamedTuple):
    """The places of the first blocks: `least` is a bound of the whole cost, `used` the memory of each place. Of equal
    bounds, the longest path comes first."""

    least: float
    depth: int
    spent: float
    path: tuple[int, ...]
    used: tuple[float, ...]


def costs_ahead(costs: ChainCosts) -> FloatArray:
    """Return the least cost of all that follows block m on place k, shape (M, K)."""
    ahead = np.empty_like(costs.nodes)
    ahead[-1] = costs.leave
    for block in reversed(range(len(costs.edges))):
        ahead[block] = np.min(costs.edges[block] + costs.nodes[block + 1] + ahead[block + 1], axis=1)
    return ahead
