"""Notes on rates that are more often the application's doing than the link's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.arrays import Floats
from emulator.trace.formats.doubts import BURSTY, rate_notes


def second(length: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.full(length, 1_000)


def test_streaming_with_long_pauses_near_zero_is_told() -> None:
    """20 s of every 250 s at 50 Mbit/s, else keep-alive messages: coefficient of variation sqrt(0.92 / 0.08) = 3.4."""
    rates_bps = np.where(np.arange(1_000) % 250 < 20, 50e6, 8e3)
    (note,) = rate_notes(rates_bps, second(1_000))
    assert note == (
        "the rate is at most 1% of its mean for 92% of the time, at longest for 230 s at once; its coefficient of "
        "variation over seconds is 3.4: perhaps the application was idle (streaming), not the link down"
    )


def test_bursts_over_a_background_are_told() -> None:
    rates_bps = np.where(np.arange(1_000) % 100 == 0, 1e9, 1e6)
    (note,) = rate_notes(rates_bps, second(1_000))
    assert note.startswith("the rate is at most 1% of its mean for 0% of the time")
    assert "variation over seconds is 9.0" in note


@pytest.mark.parametrize("mean_bps", [1e5, 1e8])
def test_faded_rate_is_no_doubt(mean_bps: float) -> None:
    """Exponentially distributed rates vary by 1."""
    rates_bps = np.random.default_rng(1).exponential(mean_bps, 600)
    assert rate_notes(rates_bps, second(600)) == []


def test_samples_of_a_second_count_together() -> None:
    """Samples of 10 ms, of which one in 20 carries most: they vary by about 4, seconds hardly."""
    rates_bps = np.where(np.arange(2_000) % 20 == 0, 1e8, np.random.default_rng(1).uniform(1e5, 1e6, 2_000))
    assert rates_bps.std() / rates_bps.mean() > BURSTY
    assert rate_notes(rates_bps, np.full(2_000, 10)) == []


@given(
    st.lists(st.floats(0, 1e9), min_size=10, max_size=60).filter(lambda rates: max(rates) > 1),
    st.integers(1, 5),
)
def test_coefficient_of_variation_decides(rates: list[float], repeats: int) -> None:
    """Samples of whole seconds: numpy's own standard deviation over mean."""
    rates_bps: Floats = np.repeat(np.array(rates), repeats)
    expected = rates_bps.std() / rates_bps.mean()
    notes = rate_notes(np.array(rates), second(len(rates)) * repeats)
    if expected > BURSTY + 1e-9:
        assert f"its coefficient of variation over seconds is {expected:.1f}" in notes[0]
    assert len(notes) <= 1
