"""What the values of a trace must keep to, looked at in one go or chunk by chunk."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

# The columns that decide when a message leaves; all others describe the channel.
BEHAVIOUR: dict[str, type[np.generic]] = {"capacity_bits": np.int64, "harq_delay_ns": np.int64, "block_lost": np.bool_}

BITS_LIMIT = 2**62  # the sum of a trace's bits: one more round of it still fits 64 bits

Columns = Mapping[str, npt.NDArray[Any]]


class Rules:
    """Takes the columns of a trace in turn (`add`) and says at the end (`finish`) whether all is well.

    Both raise ValueError with the row (slots count from 0), the value and the rule that it breaks."""

    def __init__(self, slot_ns: int, release: str) -> None:
        if not isinstance(slot_ns, int) or slot_ns < 1:
            raise ValueError(f"slot_ns={slot_ns}: must be a whole number of at least 1")
        if release not in ("fluid", "slot"):
            raise ValueError(f"release={release!r}: must be 'fluid' or 'slot'")
        self._slot_ns = slot_ns
        self._slots = 0
        self._sum_bits = 0.0

    def add(self, columns: Columns) -> None:
        """Look at the next slots."""
        if "capacity_bits" not in columns:
            raise ValueError("capacity_bits: must hold at least one slot")
        for name, values in columns.items():
            _check_type(name, values)
        slots = len(columns["capacity_bits"])
        for name, values in columns.items():
            if len(values) != slots:
                raise ValueError(f"{name}: must hold {slots} values, one a slot, not {len(values)}")
            if name in ("capacity_bits", "harq_delay_ns") and values.min(initial=0) < 0:
                row = int(np.argmax(values < 0))
                raise ValueError(f"row {self._slots + row}: {name}={values[row]}: must not be negative")
        self._add_bits(columns["capacity_bits"])

    def _add_bits(self, bits: npt.NDArray[np.int64]) -> None:
        largest = int(bits.max(initial=0))
        if largest * self._slot_ns >= 2**63:  # the product that the link's exact arithmetic forms
            row = self._slots + int(np.argmax(bits))
            raise ValueError(f"row {row}: capacity_bits={largest}: must stay below 2^63 / slot_ns; use shorter slots")
        self._slots += len(bits)
        self._sum_bits += float(bits.sum(dtype=np.float64))

    def finish(self) -> None:
        """There are no more slots."""
        if self._slots == 0:
            raise ValueError("capacity_bits: must hold at least one slot")
        if self._slots * self._slot_ns >= 2**63 or self._sum_bits >= BITS_LIMIT:
            raise ValueError(
                f"capacity_bits: {self._slots} slots must end before 2^63 ns and carry fewer than 2^62 bits in all"
            )


def _check_type(name: str, values: npt.NDArray[Any]) -> None:
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise ValueError(f"{name}: must be one number or truth value a slot, not {values.dtype}, {values.ndim}-D")
    if name in BEHAVIOUR and values.dtype != BEHAVIOUR[name]:
        raise ValueError(f"{name}: must be {np.dtype(BEHAVIOUR[name]).name}, not {values.dtype}")
