"""Graphs of layers: what is refused, and the chain that a graph contains, against the definition."""

from collections.abc import Sequence

import networkx as nx
import numpy as np
import pytest

from emulator.model_graph import Edge, ModelGraph
from emulator.profile import Layer, ModelProfile


def graph_of(edges: Sequence[Edge], count: int) -> ModelGraph:
    layers = tuple(Layer(f"layer{m}", 10**m if m else 0, 3 * m, 100 + m) for m in range(count))
    return ModelGraph(ModelProfile("net", "vision", "fp32", (3, 8, 8), layers), tuple(edges))


def random_graph(rng: np.random.Generator) -> ModelGraph:
    count = int(rng.integers(2, 10))
    edges = {(v, u) for u in range(count) for v in range(u) if rng.random() < 0.2}
    edges |= {(int(rng.integers(u)), u) for u in range(1, count) if not any((v, u) in edges for v in range(u))}
    edges |= {
        (v, int(rng.integers(v + 1, count))) for v in range(count - 1) if not any((v, u) in edges for u in range(count))
    }
    return graph_of(sorted(edges), count)


def test_chain_is_cut_behind_the_layers_that_all_paths_cross() -> None:
    rng = np.random.default_rng(31)
    cuts = 0
    for _ in range(200):
        graph = random_graph(rng)
        count = len(graph.profile.layers)
        last = count - 1
        crossed = []
        for layer in range(1, last):
            without = nx.DiGraph(graph.edges)
            without.remove_node(layer)
            if not nx.has_path(without, 0, last):
                crossed.append(layer)
        chain = graph.chain()
        assert graph.chain_cuts() == tuple(layer + 1 for layer in crossed)
        assert [layer.name for layer in chain.layers] == [f"layer{layer}" for layer in (*crossed, last)]
        assert [layer.activation_elements for layer in chain.layers] == [100 + layer for layer in (*crossed, last)]
        assert sum(layer.flops for layer in chain.layers) == sum(10**m for m in range(1, count))
        assert chain.weight_bytes(0, len(chain.layers)) == graph.profile.weight_bytes(0, count)
        cuts += len(crossed)
    assert cuts > 40


@pytest.mark.parametrize(
    ("edges", "count", "text"),
    [
        ([(0, 1), (2, 1), (1, 3)], 4, r"^edges\[1\]=2, 1: must lead to a later layer within 0-3$"),
        ([(0, 4)], 4, r"^edges\[0\]=0, 4: must lead to a later layer within 0-3$"),
        ([(0, 1), (0, 1)], 2, r"^edges: must all be different$"),
        ([(0, 2), (1, 2)], 3, r"^layers\[1\]=layer1: must take an output, as only layer 0 is the input$"),
        ([(0, 1), (0, 2)], 3, r"^layers\[1\]=layer1: must be taken, as only the last layer is the output$"),
    ],
)
def test_other_graphs_are_refused(edges: list[Edge], count: int, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        graph_of(edges, count)


def test_the_input_computes_nothing() -> None:
    layers = (Layer("conv", 5, 0, 3), Layer("head", 1, 1, 1))
    with pytest.raises(ValueError, match=r"^layers\[0\]=conv: must be the input, without flops and weight_bytes$"):
        ModelGraph(ModelProfile("net", "vision", "fp32", (3, 8, 8), layers), ((0, 1),))
