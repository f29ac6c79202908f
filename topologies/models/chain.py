"""A neural network as a chain of layers, of which any consecutive slice can be built and run alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from emulator.core.randomness import generator

DTYPES: Mapping[str, torch.dtype] = {"fp16": torch.float16, "fp32": torch.float32}


def fill(layer: nn.Module, draws: torch.Generator) -> None:
    """Set every weight and buffer of a layer from `draws`.

    Matrices and kernels: uniform with variance 2 / fan-in (He, Zhang, Ren, Sun, "Delving deep into
    rectifiers", ICCV 2015), so that activations keep their size from layer to layer. Uniform and not
    normal, because torch draws the latter differently with and without vector instructions. Norms
    and their running statistics start as the identity, biases at zero.
    """
    for name, tensor in layer.state_dict().items():
        if tensor.dim() >= 2:
            nn.init.kaiming_uniform_(tensor, nonlinearity="relu", generator=draws)
        elif name.endswith(("bias", "running_mean", "num_batches_tracked")):
            nn.init.zeros_(tensor)
        else:
            nn.init.ones_(tensor)


@dataclass(frozen=True)
class LayerPlan:
    """One layer before it exists: `make` constructs it, `fill` gives it its weights,
    `kv_elements` is what its attention cache keeps for one token."""

    name: str
    make: Callable[[], nn.Module]
    fill: Callable[[nn.Module, torch.Generator], None] = fill
    kv_elements: int = 0


@dataclass(frozen=True)
class ModelPlan:
    """A model before it exists. `input_shape` is that of one image (channels, height, width) or of
    one token (1,); `vocabulary` is the number of token ids, 0 for vision models."""

    name: str
    family: Literal["vision", "causal_lm"]
    weight_dtype: str
    input_shape: tuple[int, ...]
    layers: tuple[LayerPlan, ...]
    vocabulary: int = 0


class Chain(nn.Module):
    """Layers `first` up to, not including, `stop` of a model, in evaluation mode.

    The tensors of its `state_dict` are named `layers.<number of the layer in the whole model>.…`,
    so the tensors of disjoint slices have different names and together are those of the whole model.
    """

    def __init__(self, plan: ModelPlan, first: int, stop: int) -> None:
        """Construct the layers without memory for their weights (on the meta device).

        Raises ValueError unless 0 <= first < stop <= number of layers.
        """
        super().__init__()
        if not 0 <= first < stop <= len(plan.layers):
            raise ValueError(f"{plan.name}: layers={first}-{stop}: must lie within 0-{len(plan.layers)}")
        self.plan, self.first, self.stop = plan, first, stop
        self.layers = nn.ModuleDict()
        for index in range(first, stop):
            with torch.device("meta"):
                layer = plan.layers[index].make()
            self.layers[str(index)] = layer.to(DTYPES[plan.weight_dtype])
        self.eval()
        self.requires_grad_(requires_grad=False)

    def materialise(self, seed: int) -> None:
        """Give each layer its memory on the CPU and its weights, a function of the seed, the model's
        name and the layer's number alone, whatever slice the layer is in."""
        for index in range(self.first, self.stop):
            draw = generator(seed, self.plan.name, f"weights of layer {index}")
            draws = torch.Generator().manual_seed(int(draw.integers(2**63)))
            layer = self.layers[str(index)].to_empty(device="cpu")
            self.plan.layers[index].fill(layer, draws)

    @torch.inference_mode()
    def run(self, x: Tensor, first: int, stop: int) -> Tensor:
        """The output of layers `first` up to, not including, `stop` for their input `x`.

        Vision: `x` of layer 0 has shape (images, channels, height, width). Causal language models:
        token ids of shape (sequences, tokens) enter layer 0, hidden states of shape (sequences,
        tokens, hidden) the others, all of a prompt at once; the last layer gives the logits of every
        position. Raises ValueError for layers that this chain does not hold.
        """
        if not self.first <= first < stop <= self.stop:
            raise ValueError(f"{self.plan.name}: layers={first}-{stop}: must lie within {self.first}-{self.stop}")
        for index in range(first, stop):
            x = self.layers[str(index)](x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """The output of all layers that this chain holds, as `run`."""
        return self.run(x, self.first, self.stop)
