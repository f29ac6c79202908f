"""The detector's false alarms and delays are those of published tables: average run lengths of two-sided CUSUM charts
with a drift of 0.5 and a threshold of 5 standard deviations (Montgomery, "Introduction to statistical quality control",
table 9.3): 465 observations without a change, 10.4 and 4.01 after a shift of the mean by 1 and 2."""

from math import exp, sqrt

import numpy as np
import pytest

from agents.online.self_starting_cusum import SelfStartingCusum

DRIFT, THRESHOLD = 0.5, 5.0
WITHOUT_CHANGE = 465.0
UNSCORED = 2  # the first observations have none to be compared with


def run_length(rng: np.random.Generator, shift: float, before: int) -> int | None:
    """Return the number of observations until an alarm after `before` with mean and deviation of some size; None if one
    was raised earlier."""
    mean, deviation = rng.normal(0, 10), rng.uniform(0.1, 5)
    detector = SelfStartingCusum(DRIFT, THRESHOLD)
    for _ in range(before):
        if detector.add(rng.normal(mean, deviation)):
            return None
    length = 1
    while not detector.add(rng.normal(mean + shift * deviation, deviation)):
        length += 1
    return length


def siegmund(shift: float) -> float:
    """Return Siegmund's approximation of the average run length of one side (Sequential analysis, 1985)."""
    excess, height = shift - DRIFT, THRESHOLD + 1.166
    return (exp(-2 * excess * height) + 2 * excess * height - 1) / (2 * excess**2)


def test_the_published_run_length_is_that_of_theory() -> None:
    assert siegmund(0) / 2 == pytest.approx(WITHOUT_CHANGE, rel=0.02)
    assert siegmund(1) == pytest.approx(10.4, rel=0.02)


def test_false_alarms_are_as_rare_as_published_for_a_mean_that_is_known() -> None:
    rng = np.random.default_rng(1)
    lengths = [run_length(rng, 0.0, 0) for _ in range(250)]
    found = np.array([length for length in lengths if length is not None])
    assert abs(found.mean() - WITHOUT_CHANGE - UNSCORED) < 3 * found.std() / sqrt(len(found))


@pytest.mark.parametrize(("shift", "published"), [(1.0, 10.4), (2.0, 4.01), (-2.0, 4.01)])
def test_a_change_is_found_as_soon_as_published(shift: float, published: float) -> None:
    """The mean is that of 150 observations: a little longer than with one that is known, as the shifted ones move it;
    a little shorter, as sums are not zero when the change comes."""
    rng = np.random.default_rng(2)
    lengths = [run_length(rng, shift, 150) for _ in range(400)]
    found = np.array([length for length in lengths if length is not None])
    assert 0.8 * published < found.mean() < 1.3 * published


def test_the_mean_begins_anew_at_the_change() -> None:
    rng = np.random.default_rng(3)
    detector = SelfStartingCusum(DRIFT, THRESHOLD)
    for _ in range(40):
        assert not detector.add(rng.normal(0, 1))
    while not detector.add(rng.normal(6, 1)):
        pass
    assert detector.count <= 4
    assert detector.mean == pytest.approx(6, abs=2)


def test_equal_observations_raise_no_alarm_and_the_first_other_one_soon_does() -> None:
    detector = SelfStartingCusum(DRIFT, THRESHOLD)
    assert not any(detector.add(0.25) for _ in range(1_000))
    assert any(detector.add(0.5) for _ in range(3))
