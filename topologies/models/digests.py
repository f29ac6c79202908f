"""SHA-256 of the weights of the shipped trained models. Imports no torch."""

from collections.abc import Mapping

from topologies.models.language.packages import PACKAGES, SHIPPED


def trained_digests(model: str) -> Mapping[str, str]:
    """Return the SHA-256 of the files that a shipped model's answers depend on, by their names; empty for a model whose
    weights are drawn from a seed."""
    return PACKAGES[SHIPPED[model]].digests if model in SHIPPED else {}
