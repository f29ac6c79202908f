"""The form of a row, and what all measurements share."""

from typing import NamedTuple

from emulator.arrays import Ints

Row = dict[str, str | float]


PERCENTS = {"median": 50, "p95": 95, "p99": 99}


class Lengths(NamedTuple):
    """How long to measure: `seconds` of each kind of traffic after `settle_s` seconds that do not count, `repeats`
    times where the median counts, and so many pings."""

    seconds: int
    settle_s: int
    repeats: int
    pings: int


FULL = Lengths(seconds=10, settle_s=2, repeats=3, pings=300)
SHORT = Lengths(seconds=1, settle_s=1, repeats=1, pings=20)


def row(name: str, value: float, unit: str, peer: str, peer_value: float) -> Row:
    """As in `make bench`; a ratio to nothing is 0."""
    ratio = value / peer_value if peer_value else 0.0
    return {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "peer": peer,
        "peer_value": round(peer_value, 4),
        "ratio": round(ratio, 4),
    }


def quantile(values: Ints, percent: int) -> int:
    """The least of the values that so many percent of them do not exceed; 0 of none."""
    if not len(values):
        return 0
    ordered = sorted(values.tolist())
    return int(ordered[max(-(-len(ordered) * percent // 100) - 1, 0)])
