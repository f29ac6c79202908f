"""Hold layers of models, run partitions of them, and measure their times. Importing this imports torch."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from statistics import median
from time import perf_counter_ns
from typing import NamedTuple

import torch
from safetensors.torch import load, save

from emulator.core.errors import MissingDependency
from hil.answers import text_loss
from hil.codec import Float32Array
from hil.control_messages import MAX_TOKENS
from hil.deployment import LayerId
from hil.errors import Malformed
from topologies.models.chain import DTYPES, Chain, ModelPlan, Session
from topologies.models.language.config_file import config_of_text
from topologies.models.registry import model_names, model_plan, plan_input

TensorTypes = Mapping[str, tuple[torch.dtype, torch.Size]]
WARM_UP_RUNS = 2
WARM_UP_TOKENS = 16


def layer_bytes(layer: LayerId, plan: ModelPlan | None = None) -> bytes:
    """Return a layer's weights as safetensors; `plan` is that of the layer's model, by default the shipped one."""
    return chain_bytes(built_layer(layer, plan or model_plan(layer.model)))


def built_layer(layer: LayerId, plan: ModelPlan) -> Chain:
    """Return a layer with its trained weights, or with weights drawn from its seed."""
    chain = Chain(plan, layer.index, layer.index + 1)
    chain.materialise(layer.seed)
    return chain


def chain_bytes(chain: Chain) -> bytes:
    """Return the weights of layers as safetensors."""
    return bytes(save({name: tensor.contiguous() for name, tensor in chain.state_dict().items()}))


def read_weights(data: bytes, wanted: TensorTypes) -> dict[str, torch.Tensor]:
    """Return the tensors of `data` (safetensors). Raises Malformed unless they are exactly those that are wanted."""
    try:
        tensors = load(data)
    except Exception as error:  # the library declares none: a type that it does not know is a KeyError
        raise Malformed(f"the weights do not fit: {type(error).__name__}: {error}") from error
    if types_of(tensors) != wanted:
        raise Malformed("the weights do not fit: must have the layer's names, types and shapes")
    return tensors


def types_of(tensors: Mapping[str, torch.Tensor]) -> TensorTypes:
    """Return the types and shapes of tensors by name."""
    return {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}


class _HeldLayer(NamedTuple):
    """A layer, the size of its weights, and the SHA-256 that they were sent with; empty if they were drawn here."""

    chain: Chain
    size_bytes: int
    whole: bytes = b""


class Runtime:
    """The layers that a process holds, run one after the other on one thread.

    Methods raise ValueError for an unknown model or layer, a layer that is not held, and an input or weights of the
    wrong shape: every error that a received message can cause.
    """

    def __init__(self) -> None:
        torch.set_num_threads(1)  # times vary less with the host's load
        self.threads = torch.get_num_threads()
        self._held: dict[LayerId, _HeldLayer] = {}
        self._prepared: dict[str, tuple[str, str, ModelPlan]] = {}  # by model: settings, precision of weights, plan
        self._shapes: dict[tuple[str, int], tuple[int, ...]] = {}  # by model and cut: of one image or token

    @property
    def held_bytes(self) -> int:
        """The size of all weights."""
        return sum(held.size_bytes for held in self._held.values())

    def holds(self, layer: LayerId, whole: bytes) -> bool:
        """Return whether a layer is held with the weights whose SHA-256 is `whole`."""
        return layer in self._held and self._held[layer].whole == whole

    def prepare(self, model: str, settings: str = "", dtype: str = "fp32") -> None:
        """Import the libraries of the model's layers, which takes seconds for some models.

        `settings` are those of a language model that is not shipped (the JSON of its config.json), `dtype` the
        precision of its weights. Layers of another model that had the name are held no longer.
        """
        known = self._prepared.get(model)
        if known is not None and known[:2] == (settings, dtype):
            return
        plan = _received_plan(model, settings, dtype) if settings else _shipped_plan(model)
        gc.collect()
        gc.freeze()  # garbage collection during a measurement then skips these objects
        self._prepared[model] = settings, dtype, plan
        self._held = {layer: held for layer, held in self._held.items() if layer.model != model}
        self._shapes = {key: shape for key, shape in self._shapes.items() if key[0] != model}

    def adopt(self, plan: ModelPlan) -> None:
        """Hold layers of a model that is not shipped, whose weights this machine has."""
        self._prepared[plan.name] = "", plan.weight_dtype, plan

    def find(self, layer: LayerId, whole: bytes) -> bool:
        """Return whether this machine has a layer's trained weights, with the SHA-256 `whole`, and then hold them."""
        if layer.model not in model_names():
            return False
        plan = self._plan(layer.model)
        if plan.weights is None or not 0 <= layer.index < len(plan.layers):
            return False
        try:
            chain = built_layer(layer, plan)
        except (MissingDependency, ValueError):  # its package is not installed, or a file is damaged: they are sent
            return False
        data = chain_bytes(chain)
        if sha256(data).digest() != whole:
            return False
        self._held[layer] = _HeldLayer(chain, len(data), whole)
        return True

    def load(self, layer: LayerId, data: bytes, whole: bytes) -> None:
        """Hold a layer with the received weights `data`, whose SHA-256 is `whole`, instead of others that it had.
        Raises Malformed unless they fit."""
        chain = Chain(self._plan(layer.model), layer.index, layer.index + 1)
        try:
            chain.load_state_dict(read_weights(data, types_of(chain.state_dict())), assign=True)
        except Malformed as error:
            raise Malformed(f"{_name(layer)}: {error}") from error
        self._held[layer] = _HeldLayer(chain, len(data), whole)

    def draw(self, layer: LayerId) -> None:
        """Hold a layer with its trained weights, or with weights drawn here, from its seed."""
        if layer in self._held:
            return
        chain = built_layer(layer, self._plan(layer.model))
        self._held[layer] = _HeldLayer(chain, sum(tensor.nbytes for tensor in chain.state_dict().values()))

    def run(
        self, model: str, seed: int, first: int, stop: int, x: torch.Tensor, session: Session | None = None
    ) -> tuple[torch.Tensor, int]:
        """Return the output of layers `first` up to, not including, `stop`, and their time in ns. With a `session`, `x`
        follows the inputs of its earlier passes."""
        chains = [self._chain(LayerId(model, seed, index)) for index in range(first, stop)]
        if not chains:
            raise ValueError(f"{model} layers {first}-{stop}: must be at least one")
        with as_value_error(f"{model} layers {first}-{stop}: the input does not fit"):
            torch.set_num_threads(1)  # counts for the calling thread: its first run would use all processors
            begun_ns = perf_counter_ns()
            for chain in chains:
                x = chain(x, session)
            return x, perf_counter_ns() - begun_ns

    def warm_up(self, model: str, seed: int, first: int, stop: int) -> None:
        """Run a partition on a synthetic input, so that its first measured run is not slower than later ones."""
        self.activation_shape(model, first)  # so that the first received activation is not slower either
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

    def task_input(self, model: str, seed: int, tokens: int, prompt: tuple[int, ...] = ()) -> torch.Tensor:
        """Return the input of a task: the token ids `prompt`, or if it is empty a drawn image or `tokens` drawn token
        ids. Raises ValueError for tokens that the model does not have."""
        if prompt:
            if max(prompt) >= self._plan(model).vocabulary:
                raise ValueError(f"{model}: token {max(prompt)}: must be below {self._plan(model).vocabulary}")
            return torch.tensor([prompt])
        with as_value_error(f"{model}: {tokens} tokens do not fit"):
            return plan_input(self._plan(model), seed, tokens=tokens)

    def synthetic_input(self, model: str, seed: int, cut: int, tokens: int) -> torch.Tensor:
        """Return a tensor of the shape and type of the activation at a cut, uniform in [0, 1)."""
        real = self.task_input(model, seed, tokens)
        if cut == 0:
            return real
        with as_value_error(f"{model} has no cut {cut}"):
            shape = Chain(self._plan(model), 0, cut)(real.to("meta")).shape
            values = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
        return values.to(DTYPES[self._plan(model).weight_dtype])

    def activation_shape(self, model: str, cut: int) -> tuple[int, ...]:
        """Return the shape of the activation at a cut, of one image or one token; computed once."""
        if (model, cut) not in self._shapes:
            self._shapes[model, cut] = tuple(self.synthetic_input(model, 0, cut, 1).shape)
        return self._shapes[model, cut]

    def from_wire(self, model: str, cut: int, values: Float32Array) -> torch.Tensor:
        """Return an activation received for a cut, in the type that the model computes in. Raises ValueError for
        another shape than the activation at this cut has, for any number of tokens up to MAX_TOKENS."""
        plan, one = self._plan(model), self.activation_shape(model, cut)
        tokens = values.shape[1:2] if plan.family == "causal_lm" else one[1:2]
        if values.shape != (one[0], *tokens, *one[2:]) or (plan.family == "causal_lm" and tokens > (MAX_TOKENS,)):
            raise ValueError(f"{model} cut {cut}: activation of shape {values.shape}: must be as {one}")
        return torch.from_numpy(values).to(DTYPES[plan.weight_dtype])

    def tokens_of(self, model: str, x: torch.Tensor) -> int:
        """Return the number of tokens of an activation: 1 for an image."""
        return int(x.shape[1]) if self._plan(model).family == "causal_lm" else 1

    def to_wire(self, x: torch.Tensor) -> Float32Array:
        """Return an activation in the type that the codec encodes."""
        values: Float32Array = x.to(torch.float32).numpy()
        return values

    def scores(self, model: str, output: torch.Tensor) -> Float32Array:
        """Return the result of a task from the last layer's output: the scores of the classes, or of the next token."""
        return self.to_wire(output[:, -1] if self._plan(model).family == "causal_lm" else output)

    def text_nnat(self, output: torch.Tensor, text: tuple[int, ...]) -> int:
        """Return the mean negative log-likelihood of a text's tokens but the first in 1e-9 nats, from the last layer's
        output; 0 for fewer than two tokens. Raises ValueError for another number of tokens, or others, than the output
        has."""
        with as_value_error(f"{len(text)} tokens do not fit the output"):
            loss = text_loss(output, text)
        return 0 if loss is None else round(loss * 1e9)

    def _plan(self, model: str) -> ModelPlan:
        """Return the definition of a model: the prepared one, or else a shipped one."""
        if model not in self._prepared:
            self.prepare(model)
        return self._prepared[model][2]

    def _chain(self, layer: LayerId) -> Chain:
        if layer not in self._held:
            raise ValueError(f"{_name(layer)} is not deployed here")
        return self._held[layer].chain


def _shipped_plan(model: str) -> ModelPlan:
    """Return the definition of a shipped model. Raises ValueError for an unknown one, and without its libraries."""
    with _libraries_of(model):
        return model_plan(model)


def _received_plan(model: str, settings: str, dtype: str) -> ModelPlan:
    """Return the definition of a language model by received settings. Raises ValueError for settings that cannot be
    used, and without the libraries it needs."""
    if dtype not in DTYPES:
        raise ValueError(f"{model}: dtype={dtype[:40]}: must be one of {', '.join(DTYPES)}")
    checked = config_of_text(settings, f"{model}: config.json")
    with _libraries_of(model):
        from topologies.models.language.architecture import configuration_of, language_plan

        return language_plan(model, configuration_of(checked), dtype)


@contextmanager
def _libraries_of(model: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise ValueError(f"{model}: this Python cannot run it: {error}") from error


def _name(layer: LayerId) -> str:
    return f"{layer.model} layer {layer.index}"


@contextmanager
def as_value_error(message: str) -> Iterator[None]:
    """Raise errors as ValueError: `message`, then the error's text. What a layer raises for an input that does not fit
    is not declared: torch and the libraries of models raise many types."""
    try:
        yield
    except Exception as error:  # of any kind: see above
        raise ValueError(f"{message}: {error}") from error
