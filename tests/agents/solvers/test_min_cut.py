"""The minimum cut of a graph of layers against every placement on two places."""

from itertools import product

import networkx as nx
import numpy as np
import pytest

from agents.solvers.min_cut import DEVICE, SERVER, Edge, cut_graph, minimum_cut
from agents.solvers.single_cut import latency_cut
from agents.solvers.solution import FloatArray, Infeasible, Proof

Instance = tuple[FloatArray, FloatArray, FloatArray, list[Edge]]


def random_instance(rng: np.random.Generator) -> Instance:
    """Layers in a topological order, each fed by at least one before."""
    count = int(rng.integers(2, 9))
    edges = [(v, u) for u in range(1, count) for v in range(u) if rng.random() < 0.4]
    fed = {u for _, u in edges}
    edges += [(int(rng.integers(u)), u) for u in range(1, count) if u not in fed]
    device, server, transfer = (rng.exponential(mean, count) for mean in (1.0, 0.5, 0.6))
    return device, server, transfer, edges


def cost(instance: Instance, remote: tuple[int, ...]) -> float:
    """The cost of a placement; infinite if data flow back."""
    device, server, transfer, edges = instance
    if any(remote[v] and not remote[u] for v, u in edges):
        return float("inf")
    sent = {v for v, u in edges if remote[v] < remote[u]}
    return float(
        sum(server[v] if remote[v] else device[v] for v in range(len(device))) + sum(transfer[v] for v in sent)
    )


def least(instance: Instance) -> float:
    return min(cost(instance, (0, *rest)) for rest in product((0, 1), repeat=len(instance[0]) - 1))


def test_no_placement_is_better() -> None:
    rng = np.random.default_rng(2)
    shares = set()
    for _ in range(300):
        instance = random_instance(rng)
        found = minimum_cut(*instance)
        assert found.placement[0] == 0
        assert found.value == pytest.approx(least(instance), rel=1e-12)
        assert cost(instance, found.placement) == pytest.approx(found.value, rel=1e-12)
        assert found.proof is Proof.OPTIMUM
        shares.add(found.placement.count(0) / len(found.placement))
    assert len(shares) > 10


def test_without_reverse_arcs_cuts_go_back_and_are_priced_wrongly() -> None:
    rng = np.random.default_rng(3)
    backward = wrong = 0
    for _ in range(300):
        device, server, transfer, edges = instance = random_instance(rng)
        pinned = server.copy()
        pinned[0] = np.inf
        graph = cut_graph(device, pinned, transfer, edges)
        unit = graph[0][SERVER]["capacity"] / device[0]
        graph.remove_edges_from([(u, v) for v, u in edges])
        capacity, (_, away) = nx.minimum_cut(graph, DEVICE, SERVER)
        remote = tuple(int(v in away) for v in range(len(device)))
        backward += any(remote[v] and not remote[u] for v, u in edges)
        wrong += capacity / unit < least(instance) * (1 - 1e-9)
    assert backward > 30
    assert wrong > 30


def test_a_chain_has_its_single_cut() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        device, server, sizes = rng.exponential(1.0, (3, 6))
        device[0] = 0  # the input: it is there
        by_cut = latency_cut(device[1:], server[1:], sizes[:5])
        by_graph = minimum_cut(device, server, sizes, [(v, v + 1) for v in range(5)])
        assert by_graph.placement == (0, *by_cut.placement)
        assert by_graph.value == pytest.approx(by_cut.value, rel=1e-12)


def test_an_output_that_two_layers_take_is_sent_once() -> None:
    edges = [(0, 1), (0, 2), (1, 3), (2, 3)]
    found = minimum_cut([0, 9, 9, 9], [9, 1, 1, 1], [2, 1, 1, 0], edges)
    assert found == ((0, 1, 1, 1), 5.0, Proof.OPTIMUM)


def test_costs_far_apart_are_compared_exactly() -> None:
    chain = [(0, 1), (1, 2)]
    device, server = [0.0, 1e12, 0.3], [0.0, 1e12, 0.1]
    assert minimum_cut(device, server, [3e-9, 2e-9, 0.0], chain).placement == (0, 0, 1)
    assert minimum_cut(device, server, [2e-9, 3e-9, 0.0], chain).placement == (0, 1, 1)


def test_an_impossible_layer_and_bad_arguments() -> None:
    inf = float("inf")
    with pytest.raises(Infeasible):
        minimum_cut([0, inf], [0, inf], [1, 1], [(0, 1)])
    with pytest.raises(ValueError, match=r"^layer 2: must lie within 0-1$"):
        minimum_cut([0, 1], [0, 1], [1, 1], [(0, 2)])
    with pytest.raises(ValueError, match=r"^transfer: must have the shape \(2\)"):
        minimum_cut([0, 1], [0, 1], [1], [(0, 1)])
