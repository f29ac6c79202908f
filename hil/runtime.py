"""The layers that a process holds, and what they take. The only module of hil that imports torch."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter_ns

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from hil.codec import Floats
from hil.deployment import LayerId
from topologies.models.chain import DTYPES, Chain
from topologies.models.registry import build, example_input, model_plan, outline

WARM_UP_RUNS = 2
WARM_UP_TOKENS = 16


def layer_bytes(layer: LayerId) -> bytes:
    """A layer's weights as safetensors."""
    chain = build(layer.model, layer.seed, layer.index, layer.index + 1)
    return bytes(save({name: tensor.contiguous() for name, tensor in chain.state_dict().items()}))


class Runtime:
    """Layers by name, run one after the other on one thread.

    Its methods raise ValueError for an unknown model or layer, a layer that is not held, and an
    input or weights that do not fit: all that a message from elsewhere can get wrong.
    """

    def __init__(self) -> None:
        torch.set_num_threads(1)  # one thread: times do not depend on who else computes on the host
        self.threads = torch.get_num_threads()
        self.held_bytes = 0
        self._held: dict[LayerId, Chain] = {}
        self._prepared: set[str] = set()

    def __contains__(self, layer: LayerId) -> bool:
        return layer in self._held

    def prepare(self, model: str) -> None:
        """Import what the model's layers are made of, which takes seconds for some."""
        if model in self._prepared:
            return
        model_plan(model)
        gc.collect()
        gc.freeze()  # the collector need not walk through all that again in the middle of a measurement
        self._prepared.add(model)

    def load(self, layer: LayerId, data: bytes) -> None:
        """Hold a layer whose weights have arrived."""
        self.prepare(layer.model)
        with as_value_error(f"{layer.model} layer {layer.index}: weights must fit"):
            chain = outline(layer.model, layer.index, layer.index + 1)
            chain.load_state_dict(load(data), assign=True)
        self._held[layer] = chain
        self.held_bytes += len(data)

    def draw(self, layer: LayerId) -> None:
        """Hold a layer whose weights are made here, from its seed."""
        if layer in self._held:
            return
        self.prepare(layer.model)
        chain = build(layer.model, layer.seed, layer.index, layer.index + 1)
        self._held[layer] = chain
        self.held_bytes += sum(tensor.nbytes for tensor in chain.state_dict().values())

    def run(self, model: str, seed: int, first: int, stop: int, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        """The output of layers `first` up to, not including, `stop`, and the ns that they took."""
        chains = [self._chain(LayerId(model, seed, index)) for index in range(first, stop)]
        with as_value_error(f"{model} layers {first}-{stop}: input must fit"):
            begun_ns = perf_counter_ns()
            for chain in chains:
                x = chain(x)
            return x, perf_counter_ns() - begun_ns

    def warm_up(self, model: str, seed: int, first: int, stop: int) -> None:
        """Run a partition on a made-up input, so that its first measured run is like any other."""
        x = self.synthetic_input(model, seed, first, WARM_UP_TOKENS)
        for _ in range(WARM_UP_RUNS):
            self.run(model, seed, first, stop, x)

    def measure(self, model: str, seed: int, first: int, stop: int, tokens: int, repeats: int) -> tuple[int, ...]:
        """The median ns of each layer over `repeats` walks through all of them, after one that does not
        count. Walks, and not runs of one layer after the other, so that caches are as in a task."""
        synthetic_input = self.synthetic_input(model, seed, first, tokens)
        walks_ns = []
        for _ in range(1 + repeats):
            x, walk_ns = synthetic_input, []
            for index in range(first, stop):
                x, layer_ns = self.run(model, seed, index, index + 1, x)
                walk_ns.append(layer_ns)
            walks_ns.append(walk_ns)
        return tuple(round(median(times_ns)) for times_ns in zip(*walks_ns[1:], strict=True))

    def task_input(self, model: str, seed: int, tokens: int) -> torch.Tensor:
        """The input of a task: an image, or `tokens` token ids."""
        with as_value_error(f"{model}: {tokens} tokens must fit"):
            return example_input(model, seed, tokens=tokens)

    def synthetic_input(self, model: str, seed: int, cut: int, tokens: int) -> torch.Tensor:
        """Something of the shape and type that crosses a cut, uniform in [0, 1)."""
        real = self.task_input(model, seed, tokens)
        if cut == 0:
            return real
        with as_value_error(f"{model}: cut {cut} must lie within"):
            shape = outline(model, 0, cut)(real.to("meta")).shape
            values = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
        return values.to(DTYPES[model_plan(model).weight_dtype])

    def from_wire(self, model: str, values: Floats) -> torch.Tensor:
        """A received activation in the type that the model computes in."""
        return torch.from_numpy(values).to(DTYPES[model_plan(model).weight_dtype])

    def to_wire(self, x: torch.Tensor) -> Floats:
        """An activation as the codec takes it."""
        values: Floats = x.to(torch.float32).numpy()
        return values

    def answer(self, model: str, output: torch.Tensor) -> Floats:
        """What a task comes back with: the scores of an image's classes, or of the next token."""
        return self.to_wire(output[:, -1] if model_plan(model).family == "causal_lm" else output)

    def _chain(self, layer: LayerId) -> Chain:
        if layer not in self._held:
            raise ValueError(f"{layer.model} layer {layer.index}: must be deployed first")
        return self._held[layer]


@contextmanager
def as_value_error(rule: str) -> Iterator[None]:
    """Turn what torch says of things that do not fit into a ValueError."""
    try:
        yield
    except (RuntimeError, IndexError, MemoryError, SafetensorError) as error:
        raise ValueError(f"{rule}: {error}") from error
