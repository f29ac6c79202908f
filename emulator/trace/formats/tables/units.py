"""Units of time and of amounts of data."""

import re
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


# Units that columns' names say: a rate; sizes of packets; amounts that are no rates; times.
NAMED_RATE = re.compile(r"(?P<prefix>[kmg]i?)?(?P<amount>bits?|bytes?|b)[ _]?(?:/|p(?:er_?)?)[ _]?s", re.I)
NAMED_PACKET = re.compile(r"((frame|ip|udp|tcp)[._]len|len(gth)?|(packet|pkt)[ _.]?(size|len(gth)?))", re.I)
NAMED_AMOUNT = re.compile(r"(?P<prefix>[kmg]i?)?(?P<amount>bits?|bytes?)(?![a-z])", re.I)
NAMED_TIME: Mapping[str, re.Pattern[str]] = {
    unit: re.compile(rf"(?:^|[_ \[(./]|(?-i:(?<=[a-z])(?=[MUN])))(?:{words})[\])]?$", re.I)
    for unit, words in {
        "ms": "ms|msecs?|millis(econds?)?",
        "us": "us|µs|usecs?|micros(econds?)?",
        "ns": "ns|nsecs?|nanos(econds?)?",
        "min": "mins?|minutes",
        "h": "h|hours?",
    }.items()
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


def named_rate_unit(name: str) -> str | None:
    """Return the unit that the name of a rate's column says, `B/packet` for sizes of packets; None if it says none."""
    if found := NAMED_RATE.search(name):
        return f"{_amount(found)}/s"
    return "B/packet" if NAMED_PACKET.fullmatch(name) else None


def named_amount(name: str) -> str | None:
    """Return the unit of an amount of data that a column's name says, without time: `B`, `kbit`; None if it says
    none."""
    found = NAMED_AMOUNT.search(name)
    return _amount(found) if found else None


def named_time_unit(name: str) -> str | None:
    """Return ms, us, ns, min or h if the end of a column's name says so."""
    return next((unit for unit, end in NAMED_TIME.items() if end.search(name)), None)


def _amount(found: re.Match[str]) -> str:
    """Return an amount such as `Mbit` or `KiB`. A lone letter is a byte if it is a capital among small ones."""
    prefix = (found["prefix"] or "").lower()
    shown = {"": "", "k": "k", "ki": "Ki"}.get(prefix, prefix.capitalize())
    capital = found["amount"] == "B" and not found[0].isupper()
    return f"{shown}{'B' if capital or found['amount'].lower().startswith('byte') else 'bit'}"
