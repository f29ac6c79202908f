"""A trace in a few numbers."""

from typing import Any

import numpy as np

from emulator.core.units import NS_PER_S
from emulator.trace import Trace


def summary(trace: Trace) -> dict[str, Any]:
    """What `airsplit trace info` prints, ready for JSON. The percentiles and the share of zeros are of
    the rates over whole seconds from the start; a trace shorter than one counts as one stretch."""
    rates_bps = second_rates_bps(trace)
    p5, p50, p95 = (float(np.percentile(rates_bps, q)) for q in (5, 50, 95))
    return {
        "mean_rate_bps": trace.mean_rate_bps,
        "duration_ns": trace.period_ns,
        "slot_ns": trace.slot_ns,
        "slots": len(trace),
        "release": trace.release,
        "columns": sorted(trace.columns),
        "sha256": trace.sha256,
        "rate_1s_p5_bps": p5,
        "rate_1s_p50_bps": p50,
        "rate_1s_p95_bps": p95,
        "zero_seconds_share": float(np.mean(rates_bps == 0)),
        "zero_slots_share": float(np.mean(trace.capacity_bits == 0)),
        "lineage": [interval._asdict() for interval in trace.lineage],
        "metadata": dict(trace.metadata),
    }


def second_rates_bps(trace: Trace) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The mean rate of each whole second, shape (whole seconds,); of the whole trace when it has none."""
    if trace.period_ns < NS_PER_S:
        return np.array([trace.mean_rate_bps])
    edges_ns = np.arange(trace.period_ns // NS_PER_S + 1) * NS_PER_S
    return np.diff(trace.bits_before(edges_ns)).astype(np.float64)
