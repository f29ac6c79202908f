"""The resource grid of a carrier, the data symbols of each direction, and the peak rate."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from emulator.channel.duplex import symbols
from emulator.channel.numerology import group_offsets_hz, group_prbs, peak_rate_bps, prbs, slot_ns
from emulator.channel.radio import Carrier, Direction

PLAIN = Carrier()
MILLIMETRE = Carrier(28e9, 100e6, 3)


@pytest.mark.parametrize(("mu", "expected"), [(0, 1_000_000), (1, 500_000), (2, 250_000), (3, 125_000), (4, 62_500)])
def test_a_slot_halves_with_each_numerology(mu: int, expected: int) -> None:
    assert slot_ns(mu) == expected


@pytest.mark.parametrize(
    ("carrier", "expected"),
    [
        (Carrier(700e6, 10e6, 0), 52),
        (Carrier(2.1e9, 20e6, 0), 106),
        (Carrier(3.5e9, 40e6, 1), 106),
        (Carrier(3.5e9, 100e6, 1), 273),
        (Carrier(3.5e9, 60e6, 2), 79),
        (Carrier(28e9, 100e6, 2), 132),
        (Carrier(28e9, 100e6, 3), 66),
        (Carrier(28e9, 400e6, 3), 264),
        (Carrier(28e9, 400e6, 4), 132),
    ],
)
def test_resource_blocks_fit_their_channel(carrier: Carrier, expected: int) -> None:
    """TS 38.101-1 and -2 Table 5.3.2-1; what they occupy leaves guard bands."""
    assert prbs(carrier) == expected
    assert 0.7 < expected * 12 * 15e3 * 2**carrier.mu / carrier.bandwidth_hz < 1


@pytest.mark.parametrize(
    ("carrier", "rule"),
    [
        (replace(PLAIN, mu=5), "carrier.mu=5: must be 0, 1, 2, 3 or 4"),
        (replace(PLAIN, mu=3), "carrier.mu=3: must be a spacing of FR1: 15, 30, 60 kHz, not 120 kHz"),
        (replace(PLAIN, bandwidth_hz=33e6), "carrier.bandwidth_hz=3.3e+07: must be 5, 10, 15"),
        (replace(PLAIN, carrier_hz=10e9), "carrier.carrier_hz=1e+10: must be 0.41 to 7.125 GHz (FR1) or"),
        (
            replace(MILLIMETRE, bandwidth_hz=10e6),
            "carrier.bandwidth_hz=1e+07: must be 50, 100, 200, 400 MHz at 120 kHz in FR2",
        ),
    ],
)
def test_a_grid_outside_the_standard_is_refused_in_one_line(carrier: Carrier, rule: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(rule)}"):
        prbs(carrier)


@pytest.mark.parametrize(
    ("mhz", "count", "size", "groups"), [(10, 24, 2, 12), (20, 51, 4, 13), (40, 106, 8, 14), (100, 273, 16, 18)]
)
def test_groups_are_of_configuration_1(mhz: float, count: int, size: int, groups: int) -> None:
    carrier = replace(PLAIN, bandwidth_hz=mhz * 1e6)
    sizes = group_prbs(carrier)
    assert sizes.sum() == count
    assert len(sizes) == groups
    assert set(sizes[:-1]) == {size}
    assert 0 < sizes[-1] <= size


def test_groups_are_adjacent_and_centred_on_the_carrier() -> None:
    offsets, sizes = group_offsets_hz(PLAIN), group_prbs(PLAIN)
    widths = sizes * 12 * 30e3
    for (left, left_width), (right, right_width) in pairwise(zip(offsets, widths, strict=True)):
        assert right - left == pytest.approx((left_width + right_width) / 2)
    assert offsets @ widths == pytest.approx(0, abs=1)  # the middle of them all is the carrier's
    assert offsets[0] - widths[0] / 2 == pytest.approx(-53 * 12 * 30e3)


@pytest.mark.parametrize(
    ("tdd", "special", "downlink", "uplink"),
    [
        ("DDDSU", (10, 2, 2), [13, 13, 13, 9, 0], [0, 0, 0, 0, 14]),
        ("DDDDDDDSUU", (6, 4, 4), [13] * 7 + [5, 0, 0], [0] * 8 + [14, 14]),
        ("DSUU", (3, 9, 2), [13, 0, 0, 0], [0, 0, 14, 14]),  # two symbols after control: too short for a block
        ("", (10, 2, 2), [13], [14]),
    ],
)
def test_a_pattern_assigns_the_symbols(
    tdd: str, special: tuple[int, int, int], downlink: list[int], uplink: list[int]
) -> None:
    carrier = replace(PLAIN, tdd=tdd, special=special)
    assert symbols(carrier, "downlink").tolist() == downlink
    assert symbols(carrier, "uplink").tolist() == uplink


@pytest.mark.parametrize(
    ("carrier", "direction", "rule"),
    [
        (replace(PLAIN, tdd="DDX"), "downlink", "carrier.tdd=DDX: must hold D, S and U alone"),
        (
            replace(PLAIN, tdd="DDDSUU"),
            "downlink",
            "carrier.tdd=DDDSUU: must fill 20 ms a whole number of times, not last 3 ms",
        ),
        (replace(PLAIN, special=(10, 2, 3)), "downlink", "carrier.special=(10, 2, 3): must be 14 symbols"),
        (replace(PLAIN, tdd="DDDSS"), "uplink", "carrier.tdd=DDDSS: must leave the uplink at least one slot"),
        (PLAIN, "sidelink", "direction='sidelink': must be one of"),
    ],
)
def test_invalid_patterns_are_refused(carrier: Carrier, direction: Direction, rule: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(rule)}"):
        symbols(carrier, direction)


def test_the_peak_rate_is_that_of_the_formula() -> None:
    """100 MHz at 30 kHz, four layers, 256QAM: the 2.34 Gbit/s that data sheets name; written out a second time."""
    carrier = Carrier(3.5e9, 100e6, 1)
    symbol_s = 1e-3 / (14 * 2)
    expected = 1e-6 * 4 * 8 * (948 / 1024) * 273 * 12 / symbol_s * (1 - 0.14)
    assert peak_rate_bps(carrier, "downlink", 8, 4) == pytest.approx(expected * 1e6, rel=1e-12)
    assert peak_rate_bps(carrier, "downlink", 8, 4) == pytest.approx(2.337e9, rel=1e-3)
    ratio = peak_rate_bps(carrier, "uplink", 6, 4) / peak_rate_bps(carrier, "downlink", 6, 4)
    assert ratio == pytest.approx(0.92 / 0.86)


def test_a_slot_has_about_the_overhead_of_the_formula() -> None:
    """Control and DM-RS leave 144 and 156 of 168 elements: TS 38.306 counts 14 % and 8 % (within a point)."""
    for direction, overhead in (("downlink", 0.14), ("uplink", 0.08)):
        data = symbols(replace(PLAIN, tdd=""), direction)[0] * 12 - PLAIN.dmrs_re  # type: ignore[arg-type]  # parametrised
        assert 1 - data / 168 == pytest.approx(overhead, abs=0.01)
    assert np.all(symbols(PLAIN, "downlink") >= 0)
