"""The cheapest path through a trellis, and cheapest schedules, against all paths."""

from itertools import groupby, pairwise, product

import numpy as np
import pytest

from agents.solvers.clairvoyant import cheapest_schedule
from agents.solvers.solution import FloatArray, Infeasible, Proof
from agents.solvers.viterbi import ChainCosts, cheapest_path, cheapest_path_within, message_costs

WEIGHT = 5.0  # of a second that a block is late


def random_costs(rng: np.random.Generator) -> ChainCosts:
    blocks, places = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    shapes = (blocks, places), (blocks - 1, places, places), (places,), (places,)
    return ChainCosts.checked(*(rng.exponential(1.0, shape) * (rng.random(shape) < 0.9) for shape in shapes))


def test_no_path_is_cheaper() -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        costs = random_costs(rng)
        blocks, places = costs.nodes.shape
        paths = list(product(range(places), repeat=blocks))
        totals = [
            costs.entry[path[0]]
            + sum(costs.nodes[m, k] for m, k in enumerate(path))
            + sum(costs.edges[m, j, k] for m, (j, k) in enumerate(pairwise(path)))
            + costs.leave[path[-1]]
            for path in paths
        ]
        found = cheapest_path(costs)
        assert found.value == pytest.approx(min(totals), rel=1e-12)
        assert totals[paths.index(found.placement)] == pytest.approx(min(totals), rel=1e-12)
        assert costs.of(found.placement) == pytest.approx(found.value, rel=1e-12)
        assert found.proof is Proof.OPTIMUM


def test_penalties_of_late_blocks_belong_to_the_edges() -> None:
    """Blocks of a network on a device (place 0) and servers, as in Li et al., with a deadline for each block."""
    rng = np.random.default_rng(6)
    penalised = 0
    for _ in range(100):
        blocks, places = 4, 3
        sizes, limits = rng.exponential(1.0, (2, blocks))
        compute = rng.exponential(1.0, (blocks, places))
        per_byte = rng.exponential(1.0, (places, places)) * ~np.eye(places, dtype=bool)
        delays = np.stack([size * per_byte + compute[m] for m, size in enumerate(sizes)])  # (M, from, to)

        def total(path: tuple[int, ...], delays: np.ndarray = delays, limits: np.ndarray = limits) -> float:
            times = [delays[m, j, k] for m, (j, k) in enumerate(pairwise((0, *path)))]
            late = sum(max(time - limit, 0) for time, limit in zip(times, limits, strict=True))
            return float(sum(times) + WEIGHT * late)

        priced = delays + WEIGHT * np.maximum(delays - limits[:, None, None], 0)
        found = cheapest_path(ChainCosts.checked(np.zeros((blocks, places)), priced[1:], priced[0, 0]))
        assert found.value == pytest.approx(min(map(total, product(range(places), repeat=blocks))), rel=1e-12)
        assert total(found.placement) == pytest.approx(found.value, rel=1e-12)
        free = cheapest_path(ChainCosts.checked(np.zeros((blocks, places)), delays[1:], delays[0, 0]))
        penalised += free.placement != found.placement
    assert penalised > 20


def test_message_costs() -> None:
    costs = message_costs([2, 0], [[0.0, 3.0], [np.inf, 0.0]])
    assert costs.tolist() == [[[0, 6], [np.inf, 0]], [[0, 0], [0, 0]]]
    assert ChainCosts.checked(np.ones((3, 2)), costs, [0.0, np.inf], 1.0).of((0, 1, 0)) == 10.0


def test_no_schedule_is_cheaper() -> None:
    rng = np.random.default_rng(7)
    moved = 0
    for number in range(200):
        slots, options = int(rng.integers(1, 6)), int(rng.integers(1, 5))
        costs = rng.exponential(1.0, (slots, options))
        each = rng.exponential(0.7, (max(1, slots - 1), options, options)) * ~np.eye(options, dtype=bool)
        migration = each[: slots - 1] if number % 2 else each[0]
        entry = each[0, 0]
        changes = np.broadcast_to(migration, (slots - 1, options, options))
        totals = {
            plan: entry[plan[0]]
            + sum(costs[t, q] for t, q in enumerate(plan))
            + sum(changes[t, p, q] for t, (p, q) in enumerate(pairwise(plan)))
            for plan in product(range(options), repeat=slots)
        }
        found = cheapest_schedule(costs, migration, entry)
        assert found.value == pytest.approx(min(totals.values()), rel=1e-12)
        assert totals[found.placement] == pytest.approx(found.value, rel=1e-12)
        moved += len(set(found.placement)) > 1
    assert moved > 50


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"^edges: must have the shape \(2, 2, 2\), not \(1, 2, 2\)$"):
        ChainCosts.checked(np.ones((3, 2)), np.ones((1, 2, 2)))
    with pytest.raises(ValueError, match=r"^nodes: must have a block and a place"):
        ChainCosts.checked(np.ones((0, 2)), np.ones((2, 2)))
    with pytest.raises(Infeasible):
        cheapest_path(ChainCosts.checked(np.ones((2, 2)), np.full((2, 2), np.inf)))


def fits(path: tuple[int, ...], weights: FloatArray, memories: FloatArray) -> bool:
    """Whether the blocks on each place fit its memory together."""
    return bool(np.all(np.bincount(path, weights, minlength=len(memories)) <= memories))


def test_no_placement_within_memory_is_cheaper() -> None:
    rng = np.random.default_rng(16)
    refused = changed = returns = 0
    for _ in range(300):
        costs = random_costs(rng)
        blocks, count = costs.nodes.shape
        weights, memories = rng.exponential(1.0, (blocks,)), rng.exponential(2.0, (count,))
        fitting = [path for path in product(range(count), repeat=blocks) if fits(path, weights, memories)]
        if not fitting:
            refused += 1
            with pytest.raises(Infeasible, match="fits the memories"):
                cheapest_path_within(costs, weights, memories)
            continue
        found = cheapest_path_within(costs, weights, memories)
        assert fits(found.placement, weights, memories)
        assert found.value == pytest.approx(min(map(costs.of, fitting)), rel=1e-12)
        assert costs.of(found.placement) == found.value
        changed += found.placement != cheapest_path(costs).placement
        places = [place for place, _ in groupby(found.placement)]
        returns += len(places) > len(set(places))
    assert refused > 10
    assert changed > 50
    assert returns > 5


def test_in_ample_memory_it_is_the_cheapest_path() -> None:
    rng = np.random.default_rng(17)
    for _ in range(50):
        costs = random_costs(rng)
        blocks, count = costs.nodes.shape
        found = cheapest_path_within(costs, np.ones(blocks), np.full(count, blocks))
        assert found.value == pytest.approx(cheapest_path(costs).value, rel=1e-12)
    forbidden = costs._replace(nodes=np.full_like(costs.nodes, np.inf))
    with pytest.raises(Infeasible):
        cheapest_path_within(forbidden, np.ones(blocks), np.full(count, blocks))


def test_many_equal_blocks_are_placed_at_once() -> None:
    """A chain of 32 equal blocks fills the places in the order of their speed: by the number of blocks on each."""
    speeds = np.array([1.0, 2.0, 3.0, 4.0])
    edges = 0.1 * ~np.eye(4, dtype=bool)
    costs = ChainCosts.checked(np.broadcast_to(speeds, (32, 4)), edges)
    found = cheapest_path_within(costs, np.ones(32), [10, 10, 10, 32])
    assert np.bincount(found.placement).tolist() == [10, 10, 10, 2]
    assert found.value == pytest.approx(10 + 20 + 30 + 8 + 0.3)
