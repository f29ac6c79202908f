"""SHA-256 of the weights of the shipped trained models. Imports no torch."""

from collections.abc import Mapping
from pathlib import Path

from topologies.models.language.packages import PACKAGES, SHIPPED
from topologies.models.vision.weight_files import EFFICIENTNET_LITE0, card_names, read_card


def trained_digests(model: str) -> Mapping[str, str]:
    """Return the SHA-256 of the files that a shipped model's answers depend on, by their names; empty for a model whose
    weights are drawn from a seed."""
    if model in SHIPPED:
        return PACKAGES[SHIPPED[model]].digests
    if model == "efficientnet-lite0":
        return {Path(EFFICIENTNET_LITE0.file).name: EFFICIENTNET_LITE0.sha256}
    return {f"{model}.safetensors": read_card(model)["weights_sha256"]} if model in card_names() else {}
