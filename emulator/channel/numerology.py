"""The resource grid of a carrier: slots, resource blocks and resource block groups."""

from typing import Any

import numpy as np

from emulator.channel.radio import Carrier, Direction, SettingError
from emulator.channel.standard_tables import table
from emulator.core.arrays import Floats, Ints

SYMBOLS = 14  # a slot with the normal cyclic prefix: TS 38.211 Table 4.3.2-1
SUBCARRIERS = 12  # a resource block: TS 38.211 4.4.4.1
LARGEST_MU = 4


def slot_ns(mu: int) -> int:
    """Return the length of a slot: 2^-mu ms (TS 38.211 4.3.2). Raises ValueError for an unknown numerology."""
    if mu not in range(LARGEST_MU + 1):
        raise SettingError("carrier.mu", mu, "must be 0, 1, 2, 3 or 4")
    return 1_000_000 >> mu


def subcarrier_hz(mu: int) -> float:
    """Return the subcarrier spacing: 15 x 2^mu kHz (TS 38.211 Table 4.2-1)."""
    return 15e3 * (1 << mu)


def frequency_range(carrier_hz: float) -> str:
    """Return FR1 or FR2 (TS 38.101-1 Table 5.1-1). Raises ValueError for a frequency of neither."""
    ranges = table("prb")["ranges"]
    for name, each in ranges.items():
        if each["lowest_mhz"] * 1e6 <= carrier_hz <= each["highest_mhz"] * 1e6:
            return str(name)
    limits = " or ".join(
        f"{each['lowest_mhz'] / 1e3:g} to {each['highest_mhz'] / 1e3:g} GHz ({name})" for name, each in ranges.items()
    )
    raise SettingError("carrier.carrier_hz", f"{carrier_hz:g}", f"must be {limits}")


def prbs(carrier: Carrier) -> int:
    """Return the number of resource blocks in the carrier (TS 38.101-1 and -2 Table 5.3.2-1).

    Raises ValueError if the standard has no such bandwidth at this spacing and frequency.
    """
    slot_ns(carrier.mu)
    name = frequency_range(carrier.carrier_hz)
    by_spacing: dict[str, dict[str, int]] = table("prb")["ranges"][name]["resource_blocks"]
    khz = f"{15 * 2**carrier.mu}"
    if khz not in by_spacing:
        rule = f"must be a spacing of {name}: {', '.join(by_spacing)} kHz, not {khz} kHz"
        raise SettingError("carrier.mu", carrier.mu, rule)
    mhz = f"{carrier.bandwidth_hz / 1e6:g}"
    if mhz not in by_spacing[khz]:
        rule = f"must be {', '.join(by_spacing[khz])} MHz at {khz} kHz in {name}"
        raise SettingError("carrier.bandwidth_hz", f"{carrier.bandwidth_hz:g}", rule)
    return by_spacing[khz][mhz]


def group_prbs(carrier: Carrier) -> Ints:
    """Return the resource blocks of each resource block group, shape (groups,): the size in configuration 1 of
    TS 38.214 Table 5.1.2.2.1-1 for a bandwidth part as wide as the carrier; the last group has the rest."""
    count, groups = prbs(carrier), table("prb")["groups"]
    size = int(groups["group_size"][np.searchsorted(groups["up_to_resource_blocks"], count)])
    edges = np.append(np.arange(0, count, size, dtype=np.int64), count)
    return np.diff(edges)


def group_offsets_hz(carrier: Carrier) -> Floats:
    """Return the centre frequency of each resource block group relative to the carrier's, shape (groups,)."""
    sizes = group_prbs(carrier)
    middles = np.cumsum(sizes) - sizes / 2 - prbs(carrier) / 2
    return middles * SUBCARRIERS * subcarrier_hz(carrier.mu)


def peak_rate_bps(carrier: Carrier, direction: Direction, modulation_order: int, layers: int) -> float:
    """Return the approximate peak rate of TS 38.306 4.1.2, with all slots in this direction and scaling factor 1."""
    rule: dict[str, Any] = table("peak_rate")
    symbols_per_s = SYMBOLS * 1e9 / slot_ns(carrier.mu)
    overhead = rule["overhead"][frequency_range(carrier.carrier_hz)][direction]
    bits = layers * modulation_order * rule["highest_code_rate_1024"] / 1024
    return float(bits * prbs(carrier) * SUBCARRIERS * symbols_per_s * (1 - overhead))
