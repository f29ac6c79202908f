"""Data symbols of each slot, by direction: FDD, and TDD patterns."""

from typing import get_args

import numpy as np

from emulator.channel.numerology import SYMBOLS, slot_ns
from emulator.channel.radio import Carrier, Direction, SettingError
from emulator.core.arrays import Ints
from emulator.core.units import NS_PER_MS

CONTROL_SYMBOLS = 1
"""PDCCH at the start of a slot with downlink. Engineering: with 12 DM-RS elements per resource block the overhead is
14.3 %; TS 38.306 4.1.2 has 14 %."""
MIN_DOWNLINK_SYMBOLS = 3
"""Shortest PDSCH of mapping type A: TS 38.214 Table 5.1.2.1-1."""
CONFIGURATION_NS = 20_000_000
"""TDD patterns restart every 20 ms: TS 38.213 11.1."""


def symbols(carrier: Carrier, direction: Direction) -> Ints:
    """Return the data symbols of each slot of the pattern, shape (slots of the pattern,); FDD has one slot.

    Downlink: a D slot, or the downlink part of an S slot, without `CONTROL_SYMBOLS`. Uplink: a whole U slot, as control
    is at the edges of the band; the uplink part of an S slot is used for sounding and control.

    Raises ValueError if the pattern breaks a rule or has no slot for the direction.
    """
    if direction not in get_args(Direction):
        raise ValueError(f"direction={direction!r}: must be one of {', '.join(get_args(Direction))}")
    downlink = _downlink_data(SYMBOLS)
    if not carrier.tdd:
        return np.array([downlink if direction == "downlink" else SYMBOLS], dtype=np.int64)
    _check_pattern(carrier)
    if direction == "downlink":
        by_letter = {"D": downlink, "S": _downlink_data(carrier.special[0]), "U": 0}
    else:
        by_letter = {"D": 0, "S": 0, "U": SYMBOLS}
    found = np.array([by_letter[letter] for letter in carrier.tdd], dtype=np.int64)
    if not found.any():
        raise SettingError("carrier.tdd", carrier.tdd, f"must leave the {direction} at least one slot")
    return found


def _downlink_data(in_slot: int) -> int:
    left = in_slot - CONTROL_SYMBOLS
    return left if left >= MIN_DOWNLINK_SYMBOLS else 0


def _check_pattern(carrier: Carrier) -> None:
    period_ns = len(carrier.tdd) * slot_ns(carrier.mu)
    if set(carrier.tdd) - set("DSU"):
        raise SettingError("carrier.tdd", carrier.tdd, "must hold D, S and U alone")
    if CONFIGURATION_NS % period_ns:
        rule = f"must fill 20 ms a whole number of times, not last {period_ns / NS_PER_MS:g} ms"
        raise SettingError("carrier.tdd", carrier.tdd, rule)
    if "S" in carrier.tdd and (min(carrier.special) < 0 or sum(carrier.special) != SYMBOLS):
        raise SettingError("carrier.special", carrier.special, f"must be {SYMBOLS} symbols, none of them negative")
