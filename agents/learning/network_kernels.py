"""Loops of the networks in `agents.learning.flat_networks`, compiled.

Hidden layers are stored as (trunks, units, rows): the loops over rows are long, however few the units, and the compiler
makes vectors of them. Arrays have one kind of number each: single precision, or double in tests.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.linalg.cython_blas  # noqa: F401  # what `np.dot` calls in compiled code: loaded before threads are limited

from emulator.core.compiled import compiled

Array = npt.NDArray[Any]  # of floating-point numbers


class Layers(NamedTuple):
    """Weights and biases by layer, or the gradient by them. The actor's trunk is the first, the critic's the last."""

    first: Array  # (trunks, hidden, features)
    first_bias: Array  # (trunks, hidden)
    second: Array  # (trunks, hidden, hidden)
    second_bias: Array  # (trunks, hidden)
    actor: Array  # (M * K, hidden)
    actor_bias: Array  # (M * K,)
    critic: Array  # (1, hidden)
    critic_bias: Array  # (1,)


@compiled
def biased_tanh(values: Array, bias: Array) -> None:
    """Add the bias (units,) to values (units, rows) and replace them by the hyperbolic tangent.

    In single precision with an error of 2e-7: Lambert's continued fraction of a quarter of the argument, then twice
    the formula of the double argument, all in one quotient, without a call of a function.
    """
    if values.itemsize == 8:
        for i in range(values.shape[0]):
            values[i] = np.tanh(values[i] + bias[i])
        return
    n1, n3, n5 = np.float32(135135), np.float32(17325), np.float32(378)
    d2, d4, d6 = np.float32(62370), np.float32(3150), np.float32(28)
    largest, quarter, two = np.float32(9), np.float32(0.25), np.float32(2)  # the tangent of 9 rounds to 1
    for i in range(values.shape[0]):
        shift = bias[i]
        for j in range(values.shape[1]):
            each = quarter * max(min(values[i, j] + shift, largest), -largest)
            square = each * each
            over = each * (n1 + square * (n3 + square * (n5 + square)))
            under = n1 + square * (d2 + square * (d4 + square * d6))
            over, under = two * over * under, under * under + over * over
            values[i, j] = np.divide(two * over * under, under * under + over * over)


@compiled
def hidden_layers(layers: Layers, observations: Array, first: Array, second: Array) -> None:
    """Write the outputs of as many trunks as `first` and `second` have, for observations (rows, features)."""
    inputs = observations.T
    for trunk in range(len(first)):
        np.dot(layers.first[trunk], inputs, first[trunk])
        biased_tanh(first[trunk], layers.first_bias[trunk])
        np.dot(layers.second[trunk], first[trunk], second[trunk])
        biased_tanh(second[trunk], layers.second_bias[trunk])


@compiled
def outputs(layers: Layers, observations: Array, first: Array, second: Array, logits: Array, values: Array) -> None:
    """Write the outputs of the hidden layers, the logits (rows, M * K) without the actor's bias and the values
    (rows,)."""
    hidden_layers(layers, observations, first, second)
    np.dot(second[0].T, layers.actor.T, logits)
    np.dot(second[-1].T, layers.critic[0], values)
    values += layers.critic_bias[0]


@compiled
def logits_of(layers: Layers, observations: Array) -> Array:
    """Return the logits (rows, M * K)."""
    first = np.empty((1, layers.first.shape[1], len(observations)), observations.dtype)
    second = np.empty_like(first)
    hidden_layers(layers, observations, first, second)
    logits: Array = np.dot(second[0].T, layers.actor.T) + layers.actor_bias
    return logits


@compiled
def through_tanh(gradient: Array, outputs: Array, ones: Array, by_bias: Array) -> None:
    """Multiply the gradient by outputs of a tanh layer, (units, rows), by the derivative of tanh, and write its sums
    over rows into `by_bias` (units,). `ones`: (rows,)."""
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            gradient[i, j] -= gradient[i, j] * outputs[i, j] * outputs[i, j]
    np.dot(gradient, ones, by_bias)


@compiled
def backward(
    layers: Layers, observations: Array, first: Array, second: Array, by_hidden: Array,
    by_logits: Array, by_values: Array, ones: Array, gradient: Layers,
) -> None:  # fmt: skip
    """Write the gradient by all parameters, given those by logits (rows, M * K) and values (rows,), for observations
    (rows, features) and the outputs of the hidden layers. `second` and `by_hidden` are overwritten. `ones`: (rows,)."""
    last = len(first) - 1
    np.dot(by_logits.T, second[0].T, gradient.actor)
    np.dot(by_logits.T, ones, gradient.actor_bias)
    np.dot(second[last], by_values, gradient.critic[0])
    gradient.critic_bias[0] = np.dot(by_values, ones)
    by_hidden[last] = 0
    np.dot(layers.actor.T, by_logits.T, by_hidden[0])
    for i in range(by_hidden.shape[1]):
        weight = layers.critic[0, i]
        for j in range(by_hidden.shape[2]):
            by_hidden[last, i, j] += weight * by_values[j]
    for trunk in range(len(first)):
        through_tanh(by_hidden[trunk], second[trunk], ones, gradient.second_bias[trunk])
        np.dot(by_hidden[trunk], first[trunk].T, gradient.second[trunk])
        np.dot(layers.second[trunk].T, by_hidden[trunk], second[trunk])  # whose values are no longer needed
        through_tanh(second[trunk], first[trunk], ones, gradient.first_bias[trunk])
        np.dot(second[trunk], observations, gradient.first[trunk])
