"""The form of a row, and what all measurements share."""

from typing import NamedTuple

from emulator.core.arrays import Ints

Row = dict[str, str | float]


PERCENTS = {"median": 50, "p95": 95, "p99": 99}


class Lengths(NamedTuple):
    """What is measured, and how long: `seconds` of each kind of traffic after `settle_s` seconds that do not count,
    `repeats` times where the median counts, and so many pings; which of the cases and of the constant rates; seconds
    of the quickstart's emulation, and how many are killed."""

    seconds: int
    settle_s: int
    repeats: int
    pings: int
    cases: tuple[str, ...]
    rates_mbps: tuple[int, ...]
    emulated_s: int
    kills: int


FULL = Lengths(10, 2, 3, 300, ("constant", "lte", "nr", "cell"), (100, 500, 1_000), 60, 10)
SHORT = Lengths(1, 0, 1, 20, ("constant", "nr", "cell"), (500,), 0, 0)


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
