"""Units of time and of amounts of data."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

RateKind = Literal["rate", "interval", "counter", "packet"]
MS_PER_TIME_UNIT: Mapping[str, float] = {
    "s": 1e3,
    "ms": 1.0,
    "us": 1e-3,
    "µs": 1e-3,
    "ns": 1e-6,
    "min": 6e4,
    "h": 3.6e6,
}

BITS_PER_AMOUNT: Mapping[str, float] = {
    **{f"{prefix}bit": factor for prefix, factor in {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}.items()},
    **{f"{prefix}B": 8 * factor for prefix, factor in {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}.items()},
    **{f"{prefix}B": 8.0 * factor for prefix, factor in {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}.items()},
}
# What a number in the rate column is: a rate; the amount from a row to the next; a running count; a packet's size.
KIND_OF_SUFFIX: Mapping[str, RateKind] = {
    "/s": "rate",
    "/interval": "interval",
    "-counter": "counter",
    "/packet": "packet",
}
ALIASES: Mapping[str, str] = {
    **{f"{prefix}bps": f"{prefix}bit/s" for prefix in ("", "k", "M", "G")},
    **{f"bytes{suffix}": f"B{suffix}" for suffix in KIND_OF_SUFFIX},
    **{f"byte{suffix}": f"B{suffix}" for suffix in KIND_OF_SUFFIX},
}


class RateUnit(NamedTuple):
    """`bits`: bits per unit. `kind`: what a number is (see `KIND_OF_SUFFIX`)."""

    bits: float
    kind: RateKind


RATE_UNITS: Mapping[str, RateUnit] = {
    amount + suffix: RateUnit(bits, kind)
    for suffix, kind in KIND_OF_SUFFIX.items()
    for amount, bits in BITS_PER_AMOUNT.items()
}


def rate_unit(what: str, text: str) -> RateUnit:
    """Return the meaning of a unit such as `Mbit/s`, `B/interval`, `B-counter` or `B/packet`. Raises ValueError."""
    found = RATE_UNITS.get(ALIASES.get(text, text))
    if found is None:
        rates = ", ".join(name for name in RATE_UNITS if name.endswith("/s"))
        raise ValueError(f"{what}={text!r}: must be one of {rates}, or B/interval, B-counter, B/packet")
    return found
