"""Loops of the fast PPO, compiled. Arrays have one kind of number each: single precision, or double in tests."""

from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.core.arrays import Flags, Ints
from emulator.core.compiled import compiled

Array = npt.NDArray[Any]  # of floating-point numbers
MASKED = -1e30  # as a logit: its probability is 0, and finite logarithms make no NaN


@compiled
def shift(logits: Array, bias: Array, masks: Flags) -> None:
    """Add the bias (M * K,) to logits (rows, M, K), set them to MASKED where masked, and subtract their largest."""
    lowest = logits.dtype.type(MASKED)
    rows, M, K = logits.shape
    for i in range(rows):
        for m in range(M):
            largest = lowest
            for k in range(K):
                logits[i, m, k] = logits[i, m, k] + bias[m * K + k] if masks[i, m, k] else lowest
                largest = max(largest, logits[i, m, k])
            for k in range(K):
                logits[i, m, k] -= largest


@compiled
def sums(values: Array, out: Array) -> None:
    """Write the sums of values (rows, M, K) over K into `out` (rows, M)."""
    for i in range(values.shape[0]):
        for m in range(values.shape[1]):
            total = values[i, m, 0]
            for k in range(1, values.shape[2]):
                total += values[i, m, k]
            out[i, m] = total


@compiled
def chosen(shifted: Array, totals: Array, actions: Ints, out: Array) -> None:
    """Write the log probability of actions (rows, M) into `out` (rows,). `shifted`: logits (rows, M, K) less their
    largest; `totals`: sums of their exponentials, (rows, M)."""
    for i in range(len(out)):
        out[i] = 0
        for m in range(shifted.shape[1]):
            out[i] += shifted[i, m, actions[i, m]] - np.log(totals[i, m])


@compiled
def choose(logits: Array, masks: Flags, noise: Array, actions: Ints) -> None:
    """Write into `actions` (N, M) the outcome with the largest sum of logit and noise (N, M, K) that is allowed."""
    for i in range(logits.shape[0]):
        for m in range(logits.shape[1]):
            best = -1
            for k in range(logits.shape[2]):
                if masks[i, m, k] and (
                    best < 0 or logits[i, m, k] + noise[i, m, k] > logits[i, m, best] + noise[i, m, best]
                ):
                    best = k
            actions[i, m] = best


@compiled
def advantages_of(
    rewards: Array, values: Array, terminated: Flags, ended: Flags, gamma: float, gae_lambda: float, out: Array
) -> None:
    """Write generalised advantage estimates into `out`; see `ppo.advantages_of`."""
    number = out.dtype.type
    discount, decay = number(gamma), number(gamma * gae_lambda)
    for i in range(rewards.shape[1]):
        running = number(0)
        for t in range(len(rewards) - 1, -1, -1):
            after = number(0) if terminated[t, i] else values[t + 1, i]
            error = rewards[t, i] + discount * after - values[t, i]
            running = error if ended[t, i] else error + decay * running
            out[t, i] = running


@compiled
def loss_gradient(
    shifted: Array, totals: Array, values: Array, actions: Ints, old: Array, advantages: Array, returns: Array,
    clip_coef: float, ent_coef: float, vf_coef: float,
    by_logits: Array, by_values: Array,
) -> tuple[float, float, float, float, float]:  # fmt: skip
    """Write the gradient of `ppo.minibatch_loss` by logits (rows, M, K) and values (rows,) into the last two arrays.

    `shifted` and `totals`: see `chosen`. `by_logits` has the exponentials of `shifted` before.
    Return the loss and the minibatch's means: entropy, value loss, approximate divergence, share of clipped ratios.
    """
    number = shifted.dtype.type
    rows, M, K = shifted.shape
    mean, deviation = number(advantages.mean()), number(0)
    for i in range(rows):
        deviation += (advantages[i] - mean) ** 2
    deviation = np.sqrt(deviation / number(rows - 1)) if rows > 1 else number(np.nan)
    low, high, one = number(1 - clip_coef), number(1 + clip_coef), number(1)
    share, entropy_share = number(1 / rows), number(ent_coef / rows)
    policy_loss, entropies, errors, divergence, clipped = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(rows):
        log_ratio = -old[i]
        for m in range(M):
            log_ratio += shifted[i, m, actions[i, m]] - np.log(totals[i, m])
        ratio = np.exp(log_ratio)
        scaled = (advantages[i] - mean) / (deviation + number(1e-8))
        gain, limited = ratio * scaled, min(max(ratio, low), high) * scaled
        policy_loss -= min(gain, limited)
        by_log_p = -share * gain if gain <= limited else number(0)
        divergence += ratio - one - log_ratio
        clipped += abs(ratio - one) > number(clip_coef)
        for m in range(M):
            inverse, expected = one / totals[i, m], number(0)
            for k in range(K):
                expected += by_logits[i, m, k] * shifted[i, m, k]
            expected *= inverse  # of the shifted logits
            entropies += np.log(totals[i, m]) - expected
            factor, offset = inverse * entropy_share, -inverse * (entropy_share * expected + by_log_p)
            for k in range(K):
                by_logits[i, m, k] *= factor * shifted[i, m, k] + offset
            by_logits[i, m, actions[i, m]] += by_log_p
        error = values[i] - returns[i]
        errors += error * error
        by_values[i] = number(vf_coef) * share * error
    value_loss, entropy_mean = errors / rows / 2, entropies / rows
    loss = policy_loss / rows + vf_coef * value_loss - ent_coef * entropy_mean
    return loss, entropy_mean, value_loss, divergence / rows, clipped / rows


@compiled
def biased_tanh(values: Array, bias: Array) -> None:
    """Add the bias (layers, units) to values (layers, rows, units) and replace them by the hyperbolic tangent.

    For single precision, with an error of 2e-7: Lambert's continued fraction of a quarter of the argument, then twice
    the formula of the double argument, all in one quotient. NumPy's function takes three times as long.
    """
    n1, n3, n5 = np.float32(135135), np.float32(17325), np.float32(378)
    d2, d4, d6 = np.float32(62370), np.float32(3150), np.float32(28)
    largest, quarter, two = np.float32(9), np.float32(0.25), np.float32(2)  # the tangent of 9 rounds to 1
    for layer in range(values.shape[0]):
        for i in range(values.shape[1]):
            for j in range(values.shape[2]):
                each = quarter * max(min(values[layer, i, j] + bias[layer, j], largest), -largest)
                square = each * each
                over = each * (n1 + square * (n3 + square * (n5 + square)))
                under = n1 + square * (d2 + square * (d4 + square * d6))
                over, under = two * over * under, under * under + over * over
                values[layer, i, j] = np.divide(two * over * under, under * under + over * over)


@compiled
def through_tanh(gradient: Array, outputs: Array, by_bias: Array) -> None:
    """Multiply the gradient by outputs of tanh layers (layers, rows, units) by the derivative of tanh, and write its
    sums over rows into `by_bias` (layers, units)."""
    for layer in range(gradient.shape[0]):
        by_bias[layer] = 0
        for i in range(gradient.shape[1]):
            for j in range(gradient.shape[2]):
                each = gradient[layer, i, j] - gradient[layer, i, j] * outputs[layer, i, j] * outputs[layer, i, j]
                gradient[layer, i, j] = each
                by_bias[layer, j] += each


@compiled
def adam_step(
    values: Array, gradient: Array, mean: Array, square: Array, step: int, learning_rate: float, max_norm: float
) -> None:
    """Scale the gradient down to `max_norm` and take a step of Adam (Kingma and Ba 2015, arXiv 1412.6980) with decays
    0.9 and 0.999 and epsilon 1e-5. `step` counts from 1."""
    number = values.dtype.type
    length = number(0)
    for i in range(len(gradient)):
        length += gradient[i] * gradient[i]
    scale = number(min(1.0, max_norm / (np.sqrt(length) + 1e-6)))
    rate = number(learning_rate / (1 - 0.9**step))
    root, epsilon = number(1 / np.sqrt(1 - 0.999**step)), number(1e-5)
    slow, fast, slower, faster = number(0.9), number(0.1), number(0.999), number(0.001)
    for i in range(len(values)):
        each = scale * gradient[i]
        mean[i] = slow * mean[i] + fast * each
        square[i] = slower * square[i] + faster * each * each
        values[i] -= np.divide(rate * mean[i], np.sqrt(square[i]) * root + epsilon)
