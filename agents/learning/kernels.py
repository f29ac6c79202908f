"""Loops of the fast PPO, compiled. Arrays have one kind of number each: single precision, or double in tests."""

from typing import NamedTuple

import numpy as np

from agents.learning.network_kernels import Array
from emulator.core.arrays import Flags, Ints
from emulator.core.compiled import compiled

MASKED = -1e30  # as a logit: its probability is 0, and finite logarithms make no NaN


class Rows(NamedTuple):
    """Arrays of the steps of a rollout; see `agents.learning.ppo.Batch`."""

    observations: Array
    masks: Flags
    actions: Ints
    log_probabilities: Array
    advantages: Array
    returns: Array


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
def gather(columns: Rows, order: Ints, out: Rows) -> None:
    """Write the rows `order` of all columns into `out`."""
    for i in range(len(order)):
        row = order[i]
        for k in range(columns.observations.shape[1]):
            out.observations[i, k] = columns.observations[row, k]
        for m in range(columns.masks.shape[1]):
            out.actions[i, m] = columns.actions[row, m]
            for k in range(columns.masks.shape[2]):
                out.masks[i, m, k] = columns.masks[row, m, k]
        out.log_probabilities[i] = columns.log_probabilities[row]
        out.advantages[i] = columns.advantages[row]
        out.returns[i] = columns.returns[row]


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
    rewards: Array, values: Array, terminated: Flags, ended: Flags, settled: Flags, discounts: Array,
    gae_lambda: float, out: Array,
) -> None:  # fmt: skip
    """Write generalised advantage estimates into `out`; see `ppo.advantages_of`."""
    number = out.dtype.type
    decay = number(gae_lambda)
    for i in range(rewards.shape[1]):
        running = number(0)
        for t in range(len(rewards) - 1, -1, -1):
            after = number(0) if terminated[t, i] else values[t + 1, i]
            error = rewards[t, i] + discounts[t, i] * after - values[t, i] if settled[t, i] else number(0)
            running = error if ended[t, i] else error + discounts[t, i] * decay * running
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
            log_total = np.log(totals[i, m])
            log_ratio += shifted[i, m, actions[i, m]] - log_total
            entropies += log_total
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
            entropies -= expected
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
