"""Throughput of the codecs of activations, beside NumPy's own conversion to float16 in the same run."""

from collections.abc import Callable, Iterator
from time import perf_counter_ns

import numpy as np

from benchmarks.rows import Row, row
from emulator.activation.codec import Values
from emulator.activation.codecs import CODECS
from emulator.core.randomness import generator

SHAPE = (512, 576)  # tokens and elements of a prompt's activation in a small language model
REPEATS = 15


def activation() -> Values:
    """Return an activation with heavy tails, as those of language models have."""
    values: Values = generator(1, "codecs", "activation").standard_t(3, SHAPE).astype(np.float32)
    return values


def mb_per_s(function: Callable[[], object], size_bytes: int) -> float:
    """Return the best of some repetitions, in MB of float32 values a second: others can only take time away."""
    times_ns = []
    for _ in range(REPEATS):
        began_ns = perf_counter_ns()
        function()
        times_ns.append(perf_counter_ns() - began_ns)
    return size_bytes / min(times_ns) * 1e3


def rows() -> Iterator[Row]:
    """Yield two rows for each codec; 1 MB is a million bytes of float32 values, whatever the codec makes of them."""
    values = activation()
    halves = values.astype(np.float16)
    peers = {
        "encode": mb_per_s(lambda: values.astype(np.float16), values.nbytes),
        "decode": mb_per_s(lambda: halves.astype(np.float32), values.nbytes),
    }
    for name, codec in CODECS.items():
        payload = codec.encode(values)
        for way, function in (
            ("encode", lambda codec=codec: codec.encode(values)),
            ("decode", lambda codec=codec, payload=payload: codec.decode(payload, SHAPE)),
        ):
            measured = mb_per_s(function, values.nbytes)
            yield row(f"codec_{name}_{way}", measured, "MB/s", "numpy float16 conversion MB/s", peers[way])
