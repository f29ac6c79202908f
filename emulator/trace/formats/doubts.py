"""What looks doubtful in a recording: long gaps, stamps in bunches, rates of the application rather than the link."""

import numpy as np

from emulator.core.arrays import Flags, Floats, Ints

LONG = 10  # times the usual step
BUNCHED_SHARE = 0.05
MOSTLY = 0.5
FEW_SAMPLES = 10
SAME = 0.02
QUIET = 0.01  # of the mean rate
BURSTY = 3.0  # coefficient of variation of rates over a second; recordings of a link under load have 0.1 to 2


def time_counts(stamps_ms: Ints, hold_ms: Ints) -> dict[str, float]:
    """Return the usual step, the longest time that a sample holds, and when that begins after the start, in s."""
    longest = int(np.argmax(hold_ms))
    return {
        "usual_step_s": float(np.median(hold_ms)) / 1e3,
        "longest_hold_s": int(hold_ms[longest]) / 1e3,
        "longest_hold_at_s": int(stamps_ms[longest] - stamps_ms[0]) / 1e3,
    }


def time_notes(stamps_ms: Ints, hold_ms: Ints) -> list[str]:
    """Return a line about bunches of stamps, or one about samples that hold for more than ten usual steps."""
    steps_ms = np.diff(stamps_ms)
    if not len(steps_ms):
        return []
    notes = []
    short_ms = float(np.percentile(steps_ms, 25))
    pauses = np.flatnonzero(steps_ms >= LONG * short_ms)
    if len(pauses) >= 2 and len(pauses) >= BUNCHED_SHARE * len(steps_ms):
        whole = pauses[-1] - pauses[0]  # samples of the bunches between the first pause and the last
        even_s = float(stamps_ms[pauses[-1]] - stamps_ms[pauses[0]]) / whole / 1e3
        notes.append(
            f"stamps come in bunches: {len(pauses)} of {len(steps_ms)} steps are at least {LONG} times the others "
            f"({short_ms / 1e3:g} s), and the last of a bunch holds so long; if samples are evenly spaced, give step_s "
            f"(about {even_s:.3g})"
        )
    usual_ms = float(np.median(hold_ms))
    gaps = np.flatnonzero(hold_ms > LONG * usual_ms)
    if len(gaps) and not notes:
        counts = time_counts(stamps_ms, hold_ms)
        share = int(hold_ms[gaps].sum()) / int(hold_ms.sum())
        notes.append(
            f"gaps of more than {LONG} usual steps ({usual_ms / 1e3:g} s) are held: {len(gaps)}, {share:.1%} of the "
            f"time; the longest, {counts['longest_hold_s']:g} s, begins {counts['longest_hold_at_s']:g} s after the "
            "start; max_gap_s limits them (csv, list)"
        )
    return notes


def rate_notes(rates_bps: Floats, hold_ms: Ints) -> list[str]:
    """Return a line if the rate is about 0 most of the time or comes in bursts, or one if it is the same most of the
    time: each is more often the application's doing than the link's."""
    if len(rates_bps) < FEW_SAMPLES or rates_bps.max() <= 0:
        return []
    time_ms = int(hold_ms.sum())
    quiet = rates_bps <= QUIET * float(rates_bps @ hold_ms) / time_ms
    quiet_share = int(hold_ms[quiet].sum()) / time_ms
    variation = _variation(rates_bps, hold_ms)
    if quiet_share >= MOSTLY or variation > BURSTY:
        level = "0" if quiet.any() and not rates_bps[quiet].any() else f"at most {QUIET:.0%} of its mean"
        longest_s = max((int(hold_ms[spell].sum()) for spell in _spells(quiet)), default=0) / 1e3
        what = f"the rate is {level} for {quiet_share:.0%} of the time, at longest for {longest_s:g} s at once"
        spread = f"its coefficient of variation over seconds is {variation:.1f}"
        return [f"{what}; {spread}: perhaps the application was idle (streaming), not the link down"]
    order = np.argsort(rates_bps)
    through_ms = np.cumsum(hold_ms[order])
    middle_bps = float(rates_bps[order][np.searchsorted(through_ms, time_ms / 2)])
    share = float(hold_ms[np.abs(rates_bps - middle_bps) <= SAME * middle_bps].sum()) / time_ms
    if share < MOSTLY:
        return []
    what = f"the rate is {middle_bps / 1e6:.4g} Mbit/s, to {SAME:.0%}, for {share:.0%} of the time"
    return [f"{what}: perhaps the application's limit, not the link's"]


def _variation(rates_bps: Floats, hold_ms: Ints) -> float:
    """Return the coefficient of variation of mean rates, weighted by time: samples that begin in the same second
    count together."""
    starts_s = (np.cumsum(hold_ms) - hold_ms) // 1_000
    first = np.flatnonzero(np.diff(starts_s, prepend=-1))
    weights_ms = np.add.reduceat(hold_ms, first)
    means_bps = np.add.reduceat(rates_bps * hold_ms, first) / weights_ms
    mean_bps = float(np.average(means_bps, weights=weights_ms))
    return float(np.sqrt(np.average((means_bps - mean_bps) ** 2, weights=weights_ms))) / mean_bps


def _spells(flags: Flags) -> list[slice]:
    """Return the runs of set flags, in order."""
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False)).tolist()
    return [slice(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
