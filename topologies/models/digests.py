"""SHA-256 of the files that the answers of models depend on. Imports no torch."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from topologies.models.language.model_folder import TOKENIZER_FILE
from topologies.models.language.packages import PACKAGES, SHIPPED
from topologies.models.language.sources import digests_of
from topologies.models.vision.weight_files import EFFICIENTNET_LITE0, card_names, read_card
from topologies.schema.models import ModelSection


def trained_digests(model: str) -> Mapping[str, str]:
    """Return the SHA-256 of the files that a shipped model's answers depend on, by their names; empty for a model whose
    weights are drawn from a seed."""
    if model in SHIPPED:
        return PACKAGES[SHIPPED[model]].digests
    if model == "efficientnet-lite0":
        return {Path(EFFICIENTNET_LITE0.file).name: EFFICIENTNET_LITE0.sha256}
    return {f"{model}.safetensors": read_card(model)["weights_sha256"]} if model in card_names() else {}


def source_digests(source: str | ModelSection, base: Path) -> Mapping[str, str]:
    """Return the SHA-256 of the files that a model of a scenario's answers depend on, by their names: those that its
    section states, else those of the files; empty for weights from a seed, and for a model that is known by its profile
    alone. Relative folders start from `base`. Raises as `topologies.models.language.sources.settings_of`."""
    if isinstance(source, str):
        return trained_digests(source)
    return {} if source.seed is not None else source.sha256 or digests_of(source, base)


def weights_sha256(files: Mapping[str, str]) -> str:
    """Return one SHA-256 for a model's weights and settings: that of the digests of its files (`source_digests`),
    sorted, a line each, without that of its tokenizer. Names of files do not count."""
    digests = sorted(digest for name, digest in files.items() if name != TOKENIZER_FILE)
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()
