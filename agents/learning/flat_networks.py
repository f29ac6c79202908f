"""`SeparateNetworks` and `SharedTrunk` with all parameters in one array, and their gradient written out."""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agents.learning.draws import Draws
from agents.learning.heads import Shape
from agents.learning.kernels import Array, biased_tanh, shift, sums, through_tanh
from emulator.core.arrays import Flags, Float32s

HIDDEN_GAIN, ACTOR_GAIN, CRITIC_GAIN = 2**0.5, 0.01, 1.0  # as in `agents.learning.networks`
SHARED, SEPARATE = 1, 2  # trunks of two tanh layers: `SharedTrunk` has one, `SeparateNetworks` one for each output


class Parts:
    """Views of an array by layer. The first two layers of all `trunks`, SHARED or SEPARATE, lie side by side, so that
    one call multiplies both: the actor's trunk is the first, the critic's the last."""

    def __init__(self, shape: Shape, hidden: int, dtype: npt.DTypeLike = np.float32, trunks: int = SEPARATE) -> None:
        logits = shape.heads * shape.outcomes
        sizes = [(trunks, hidden, shape.features), (trunks, hidden), (trunks, hidden, hidden), (trunks, hidden)]
        sizes += [(logits, hidden), (logits,), (1, hidden), (1,)]
        starts = [0, *np.cumsum([int(np.prod(size)) for size in sizes]).tolist()]
        self.flat = np.zeros(starts[-1], dtype=dtype)
        views = [self.flat[a:b].reshape(size) for (a, b), size in zip(pairwise(starts), sizes, strict=True)]
        self.first, self.first_bias, self.second, self.second_bias = views[:4]
        self.actor, self.actor_bias, self.critic, self.critic_bias = views[4:]

    def named(self) -> dict[str, Array]:
        """Return the views by their names in `SeparateNetworks` or `SharedTrunk`, in the order of the layers."""
        trunks = [
            [(self.first[index], self.first_bias[index]), (self.second[index], self.second_bias[index])]
            for index in range(len(self.first))
        ]
        actor, critic = (self.actor, self.actor_bias), (self.critic, self.critic_bias)
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
        for values in self.named().values():
            if values.ndim == 2:
                gain = ACTOR_GAIN if values is self.actor else CRITIC_GAIN if values is self.critic else HIDDEN_GAIN
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
        self._tanh = biased_tanh if dtype == np.float32 else _biased_tanh
        self._layers = np.zeros((3, trunks * most_rows * hidden), dtype)
        self._logits, self._exponentials = np.zeros((2, most_rows, shape.heads * shape.outcomes), dtype)
        self._totals = np.zeros((most_rows, shape.heads), dtype)
        self._values = np.zeros((most_rows, 1), dtype)

    def forward(self, observations: Array, masks: Flags) -> Output:
        """Compute both networks for observations (rows, features) and masks (rows, M, K)."""
        rows, weights = len(observations), self.parameters
        first, second, _ = self._hidden_layers(rows)
        np.matmul(observations, weights.first.transpose(0, 2, 1), out=first)
        self._tanh(first, weights.first_bias)
        np.matmul(first, weights.second.transpose(0, 2, 1), out=second)
        self._tanh(second, weights.second_bias)
        flat, values = self._logits[:rows], self._values[:rows]
        np.matmul(second[-1], weights.critic.T, out=values)
        values += weights.critic_bias
        np.matmul(second[0], weights.actor.T, out=flat)
        logits, exponentials = flat.reshape(masks.shape), self._exponentials[:rows].reshape(masks.shape)
        totals = self._totals[:rows]
        shift(logits, weights.actor_bias, masks)
        np.exp(logits, out=exponentials)
        sums(exponentials, totals)
        return Output(logits, exponentials, totals, values[:, 0])

    def logits(self, observations: Array) -> Array:
        """Return the actor's logits (rows, M, K) only, without masks."""
        weights = self.parameters
        hidden = np.matmul(observations, weights.first[:1].transpose(0, 2, 1))
        self._tanh(hidden, weights.first_bias)
        hidden = np.matmul(hidden, weights.second[:1].transpose(0, 2, 1))
        self._tanh(hidden, weights.second_bias)
        logits: Array = hidden[0] @ weights.actor.T + weights.actor_bias
        return logits.reshape(-1, self.shape.heads, self.shape.outcomes)

    def _hidden_layers(self, rows: int) -> Array:
        """Return three arrays (trunks, rows, units) without gaps, for which compiled loops are fast."""
        count = self._trunks * rows * self._hidden
        layers: Array = self._layers[:, :count].reshape(3, self._trunks, rows, self._hidden)
        return layers

    def backward(self, observations: Array, by_logits: Array, by_values: Array) -> None:
        """Compute `gradient` from those by the outputs of the last `forward`, for the same observations."""
        rows, weights, gradient = len(observations), self.parameters, self.gradient
        first, second, by_hidden = self._hidden_layers(rows)
        by_logits, by_values = by_logits.reshape(rows, -1), by_values[:, None]
        np.matmul(by_logits.T, second[0], out=gradient.actor)
        np.add.reduce(by_logits, axis=0, out=gradient.actor_bias)
        np.matmul(by_values.T, second[-1], out=gradient.critic)
        np.add.reduce(by_values, axis=0, out=gradient.critic_bias)
        np.matmul(by_logits, weights.actor, out=by_hidden[0])
        if self._trunks == SHARED:
            by_hidden[0] += by_values * weights.critic
        else:
            np.multiply(by_values, weights.critic, out=by_hidden[1])
        through_tanh(by_hidden, second, gradient.second_bias)
        np.matmul(by_hidden.transpose(0, 2, 1), first, out=gradient.second)
        np.matmul(by_hidden, weights.second, out=second)  # its values are no longer needed
        through_tanh(second, first, gradient.first_bias)
        np.matmul(second.transpose(0, 2, 1), observations, out=gradient.first)


def _biased_tanh(values: Array, bias: Array) -> None:
    """Do what `biased_tanh` does, in any precision."""
    values += bias[: len(values), None]
    np.tanh(values, out=values)
