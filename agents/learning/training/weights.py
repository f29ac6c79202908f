"""Trained parameters."""

from collections.abc import Mapping

import numpy as np

from emulator.core.arrays import Float32s

Weights = dict[str, Float32s]  # of all parameters, by name


def require_finite(agent: str, weights: Mapping[str, Float32s]) -> None:
    """Raise ValueError (one line) if a trained parameter is not finite."""
    if not all(np.isfinite(values).all() for values in weights.values()):
        raise ValueError(f"{agent}: settings must keep the weights finite: a lower learning_rate or a higher num_envs")
