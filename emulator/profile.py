"""What a model costs, layer by layer: the data that a simulation knows of a neural network."""

from dataclasses import dataclass
from typing import Literal

PRECISION_BYTES = {"int8": 1, "fp16": 2, "fp32": 4}
TOKEN_BYTES = 4  # a token id on the wire is an int32


@dataclass(frozen=True, slots=True)
class Layer:
    """One unit that a cut never divides.

    `flops` counts two per multiply-accumulate, for one image or one token. A causal language
    model's attention also costs `context_flops` for each token and each position it attends to.
    `activation_elements` is the size of the layer's output for one image or one token,
    `kv_elements` what its cache keeps for one token.
    """

    name: str
    flops: int
    weight_bytes: int
    activation_elements: int
    context_flops: int = 0
    kv_elements: int = 0


@dataclass(frozen=True)
class ModelProfile:
    """A chain of layers; a cut `c` lies before layer `c`, so `0 < c < len(layers)`."""

    name: str
    family: Literal["vision", "causal_lm"]
    weight_dtype: str
    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]

    def activation_bytes(self, cut: int, tokens: int, precision: str) -> int:
        """Bytes that cross cut `cut` (1 <= cut <= len(layers)) in one pass of `tokens` tokens (images: 1)."""
        return self.layers[cut - 1].activation_elements * tokens * PRECISION_BYTES[precision]

    def weight_bytes(self, first: int, stop: int) -> int:
        """Bytes of the weights of layers `first` up to, not including, `stop`."""
        return sum(layer.weight_bytes for layer in self.layers[first:stop])
