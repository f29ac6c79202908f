"""Lateness of real departures against the schedule, per link and over all links, streamed from the relay's log."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emulator.core.arrays import Ints
from emulator.realtime.packet_log import DELIVERED
from emulator.realtime.verification.log_reader import rows

LEADING = 8  # leading bits of a value that bins distinguish
HALF = 1 << (LEADING - 1)
BINS = (53 - LEADING + 2) * HALF  # up to 2^53 ns, a hundred days


class Lateness(NamedTuple):
    """Real departure less release of the `packets` delivered. `early` packets left before their release, which must not
    happen. The quantiles exceed the exact ones by at most 1/128; `max_ns` is exact. All are 0 without packets."""

    packets: int
    early: int
    median_ns: int
    p99_ns: int
    max_ns: int


class Latenesses(NamedTuple):
    """Lateness over all links, and of each link that delivered packets, by its index."""

    overall: Lateness
    links: Mapping[int, Lateness]


def lateness(log: Path) -> Latenesses:
    """Compute the lateness from a relay's log in one pass and constant memory. Raises as `log_reader.rows` does."""
    counts: dict[int, Ints] = {}
    early: dict[int, int] = {}
    latest_ns: dict[int, int] = {}
    for batch in rows(log):
        delivered = batch[batch["outcome"] == DELIVERED]
        late_ns = delivered["departure_ns"] - delivered["release_ns"]
        for link in np.unique(delivered["link"]).tolist():
            own_ns = late_ns[delivered["link"] == link]
            early[link] = early.get(link, 0) + int((own_ns < 0).sum())
            latest_ns[link] = max(latest_ns.get(link, 0), int(own_ns.max()))
            bins = np.bincount(bin_of(np.maximum(own_ns, 0)), minlength=BINS)
            counts[link] = counts.get(link, 0) + bins
    links = {link: _summed(counts[link], early[link], latest_ns[link]) for link in sorted(counts)}
    together = np.sum(list(counts.values()), axis=0) if counts else np.zeros(BINS, np.int64)
    return Latenesses(_summed(together, sum(early.values()), max(latest_ns.values(), default=0)), links)


def bin_of(values: Ints) -> Ints:
    """Return the bin of each value of 0..2^53: the value itself if it is short, else by its length and leading bits."""
    _, length = np.frexp(values.astype(np.float64))
    beyond = np.maximum(length.astype(np.int64) - LEADING, 0)
    bins: Ints = beyond * HALF + (values >> beyond)
    return bins


def top_of(place: int) -> int:
    """Return the greatest value in a bin."""
    beyond = max(place // HALF - 1, 0)
    return ((place - beyond * HALF + 1) << beyond) - 1


def _summed(counts: Ints, early: int, latest_ns: int) -> Lateness:
    packets = int(counts.sum())
    through = np.cumsum(counts)
    median_ns, p99_ns = (
        min(top_of(int(np.searchsorted(through, -(-packets * percent // 100)))), latest_ns) if packets else 0
        for percent in (50, 99)
    )
    return Lateness(packets, early, median_ns, p99_ns, latest_ns)
