"""Which symbols of each slot carry data of which direction."""

from typing import get_args

import numpy as np

from emulator.channel.numerology import SYMBOLS, slot_ns
from emulator.channel.radio import Carrier, Direction, SettingError
from emulator.core.arrays import Ints
from emulator.core.units import NS_PER_MS

CONTROL_SYMBOLS = 1
"""PDCCH at the head of a slot with downlink. Engineering: with 12 elements of DM-RS a resource block it
makes an overhead of 14.3 %, next to the 14 % of TS 38.306 4.1.2."""
SHORTEST_DOWNLINK = 3
"""Symbols that a PDSCH of mapping type A takes at least: TS 38.214 Table 5.1.2.1-1."""
CONFIGURATION_NS = 20_000_000
"""Patterns begin anew every 20 ms: TS 38.213 11.1."""


def symbols(carrier: Carrier, direction: Direction) -> Ints:
    """Data symbols of each slot of the pattern, shape (slots of the pattern,); FDD is a pattern of one slot.

    Downlink: all but `CONTROL_SYMBOLS` of a D slot and of the downlink part of an S slot. Uplink: all of a
    U slot, control being at the edges of the band; the uplink part of an S slot is left to sounding and control.

    Raises ValueError when the pattern breaks a rule or leaves the direction nothing.
    """
    if direction not in get_args(Direction):
        raise ValueError(f"direction={direction!r}: must be one of {', '.join(get_args(Direction))}")
    downlink = _downlink_data(SYMBOLS)
    if not carrier.tdd:
        return np.array([downlink if direction == "downlink" else SYMBOLS], dtype=np.int64)
    _check_pattern(carrier)
    if direction == "downlink":
        each = {"D": downlink, "S": _downlink_data(carrier.special[0]), "U": 0}
    else:
        each = {"D": 0, "S": 0, "U": SYMBOLS}
    found = np.array([each[letter] for letter in carrier.tdd], dtype=np.int64)
    if not found.any():
        raise SettingError("carrier.tdd", carrier.tdd, f"must leave the {direction} at least one slot")
    return found


def _downlink_data(in_slot: int) -> int:
    left = in_slot - CONTROL_SYMBOLS
    return left if left >= SHORTEST_DOWNLINK else 0


def _check_pattern(carrier: Carrier) -> None:
    period_ns = len(carrier.tdd) * slot_ns(carrier.mu)
    if set(carrier.tdd) - set("DSU"):
        raise SettingError("carrier.tdd", carrier.tdd, "must hold D, S and U alone")
    if CONFIGURATION_NS % period_ns:
        rule = f"must fill 20 ms a whole number of times, not last {period_ns / NS_PER_MS:g} ms"
        raise SettingError("carrier.tdd", carrier.tdd, rule)
    if "S" in carrier.tdd and (min(carrier.special) < 0 or sum(carrier.special) != SYMBOLS):
        raise SettingError("carrier.special", carrier.special, f"must be {SYMBOLS} symbols, none of them negative")
