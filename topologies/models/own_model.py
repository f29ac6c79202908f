"""The profile of a user's torch module, whose children are its layers. Found by one forward pass with real values."""

from collections import Counter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from emulator.profile import Layer, ModelProfile
from topologies.models.chain import DTYPES

CHAIN = "must be a chain of children, as in nn.Sequential: functions such as torch.relu in between must be children too"


class NotAChain(ValueError):
    """A module cannot be split between its children. The message, one line, says why and what is needed."""


class Call(NamedTuple):
    """A call of a child: whether its input continues the chain, its FLOPs, and the elements of its output (0: it is no
    tensor)."""

    child: str
    continues: bool
    flops: int
    elements: int


class ChainRecorder:
    """Records the calls of a module's children during one forward pass.

    A call continues the chain if its only argument has the values of the output before, in the same order: it may be
    reshaped. Only values show that nothing was computed in between.
    """

    def __init__(self, module: nn.Module, example: Tensor, counter: FlopCounterMode) -> None:
        self.calls: list[Call] = []
        self._counter = counter
        self._last: object = example
        self._started: list[tuple[bool, int]] = []
        for name, child in module.named_children():
            child.register_forward_pre_hook(self._start, with_kwargs=True)
            child.register_forward_hook(lambda _, __, output, name=name: self._end(name, output))

    def is_last_output(self, value: object) -> bool:
        """Return whether `value` is what the last call returned, or has the same values in the same order."""
        if not (isinstance(value, Tensor) and isinstance(self._last, Tensor)):
            return False
        return value is self._last or (
            value.dtype == self._last.dtype and torch.equal(value.reshape(-1), self._last.reshape(-1))
        )

    def _start(self, _: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        continues = len(arguments) == 1 and not named and self.is_last_output(arguments[0])
        self._started.append((continues, self._counter.get_total_flops()))

    def _end(self, name: str, output: object) -> None:
        continues, before = self._started.pop()
        elements = output.numel() if isinstance(output, Tensor) else 0
        self.calls.append(Call(name, continues, self._counter.get_total_flops() - before, elements))
        self._last = output


@torch.no_grad()
def take_own_profile(name: str, module: nn.Module, example: Tensor) -> ModelProfile:
    """Return the profile of a module for one input, `example` of shape (1, ...): a layer for each call of a child.

    FLOPs and bytes count as in `take_profile`. Adds hooks to the module and puts it into evaluation mode. Raises
    NotAChain (one line) if the children are no chain; what the module's own code raises passes.
    """
    if example.dim() < 2 or example.shape[0] != 1:
        raise NotAChain(f"input of shape {tuple(example.shape)}: must be one input, of shape (1, ...)")
    children = dict(module.eval().named_children())
    if not children:
        raise NotAChain("must have children (nn.Sequential, for instance): each is a layer")
    with FlopCounterMode(display=False) as counter:
        recorder = ChainRecorder(module, example, counter)
        result = module(example)
    calls = recorder.calls
    _require_chain(calls)
    if not recorder.is_last_output(result):
        raise NotAChain(f"forward returns something else than its last child, {calls[-1].child}: forward {CHAIN}")
    _require_weights_in_calls(module, calls)
    numbers: Counter[str] = Counter()
    layers = []
    for call in calls:
        numbers[call.child] += 1
        layer = call.child if numbers[call.child] == 1 else f"{call.child}_{numbers[call.child]}"
        layers.append(Layer(layer, call.flops, _weight_bytes(children[call.child]), call.elements))
    return ModelProfile(name, "vision", _weight_dtype(module), tuple(example.shape[1:]), tuple(layers))


def _require_chain(calls: list[Call]) -> None:
    """Raise NotAChain unless each call continues the chain and returns one tensor with values."""
    if not calls:
        raise NotAChain(f"forward calls no child: forward {CHAIN}")
    before = "the input"
    for call in calls:
        if not call.continues:
            raise NotAChain(f"child {call.child} gets something else than {before}: forward {CHAIN}")
        if not call.elements:
            raise NotAChain(f"child {call.child} must return one tensor: forward {CHAIN}")
        before = f"the output of {call.child}"


def _require_weights_in_calls(module: nn.Module, calls: list[Call]) -> None:
    """Raise NotAChain unless all weights are tensors, and those of children, each called once."""
    for name, _ in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
        raise NotAChain(f"{name}: must be of a child, since the children are the layers")
    counts = Counter(call.child for call in calls)
    for name, child in module.named_children():
        for key, value in child.state_dict().items():
            if not isinstance(value, Tensor) and not key.endswith("_extra_state"):
                raise NotAChain(f"child {name}: {key} is no tensor, so its size is not known: must not be quantized")
        if _weight_bytes(child) and counts[name] != 1:
            raise NotAChain(f"child {name} has weights and is called {counts[name]} times: must be called once")


def _weight_bytes(child: nn.Module) -> int:
    return sum(value.nbytes for value in child.state_dict().values() if isinstance(value, Tensor))


def _weight_dtype(module: nn.Module) -> str:
    found = {parameter.dtype for parameter in module.parameters()} or {torch.float32}
    names = [name for name, dtype in DTYPES.items() if {dtype} == found]
    if not names:
        dtypes = ", ".join(sorted(str(dtype) for dtype in found))
        raise NotAChain(f"weights of {dtypes}: must all be of torch.float32, or all of torch.float16")
    return names[0]
