"""How much of everything is measured, and the quantiles of measured values."""

from typing import NamedTuple

from emulator.core.arrays import Ints

PERCENTS = {"median": 50, "p95": 95, "p99": 99}


class Lengths(NamedTuple):
    """`seconds` of each kind of traffic after `settle_s` seconds that do not count; `repeats` of measurements whose
    median counts; `pings` of a round-trip time; the cases and the constant rates; `emulated_s` seconds of the
    quickstart's emulation, and the number of killed emulations."""

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


def quantile(values: Ints, percent: int) -> int:
    """Return the least value that at least `percent` percent of the values do not exceed; 0 without values."""
    if not len(values):
        return 0
    ordered = sorted(values.tolist())
    return int(ordered[max(-(-len(ordered) * percent // 100) - 1, 0)])
