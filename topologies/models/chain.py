"""Neural networks as chains of layers. Any slice of consecutive layers can be built and run on its own."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from emulator.core.randomness import generator

DTYPES: Mapping[str, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def fill(layer: nn.Module, draws: torch.Generator) -> None:
    """Initialise all weights and buffers of a layer from `draws`.

    Matrices and kernels: uniform with variance 2 / fan-in (He, Zhang, Ren, Sun, "Delving deep into rectifiers",
    ICCV 2015), so that activations keep their variance from layer to layer. Uniform and not normal, because torch's
    normal draws depend on the vector instructions. Norms and their running statistics are the identity, biases zero.
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
    """Definition of a layer: `make` constructs it, `fill` initialises its weights, `kv_elements` is the size of its
    attention cache for one token."""

    name: str
    make: Callable[[], nn.Module]
    fill: Callable[[nn.Module, torch.Generator], None] = fill
    kv_elements: int = 0


@dataclass(frozen=True)
class ModelPlan:
    """Definition of a model. `input_shape` is that of one image (channels, height, width) or one token (1,);
    `vocabulary` is the number of token ids, 0 for vision models. `weights` returns the trained tensors of a layer, by
    their names in the layer, for the layer's index; None if weights are drawn from a seed. `pixel_mean` and `pixel_std`
    normalise the pixels of images, scaled to [0, 1]."""

    name: str
    family: Literal["vision", "causal_lm"]
    weight_dtype: str
    input_shape: tuple[int, ...]
    layers: tuple[LayerPlan, ...]
    vocabulary: int = 0
    weights: Callable[[int], Mapping[str, Tensor]] | None = None
    pixel_mean: float = 0.5
    pixel_std: float = 0.5


def _require_fit(place: str, tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless stored tensors have the names, types and shapes of a layer's, and finite values."""
    for name in sorted(tensors.keys() ^ wanted.keys()):
        raise ValueError(f"{place}: {name}: {'is missing' if name in wanted else 'is not a tensor of this layer'}")
    for name, tensor in wanted.items():
        stored = tensors[name]
        if (stored.dtype, stored.shape) != (tensor.dtype, tensor.shape):
            found, needed = (f"{each.dtype} of shape {tuple(each.shape)}" for each in (stored, tensor))
            raise ValueError(f"{place}: {name}: must be {needed}, not {found}")
        if not all(bound.isfinite() for bound in stored.aminmax()):
            raise ValueError(f"{place}: {name}: must have finite values")


class StatefulLayer(nn.Module, ABC):
    """A layer that takes its input together with what it keeps of earlier inputs: `forward(x, state)`. Without a state
    the input is complete in itself."""

    @abstractmethod
    def begin(self) -> Any:
        """Return the state before the first input; `forward` changes it. It counts its values as `elements`."""


class Session:
    """What layers keep of earlier passes over the same sequences: first a prompt, then its tokens one at a time.

    Layers are known by their index in the whole model, so that a session suits any slice, and slices of one model on
    different nodes have sessions of their own.
    """

    def __init__(self) -> None:
        self._states: dict[int, Any] = {}

    @property
    def elements(self) -> dict[str, int]:
        """The number of values kept of each layer that keeps any, by its index."""
        counts = {str(index): state.elements for index, state in self._states.items()}
        return {index: count for index, count in counts.items() if count}

    def run(self, index: int, layer: nn.Module, x: Tensor) -> Tensor:
        """Return the output of the layer number `index` for an input that continues those before."""
        if isinstance(layer, StatefulLayer):
            if index not in self._states:
                self._states[index] = layer.begin()
            return layer(x, self._states[index])  # type: ignore[no-any-return]
        return layer(x)  # type: ignore[no-any-return]


class Chain(nn.Module):
    """Layers `first` up to, not including, `stop` of a model, in evaluation mode.

    The names of tensors in its `state_dict` begin with `layers.<index of the layer in the whole model>.`, so the
    tensors of disjoint slices have different names and together are those of the whole model.
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
        """Allocate all layers on the CPU with their trained weights; where the plan has none, with weights that depend
        only on the seed, the model's name and the layer's index in the whole model.

        Raises ValueError, one line, if stored weights do not fit the layers.
        """
        for index in range(self.first, self.stop):
            layer = self.layers[str(index)]
            if self.plan.weights is None:
                draw = generator(seed, self.plan.name, f"weights of layer {index}")
                draws = torch.Generator().manual_seed(int(draw.integers(2**63)))
                self.plan.layers[index].fill(layer.to_empty(device="cpu"), draws)
            else:
                tensors = self.plan.weights(index)
                _require_fit(f"{self.plan.name} layer {index}", tensors, layer.state_dict())
                layer.load_state_dict(tensors, assign=True)

    @torch.inference_mode()
    def run(self, x: Tensor, first: int, stop: int, session: Session | None = None) -> Tensor:
        """Return the output of layers `first` up to, not including, `stop` for their input `x`.

        Vision: the input of layer 0 has shape (images, channels, height, width). Causal language models: the input of
        layer 0 is token ids, shape (sequences, tokens), a whole prompt at once, or with a `session` the tokens that
        follow those of earlier passes; that of other layers is hidden states, shape (sequences, tokens, hidden); the
        output of the last layer is the logits of every position. Raises ValueError if this chain does not contain the
        layers.
        """
        if not self.first <= first < stop <= self.stop:
            raise ValueError(f"{self.plan.name}: layers={first}-{stop}: must lie within {self.first}-{self.stop}")
        for index in range(first, stop):
            layer = self.layers[str(index)]
            x = layer(x) if session is None else session.run(index, layer, x)
        return x

    def forward(self, x: Tensor, session: Session | None = None) -> Tensor:
        """Return the output of all layers of this chain, as `run`."""
        return self.run(x, self.first, self.stop, session)
