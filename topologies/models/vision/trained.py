"""Trained weights that are shipped: safetensors, with a card that says how they were made and what they reach."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache, partial

from safetensors.torch import load, save
from torch import Tensor

from emulator.core.files import atomic_write
from topologies.models.chain import LayerPlan, ModelPlan
from topologies.models.vision.weight_files import FOLDER, read_card

FASHION_MEAN, FASHION_STD = 0.2860, 0.3530  # of all pixels of Fashion-MNIST's training images, scaled to [0, 1]


def fashion_plan(name: str, layers: tuple[LayerPlan, ...]) -> ModelPlan:
    """Return the plan of a model that was trained on Fashion-MNIST and is shipped."""
    weights = partial(trained_layer, name)
    shape = (1, 28, 28)
    return ModelPlan(name, "vision", "fp32", shape, layers, 0, weights, FASHION_MEAN, FASHION_STD)


def trained_layer(name: str, index: int) -> Mapping[str, Tensor]:
    """Return the trained tensors of a layer of a shipped model, by their names in the layer.

    Raises ValueError, one line, if the file is not the one that the card describes.
    """
    prefix = f"layers.{index}."
    return {
        key.removeprefix(prefix): tensor.clone() for key, tensor in _tensors(name).items() if key.startswith(prefix)
    }


@cache
def _tensors(name: str) -> Mapping[str, Tensor]:
    path = FOLDER / f"{name}.safetensors"
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != read_card(name)["weights_sha256"]:
        raise ValueError(f"{path}: SHA-256 must be that of its card, {name}.json")
    return load(data)


def save_trained(name: str, tensors: Mapping[str, Tensor], card: Mapping[str, object]) -> dict[str, object]:
    """Write the weights of a model and then its card, to which `weights_sha256` is added. Return the card."""
    data = save({key: tensor.contiguous() for key, tensor in tensors.items()})
    full = {**card, "weights_sha256": hashlib.sha256(data).hexdigest()}
    with atomic_write(FOLDER / f"{name}.safetensors") as partial_file:
        partial_file.write_bytes(data)
    with atomic_write(FOLDER / f"{name}.json") as partial_file:
        partial_file.write_text(json.dumps(full, indent=2) + "\n", encoding="utf-8")
    return full
