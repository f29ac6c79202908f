"""Graphs of layers of torch modules: traced, and computed on the meta device without memory for weights."""

from collections import Counter, OrderedDict

import torch
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from emulator.model_graph import Edge, ModelGraph
from emulator.profile import Layer, ModelProfile
from topologies.models.chain import Chain
from topologies.models.registry import model_plan


def take_graph(name: str) -> ModelGraph:
    """Return the graph of a vision model of the registry. Raises ValueError for an unknown name, and for a language
    model: those are chains."""
    plan = model_plan(name)
    if plan.family != "vision":
        raise ValueError(f"model={name}: must be a vision model; language models are chains")
    chain = Chain(plan, 0, len(plan.layers))
    named = OrderedDict((layer.name, chain.layers[str(index)]) for index, layer in enumerate(plan.layers))
    return graph_of(name, nn.Sequential(named), plan.input_shape, plan.weight_dtype)


def graph_of(name: str, module: nn.Module, input_shape: tuple[int, ...], weight_dtype: str = "fp32") -> ModelGraph:
    """Return the graph of a module for one input of shape (1, *input_shape): a layer for each module of torch and each
    function that its code calls.

    FLOPs and bytes count as in `take_profile`. An operation without FLOPs that takes one output, which no other takes,
    and does not enlarge it (a norm, a ReLU, a pool) belongs to the layer before. The module is put into evaluation mode
    and onto the meta device. Raises ValueError (one line) if it has several inputs, cannot be traced, calls a module
    with weights twice, or computes something else than one tensor after another.
    """
    try:
        traced = fx.symbolic_trace(module.eval().to("meta"))
    except Exception as error:  # the module's own code runs while it is traced, and can raise anything
        raise ValueError(f"{name}: cannot be traced ({type(error).__name__}: {str(error).splitlines()[0]})") from error
    layers, edges = _without_small_steps(*_operations(name, traced, torch.empty(1, *input_shape, device="meta")))
    return ModelGraph(ModelProfile(name, "vision", weight_dtype, input_shape, tuple(layers)), tuple(edges))


@torch.no_grad()
def _operations(name: str, traced: fx.GraphModule, example: Tensor) -> tuple[list[Layer], list[Edge]]:
    """Return a layer for the input and each operation, and which take whose outputs."""
    interpreter = fx.Interpreter(traced)
    numbers: dict[fx.Node, int] = {}
    layers: list[Layer] = []
    edges: list[Edge] = []
    called: set[str] = set()
    for node in traced.graph.nodes:
        if node.op == "output":
            break
        if node.op == "placeholder":
            if layers:
                raise ValueError(f"{name}: {node.name}: must not be a second input")
            interpreter.env[node], numbers[node] = example, 0
            layers.append(Layer("input", 0, 0, example.numel()))
            continue
        with FlopCounterMode(display=False) as counter:
            output = interpreter.env[node] = interpreter.run_node(node)
        if node.op == "get_attr" or not isinstance(output, Tensor):
            raise ValueError(f"{name}: {node.name}: must be an operation on tensors that returns one tensor")
        label, held = node.name, 0
        if node.op == "call_module":
            label = node.target
            held = sum(tensor.nbytes for tensor in traced.get_submodule(label).state_dict().values())
            if held and label in called:
                raise ValueError(f"{name}: {label}: has weights and must be called once")
            called.add(label)
        numbers[node] = len(layers)
        edges += [(numbers[before], len(layers)) for before in node.all_input_nodes]
        layers.append(Layer(label, counter.get_total_flops(), held, output.numel()))
    return layers, edges


def _without_small_steps(layers: list[Layer], edges: list[Edge]) -> tuple[list[Layer], list[Edge]]:
    """Return layers and edges with operations that add nothing to a cut joined to the layers before them."""
    befores = {u: [v for v, taker in edges if taker == u] for u in range(len(layers))}
    uses = Counter(v for v, _ in edges)
    place: dict[int, int] = {}  # new number of each layer
    kept: list[Layer] = []
    for index, layer in enumerate(layers):
        before = befores[index][0] if len(befores[index]) == 1 else 0
        small = not layer.flops and layer.activation_elements <= layers[before].activation_elements
        if before and uses[before] == 1 and small:
            place[index] = place[before]
            joined = kept[place[before]]
            held = joined.weight_bytes + layer.weight_bytes
            kept[place[before]] = Layer(joined.name, joined.flops, held, layer.activation_elements)
        else:
            place[index] = len(kept)
            kept.append(layer)
    return kept, sorted({(place[v], place[u]) for v, u in edges if place[v] != place[u]})
