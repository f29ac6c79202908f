"""`SeparateNetworks` and `SharedTrunk` with all parameters in one array, and their gradient written out."""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agents.learning.draws import Draws
from agents.learning.heads import Shape
from agents.learning.kernels import shift, sums
from agents.learning.network_kernels import Array, Layers, backward, logits_of, outputs
from emulator.core.arrays import Flags, Float32s

HIDDEN_GAIN, ACTOR_GAIN, CRITIC_GAIN = 2**0.5, 0.01, 1.0  # as in `agents.learning.networks`
SHARED, SEPARATE = 1, 2  # trunks of two tanh layers: `SharedTrunk` has one, `SeparateNetworks` one for each output


class Parts:
    """Views of an array by layer. `trunks`: SHARED or SEPARATE."""

    def __init__(self, shape: Shape, hidden: int, dtype: npt.DTypeLike = np.float32, trunks: int = SEPARATE) -> None:
        logits = shape.heads * shape.outcomes
        sizes = [(trunks, hidden, shape.features), (trunks, hidden), (trunks, hidden, hidden), (trunks, hidden)]
        sizes += [(logits, hidden), (logits,), (1, hidden), (1,)]
        starts = [0, *np.cumsum([int(np.prod(size)) for size in sizes]).tolist()]
        self.flat = np.zeros(starts[-1], dtype=dtype)
        self.layers = Layers._make(
            self.flat[a:b].reshape(size) for (a, b), size in zip(pairwise(starts), sizes, strict=True)
        )

    def named(self) -> dict[str, Array]:
        """Return the views by their names in `SeparateNetworks` or `SharedTrunk`, in the order of the layers."""
        of = self.layers
        trunks = [
            [(of.first[index], of.first_bias[index]), (of.second[index], of.second_bias[index])]
            for index in range(len(of.first))
        ]
        actor, critic = (of.actor, of.actor_bias), (of.critic, of.critic_bias)
        if len(trunks) == SHARED:
            networks = {"trunk": trunks[0], "heads": [actor], "critic": [critic]}
        else:
            networks = {"actor": [*trunks[0], actor], "critic": [*trunks[1], critic]}
        return {
            f"{name}.{2 * number}.{kind}": values
            for name, layers in networks.items()
            for number, layer in enumerate(layers)
            for kind, values in zip(("weight", "bias"), layer, strict=True)
        }

    def weights(self) -> dict[str, Float32s]:
        """Return a copy of all values, by name."""
        return {name: values.copy() for name, values in self.named().items()}

    def set(self, weights: Mapping[str, Array]) -> None:
        """Take values by name."""
        for name, values in self.named().items():
            values[:] = weights[name]

    def draw(self, draws: Draws) -> None:
        """Draw the first weights, as `SeparateNetworks` or `SharedTrunk` does."""
        gains = {id(self.layers.actor): ACTOR_GAIN, id(self.layers.critic): CRITIC_GAIN}
        for values in self.named().values():
            if values.ndim == 2:
                gain = gains.get(id(values), HIDDEN_GAIN)
                values[:] = draws.orthogonal(values.shape[0], values.shape[1], gain)


class Output(NamedTuple):
    """What the networks give for some observations. The next call overwrites it."""

    shifted: Array  # (rows, M, K): logits less their largest
    exponentials: Array  # (rows, M, K), of these
    totals: Array  # (rows, M), sums of these
    values: Array  # (rows,)


class FlatNetworks:
    """Computes logits and values, and the gradient by all parameters, in arrays that are made once, for at most
    `most_rows` observations. `trunks`: SHARED or SEPARATE."""

    def __init__(
        self, shape: Shape, hidden: int, most_rows: int, dtype: npt.DTypeLike = np.float32, trunks: int = SEPARATE
    ) -> None:
        self.shape, self._hidden, self._trunks = shape, hidden, trunks
        self.parameters, self.gradient = (Parts(shape, hidden, dtype, trunks) for _ in range(2))
        self._layers = np.zeros((3, trunks * most_rows * hidden), dtype)
        self._logits, self._exponentials = np.zeros((2, most_rows, shape.heads * shape.outcomes), dtype)
        self._totals = np.zeros((most_rows, shape.heads), dtype)
        self._values, self._ones = np.zeros(most_rows, dtype), np.ones(most_rows, dtype)

    def forward(self, observations: Array, masks: Flags) -> Output:
        """Compute both networks for observations (rows, features) and masks (rows, M, K)."""
        rows, layers = len(observations), self.parameters.layers
        first, second, _ = self._hidden_layers(rows)
        flat, values, totals = self._logits[:rows], self._values[:rows], self._totals[:rows]
        outputs(layers, observations, first, second, flat, values)
        logits, exponentials = flat.reshape(masks.shape), self._exponentials[:rows].reshape(masks.shape)
        shift(logits, layers.actor_bias, masks)
        np.exp(logits, out=exponentials)
        sums(exponentials, totals)
        return Output(logits, exponentials, totals, values)

    def logits(self, observations: Array) -> Array:
        """Return the actor's logits (rows, M, K) only, without masks."""
        logits = logits_of(self.parameters.layers, np.ascontiguousarray(observations))
        return logits.reshape(-1, self.shape.heads, self.shape.outcomes)

    def _hidden_layers(self, rows: int) -> Array:
        """Return three arrays (trunks, units, rows) without gaps."""
        count = self._trunks * rows * self._hidden
        layers: Array = self._layers[:, :count].reshape(3, self._trunks, self._hidden, rows)
        return layers

    def backward(self, observations: Array, by_logits: Array, by_values: Array) -> None:
        """Compute `gradient` from those by the outputs of the last `forward`, for the same observations."""
        rows = len(observations)
        first, second, by_hidden = self._hidden_layers(rows)
        backward(
            self.parameters.layers, observations, first, second, by_hidden, by_logits.reshape(rows, -1), by_values,
            self._ones[:rows], self.gradient.layers,
        )  # fmt: skip
