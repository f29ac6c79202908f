"""Summary statistics of a trace."""

from typing import Any

import numpy as np

from emulator.core.units import NS_PER_S
from emulator.trace import Trace


def summary(trace: Trace) -> dict[str, Any]:
    """Return what `airsplit trace info` prints, ready for JSON. Percentiles and the share of zero seconds are of the
    mean rates of whole seconds; a trace shorter than a second has one value, its mean rate."""
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
        **trace.metadata.get("counts", {}),
        "notes": list(trace.metadata.get("notes", ())),
        "lineage": [interval._asdict() for interval in trace.lineage],
        "metadata": {name: value for name, value in trace.metadata.items() if name not in ("counts", "notes")},
    }


def second_rates_bps(trace: Trace) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the mean rate of each whole second, shape (seconds,), or of the whole trace if it is shorter."""
    if trace.period_ns < NS_PER_S:
        return np.array([trace.mean_rate_bps])
    edges_ns = np.arange(trace.period_ns // NS_PER_S + 1) * NS_PER_S
    return np.diff(trace.bits_before(edges_ns)).astype(np.float64)
