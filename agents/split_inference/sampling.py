"""Choices drawn from a network's probabilities, with draws that depend on the task alone."""

import numpy as np

from emulator.core.arrays import Float32s
from emulator.core.draws import uniform
from emulator.core.randomness import draw_key

LEAST_DRAW = 1e-20  # so that its logarithm is finite


class Sampler:
    """Draws choices in proportion to the exponentials of logits, by the largest sum of logit and Gumbel noise."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._keys: dict[tuple[str, str], int] = {}

    def choose(self, source: str, kind: str, number: int, logits: Float32s) -> int:
        """Return a choice for a task, given by its stream and number. `logits`, (choices,), are minus infinity where
        there is none."""
        if (source, kind) not in self._keys:
            self._keys[source, kind] = draw_key(self._seed, source, f"sampled placement of {kind}")
        key = self._keys[source, kind]
        draws = np.array([uniform(key, number, choice, 0) for choice in range(len(logits))])
        noise = -np.log(-np.log(np.maximum(draws, LEAST_DRAW)))
        return int(np.argmax(logits + noise))
