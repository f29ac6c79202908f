"""Hold layers of models, run partitions of them, and measure their times. Importing this imports torch."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter_ns

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from hil.codec import Float32Array
from hil.deployment import LayerId
from topologies.models.chain import DTYPES, Chain
from topologies.models.registry import build, example_input, model_plan, outline

WARM_UP_RUNS = 2
WARM_UP_TOKENS = 16


def layer_bytes(layer: LayerId) -> bytes:
    """Return a layer's weights as safetensors."""
    chain = build(layer.model, layer.seed, layer.index, layer.index + 1)
    return bytes(save({name: tensor.contiguous() for name, tensor in chain.state_dict().items()}))


class Runtime:
    """The layers that a process holds, run one after the other on one thread.

    Methods raise ValueError for an unknown model or layer, a layer that is not held, and an input or weights of the
    wrong shape: every error that a received message can cause.
    """

    def __init__(self) -> None:
        torch.set_num_threads(1)  # times vary less with the host's load
        self.threads = torch.get_num_threads()
        self.held_bytes = 0
        self._held: dict[LayerId, Chain] = {}
        self._prepared: set[str] = set()

    def __contains__(self, layer: LayerId) -> bool:
        return layer in self._held

    def prepare(self, model: str) -> None:
        """Import the libraries of the model's layers, which takes seconds for some models."""
        if model in self._prepared:
            return
        model_plan(model)
        gc.collect()
        gc.freeze()  # garbage collection during a measurement then skips these objects
        self._prepared.add(model)

    def load(self, layer: LayerId, data: bytes) -> None:
        """Hold a layer with the received weights `data`."""
        self.prepare(layer.model)
        with as_value_error(f"{layer.model} layer {layer.index}: the weights do not fit"):
            chain = outline(layer.model, layer.index, layer.index + 1)
            chain.load_state_dict(load(data), assign=True)
        self._held[layer] = chain
        self.held_bytes += len(data)

    def draw(self, layer: LayerId) -> None:
        """Hold a layer with weights drawn here, from its seed."""
        if layer in self._held:
            return
        self.prepare(layer.model)
        chain = build(layer.model, layer.seed, layer.index, layer.index + 1)
        self._held[layer] = chain
        self.held_bytes += sum(tensor.nbytes for tensor in chain.state_dict().values())

    def run(self, model: str, seed: int, first: int, stop: int, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Return the output of layers `first` up to, not including, `stop`, and their time in ns."""
        chains = [self._chain(LayerId(model, seed, index)) for index in range(first, stop)]
        with as_value_error(f"{model} layers {first}-{stop}: the input does not fit"):
            torch.set_num_threads(1)  # counts for the calling thread: its first run would use all processors
            begun_ns = perf_counter_ns()
            for chain in chains:
                x = chain(x)
            return x, perf_counter_ns() - begun_ns

    def warm_up(self, model: str, seed: int, first: int, stop: int) -> None:
        """Run a partition on a synthetic input, so that its first measured run is not slower than later ones."""
        x = self.synthetic_input(model, seed, first, WARM_UP_TOKENS)
        for _ in range(WARM_UP_RUNS):
            self.run(model, seed, first, stop, x)

    def measure(self, model: str, seed: int, first: int, stop: int, tokens: int, repeats: int) -> tuple[int, ...]:
        """Return the median time of each layer in ns over `repeats` passes through all of them, after a first pass that
        does not count. Whole passes, not repeated runs of a single layer: the processor's caches are as in a task."""
        start = self.synthetic_input(model, seed, first, tokens)
        passes_ns = []
        for _ in range(1 + repeats):
            x, pass_ns = start, []
            for index in range(first, stop):
                x, layer_ns = self.run(model, seed, index, index + 1, x)
                pass_ns.append(layer_ns)
            passes_ns.append(pass_ns)
        return tuple(round(median(times_ns)) for times_ns in zip(*passes_ns[1:], strict=True))

    def task_input(self, model: str, seed: int, tokens: int) -> torch.Tensor:
        """Return the input of a task: an image, or `tokens` token ids."""
        with as_value_error(f"{model}: {tokens} tokens do not fit"):
            return example_input(model, seed, tokens=tokens)

    def synthetic_input(self, model: str, seed: int, cut: int, tokens: int) -> torch.Tensor:
        """Return a tensor of the shape and type of the activation at a cut, uniform in [0, 1)."""
        real = self.task_input(model, seed, tokens)
        if cut == 0:
            return real
        with as_value_error(f"{model} has no cut {cut}"):
            shape = outline(model, 0, cut)(real.to("meta")).shape
            values = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
        return values.to(DTYPES[model_plan(model).weight_dtype])

    def from_wire(self, model: str, values: Float32Array) -> torch.Tensor:
        """Return a received activation in the type that the model computes in."""
        return torch.from_numpy(values).to(DTYPES[model_plan(model).weight_dtype])

    def to_wire(self, x: torch.Tensor) -> Float32Array:
        """Return an activation in the type that the codec encodes."""
        values: Float32Array = x.to(torch.float32).numpy()
        return values

    def scores(self, model: str, output: torch.Tensor) -> Float32Array:
        """Return the result of a task from the last layer's output: the scores of the classes, or of the next token."""
        return self.to_wire(output[:, -1] if model_plan(model).family == "causal_lm" else output)

    def _chain(self, layer: LayerId) -> Chain:
        if layer not in self._held:
            raise ValueError(f"{layer.model} layer {layer.index} is not deployed here")
        return self._held[layer]


@contextmanager
def as_value_error(message: str) -> Iterator[None]:
    """Raise torch's errors about wrong shapes, indices and sizes as ValueError: `message`, then the error's text."""
    try:
        yield
    except (RuntimeError, IndexError, MemoryError, SafetensorError) as error:
        raise ValueError(f"{message}: {error}") from error
