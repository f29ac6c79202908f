"""Stamps of a clock that is set: saw-teeth are one series, a fall to the start for good is a further recording."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from emulator.core.arrays import Ints
from emulator.trace.formats import import_trace
from emulator.trace.formats.clocks import RESTART_MS, beginnings, clock_notes, regular_steps

STEP_MS = 100


@st.composite
def saw_teeth(draw: st.DrawFn, true_ms: Ints) -> Ints:
    """Draw a series whose clock is right at the first and at the last value: between, some stamps are ahead by 1 to
    20 s, and those after them go back by 5 to 24 s for a while."""
    shift_ms = np.zeros(len(true_ms), np.int64)
    last = len(true_ms) - 1
    for _ in range(draw(st.integers(1, 6))):
        at, top, low = draw(st.tuples(st.integers(1, last - 1), st.integers(1, 4), st.integers(0, 60)))
        forward_ms, back_ms = draw(st.tuples(st.integers(1_000, 20_000), st.integers(5_000, 24_000)))
        shift_ms[at : min(at + top, last)] = forward_ms
        shift_ms[min(at + top, last) : min(at + top + low, last)] = min(forward_ms - back_ms, 0)
    return true_ms + shift_ms


def stamps(count: int, gaps: list[tuple[int, int]]) -> Ints:
    """Return stamps of a right clock, in ms, with gaps (index of the value after, steps left out)."""
    steps = np.ones(count, np.int64)
    for at, length in gaps:
        steps[1 + at % (count - 1)] += length
    return np.cumsum(steps) * STEP_MS


def list_file(path: Path, stamps_ms: Ints, rates_mbps: Ints) -> Path:
    lines = ["Run 1", ",".join(str(at / 1e3) for at in stamps_ms), ",".join(map(str, rates_mbps))]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("stamps_ms", "steps"),
    [
        ([83, 183, 283, 383], [0, 1, 2, 3]),
        ([0, 100, 200, 6_600, 6_700], [0, 1, 2, 66, 67]),  # a gap that stays
        ([0, 100, 200, 1_150, 400, 500, 600], [0, 1, 2, 3, 4, 5, 6]),  # one stamp far ahead
        ([1_800, 1_900, 1_300, 1_400, 1_500, 2_300], [0, 1, 2, 3, 4, 5]),  # set back, later set right
        ([1_800, 1_900, 1_300, 1_400, 1_500, 3_300], [0, 1, 2, 3, 4, 15]),  # and then a gap
        ([0, 100, 200, 270, 370], [0, 1, 2, 3, 4]),  # jitter
        ([9_000, 9_100, 9_200, 0, 100, 400, 500, 600], [0, 1, 2, 3, 4, 7, 8, 9]),  # the clock starts again
    ],
)
def test_a_gap_needs_the_agreement_of_later_timestamps(stamps_ms: list[int], steps: list[int]) -> None:
    found, step_ms = regular_steps(np.array(stamps_ms))
    assert (found.tolist(), step_ms) == (steps, 100)


@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=50),
    st.lists(st.tuples(st.integers(0, 48), st.integers(-20, 20)), max_size=8),
)
def test_every_value_takes_one_step(gaps: list[int], wrong: list[tuple[int, int]]) -> None:
    """Whatever a clock does within the limit, values keep their order, and none is merged or lost. Where it is
    right, its steps are those of the stamps."""
    true = np.cumsum([0, *gaps])
    np.testing.assert_array_equal(regular_steps(true * 100)[0] * (regular_steps(true * 100)[1] // 100), _to_step(true))
    stamps = true * 100
    for index, shift in wrong:
        stamps[index % len(stamps)] += shift * 100
    if (np.diff(stamps) > 0).any():
        steps, step_ms = regular_steps(stamps)
        assert steps[0] == 0 and (np.diff(steps) >= 1).all() and step_ms >= 100


def _to_step(true: np.ndarray) -> np.ndarray:
    """What whole steps of the commonest length make of exact stamps, in units of 100 ms, by a loop."""
    gaps = np.diff(true)
    lengths, counts = np.unique(gaps, return_counts=True)
    step = int(lengths[np.argmax(counts)])
    ahead = [round(int(at - true[0]) / step) - index for index, at in enumerate(true)]
    return np.array([index + max(min(ahead[index:]), 0) for index in range(len(true))]) * step


@given(st.data(), st.integers(30, 300), st.lists(st.tuples(st.integers(0, 299), st.integers(1, 50)), max_size=3))
def test_saw_teeth_change_neither_duration_nor_order(
    data: st.DataObject, count: int, gaps: list[tuple[int, int]]
) -> None:
    """Each value keeps its place in the order and its step; gaps that the true clock shows are as long together."""
    true_ms = stamps(count, gaps)
    toothed_ms = data.draw(saw_teeth(true_ms))
    assume(_usual(toothed_ms) == STEP_MS)
    assert not len(beginnings(toothed_ms))
    steps, step_ms = regular_steps(toothed_ms)
    assert step_ms == STEP_MS and (np.diff(steps) >= 1).all()
    assert (steps[0], steps[-1] * STEP_MS) == (0, true_ms[-1] - true_ms[0])
    if not gaps:
        np.testing.assert_array_equal(steps, np.arange(count))
    assert bool(clock_notes(toothed_ms)) == bool((np.diff(toothed_ms) < 0).any())


@given(st.data(), st.integers(150, 300), st.integers(2, 200), st.integers(0, 40))
def test_two_recordings_in_one_line_follow_each_other(data: st.DataObject, first: int, second: int, later: int) -> None:
    """The second begins where the first did, up to 4 s later. Each keeps its own gaps."""
    gaps = st.lists(st.tuples(st.integers(0, 299), st.integers(1, 20)), max_size=2)
    parts = stamps(first, data.draw(gaps)), stamps(second, data.draw(gaps)) + later * STEP_MS
    joined = np.concatenate(parts)
    assert beginnings(joined).tolist() == [first]
    steps, _ = regular_steps(joined)
    spans = [int(part[-1] - part[0]) // STEP_MS for part in parts]
    assert steps[first - 1 :][:2].tolist() == [spans[0], spans[0] + 1] and steps[-1] == spans[0] + 1 + spans[1]
    assert clock_notes(joined)[-1].startswith(
        f"stamps begin anew at value {first + 1} ({joined[first] / 1e3:g} s after"
    )


def test_recording_of_522_s_with_teeth_imports_as_without(tmp_path: Path) -> None:
    """60 teeth, ahead by 1 to 20 s for one value, then 0.8 s behind for 8: the pattern of phones that drive."""
    rng = np.random.default_rng(1)
    true_ms = np.arange(5_220) * STEP_MS
    toothed_ms = true_ms.copy()
    for at, forward_ms in zip(range(60, 5_160, 85), rng.integers(4_500, 20_000, 60).tolist(), strict=True):
        toothed_ms[at] += forward_ms
        toothed_ms[at + 1 : at + 9] -= 800
    rates_mbps = rng.integers(0, 100, len(true_ms))
    clean, toothed = (
        import_trace(list_file(tmp_path / "a.list", each, rates_mbps), "list") for each in (true_ms, toothed_ms)
    )
    assert toothed.period_ns == 522_000_000_000 and toothed.sha256 == clean.sha256
    assert toothed.cumulative_bits[-1] == rates_mbps.sum() * 100_000
    assert [
        note
        for note in toothed.metadata["notes"]
        if note.startswith("stamps go back at 60 of 5220 values, by up to 20.")
    ]
    assert "notes" not in clean.metadata or not clean.metadata["notes"]


@pytest.mark.parametrize(
    ("stamps_ms", "begun"),
    [
        ([*range(100, 9_000, 100), 0, 100, 200], [89]),  # a counter of time that begins again at 0
        ([0, *range(6_000, 7_000, 100), 1_000, 1_100, 1_200], []),  # back to the count: the clock was set
        ([*range(0, 60_000, 100), 40_000, 40_100], []),  # not to the start: set back and not right again
        ([*range(0, 8_000, 100), 1_000, 1_100, 8_200], []),  # near the start, but the count is reached again
        ([*range(0, 3_000, 100), 0, 100], []),  # a fall of at most RESTART_MS
    ],
)
def test_recording_begins_anew_where_stamps_fall_to_the_start_for_good(stamps_ms: list[int], begun: list[int]) -> None:
    assert RESTART_MS == 5_000
    assert beginnings(np.array(stamps_ms)).tolist() == begun


def test_one_second_out_of_order_is_mended_and_said() -> None:
    stamps_ms = np.array([0, 1, 2, 4, 3, 5, 6, 7]) * 1_000
    assert regular_steps(stamps_ms)[0].tolist() == list(range(8))
    (note,) = clock_notes(stamps_ms)
    assert note.startswith(
        "stamps go back at 1 of 8 values, by up to 1 s: the clock was set, so each value takes a step of 1 s"
    )


def _usual(stamps_ms: Ints) -> int:
    differences = np.diff(stamps_ms)
    lengths, counts = np.unique(differences[differences > 0], return_counts=True)
    return int(lengths[np.argmax(counts)])
