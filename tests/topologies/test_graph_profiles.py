"""Graphs of layers taken from torch modules, stored in profile files, and divided between two devices."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from agents.split_inference.graph_cut import Division
from emulator.device import layer_times
from emulator.model_graph import ModelGraph
from emulator.system import DeviceSpec
from topologies.models.graph_profiling import graph_of, take_graph
from topologies.models.profiling import take_profile
from topologies.profiles import load_graph, load_profile, save_graph


class Inception(nn.Module):
    """Branches of 1 x 1, 3 x 3 and pooled convolutions, concatenated (Szegedy et al., CVPR 2015, figure 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(8, 4, 1), nn.ReLU())
        self.three = nn.Sequential(nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU())
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(8, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.pooled(x)], 1)


def inception() -> ModelGraph:
    body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), Inception(), nn.Flatten(), nn.Linear(12 * 64, 10))
    return graph_of("inception", body, (3, 8, 8))


def edges_by_name(graph: ModelGraph) -> set[tuple[str, str]]:
    names = [layer.name for layer in graph.profile.layers]
    return {(names[v], names[u]) for v, u in graph.edges}


def test_an_inception_block_is_a_graph() -> None:
    assert edges_by_name(inception()) == {
        ("input", "0"),
        ("0", "2.one.0"),
        ("0", "2.three.0"),
        ("2.three.0", "2.three.2"),
        ("0", "2.pooled.0"),
        ("2.pooled.0", "2.pooled.1"),
        ("2.one.0", "cat"),
        ("2.three.2", "cat"),
        ("2.pooled.1", "cat"),
        ("cat", "4"),
    }
    layers = {layer.name: layer for layer in inception().profile.layers}
    assert layers["2.three.2"].flops == 2 * 64 * 6 * 4 * 9
    assert layers["2.three.2"].weight_bytes == 4 * (6 * 4 * 9 + 6)
    assert layers["cat"].activation_elements == 12 * 64
    assert [layer.name for layer in inception().chain().layers] == ["0", "cat", "4"]


def test_resnet8_has_its_skips_and_its_chain() -> None:
    graph, profile = take_graph("resnet8-fashion"), take_profile("resnet8-fashion")
    sums = [index for index, layer in enumerate(graph.profile.layers) if layer.name.startswith("add")]
    assert len(sums) == 3
    assert all(sum(u == index for _, u in graph.edges) == 2 for index in sums)
    chain = graph.chain()
    assert [layer.flops for layer in chain.layers] == [layer.flops for layer in profile.layers]
    assert [layer.weight_bytes for layer in chain.layers] == [layer.weight_bytes for layer in profile.layers]
    elements = [layer.activation_elements for layer in profile.layers]
    elements[3] = 64  # the pool in front of the classifier belongs to the last block
    assert [layer.activation_elements for layer in chain.layers] == elements


def test_a_chain_of_the_registry_keeps_its_flops() -> None:
    graph, profile = take_graph("nin"), take_profile("nin")
    assert graph.edges == tuple((m, m + 1) for m in range(len(graph.profile.layers) - 1))
    assert sum(layer.flops for layer in graph.profile.layers) == sum(layer.flops for layer in profile.layers)


def test_files_hold_graphs_and_are_chains_elsewhere(tmp_path: Path) -> None:
    for graph in (inception(), take_graph("resnet8-fashion")):
        path = tmp_path / f"{graph.profile.name}.json"
        save_graph(graph, path)
        assert load_graph(str(path)) == graph
        assert load_profile(str(path)) == graph.chain()
    chain = load_graph("alexnet")
    assert chain.profile.layers[0].activation_elements == 3 * 224 * 224
    assert chain.chain().layers == load_profile("alexnet").layers


def test_a_wrong_edge_in_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    save_graph(inception(), path)
    text = json.loads(path.read_text())
    path.write_text(json.dumps({**text, "edges": [*text["edges"], [5, 5]]}))
    with pytest.raises(ValueError, match=r"net.json: edges\[10\]=5, 5: must lead to a later layer"):
        load_profile(str(path))
    path.write_text(json.dumps({**text, "edges": [[0, -1]]}))
    with pytest.raises(ValueError, match=r"net.json: edges\[0\]\[1\]=-1: must be at least 0"):
        load_profile(str(path))


DEVICE = DeviceSpec(2e8, 2**30, 1e9, 1e9, 1_000)
SERVER = DeviceSpec(4e9, 2**30, 2e10, 1e9, 1_000)


def test_no_division_of_an_inception_block_is_faster() -> None:
    graph = inception()
    layers = graph.profile.layers
    times = [
        [fixed + token for fixed, token in zip(each.fixed_ns, each.token_ns, strict=True)]
        for each in (layer_times(DEVICE, graph.profile), layer_times(SERVER, graph.profile))
    ]
    sizes = [4_000, *(4 + layer.activation_elements for layer in layers[1:])]  # int8 with a scale

    def delay_ns(remote: tuple[int, ...], rate_bps: float) -> float:
        if any(remote[v] and not remote[u] for v, u in graph.edges):
            return float("inf")
        sent = {v for v, u in graph.edges if remote[v] < remote[u]}
        computing = sum(times[place][m] for m, place in enumerate(remote) if m)
        return computing + (sum(sizes[v] for v in sent) + 40 * remote[-1]) * 8e9 / rate_bps + 2e5 * remote[-1]

    division = Division(graph, DEVICE, SERVER, "int8", input_bytes=4_000, result_bytes=40, round_trip_ns=200_000)
    cuts = [0, *(len(layers) - cut for cut in (1, *graph.chain_cuts()))]
    chain = [(0,) * (len(layers) - remote) + (1,) * remote for remote in cuts]
    divisions = set()
    for rate_bps in 10 ** np.linspace(5, 10, 26):
        found = division.best(rate_bps)
        every = ((0, *rest) for rest in product((0, 1), repeat=len(layers) - 1))
        assert found.value == pytest.approx(min(delay_ns(remote, rate_bps) for remote in every), rel=1e-12)
        assert delay_ns(found.placement, rate_bps) == pytest.approx(found.value, rel=1e-12)
        divisions.add(found.placement)
        of_chain = division.best_of_chain(rate_bps)
        assert of_chain.placement in chain
        assert division.delay_ns(found.placement, rate_bps) == pytest.approx(found.value, rel=1e-12)
        assert of_chain.value == pytest.approx(min(delay_ns(remote, rate_bps) for remote in chain), rel=1e-12)
    assert len(divisions) > 2
    assert {sum(division) for division in divisions} >= {0, len(layers) - 1}


def test_without_a_link_all_is_local() -> None:
    division = Division(inception(), DEVICE, SERVER, "int8", input_bytes=1, result_bytes=1)
    assert set(division.best(0.0).placement) == set(division.best_of_chain(0.0).placement) == {0}


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layer(self.layer(x))
        return found


class Shaped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1)


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (Twice(), r"^net: layer: has weights and must be called once$"),
        (Shaped(), r"^net: getattr_1: must be an operation on tensors that returns one tensor$"),
        (Branching(), r"^net: cannot be traced \(TraceError: "),
        (nn.Bilinear(4, 4, 4), r"^net: "),
    ],
)
def test_modules_that_are_no_such_graph_are_refused(module: nn.Module, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        graph_of("net", module, (4,))


def test_language_models_are_chains() -> None:
    with pytest.raises(ValueError, match=r"^model=llama-15m: must be a vision model"):
        take_graph("llama-15m")
