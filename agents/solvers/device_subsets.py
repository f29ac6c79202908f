"""A chain of layers over devices that differ, each used at most once, with limited memory.

The setting of Hu et al., "PipeEdge: pipeline parallelism for large-scale model inference on heterogeneous edge
devices", DSD 2022, and Zhang et al., "EdgeShard: efficient LLM inference via collaborative edge computing", IEEE
Internet of Things Journal, 2024. The state of the dynamic programme is (layers placed, devices used, last device). The
used devices belong to it: the cheapest way to place some layers may use up a device that the others need. Of equal
devices only the number matters.
"""

from collections.abc import Sequence
from itertools import accumulate, product
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agents.solvers.solution import FloatArray, Solution, cost_array
from emulator.core.arrays import is_integer

Used = tuple[int, ...]  # number of used devices of each type


class Origin(NamedTuple):
    """By the number of layers placed: the first layer of the last device, and the type of the device before it."""

    starts: NDArray[np.intp]
    kinds: NDArray[np.intp]


class PipelineCosts(NamedTuple):
    """Costs of L layers on K types of devices: `layers[l, k]`: time of layer l on type k, shape (L, K).
    `transfers[l, j, k]`: time to send the input of layer l from a device of type j to another of type k, shape
    (L, K, K); those of layer 0 are not used. `entry[k]` and `leave[k]`: of the ways from the source and back, shape
    (K,). `weights[l]`: memory that layer l needs, shape (L,). `memories[k]`: memory of a device, shape (K,).
    `counts[k]`: number of devices of type k. The devices of type 0 have the first numbers, those of type 1 the next."""

    layers: FloatArray
    transfers: FloatArray
    entry: FloatArray
    leave: FloatArray
    weights: FloatArray
    memories: FloatArray
    counts: tuple[int, ...]

    @classmethod
    def checked(
        cls, layers: ArrayLike, transfers: ArrayLike, entry: ArrayLike, leave: ArrayLike, weights: ArrayLike,
        memories: ArrayLike, counts: Sequence[int] | None = None,
    ) -> Self:  # fmt: skip
        """Return the costs; by default there is one device of each type. Raises ValueError (one line) for other shapes,
        negative costs and broken counts."""
        layers = cost_array("layers", layers, -1, -1)
        length, types = layers.shape
        if not (length and types):
            raise ValueError(f"layers: must have a layer and a device, not the shape {layers.shape}")
        counts = (1,) * types if counts is None else tuple(counts)
        if not all(is_integer(count) for count in counts):
            raise ValueError(f"counts={counts}: must be whole numbers")
        cost_array("counts", counts, types)
        return cls(
            layers,
            cost_array("transfers", transfers, length, types, types),
            cost_array("entry", entry, types),
            cost_array("leave", leave, types),
            cost_array("weights", weights, length),
            cost_array("memories", memories, types),
            counts,
        )


def latency_pipeline(costs: PipelineCosts) -> Solution:
    """Return the placement with the least sum of computation and transfers, in which each device has at most one run of
    consecutive layers, which fits its memory.

    Places are the numbers of devices. Raises Infeasible if no placement fits. Takes O(L² K 2^K + L K² 2^K), with the
    product of (count + 1) over the types in place of 2^K.
    """
    return _solve(costs, np.add)


def bottleneck_pipeline(costs: PipelineCosts) -> Solution:
    """Return the placement with the least time of the slowest stage, a device or a transfer: the time between two
    answers of a pipeline. Otherwise as `latency_pipeline`."""
    return _solve(costs, np.maximum)


def _solve(costs: PipelineCosts, join: np.ufunc) -> Solution:
    length, types = costs.layers.shape
    runs = [_run_times(costs, kind) for kind in range(types)]
    least: dict[Used, FloatArray] = {}  # by the last device's type and the number of layers placed, shape (K, L + 1)
    origins: dict[tuple[Used, int], Origin] = {}
    for used in product(*(range(count + 1) for count in costs.counts)):
        least[used] = np.full((types, length + 1), np.inf)
        for kind in range(types):
            if not used[kind]:
                continue
            before = _without(used, kind)
            if any(before):  # by the type before and the first layer of the new device
                arrivals = join(least[before][:, :-1], costs.transfers[:, :, kind].T)
            else:
                arrivals = np.full((types, length), np.inf)
                arrivals[:, 0] = costs.entry[kind]
            totals = join(arrivals.min(axis=0)[:, None], runs[kind])  # by first layer and the layer behind the last
            starts = totals.argmin(axis=0)
            least[used][kind] = totals.min(axis=0)
            origins[used, kind] = Origin(starts, arrivals.argmin(axis=0)[starts])
    ends = {used: join(values[:, -1], costs.leave) for used, values in least.items()}
    best = min(ends, key=lambda used: ends[used].min())
    kind = int(ends[best].argmin())
    value = float(ends[best][kind])
    return Solution.optimum([] if np.isinf(value) else _devices(costs, best, kind, origins), value)


def _run_times(costs: PipelineCosts, kind: int) -> FloatArray:
    """Return the time of layers p up to, not including, q on a device of a type, shape (L, L + 1); infinite unless
    p < q and the layers fit its memory."""
    length = len(costs.layers)
    times = np.full((length, length + 1), np.inf)
    for start in range(length):
        fits = np.cumsum(costs.weights[start:]) <= costs.memories[kind]
        times[start, start + 1 :] = np.where(fits, np.cumsum(costs.layers[start:, kind]), np.inf)
    return times


def _devices(costs: PipelineCosts, used: Used, kind: int, origins: dict[tuple[Used, int], Origin]) -> list[int]:
    """Return the device of each layer, from the last state back to the first."""
    first = [0, *accumulate(costs.counts)]
    stop = len(costs.layers)
    placement: list[int] = []
    while stop:
        start, last = (int(values[stop]) for values in origins[used, kind])
        placement[:0] = [first[kind] + used[kind] - 1] * (stop - start)
        used, kind, stop = _without(used, kind), last, start
    return placement


def _without(used: Used, kind: int) -> Used:
    return (*used[:kind], used[kind] - 1, *used[kind + 1 :])
