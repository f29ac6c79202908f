"""Rules for the values of a trace, checked at once or chunk by chunk."""

from typing import Any

import numpy as np
import numpy.typing as npt

from emulator.core.arrays import Columns

# The columns that decide when a message leaves; all others describe the channel.
BEHAVIOUR: dict[str, type[np.generic]] = {"capacity_bits": np.int64, "harq_delay_ns": np.int64, "block_lost": np.bool_}

BITS_LIMIT = 2**62  # for the sum of a trace's bits: twice the sum still fits 64 bits


class Rules:
    """Checks the columns of a trace chunk by chunk (`add`), then all chunks together (`finish`).

    Both raise ValueError with row (slots count from 0), value and rule if a value breaks a rule."""

    def __init__(self, slot_ns: int, release: str) -> None:
        if not isinstance(slot_ns, int) or slot_ns < 1:
            raise ValueError(f"slot_ns={slot_ns}: must be a whole number of at least 1")
        if release not in ("fluid", "slot"):
            raise ValueError(f"release={release!r}: must be 'fluid' or 'slot'")
        self._slot_ns = slot_ns
        self._slots, self._sum_bits = 0, 0.0

    def add(self, columns: Columns) -> None:
        """Check the next slots."""
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
        bits = columns["capacity_bits"]
        largest = int(bits.max(initial=0))
        if largest * self._slot_ns >= 2**63:  # the link computes this product in 64 bits
            row = self._slots + int(np.argmax(bits))
            raise ValueError(f"row {row}: capacity_bits={largest}: must stay below 2^63 / slot_ns; use shorter slots")
        self._slots += slots
        self._sum_bits += float(bits.sum(dtype=np.float64))

    def finish(self) -> None:
        """Check the whole trace, after its last slots."""
        if self._slots == 0:
            raise ValueError("capacity_bits: must hold at least one slot")
        if self._slots * self._slot_ns >= 2**63 or self._sum_bits >= BITS_LIMIT:
            limits = "must end before 2^63 ns and carry fewer than 2^62 bits in all"
            raise ValueError(f"capacity_bits: {self._slots} slots {limits}")


def _check_type(name: str, values: npt.NDArray[Any]) -> None:
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise ValueError(f"{name}: must be one number or truth value a slot, not {values.dtype}, {values.ndim}-D")
    if name in BEHAVIOUR and values.dtype != BEHAVIOUR[name]:
        raise ValueError(f"{name}: must be {np.dtype(BEHAVIOUR[name]).name}, not {values.dtype}")
