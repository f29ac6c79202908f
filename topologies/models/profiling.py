"""Profiling of models on the meta device: computed, not measured, and without memory for weights."""

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from emulator.profile import Layer, ModelProfile
from topologies.models.chain import Chain, LayerPlan, ModelPlan
from topologies.models.registry import model_plan


def take_profile(name: str) -> ModelProfile:
    """Return the profile of a model of the registry. Raises ValueError for an unknown name."""
    return profile_of(model_plan(name))


def profile_of(plan: ModelPlan) -> ModelProfile:
    """Return the profile of a model.

    FLOPs are those of matrix products and convolutions, two per multiply-accumulate. Biases, norms, ReLUs, pools,
    softmax, rotary embeddings and table look-ups are not counted (at most about 1 % of these models). A prompt of S
    tokens, in which every position attends to every other, takes a S + c S² FLOPs: a is a layer's `flops`, c its
    `context_flops`, solved from S = 1 and S = 2. The head of a language model counts for every token, as in
    `Chain.run`. `weight_bytes` is the size of the parameters and of the batch norms' statistics.
    """
    chain = Chain(plan, 0, len(plan.layers))
    count = _image_layers if plan.family == "vision" else _token_layers
    layers = count(plan, [chain.layers[str(index)] for index in range(len(plan.layers))])
    return ModelProfile(plan.name, plan.family, plan.weight_dtype, plan.input_shape, layers)


def _image_layers(plan: ModelPlan, modules: list[nn.Module]) -> tuple[Layer, ...]:
    outputs, flops = _run_layers(modules, torch.empty(1, *plan.input_shape, device="meta"))
    return tuple(map(_layer, plan.layers, modules, outputs, flops, [0] * len(modules)))


def _token_layers(plan: ModelPlan, modules: list[nn.Module]) -> tuple[Layer, ...]:
    outputs, one = _run_layers(modules, torch.empty(1, 1, dtype=torch.int64, device="meta"))
    _, two = _run_layers(modules, torch.empty(1, 2, dtype=torch.int64, device="meta"))
    context_flops = [
        (flops_of_two - 2 * flops_of_one) // 2 for flops_of_one, flops_of_two in zip(one, two, strict=True)
    ]
    flops = [total - context for total, context in zip(one, context_flops, strict=True)]
    return tuple(map(_layer, plan.layers, modules, outputs, flops, context_flops))


def _layer(plan: LayerPlan, module: nn.Module, output: Tensor, flops: int, context_flops: int) -> Layer:
    weight_bytes = sum(tensor.nbytes for tensor in module.state_dict().values())
    return Layer(plan.name, flops, weight_bytes, output.numel(), context_flops, plan.kv_elements)


@torch.no_grad()
def _run_layers(modules: list[nn.Module], x: Tensor) -> tuple[list[Tensor], list[int]]:
    """Return the outputs and the FLOPs of all layers for the input `x`."""
    outputs, flops = [], []
    for module in modules:
        with FlopCounterMode(display=False) as counter:
            x = module(x)
        outputs.append(x)
        flops.append(counter.get_total_flops())
    return outputs, flops
