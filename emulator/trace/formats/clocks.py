"""Times of values that come at a fixed step, from the stamps of a clock that is set meanwhile.

A phone's clock that is set back and right again makes the stamps of its log saw-tooth: ahead by some seconds, back by
more, ahead again, while values go on at their step. A jump ahead that stamps take back later is thus no gap.
"""

import numpy as np

from emulator.core.arrays import Ints

RESTART_MS = 5_000  # setting a phone's clock leaves its stamps less than this behind the count of values


def regular_steps(stamps_ms: Ints) -> tuple[Ints, int]:
    """Return the times of a series in steps from the first value, shape as `stamps_ms`, and the length of a step.

    The step is the most common difference of timestamps. Each value takes one step. A gap is added only if the
    timestamp and all later ones are ahead of the count; other deviations mean that the clock was set. Where stamps
    begin anew (`beginnings`), the count goes on with the next step, and stamps are compared with later ones of the
    same recording alone.
    """
    step_ms = _usual_step_ms(stamps_ms)
    parts: list[Ints] = []
    begin = 0
    for part in np.split(stamps_ms, beginnings(stamps_ms)):
        gaps = _later(np.minimum, _ahead(part, step_ms))
        parts.append(begin + np.arange(len(part)) + np.maximum(gaps, 0))
        begin = int(parts[-1][-1]) + 1
    return np.concatenate(parts), step_ms


def beginnings(stamps_ms: Ints) -> Ints:
    """Return the indices of values with which a further recording begins, in order.

    There the stamps fall by more than `RESTART_MS` to the first stamp, or to at most `RESTART_MS` after it, and all
    later stamps stay more than `RESTART_MS` behind the count of values. After any other fall the clock was set."""
    step_ms = _usual_step_ms(stamps_ms)
    falls = np.diff(stamps_ms) < -RESTART_MS
    to_the_start = stamps_ms[1:] <= stamps_ms[0] + RESTART_MS
    behind_for_good = _later(np.maximum, _ahead(stamps_ms, step_ms))[1:] * step_ms < -RESTART_MS
    found: Ints = np.flatnonzero(falls & to_the_start & behind_for_good) + 1
    return found


def clock_notes(stamps_ms: Ints) -> tuple[str, ...]:
    """Return a line about stamps that were corrected because they go back, and one about recordings that follow."""
    differences = np.diff(stamps_ms)
    falls = np.flatnonzero(differences < 0) + 1
    begun = beginnings(stamps_ms)
    taken_back = np.setdiff1d(falls, begun)
    notes = []
    if len(taken_back):
        most_s = -int(differences[taken_back - 1].min()) / 1e3
        steps, step_ms = regular_steps(stamps_ms)
        gaps_s = (int(steps[-1]) + 1 - len(steps)) * step_ms / 1e3
        notes.append(
            f"stamps go back at {len(taken_back)} of {len(stamps_ms)} values, by up to {most_s:g} s: the clock was "
            f"set, so each value takes a step of {step_ms / 1e3:g} s, and a jump ahead is a gap only if all later "
            f"stamps stay ahead of the count ({gaps_s:g} s of gaps are held)"
        )
    notes += [
        f"stamps begin anew at value {at + 1} ({stamps_ms[at] / 1e3:g} s after {stamps_ms[at - 1] / 1e3:g} s): "
        "the recordings follow each other without a gap"
        for at in begun.tolist()
    ]
    return tuple(notes)


def _usual_step_ms(stamps_ms: Ints) -> int:
    """Return the most common difference of stamps that go on, the shortest of equals."""
    differences = np.diff(stamps_ms)
    lengths, counts = np.unique(differences[differences > 0], return_counts=True)
    return int(lengths[np.argmax(counts)])


def _ahead(stamps_ms: Ints, step_ms: int) -> Ints:
    """Return how many steps each stamp is ahead of the count of values from the first stamp on, shape as stamps."""
    ahead: Ints = np.rint((stamps_ms - stamps_ms[0]) / step_ms).astype(np.int64) - np.arange(len(stamps_ms))
    return ahead


def _later(extreme: np.ufunc, values: Ints) -> Ints:
    """Return the minimum or maximum of each value and all later ones, shape as `values`."""
    found: Ints = extreme.accumulate(values[::-1])[::-1]
    return found
