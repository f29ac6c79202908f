"""The report of a probed link: rate and delay of real packets beside those of the schedule."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from emulator.core.csv_table import write_table

FILLED = 0.99  # of the scheduled rate: a queue that is never empty compensates for the rest


class ProbeReport(NamedTuple):
    """The report of one link. A value is None if too few packets crossed the link: it had no coverage at that time or
    is too slow. Rates count IP bytes.

    A flood keeps the link's queue filled. `scheduled_rate_bps`: the rate that the link, alone in its cell with the
    background traffic, could carry; `offered_rate_bps`: the rate of arrivals at the link; `measured_rate_bps`: the rate
    at the other host. If the last two are below the first, this machine cannot fill the link.

    A train consists of single small packets. A measured delay lasts from just before the sending call to the kernel's
    stamp in the other host, a scheduled delay from the arrival at the relay to the release; network stacks, wake-ups
    and the relay cause their difference. Lateness, real departure less release, is that of all packets.
    """

    link: int
    source: str
    target: str
    at_ns: int
    """Start of the flood, in time of the trace, also if the link could carry none."""
    flood_packets: int
    """Packets of the last attempt that arrived at the link."""
    flood_received: int
    scheduled_rate_bps: float | None
    offered_rate_bps: float | None
    measured_rate_bps: float | None
    train_packets: int
    train_received: int
    scheduled_delay_ns: int | None
    """A median, as are the next two."""
    measured_delay_ns: int | None
    delay_error_ns: int | None
    delay_error_p99_ns: int | None
    lateness_p99_ns: int | None
    unlogged_packets: int
    """Packets that were sent but not logged: must be 0; otherwise there are no other values."""
    unseen_packets: int
    """Packets that the relay delivered but the other host did not receive: must be 0."""

    @property
    def is_filled(self) -> bool:
        """Whether the flood arrived as fast as the link could carry it, so that the measured rate is the link's and not
        this machine's; False if a rate is unknown."""
        offered_bps, scheduled_bps = self.offered_rate_bps, self.scheduled_rate_bps
        return offered_bps is not None and scheduled_bps is not None and offered_bps >= FILLED * scheduled_bps

    @property
    def rate_error(self) -> float | None:
        """The measured rate relative to the scheduled one, minus 1; None if either is unknown."""
        if self.scheduled_rate_bps is None or self.measured_rate_bps is None:
            return None
        return self.measured_rate_bps / self.scheduled_rate_bps - 1.0


def write_probe_reports(path: Path, rows: Iterable[ProbeReport]) -> None:
    """Write a CSV file with a row for each link and `rate_error` as the last column; unknown values are empty. The file
    appears complete or not at all."""
    write_table(path, (*ProbeReport._fields, "rate_error"), ((*row, row.rate_error) for row in rows))
