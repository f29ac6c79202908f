"""Transport block sizes, compared with known vectors and with the standard's steps in fractions."""

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.channel.air.modulation import cqi_error_target, cqi_table, mcs_of_cqi, mcs_table
from emulator.channel.air.transport_block import resource_elements, segments, tbs_bits
from emulator.channel.standard_tables import table

VECTORS = [
    (1, 12, 2, 120, 1, 24),
    (10, 12, 2, 120, 1, 304),
    (24, 12, 2, 308, 1, 1928),
    (51, 12, 4, 490, 1, 12808),
    (51, 13, 6, 666, 2, 57376),
    (106, 12, 6, 772, 2, 127080),
    (106, 12, 8, 948, 2, 208976),
    (128, 12, 6, 772, 2, 151608),
    (273, 12, 8, 948, 1, 270576),
    (273, 12, 8, 948, 2, 540776),
    (273, 13, 8, 948, 4, 1179864),
    (66, 12, 6, 873, 2, 90176),
]


@pytest.mark.parametrize(("prbs", "symbols", "order", "rate_1024", "layers", "expected"), VECTORS)
def test_sizes_equal_known_vectors(
    prbs: int, symbols: int, order: int, rate_1024: int, layers: int, expected: int
) -> None:
    assert tbs_bits(resource_elements(prbs, symbols, 12, 0), order, 2 * rate_1024, layers) == expected


def by_the_book(elements: int, order: int, rate: Fraction, layers: int) -> int:
    """TS 38.214 5.1.3.2 word by word, in fractions; logarithms by search."""
    info = elements * rate * order * layers
    if info <= 3824:
        n = max(3, floor_log2(info) - 6)
        quantised = max(24, (1 << n) * math.floor(info / (1 << n)))
        return int(min(bits for bits in table("transport_block")["bits"] if bits >= quantised))
    n = floor_log2(info - 24) - 5
    quantised = max(3840, (1 << n) * math.floor((info - 24) / (1 << n) + Fraction(1, 2)))
    if rate <= Fraction(1, 4):
        blocks = math.ceil(Fraction(quantised + 24, 3816))
    else:
        blocks = math.ceil(Fraction(quantised + 24, 8424)) if quantised > 8424 else 1
    return 8 * blocks * math.ceil(Fraction(quantised + 24, 8 * blocks)) - 24


def floor_log2(value: Fraction) -> int:
    power = 0
    while 2 ** (power + 1) <= value:
        power += 1
    return power


@given(
    elements=st.integers(1, 275 * 156),
    row=st.sampled_from([(number, mcs) for number in (1, 2, 3) for mcs in range(len(mcs_table(number).order))]),
    layers=st.integers(1, 4),
)
def test_sizes_follow_the_standards_steps(elements: int, row: tuple[int, int], layers: int) -> None:
    formats, mcs = mcs_table(row[0]), row[1]
    order, rate = int(formats.order[mcs]), int(formats.rate_2048[mcs])
    assert tbs_bits(elements, order, rate, layers) == by_the_book(elements, order, Fraction(rate, 2048), layers)


def test_a_tie_rounds_up() -> None:
    """info - 24 = 5056 = 79 x 64: half-way between steps of 128, of which the upper is 5120."""
    assert tbs_bits(5080, 2, 1024, 1) == by_the_book(5080, 2, Fraction(1, 2), 1) == 5120


@given(elements=st.integers(1, 275 * 156), number=st.sampled_from([1, 2, 3]), layers=st.integers(1, 4))
def test_code_blocks_are_equal_and_small_enough(elements: int, number: int, layers: int) -> None:
    formats = mcs_table(number)
    for order, rate in zip(formats.order.tolist(), formats.rate_2048.tolist(), strict=True):
        bits = tbs_bits(elements, order, rate, layers)
        count, size = segments(bits, rate)
        small = bits <= 292 or (bits <= 3824 and rate / 2048 <= 0.67) or rate / 2048 <= 0.25
        assert size <= (3840 if small else 8448)
        crc = 24 if bits > 3824 else 16
        assert count * size == bits + crc + (24 * count if count > 1 else 0)


def test_elements_are_capped_and_never_negative() -> None:
    assert resource_elements(10, 14, 0, 0) == 1560
    assert resource_elements(10, 3, 36, 18) == 0
    assert tbs_bits(0, 2, 240, 1) == 0


def test_layers_beyond_one_code_word_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^layers=5: must be 1 to 4"):
        tbs_bits(100, 2, 240, 5)


@pytest.mark.parametrize(("number", "first", "last"), [(1, 0.2344, 5.5547), (2, 0.2344, 7.4063), (3, 0.0586, 4.5234)])
def test_schemes_rise_in_efficiency(number: int, first: float, last: float) -> None:
    """By at most the step back of 17 from 16 of table 1, where 64QAM begins."""
    efficiency = mcs_table(number).efficiency
    assert efficiency[[0, -1]] == pytest.approx([first, last], abs=5e-5)
    assert all(above > below - 0.005 for below, above in pairwise(efficiency))
    assert all(above > below for below, above in pairwise(cqi_table(number).efficiency))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_cqi_has_an_mcs_of_its_modulation_and_rate(number: int) -> None:
    wanted = cqi_table(number)
    for index, (other, mcs) in enumerate(mcs_of_cqi(number)):
        assert mcs_table(other).order[mcs] == wanted.order[index]
        assert mcs_table(other).rate_2048[mcs] == wanted.rate_2048[index]


def test_only_the_third_table_has_a_target_of_1e_5() -> None:
    assert [cqi_error_target(number) for number in (1, 2, 3)] == [0.1, 0.1, 1e-5]


@pytest.mark.parametrize("number", [0, 4])
def test_unknown_tables_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"^mcs_table={number}: must be one of 1, 2, 3"):
        mcs_table(number)
