"""Models by name: whole or in slices, with weights or without."""

import importlib
from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor

from emulator.core.randomness import generator
from topologies.models.chain import Chain, ModelPlan

# A family is imported at the first use of one of its models: transformers takes seconds to import, and a worker
# that runs a convolutional network should not wait for it.
FAMILIES: Mapping[str, str] = {
    "alexnet": "vision.alexnet",
    "efficientnet-lite0": "vision.efficientnet",
    "googlenet": "vision.googlenet",
    "llama-110m": "language.llama",
    "llama-15m": "language.llama",
    "llama2-7b": "language.llama",
    "nin": "vision.nin",
    "resnet32": "vision.resnet",
    "resnet50": "vision.resnet",
    "resnet8-fashion": "vision.resnet",
    "smollm2-135m": "language.smollm2",
    "tinyllama-1.1b": "language.llama",
    "vgg-fashion": "vision.vgg",
    "vgg16": "vision.vgg",
}


def model_names() -> tuple[str, ...]:
    """Return the names of all models."""
    return tuple(FAMILIES)


@cache
def model_plan(name: str) -> ModelPlan:
    """Return the definition of a model; no layer is constructed. Raises ValueError for an unknown name."""
    if name not in FAMILIES:
        raise ValueError(f"model={name}: must be one of {', '.join(FAMILIES)}")
    family = importlib.import_module(f"topologies.models.{FAMILIES[name]}")
    plan: ModelPlan = family.plan(name)
    return plan


def outline(name: str, first: int = 0, stop: int | None = None) -> Chain:
    """Return layers `first` up to, not including, `stop` (default: the end) without memory for weights;
    `load_state_dict(tensors, assign=True)` adds them. Raises ValueError for an unknown name or layers."""
    plan = model_plan(name)
    return Chain(plan, first, len(plan.layers) if stop is None else stop)


def build(name: str, seed: int, first: int = 0, stop: int | None = None) -> Chain:
    """Return layers `first` up to, not including, `stop` (default: the end) on the CPU, with trained weights if the
    model has them, else with weights from the seed. No other layer is constructed. Raises ValueError for an unknown
    name or layers."""
    chain = outline(name, first, stop)
    chain.materialise(seed)
    return chain


def example_input(name: str, seed: int, index: int = 0, tokens: int = 1) -> Tensor:
    """Return a random input from the seed: an image, shape (1, channels, height, width), uniform in [-1, 1]; or
    `tokens` token ids, shape (1, tokens), int64."""
    return plan_input(model_plan(name), seed, index, tokens)


def plan_input(plan: ModelPlan, seed: int, index: int = 0, tokens: int = 1) -> Tensor:
    """Return a random input of a model, as `example_input`."""
    draw = generator(seed, plan.name, "example input", index)
    if plan.family == "vision":
        return torch.from_numpy(draw.uniform(-1.0, 1.0, (1, *plan.input_shape))).to(torch.float32)
    return torch.from_numpy(draw.integers(plan.vocabulary, size=(1, tokens)))
