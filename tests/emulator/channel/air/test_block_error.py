"""Error curves and effective SINR: tabulated points and limits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.channel.air.block_error import (
    ErrorCurve,
    betas,
    block_error,
    effective_sinr,
    error_curve,
    least_sinr_db,
    ten_percent_points_db,
)
from emulator.channel.air.modulation import mcs_table
from emulator.channel.standard_tables import table

SIZES = (24, 100, 500, 1000, 2000)
SINRS = st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=18)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_curves_pass_through_every_tabulated_point(number: int) -> None:
    rows = table("bler")["tables"][str(number)]
    tabulated = 0
    for row, points in enumerate(rows["snr_db"]):
        for size, tenth_db in zip(SIZES, points, strict=True):
            if tenth_db is not None:
                each = error_curve(number, rows["first_mcs"] + row, size, 1.5)
                assert block_error(tenth_db + 1.5, *each, 1.0) == pytest.approx(0.1, rel=1e-9)
                tabulated += 1
    assert tabulated > 90


@pytest.mark.parametrize("number", [1, 2, 3])
def test_missing_points_have_the_gap_to_shannon_of_their_neighbour(number: int) -> None:
    points = ten_percent_points_db(number)
    assert points.shape == (len(mcs_table(number).order), len(SIZES))
    gap_db = points - 10 * np.log10(2 ** mcs_table(number).efficiency[:, None] - 1)
    first = table("bler")["tables"][str(number)]["first_mcs"]
    assert gap_db[:first] == pytest.approx(np.tile(gap_db[first], (first, 1)))
    assert np.all(gap_db > 0)  # no code is better than Shannon's, holes included


def test_a_missing_point_above_the_table_is_filled_from_below() -> None:
    points = ten_percent_points_db(1)
    shannon_db = 10 * np.log10(2 ** mcs_table(1).efficiency - 1)
    for mcs in (27, 28):
        assert points[mcs, 1] - shannon_db[mcs] == pytest.approx(points[26, 1] - shannon_db[26])


def test_points_are_interpolated_in_the_logarithm_of_the_size_and_held_beyond() -> None:
    def tenth_db(size: int) -> float:
        return least_sinr_db(0.1, error_curve(2, 10, size, 0.0), 1)

    middle = round(math.sqrt(100 * 500))
    assert tenth_db(middle) == pytest.approx((tenth_db(100) + tenth_db(500)) / 2, abs=2e-3)
    assert tenth_db(8448) == pytest.approx(tenth_db(2000))
    assert tenth_db(8) == pytest.approx(tenth_db(24))


def test_longer_blocks_have_steeper_curves() -> None:
    """The slope at the middle, measured: 10 per dB at 3840 bits, doubled at four times the size."""
    for size, slope in ((3840, 10.0), (960, 5.0)):
        each = error_curve(1, 4, size, 0.0)
        passes = [block_error(each.middle_db + step, *each, 1.0) for step in (-1e-4, 1e-4)]
        logits = [math.log(p / (1 - p)) for p in passes]
        assert (logits[0] - logits[1]) / 2e-4 == pytest.approx(slope, rel=1e-6)


@given(sinr_db=st.floats(-60, 60), slope=st.floats(0.5, 20), blocks=st.integers(1, 150), middle_db=st.floats(-10, 30))
def test_a_block_passes_when_all_its_code_blocks_do(
    sinr_db: float, slope: float, blocks: int, middle_db: float
) -> None:
    each = ErrorCurve(middle_db, slope)
    one = block_error(sinr_db, *each, 1.0)
    assert one == pytest.approx(1 / (1 + math.exp(min(700.0, slope * (sinr_db - middle_db)))), rel=1e-9)
    assert block_error(sinr_db, *each, float(blocks)) == pytest.approx(1 - (1 - one) ** blocks, rel=1e-9, abs=1e-13)


@given(error=st.floats(1e-6, 0.999), size=st.integers(24, 8448), blocks=st.integers(1, 150))
def test_least_sinr_inverts_block_error(error: float, size: int, blocks: int) -> None:
    each = error_curve(2, 12, size, 2.0)
    assert block_error(least_sinr_db(error, each, blocks), *each, float(blocks)) == pytest.approx(error, rel=1e-9)


@given(sinr=SINRS, beta=st.floats(1.0, 140.0))
def test_the_effective_sinr_lies_between_the_worst_and_the_mean(sinr: list[float], beta: float) -> None:
    """And is the definition's, where that does not underflow; equal SINRs are their own."""
    values = np.array(sinr)
    shares = np.full(len(values), 1 / len(values))
    found = effective_sinr(values, shares, beta)
    assert values.min() * (1 - 1e-9) <= found <= values.mean() * (1 + 1e-9)
    if values.min() / beta < 600:
        plain = -beta * math.log(shares @ np.exp(-values / beta))
        assert found == pytest.approx(plain, rel=1e-6, abs=1e-9 * beta)
    assert effective_sinr(np.full(len(values), sinr[0]), shares, beta) == pytest.approx(sinr[0], rel=1e-9)


def test_groups_are_weighted_by_their_resource_blocks() -> None:
    parted = effective_sinr(np.array([1.0, 1.0, 1.0, 5.0]), np.full(4, 0.25), 2.0)
    assert effective_sinr(np.array([1.0, 5.0]), np.array([0.75, 0.25]), 2.0) == pytest.approx(parted)


def test_the_same_scheme_has_the_same_beta_in_every_table() -> None:
    """Tables 1 and 2 as the source has them, where they share a row; table 3 takes over those of table 1."""
    known: dict[tuple[int, int], float] = {}
    for number in (1, 2, 3):
        formats = mcs_table(number)
        assert len(betas(number)) == len(formats.order)
        for order, rate, beta in zip(formats.order, formats.rate_2048, betas(number), strict=True):
            assert known.setdefault((int(order), int(rate)), beta) == beta
