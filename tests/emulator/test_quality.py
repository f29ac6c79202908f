"""Interpolation in a quality table: exact at what was measured, linear between, refused beyond."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.quality import QualityRow, QualityTable

PACKETS, BURSTS = "packets:1500/none/zero", "bursts:1500x4/none/zero"


def row(cut: int, codec: str, delivery: str, level: float, loss: float) -> QualityRow:
    return QualityRow(cut, codec, delivery, level, loss, loss - 0.1, loss + 0.2, 0.9)


TABLE = QualityTable(
    "toy",
    "nats a token",
    2.5,
    (
        row(1, "int8", "", 0.0, 0.01),
        row(1, "int4", "", 0.0, 0.05),
        row(1, "int8", PACKETS, 0.2, 1.0),
        row(1, "int8", PACKETS, 0.1, 0.4),
        row(1, "int8", BURSTS, 0.1, 0.3),
        row(1, "int4", BURSTS, 0.1, 0.37),
        row(3, "int8", "", 0.0, 0.0),
    ),
)


def test_measured_points_are_returned() -> None:
    assert TABLE.loss(1, "int4") == 0.05
    assert TABLE.loss(1, "int8", PACKETS, 0.1) == pytest.approx(0.4)
    assert TABLE.loss(1, "int8", PACKETS, 0.2) == pytest.approx(1.0)
    assert TABLE.interval(1, "int8", PACKETS, 0.2) == pytest.approx((0.9, 1.2))
    assert TABLE.loss(1, "int4", BURSTS, 0.1) == pytest.approx(0.37)


@given(st.floats(0, 0.2))
def test_linear_between(share: float) -> None:
    wanted = 0.01 + 3.9 * share if share <= 0.1 else 0.4 + 6 * (share - 0.1)
    assert TABLE.loss(1, "int8", PACKETS, share) == pytest.approx(wanted)
    # A pair that was not measured: shifted by the difference of the codecs.
    assert TABLE.loss(1, "int4", PACKETS, share) == pytest.approx(0.04 + wanted)
    low, high = TABLE.interval(1, "int4", PACKETS, share)
    assert low < TABLE.loss(1, "int4", PACKETS, share) < high


def test_a_curve_begins_with_the_codec_alone() -> None:
    curve = TABLE.curve(1, "int4", PACKETS)
    assert curve.levels.tolist() == [0.0, 0.1, 0.2]
    assert curve.losses == pytest.approx([0.05, 0.44, 1.04])
    assert np.allclose(curve.lows, [-0.05, 0.34, 0.94])
    assert TABLE.curve(1, "int4", BURSTS).losses == pytest.approx([0.05, 0.37])


def test_what_was_measured() -> None:
    assert TABLE.cuts == (1, 3)
    assert TABLE.codecs == ("int4", "int8")
    assert TABLE.deliveries == (BURSTS, PACKETS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2, "int8"), "cut=2: quality of toy was measured for 1, 3"),
        ((1, "fp16"), "codec=fp16: quality of toy was measured for int4, int8"),
        (
            (1, "int8", "tokens/none/zero", 0.1),
            f"cut=1: delivery=tokens/none/zero: quality of toy was measured for {BURSTS}, {PACKETS}",
        ),
        ((3, "int8", PACKETS, 0.1), f"cut=3: delivery={PACKETS}: quality of toy was measured for none"),
        ((1, "int8", PACKETS, 0.21), "erased_share=0.21: toy was measured from 0 to 0.2"),
        ((1, "int8", "", 0.1), "erased_share=0.1: toy was measured from 0 to 0"),
        ((1, "int8", PACKETS, math.nan), "erased_share=nan: toy was measured from 0 to 0.2"),
    ],
)
def test_refusals(arguments: tuple[int, str, str, float], message: str) -> None:
    for method in (TABLE.loss, TABLE.interval):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            method(*arguments)
