"""Pipelines over devices that differ against every assignment of runs of layers to devices."""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, pairwise, permutations
from typing import Any

import numpy as np
import pytest

from agents.solvers.device_subsets import PipelineCosts, bottleneck_pipeline, latency_pipeline
from agents.solvers.solution import Infeasible, Proof, Solution

Fold = Callable[[Sequence[float]], float]


def random_costs(rng: np.random.Generator, layers: int, counts: tuple[int, ...]) -> PipelineCosts:
    types = len(counts)
    speeds, weights = rng.exponential(1.0, types), rng.integers(1, 6, layers)
    return PipelineCosts.checked(
        rng.exponential(1.0, (layers, 1)) * speeds,
        rng.exponential(0.5, (layers, types, types)),
        rng.exponential(0.5, types),
        rng.exponential(0.5, types),
        weights,
        weights.sum() * rng.uniform(0.15, 1.2, types),
        counts,
    )


def types_of(costs: PipelineCosts) -> list[int]:
    """The type of each device."""
    return [kind for kind, count in enumerate(costs.counts) for _ in range(count)]


def stage_times(costs: PipelineCosts, placement: Sequence[int]) -> list[float]:
    """The times of all transfers and devices in order; infinite where a run does not fit."""
    types = types_of(costs)
    starts = [m for m in range(len(placement)) if m == 0 or placement[m] != placement[m - 1]]
    times, last = [], None
    for start, stop in pairwise([*starts, len(placement)]):
        kind = types[placement[start]]
        times.append(costs.entry[kind] if last is None else costs.transfers[start, last, kind])
        fits = costs.weights[start:stop].sum() <= costs.memories[kind]
        times.append(costs.layers[start:stop, kind].sum() if fits else np.inf)
        last = kind
    return [float(time) for time in (*times, costs.leave[last])]


def placements(layers: int, devices: int) -> Iterator[tuple[int, ...]]:
    for runs in range(1, min(layers, devices) + 1):
        for inner in combinations(range(1, layers), runs - 1):
            sizes = [stop - start for start, stop in pairwise((0, *inner, layers))]
            for chosen in permutations(range(devices), runs):
                yield tuple(device for device, size in zip(chosen, sizes, strict=True) for _ in range(size))


@pytest.mark.parametrize(("solver", "fold"), [(latency_pipeline, sum), (bottleneck_pipeline, max)])
@pytest.mark.parametrize("counts", [(1, 1, 1, 1), (2, 1), (1, 3), (2, 2)])
def test_no_placement_is_better(
    solver: Callable[[PipelineCosts], Solution], fold: Fold, counts: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(sum(10**i * count for i, count in enumerate(counts)))
    used, impossible = set(), 0
    for _ in range(60):
        costs = random_costs(rng, int(rng.integers(1, 7)), counts)
        every = placements(len(costs.layers), sum(counts))
        least = min(fold(stage_times(costs, placement)) for placement in every)
        if np.isinf(least):
            impossible += 1
            with pytest.raises(Infeasible):
                solver(costs)
            continue
        placement, value, proof = solver(costs)
        assert value == pytest.approx(least, rel=1e-12)
        assert fold(stage_times(costs, placement)) == pytest.approx(least, rel=1e-12)
        runs = [device for m, device in enumerate(placement) if m == 0 or device != placement[m - 1]]
        assert len(runs) == len(set(runs))
        assert proof is Proof.OPTIMUM
        used.add(len(runs))
    assert used >= {1, 2}
    assert impossible < 40


def one_label(costs: PipelineCosts) -> float:
    """The programme with one label for each (layers placed, last device): its least time, with the devices used so far.
    It throws away a slower label that has left a better device unused."""
    layers, devices = costs.layers.shape
    labels: dict[tuple[int, int], tuple[float, frozenset[int]]] = {}
    for stop in range(1, layers + 1):
        for device in range(devices):
            for start in range(stop):
                if costs.weights[start:stop].sum() > costs.memories[device]:
                    continue
                before = (
                    [(costs.entry[device], frozenset[int]())]
                    if start == 0
                    else [
                        (value + costs.transfers[start, last, device], used)
                        for last in range(devices)
                        for value, used in [labels.get((start, last), (np.inf, frozenset([device])))]
                        if device not in used
                    ]
                )
                for value, used in before:
                    label = (value + costs.layers[start:stop, device].sum(), used | {device})
                    if label[0] < labels.get((stop, device), (np.inf, used))[0]:
                        labels[stop, device] = label
    return min((labels[layers, k][0] + costs.leave[k] for k in range(devices) if (layers, k) in labels), default=np.inf)


def test_one_label_for_each_layer_and_device_is_not_exact() -> None:
    rng = np.random.default_rng(12)
    unsolved = worse = 0
    for _ in range(150):
        costs = random_costs(rng, 5, (1, 1, 1, 1))
        try:
            least = latency_pipeline(costs).value
        except Infeasible:
            continue
        found = one_label(costs)
        assert found >= least * (1 - 1e-12)
        unsolved += np.isinf(found)
        worse += least * (1 + 1e-9) < found < np.inf
    assert unsolved > 0
    assert worse > 10


def test_a_fast_start_that_uses_up_the_device_needed_later() -> None:
    """Layer 0 is fastest on device 0, but only device 0 can hold layer 2, and layer 1 fits device 1 alone."""
    costs = PipelineCosts.checked(
        [[1, 9, 2], [9, 1, 9], [1, 9, 9]], np.zeros((3, 3, 3)), [0, 0, 0], [0, 0, 0], [1, 2, 4], [4, 2, 1]
    )
    assert latency_pipeline(costs) == ((2, 1, 0), 4.0, Proof.OPTIMUM)
    assert one_label(costs) == np.inf


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"^memories: must have the shape \(2\)"):
        PipelineCosts.checked(np.ones((3, 2)), np.ones((3, 2, 2)), [0, 0], [0, 0], [1, 1, 1], [1, 1, 1])
    for shape in ((0, 2), (2, 0)):
        with pytest.raises(ValueError, match=r"^layers: must have a layer and a device"):
            PipelineCosts.checked(np.ones(shape), [], [], [], [], [])
    counts: Any = [1, 1.5]
    with pytest.raises(ValueError, match=r"^counts=\(1, 1\.5\): must be whole numbers$"):
        PipelineCosts.checked(np.ones((1, 2)), np.ones((1, 2, 2)), [0, 0], [0, 0], [1], [1, 1], counts)
