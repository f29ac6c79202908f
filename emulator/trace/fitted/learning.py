"""Makes a model of a recording's rate."""

import numpy as np

from emulator.core.arrays import Ints
from emulator.core.units import NS_PER_MS
from emulator.trace import Trace
from emulator.trace.fitted.model import MIN_SAMPLES, RateModel
from emulator.trace.fitted.rearrangement import HORIZON_PARTS

MIN_SAMPLE_NS = 100 * NS_PER_MS  # shorter samples show the scheduler, not the channel


def learn(trace: Trace, sample_ns: int | None = None) -> RateModel:
    """Return the model of the trace in samples of `sample_ns` (None: a slot, but at least 100 ms). A rest shorter than
    a sample is ignored.

    Raises ValueError if there are fewer than 16 samples, a sample is shorter than a slot, or nothing was carried."""
    sample_ns = max(trace.slot_ns, MIN_SAMPLE_NS) if sample_ns is None else sample_ns
    bits = bits_of_samples(trace, sample_ns)
    horizon_ns = len(bits) // HORIZON_PARTS * sample_ns
    return RateModel(sample_ns, horizon_ns, tuple(bits.tolist()), trace.lineage)


def bits_of_samples(trace: Trace, sample_ns: int) -> Ints:
    """Return the bits of the whole samples in one period, shape (samples,). Raises ValueError as `learn`."""
    if sample_ns < trace.slot_ns:
        raise ValueError(
            f"sample={sample_ns / NS_PER_MS:g} ms: must be at least a slot, {trace.slot_ns / NS_PER_MS:g} ms"
        )
    samples = trace.period_ns // sample_ns
    if samples < MIN_SAMPLES:
        least = f"{MIN_SAMPLES} of {sample_ns / NS_PER_MS:g} ms"
        raise ValueError(f"samples={samples}: must be at least {least}, to fit a model")
    bits: Ints = np.diff(trace.bits_before(np.arange(samples + 1) * sample_ns))
    if not bits.any():
        raise ValueError("capacity_bits: at least one sample must carry bits, to fit a model")
    return bits
