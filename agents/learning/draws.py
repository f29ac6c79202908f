"""The draws of torch's generator on a processor, without torch.

Both use the Mersenne Twister (MT19937), seeded alike. So PPO in torch and in NumPy see equal samples, permutations and,
to rounding, first weights: of matrices of 16 numbers or more, for which torch draws normal numbers in blocks.
"""

import numpy as np
import numpy.typing as npt

from agents.learning.training.state import TrainingState
from emulator.core.arrays import Float32s, Ints
from emulator.core.compiled import compiled

UNIFORM_BITS = 24  # of a uniform number in single precision
BLOCK = 16  # normal numbers are made of so many uniform ones at once


class Draws:
    """Draws what `torch.Generator().manual_seed(seed)` draws, in the same order."""

    def __init__(self, seed: int) -> None:
        self._words = np.random.RandomState(seed % 2**32)

    def uniform(self, shape: tuple[int, ...]) -> Float32s:
        """Return numbers in [0, 1) as `torch.rand` does."""
        words = self._random(int(np.prod(shape))) & np.uint32(2**UNIFORM_BITS - 1)
        return (words.astype(np.float32) * np.float32(2.0**-UNIFORM_BITS)).reshape(shape)

    def permutation(self, count: int) -> Ints:
        """Return the numbers 0 to `count` - 1 in the order that `torch.randperm` gives them."""
        order = np.arange(count)
        _shuffle(order, self._random(count - 1))
        return order

    def orthogonal(self, rows: int, columns: int, gain: float) -> Float32s:
        """Return a matrix with orthonormal rows or columns times `gain`, as `torch.nn.init.orthogonal_` does."""
        drawn = self._normal(rows * columns).reshape(rows, columns)
        q, r = np.linalg.qr(drawn.T if rows < columns else drawn)
        q *= np.sign(np.diag(r))
        return np.ascontiguousarray((q.T if rows < columns else q) * np.float32(gain))

    def state(self) -> TrainingState:
        """Return a copy of the generator's state."""
        state = self._words.get_state(legacy=False)["state"]
        return TrainingState({"key": state["key"].copy()}, {"position": int(state["pos"])})

    def restore(self, state: TrainingState) -> None:
        """Go on from a state. Raises KeyError, TypeError or ValueError if it is none."""
        words = {"key": state.arrays["key"], "pos": state.data["position"]}
        self._words.set_state({"bit_generator": "MT19937", "state": words, "has_gauss": 0, "gauss": 0.0})

    def _random(self, count: int) -> npt.NDArray[np.uint32]:
        return self._words.randint(2**32, size=count, dtype=np.uint32)

    def _normal(self, count: int) -> Float32s:
        """Return normal numbers as `torch.randn` does, if there are at least 16."""
        if count < BLOCK:
            return self._normal(BLOCK)[:count]
        numbers = _box_muller(self.uniform((count,)))
        if count % BLOCK:  # the last block is drawn anew and overlaps the one before
            numbers[-BLOCK:] = _box_muller(self.uniform((BLOCK,)))
        return numbers


def _box_muller(uniform: Float32s) -> Float32s:
    """Return normal numbers; a block's first half gives radii, its second half angles. Numbers after the last whole
    block are left as they are."""
    numbers = uniform.copy()
    blocks = numbers[: len(uniform) // BLOCK * BLOCK].reshape(-1, 2, BLOCK // 2)
    radius = np.sqrt(np.float32(-2) * np.log(1 - blocks[:, 0]))
    angle = np.float32(2 * np.pi) * blocks[:, 1]
    blocks[:, 0], blocks[:, 1] = radius * np.cos(angle), radius * np.sin(angle)
    return numbers


@compiled
def _shuffle(order: Ints, words: npt.NDArray[np.uint32]) -> None:
    for i in range(len(order) - 1):
        other = i + np.int64(words[i]) % (len(order) - i)
        order[i], order[other] = order[other], order[i]
