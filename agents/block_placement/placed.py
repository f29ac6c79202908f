"""What the blocks of a placement take, without queues: entries of the tables of `PlacementForm`, in a compiled loop."""

from typing import NamedTuple

import numpy as np

from emulator.core.arrays import Floats, Ints
from emulator.core.compiled import compiled


class PlacedTimes(NamedTuple):
    """Times of each block in seconds, shape (B, M): those of `transfers_s`, of `service_s`, and of `delay_table_s`."""

    transfers_s: Floats
    services_s: Floats
    delays_s: Floats

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> "PlacedTimes":
        """Return arrays to be filled."""
        return cls(*np.empty((3, *shape)))


@compiled
def fill(
    sizes_bytes: Floats, work_flop: Floats, rates: Floats, flops_per_s: Floats,
    server_link_rate: float, returns_cost: bool, placements: Ints,
    transfers_s: Floats, services_s: Floats, delays_s: Floats,
) -> None:  # fmt: skip
    """Write the times of placements (B, M) into the last three arrays. `flops_per_s` (K,); other arrays are those of a
    `SlotBatch` of B slots or one."""
    blocks = placements.shape[1]
    for i in range(len(placements)):
        row, before = i if len(work_flop) > 1 else 0, 0
        for m in range(blocks):
            place, size = placements[i, m], sizes_bytes[row, m]
            transfer_s = 0.0
            if place != before:
                if place > 0 and before > 0:
                    transfer_s = size / server_link_rate
                elif place > 0 or returns_cost:
                    transfer_s = size / rates[row, m, max(place, before) - 1]
            service_s = work_flop[row, m] / flops_per_s[place]
            transfers_s[i, m], services_s[i, m], delays_s[i, m] = transfer_s, service_s, transfer_s + service_s
            before = place
        if returns_cost and before > 0:
            delays_s[i, -1] += sizes_bytes[row, -1] / rates[row, -1, before - 1]
