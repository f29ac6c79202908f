"""Traces that tell the CQI of each resource block group, and the weights that follow from it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.channel.air.modulation import cqi_table
from emulator.trace import Trace

STEPS = np.array([0, 1, 2, -1])  # TS 38.214 Table 5.2.2.1-1


def named_table(number: int) -> dict[str, Any]:
    """The metadata of a trace that names a CQI table, as the generator writes it."""
    return {"radio": {"adaptation": {"cqi_table": number}}}


def selective(
    capacity_bits: npt.NDArray[np.int64], cqi: int, differences: npt.NDArray[np.int64], table: int = 2
) -> Trace:
    """A trace with one wideband CQI. `differences`: the differential CQI of each group, shape (slots, groups)."""
    columns: dict[str, npt.NDArray[Any]] = {
        "capacity_bits": capacity_bits,
        "cqi": np.full(len(capacity_bits), cqi, np.int8),
        "subband_cqi": (differences << 2 * np.arange(differences.shape[1])).sum(axis=1),
    }
    return Trace(10, columns, "slot", metadata=named_table(table))


def weights(cqi: int, differences: npt.NDArray[np.int64], table: int = 2) -> npt.NDArray[np.int64]:
    """Bits per resource element x 2048 of groups with these differential CQIs, of the same shape."""
    formats = cqi_table(table)
    found: npt.NDArray[np.int64] = (formats.order * formats.rate_2048)[np.clip(cqi + STEPS[differences], 1, 15) - 1]
    return found
