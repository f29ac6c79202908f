"""Series with known properties, and traces of them."""

import math

import numpy as np

from emulator.core.arrays import Floats
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_S
from emulator.trace import Interval, Trace


def trace_of(bits: object, slot_ns: int = NS_PER_S) -> Trace:
    return Trace(slot_ns, {"capacity_bits": np.asarray(bits, dtype=np.int64)}, lineage=(Interval("test", 0, 10**12),))


def autoregression(samples: int, time: float, seed: int) -> Floats:
    factor = math.exp(-1 / time)
    noise = generator(seed, "test", "autoregression").standard_normal(samples)
    values = np.empty(samples)
    values[0] = noise[0]
    for at in range(1, samples):
        values[at] = factor * values[at - 1] + math.sqrt(1 - factor**2) * noise[at]
    return values


def calm_spells(samples: int, seed: int) -> Floats:
    """Return a walk whose jitter is absent while it is low: an order that keeps only the autocorrelation breaks its
    spells of low rate, since jitter is then spread over all levels."""
    slow = autoregression(samples, 20, seed)
    jitter = generator(seed, "test", "jitter").standard_normal(samples)
    values: Floats = 1e6 * np.where(slow < 0, 1 + 0.1 * np.exp(slow), 4 + 3 * slow + jitter).clip(min=0.5)
    return values
