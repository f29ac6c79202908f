"""A neural network as a graph of layers, for models whose layers are no chain, and the chain that it contains."""

from dataclasses import dataclass
from itertools import pairwise

from emulator.profile import Layer, ModelProfile

Edge = tuple[int, int]


@dataclass(frozen=True)
class ModelGraph:
    """The layers of `profile`, and which take whose outputs: an edge (v, u) means that layer u takes the output of v.
    Layer 0 is the input: it computes nothing, and its output is one image. The last layer is the model's output."""

    profile: ModelProfile
    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        """Raises ValueError (one line) unless layer 0 computes nothing and has no weights, each edge leads to a later
        layer, and each layer but the first takes an output and each but the last has one that is taken. So there is no
        circle, and one input and output."""
        layers = self.profile.layers
        if layers[0].flops or layers[0].weight_bytes:
            raise ValueError(f"layers[0]={layers[0].name}: must be the input, without flops and weight_bytes")
        for index, (v, u) in enumerate(self.edges):
            if not 0 <= v < u < len(layers):
                raise ValueError(f"edges[{index}]={v}, {u}: must lead to a later layer within 0-{len(layers) - 1}")
        if len(set(self.edges)) < len(self.edges):
            raise ValueError("edges: must all be different")
        takers, taken = {u for _, u in self.edges}, {v for v, _ in self.edges}
        for index, layer in enumerate(layers):
            if index and index not in takers:
                raise ValueError(f"layers[{index}]={layer.name}: must take an output, as only layer 0 is the input")
            if index < len(layers) - 1 and index not in taken:
                raise ValueError(f"layers[{index}]={layer.name}: must be taken, as only the last layer is the output")

    def chain_cuts(self) -> tuple[int, ...]:
        """Return the cuts at which a single output crosses, ascending: cut c lies before layer c, and all that layers
        from c on take of earlier ones is the output of layer c - 1. That after the input is none of them."""
        count = len(self.profile.layers)
        first_taken = [count] * count  # first layer whose output layers from this one on take
        for v, u in self.edges:
            first_taken[u] = min(first_taken[u], v)
        for index in reversed(range(count - 1)):
            first_taken[index] = min(first_taken[index], first_taken[index + 1])
        return tuple(cut for cut in range(2, count) if first_taken[cut] == cut - 1)

    def chain(self) -> ModelProfile:
        """Return the model as a chain that can be cut where a single output crosses. The layers in between are one,
        with the name of the last of them; the input belongs to the first."""
        layers = self.profile.layers
        edges = (0, *self.chain_cuts(), len(layers))
        merged = tuple(_merged(layers[first:stop]) for first, stop in pairwise(edges))
        model = self.profile
        return ModelProfile(model.name, model.family, model.weight_dtype, model.input_shape, merged)


def _merged(layers: tuple[Layer, ...]) -> Layer:
    """Return several layers as one, whose output is that of the last."""
    return Layer(
        layers[-1].name,
        sum(layer.flops for layer in layers),
        sum(layer.weight_bytes for layer in layers),
        layers[-1].activation_elements,
        sum(layer.context_flops for layer in layers),
        sum(layer.kv_elements for layer in layers),
    )
