"""Cost of a neural network, layer by layer: all that a simulation knows of a model."""

from dataclasses import dataclass
from typing import Literal

from emulator.activation.codecs import CODECS

TOKEN_BYTES = 4  # a token id on the wire is an int32


@dataclass(frozen=True, slots=True)
class Layer:
    """The smallest unit of a model that a partition can hold.

    `flops`: for one image or one token, two per multiply-accumulate. Attention of a causal language model costs
    another `context_flops` for each pair of a token and a position it attends to. `activation_elements`: size of
    the output for one image or one token. `kv_elements`: size of the key-value cache for one token.
    """

    name: str
    flops: int
    weight_bytes: int
    activation_elements: int
    context_flops: int = 0
    kv_elements: int = 0


@dataclass(frozen=True)
class ModelProfile:
    """A chain of layers. Cut `c` lies before layer `c`, so 0 < `c` < len(layers)."""

    name: str
    family: Literal["vision", "causal_lm"]
    weight_dtype: str
    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]

    def activation_bytes(self, cut: int, tokens: int, codec: str) -> int:
        """Return the bytes sent over cut `cut` (1 <= cut <= len(layers)) in one pass of `tokens` tokens (image: 1)."""
        return CODECS[codec].size_bytes(self.layers[cut - 1].activation_elements, tokens)

    def weight_bytes(self, first: int, stop: int) -> int:
        """Return the bytes of the weights of layers `first` to `stop` - 1."""
        return sum(layer.weight_bytes for layer in self.layers[first:stop])
