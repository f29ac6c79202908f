"""Units at the ends of keys: a key in another unit than the known one."""

from collections.abc import Container
from decimal import Decimal
from typing import NamedTuple

# Powers of ten of the units of one quantity.
QUANTITIES: tuple[dict[str, int], ...] = (
    {"b": 0, "bytes": 0, "kb": 3, "mb": 6, "gb": 9},
    {"bytes_per_s": 0, "kb_per_s": 3, "mb_per_s": 6, "gb_per_s": 9},
    {"bps": 0, "kbps": 3, "mbps": 6, "gbps": 9},
    {"ns": -9, "us": -6, "ms": -3, "s": 0},
    {"hz": 0, "khz": 3, "mhz": 6, "ghz": 9},
    {"flops": 0, "mflops": 6, "gflops": 9, "tflops": 12},
    {"mw": -3, "w": 0, "kw": 3},
    {"m": 0, "km": 3},
)


class Respelling(NamedTuple):
    """A known key, and a value in its unit as text; the value is empty if it is not one number."""

    key: str
    value: str


def in_known_unit(key: str, value: object, known: Container[str]) -> Respelling | None:
    """Return a quantity by the known key, such as `memory_mb: 8000` for `memory_gb: 8`; None if there is no such key.
    The conversion is exact."""
    for quantity in QUANTITIES:
        for unit, power in quantity.items():
            stem = key.lower().removesuffix(f"_{unit}")
            if stem == key.lower() or stem.endswith("_per"):  # a rate per time is not in proportion to the time's unit
                continue
            for other, other_power in quantity.items():
                if f"{stem}_{other}" in known:
                    return Respelling(f"{stem}_{other}", _scaled(value, power - other_power))
    return None


def _scaled(value: object, power: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    number = Decimal(str(value))
    return f"{number.scaleb(power).normalize():f}" if number.is_finite() and abs(number) < Decimal("1e18") else ""
