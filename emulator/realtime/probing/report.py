"""What probing found of each link: the rate and the delay that real packets met, beside the schedule's."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from emulator.core.csv_table import write_table

FILLED = 0.99  # of the scheduled rate: a queue that is never empty evens out the rest


class ProbeReport(NamedTuple):
    """One direction. A figure that too few packets tell of is None: a link without coverage at that time, or so
    slow that nothing of use crosses it in the time that probing has. Rates count IP bytes.

    The flood keeps the link's queue filled. `scheduled_rate_bps` is what the link, in its cell alone with the
    background, could carry of it; `offered_rate_bps`, how fast the packets came to the link; `measured_rate_bps`, how
    fast they reached the other host. The last two below the first: this machine cannot fill the link.

    The train is of single small packets. A real delay is from just before the sending call to the kernel's stamp in
    the other host, a scheduled one from the packet's arrival at the relay to the release: their difference is what
    stacks, wake-ups and the relay add. Lateness is that of all packets, flood and train: real departure less release.
    """

    link: int
    source: str
    target: str
    at_ns: int
    """Of the trace: when the flood began, or would have."""
    flood_packets: int
    """That came to the link, in the last attempt."""
    flood_received: int
    scheduled_rate_bps: float | None
    offered_rate_bps: float | None
    measured_rate_bps: float | None
    train_packets: int
    train_received: int
    scheduled_delay_ns: int | None
    """Median, as are the next two."""
    measured_delay_ns: int | None
    delay_error_ns: int | None
    delay_error_p99_ns: int | None
    lateness_p99_ns: int | None
    unlogged_packets: int
    """That were sent and that the relay does not tell of: must be 0; else there are no figures."""
    unseen_packets: int
    """That the relay delivered and the other host did not get: must be 0."""

    @property
    def is_filled(self) -> bool:
        """Whether the flood came as fast as the link could carry it. Where it did not, the rate is that of this
        machine; False where nothing is known."""
        offered_bps, scheduled_bps = self.offered_rate_bps, self.scheduled_rate_bps
        return offered_bps is not None and scheduled_bps is not None and offered_bps >= FILLED * scheduled_bps

    @property
    def rate_error(self) -> float | None:
        """The measured rate relative to the scheduled one, less 1; None where either is not known."""
        if self.scheduled_rate_bps is None or self.measured_rate_bps is None:
            return None
        return self.measured_rate_bps / self.scheduled_rate_bps - 1.0


def write_probe_reports(path: Path, rows: Iterable[ProbeReport]) -> None:
    """Write a CSV file, a row per direction and `rate_error` as the last column; what is not known is empty. Appears
    whole or not at all."""
    write_table(path, (*ProbeReport._fields, "rate_error"), ((*row, row.rate_error) for row in rows))
